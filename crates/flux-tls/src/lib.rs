//! Certificates of an MQTT broker: read from files, checked, reloaded while connections live.
//!
//! A [`TlsConfig`] is made of [`TlsSettings`], which name files. What is wrong with a file is said in a
//! sentence: which file, which line, what was expected. [`TlsConfig::server_config`] is what rustls shakes
//! hands with; [`TlsConfig::reload`] reads all files anew and takes all of them or none.
//!
//! A reload of certificates and keys leaves sessions resumable. When the authorities of clients or what they
//! have revoked change, all tickets and cached sessions are void, since a resumed session is not
//! verified again; [`TlsConfig::admit`] tells which live connections would be refused now. For the same reason no
//! session can be resumed when a certificate of its client has expired.
//!
//! The crate deliberately knows no sockets, no timers and no threads: whoever serves connections keeps
//! the time-out of handshakes, and whoever has a timer calls [`TlsConfig::reload_if_changed`].
//!
//! ```no_run
//! use flux_tls::{Protocol, TlsConfig, TlsSettings};
//!
//! let tls = TlsConfig::load(TlsSettings::new("server.crt", "server.key"))?;
//! let connection = rustls::ServerConnection::new(tls.server_config(Protocol::Mqtt));
//! # Ok::<(), flux_tls::LoadTlsError>(())
//! ```

mod authorities;
mod certificate;
mod chain;
mod config;
mod file;
mod identity;
mod key;
mod pem;
mod problem;
mod resumption;
mod server_names;
mod settings;
mod stamp;
mod validity;
mod warning;

#[cfg(test)]
mod tests;

pub use certificate::{CertificateName, ClientCertificate, Fingerprint};
pub use config::{CertificateInUse, Reloaded, TlsConfig, WeakTlsConfig};
pub use identity::{AdmitError, client_certificate};
pub use problem::{FileError, LoadTlsError, Problem};
pub use settings::{
    CertificateFiles, ClientCertificates, Protocol, TlsSettings, TlsVersion, UnknownWord,
};
pub use warning::TlsWarning;

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
