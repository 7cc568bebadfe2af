//! The server's side of WebSocket (RFC 6455), as far as MQTT needs it (MQTT 5.0 section 6), without I/O.
//!
//! [`Upgrade::read`] reads the request that a connection begins with, and says what to answer. Then [`Frames`] takes
//! what arrives, in any cut, and passes on what is in binary frames as it comes: no frame is ever kept, so
//! neither its length nor the number of its fragments needs a limit. [`write_binary_header`] stands before what is sent.
//!
//! The crate knows nothing of sockets, time and MQTT packets.
//!
//! ```
//! use flux_websocket::{Frames, Heard};
//!
//! let (mut frames, mut payload) = (Frames::default(), Vec::new());
//! let masked = [0x82, 0x82, 1, 2, 3, 4, 0xC0 ^ 1, 0x00 ^ 2];
//! assert_eq!(frames.read(&masked, &mut payload), Ok(Heard::default()));
//! assert_eq!(payload, [0xC0, 0x00]);
//! ```

mod frames;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod origin;
mod upgrade;
mod write;

pub use frames::{FrameError, Frames, Heard};
pub use origin::Origins;
pub use upgrade::{Refusal, SubProtocol, Upgrade, UpgradeRules};
pub use write::{CLOSE_NORMAL, write_binary_header, write_close, write_pong};
