//! Fixed work for the broker core: clients as values, packets made beforehand, no sockets, no threads.
//!
//! A [`Scene`] is a [`flux_mqtt::Core`] with one or two workers and clients. A [`Script`] is what the
//! clients do, every byte of it prepared; to play it does little but call the workers. So what is
//! measured while it plays is the broker, and it is the same work every time.
//!
//! A [`Path`] is one thing that brokers do much of, with its scene and its script. `cargo xtask bench
//! --counts` has valgrind count the instructions of each (the binary of this crate), `cargo bench -p
//! flux-bench` times how some of them grow.
//!
//! ```
//! use flux_bench::{Path, play};
//!
//! let path = Path::named("single-qos1").expect("there is such a path");
//! let mut work = path.prepare();
//! play(&mut work.scene, &work.measured);
//! assert_eq!(work.scene.take_answers(), work.measured.answers());
//! ```

mod hands;
mod packets;
mod path;
mod scene;
mod script;

pub use packets::Version;
pub use path::{Path, Work, connects, delivery_among, fan_out};
pub use scene::{Peer, Scene, play};
pub use script::Script;
