//! Signed tokens (JWT, RFC 7519) in place of passwords.
//!
//! A key knows which algorithm it is for, and no token can talk it into another: `alg` in the header of a token
//! chooses among the keys, never what is done with one. There is no key for `none`.

mod authenticator;
mod claims;
mod jwk;
mod keys;
#[cfg(test)]
mod tests;

pub use self::authenticator::{TokenAuthenticator, TokenSettings, WallClock};
pub use self::claims::ClaimError;
pub use self::keys::{ParseKeyError, TokenError, TokenKeys};
