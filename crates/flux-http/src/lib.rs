//! An HTTP client for a broker: [`HttpClient`], one thread with a runtime of its own. What waits for it may run on any.
//!
//! It speaks HTTP/1.1 with one address, with or without TLS, and holds the certificate against authorities in a file or
//! those of the system. How much waits, how long, and how long an answer may be, are bounded.

mod client;

pub use self::client::{
    HttpClient, HttpClientSettings, HttpError, ParseAddressError, StartHttpClientError,
};
