//! What an operator chooses.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use thiserror::Error;

use crate::certificate::CertificateName;

/// What a listener with TLS uses. All files are PEM.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsSettings {
    /// The certificate for clients that ask for no name, or for a name that no other one has.
    pub certificate: CertificateFiles,
    /// Further certificates, each for the DNS names that it holds, wildcards included. Several may have
    /// the same name: then the first one whose key the client can verify is used.
    pub further_certificates: Vec<CertificateFiles>,
    /// Whether clients show a certificate. Default: off.
    pub client_certificates: ClientCertificates,
    /// The certificates of the authorities that may sign those of clients.
    pub client_ca: Vec<PathBuf>,
    /// Revocation lists. When there are some, every authority between a client's certificate and one of
    /// `client_ca`, that one included, needs a list: who is signed by another one is refused. A list that is older
    /// than it says it should get is used all the same, with a warning.
    pub crl: Vec<PathBuf>,
    /// Whether connections end when their client's certificate has been revoked, or its authority was removed, by a
    /// reload. Default: yes.
    pub ends_revoked_clients: bool,
    /// Which part of a client's certificate takes the place of the user name in CONNECT, if any does.
    /// Default: none.
    pub username_from: Option<CertificateName>,
    /// The oldest version spoken. Default: TLS 1.2.
    pub minimum_version: TlsVersion,
    /// How many sessions are remembered for clients that cannot keep a ticket. Default: 1,024.
    pub cached_sessions: usize,
    /// How long a handshake may take, for whoever serves connections. Default: 10 s.
    pub handshake_timeout: Duration,
    /// What tells the time of day. Default: the system.
    pub clock: Arc<dyn TimeProvider>,
}

impl TlsSettings {
    /// Returns settings with this certificate and key, and the defaults for all else.
    pub fn new(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: CertificateFiles { chain: chain.into(), key: key.into() },
            further_certificates: Vec::new(),
            client_certificates: ClientCertificates::Off,
            client_ca: Vec::new(),
            crl: Vec::new(),
            ends_revoked_clients: true,
            username_from: None,
            minimum_version: TlsVersion::V1_2,
            cached_sessions: 1024,
            handshake_timeout: Duration::from_secs(10),
            clock: Arc::new(DefaultTimeProvider),
        }
    }
}

/// A certificate of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and behind it those of the authorities that link it to one which clients know.
    pub chain: PathBuf,
    /// Its private key: PKCS#8, SEC1 or PKCS#1, not encrypted.
    pub key: PathBuf,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    Off,
    /// They may. One that cannot be verified ends the handshake.
    Optional,
    /// They must.
    Required,
}

impl FromStr for ClientCertificates {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "off" => Ok(Self::Off),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err(UnknownWord { word: word.to_owned(), expected: "off, optional or required" }),
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl FromStr for TlsVersion {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "1.2" => Ok(Self::V1_2),
            "1.3" => Ok(Self::V1_3),
            _ => Err(UnknownWord { word: word.to_owned(), expected: "1.2 or 1.3" }),
        }
    }
}

/// A word that names no choice.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{word:?} is not {expected}")]
pub struct UnknownWord {
    word: String,
    expected: &'static str,
}

/// What is spoken inside of TLS, and so which ALPN protocol (RFC 7301) is agreed on with a client that
/// asks. One that asks for others only is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT: `mqtt`.
    Mqtt,
    /// HTTP, for WebSocket: `http/1.1`.
    Http,
}
