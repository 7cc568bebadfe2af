//! Certificates: the broker's own, and which ones of clients it knows.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{OneOrMore, Period};

/// Certificates that listeners use. All files are PEM; they are read again when they change, and on SIGHUP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and behind it those of the authorities that link it to one which clients know.
    #[schemars(extend("x-example" = "/etc/flux/server.crt", "x-required" = true))]
    pub cert: PathBuf,
    /// Its private key, not encrypted.
    #[schemars(extend("x-example" = "/etc/flux/server.key", "x-required" = true))]
    pub key: PathBuf,
    /// Further certificates: clients get the one for the name that they ask for, else the one above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<CertificateFiles>,
    /// Certificates of the authorities that sign those of clients.
    #[schemars(extend("x-example" = "/etc/flux/clients-ca.crt"))]
    pub client_ca: OneOrMore<PathBuf>,
    /// Revocation lists, one for each of these authorities. Clients whose certificate comes on one are disconnected.
    #[schemars(extend("x-example" = "/etc/flux/clients.crl"))]
    pub crl: OneOrMore<PathBuf>,
    /// Whether clients show a certificate. Without it: `required` where there is a `client_ca`, else `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClientCertificates", extend("x-example" = "required"))]
    pub client_certificates: Option<ClientCertificates>,
    /// The part of a client's certificate that takes the place of its user name. Without it the user name is what CONNECT
    /// says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CertificatePart", extend("x-example" = "cn"))]
    pub username_from: Option<CertificatePart>,
    /// Whether connections end when their client's certificate is revoked, or its authority was removed, while they last.
    pub ends_revoked_clients: bool,
    /// The oldest version of TLS that is spoken.
    pub minimum_version: TlsVersion,
    /// TLS sessions remembered for clients that cannot keep a ticket. With one more an older one is forgotten.
    #[schemars(range(max = 10_000_000))]
    pub cached_sessions: u32,
    /// How long a handshake may take. Then the connection is closed.
    #[schemars(extend("x-minimum" = "1ms"))]
    pub handshake_timeout: Period,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            cert: PathBuf::new(),
            key: PathBuf::new(),
            further: Vec::new(),
            client_ca: OneOrMore::default(),
            crl: OneOrMore::default(),
            client_certificates: None,
            username_from: None,
            ends_revoked_clients: true,
            minimum_version: TlsVersion::V1_2,
            cached_sessions: 1024,
            handshake_timeout: Period(Duration::from_secs(10)),
        }
    }
}

impl Tls {
    /// Returns whether clients show a certificate.
    #[must_use]
    pub fn client_certificates(&self) -> ClientCertificates {
        let default = match self.client_ca.0.is_empty() {
            true => ClientCertificates::Off,
            false => ClientCertificates::Required,
        };
        self.client_certificates.unwrap_or(default)
    }
}

/// A further certificate of the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate with those that link it to an authority.
    #[schemars(extend("x-example" = "/etc/flux/other.crt", "x-required" = true))]
    pub cert: PathBuf,
    /// Its private key, not encrypted.
    #[schemars(extend("x-example" = "/etc/flux/other.key", "x-required" = true))]
    pub key: PathBuf,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not asked for one.
    Off,
    /// They may. One that cannot be verified ends the handshake.
    Optional,
    /// They must.
    Required,
}

/// A part of a client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CertificatePart {
    /// The Common Name.
    Cn,
    /// The whole subject, as RFC 4514 writes it.
    Subject,
    /// The DNS name among the alternative names, if it is the only one.
    Dns,
    /// The URI, likewise.
    Uri,
    /// The mail address, likewise.
    Email,
    /// SHA-256 of the certificate in hexadecimal.
    Fingerprint,
}

impl CertificatePart {
    /// Returns the word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cn => "cn",
            Self::Subject => "subject",
            Self::Dns => "dns",
            Self::Uri => "uri",
            Self::Email => "email",
            Self::Fingerprint => "fingerprint",
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    V1_2,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V1_3,
}
