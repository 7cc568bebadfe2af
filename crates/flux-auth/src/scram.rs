//! SCRAM-SHA-256 (RFC 5802, RFC 7677): a password is proven without being sent.
//!
//! For the exchange of AUTH packets (MQTT 5.0 section 4.12). The server's side is a value: client-first goes into
//! [`ScramExchange::begin`], client-final into [`ScramExchange::finish`], and what they return goes to the client. It
//! keeps no password, and whoever steals a [`ScramKeys`] cannot log in with it.

mod exchange;
mod keys;
mod login;
mod message;

pub use self::exchange::{ScramError, ScramExchange};
pub use self::keys::{ParseScramKeysError, ScramKeys, ScramKeysError};
pub(crate) use self::login::ScramLogin;

/// What clients call it (RFC 7677).
pub(crate) const METHOD: &str = "SCRAM-SHA-256";
