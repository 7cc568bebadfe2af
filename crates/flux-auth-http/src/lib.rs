//! Who may connect to an MQTT broker, asked over HTTP.
//!
//! [`HttpCallback`] is a link of a [`Chain`](flux_auth::Chain) that shows an address what a client shows, and does as it is
//! told. [`keep_keys_fresh`] fetches the keys of tokens again and again. Both go through an [`HttpClient`](flux_http::HttpClient), which is one
//! thread with a runtime of its own: what waits for it may run on any.
//!
//! Everything fails closed: whoever cannot be asked about does not get in, and is told to come back later.

mod breaker;
mod cache;
mod callback;
mod key_set;
mod question;
mod turns;

pub use self::callback::{CallbackSettings, HttpCallback};
pub use self::key_set::{KeySet, keep_keys_fresh};
