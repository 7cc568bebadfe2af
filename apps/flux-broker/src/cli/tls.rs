//! What the command line says about TLS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use flux_tls::{CertificateFiles, CertificateName, ClientCertificates, TlsSettings, TlsVersion};

/// With a certificate and a key there is a listener for TLS.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArguments {
    /// Port for TLS, on the same addresses; 0 lets the system choose
    #[arg(long, env = "FLUX_TLS_PORT", default_value_t = 8883, value_name = "PORT")]
    pub(super) tls_port: u16,

    /// Certificate chain in PEM; with it there is TLS. May be repeated, each with its key: clients then get the one
    /// for the name that they ask for, else the first. Files that change are read again, on SIGHUP at once
    #[arg(
        long,
        env = "FLUX_TLS_CERT",
        value_delimiter = ',',
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Vec<PathBuf>,

    /// Private key of the certificate, in PEM and not encrypted
    #[arg(
        long,
        env = "FLUX_TLS_KEY",
        value_delimiter = ',',
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Vec<PathBuf>,

    /// Certificates of the authorities that sign those of clients, in PEM; may be repeated
    #[arg(
        long,
        env = "FLUX_TLS_CLIENT_CA",
        value_delimiter = ',',
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_client_ca: Vec<PathBuf>,

    /// Revocation lists in PEM, one for each of these authorities; may be repeated. Clients whose certificate comes on one are
    /// disconnected
    #[arg(
        long,
        env = "FLUX_TLS_CRL",
        value_delimiter = ',',
        value_name = "FILE",
        requires = "tls_client_ca"
    )]
    tls_crl: Vec<PathBuf>,

    /// Whether clients show a certificate. Default: required with --tls-client-ca, else off
    #[arg(long, env = "FLUX_TLS_CLIENT_CERTIFICATES", value_name = "WHEN", requires = "tls_cert")]
    tls_client_certificates: Option<When>,

    /// Part of a client's certificate that takes the place of its user name
    #[arg(long, env = "FLUX_TLS_USERNAME", value_name = "PART", requires = "tls_client_ca")]
    tls_username: Option<Part>,

    /// Oldest version of TLS that is spoken
    #[arg(long, env = "FLUX_TLS_MINIMUM_VERSION", value_name = "VERSION", default_value = "1.2")]
    tls_minimum_version: Version,

    /// Listen for TLS alone, not on --port
    #[arg(long, env = "FLUX_TLS_ONLY", requires = "tls_cert")]
    pub(super) tls_only: bool,
}

impl TlsArguments {
    /// Returns what they say, or `None` if there is to be no TLS.
    pub(super) fn settings(&self) -> Option<TlsSettings> {
        let mut pairs = self.tls_cert.iter().zip(&self.tls_key);
        let (chain, key) = pairs.next()?;
        let mut settings = TlsSettings::new(chain, key);
        let files = |(chain, key): (&PathBuf, &PathBuf)| CertificateFiles {
            chain: chain.clone(),
            key: key.clone(),
        };
        settings.further_certificates = pairs.map(files).collect();
        settings.client_ca.clone_from(&self.tls_client_ca);
        settings.crl.clone_from(&self.tls_crl);
        let default = if self.tls_client_ca.is_empty() { When::Off } else { When::Required };
        settings.client_certificates = match self.tls_client_certificates.unwrap_or(default) {
            When::Off => ClientCertificates::Off,
            When::Optional => ClientCertificates::Optional,
            When::Required => ClientCertificates::Required,
        };
        settings.username_from = self.tls_username.map(|part| match part {
            Part::Cn => CertificateName::CommonName,
            Part::Subject => CertificateName::Subject,
            Part::Dns => CertificateName::Dns,
            Part::Uri => CertificateName::Uri,
            Part::Email => CertificateName::Email,
            Part::Fingerprint => CertificateName::Fingerprint,
        });
        settings.minimum_version = match self.tls_minimum_version {
            Version::V1_2 => TlsVersion::V1_2,
            Version::V1_3 => TlsVersion::V1_3,
        };
        Some(settings)
    }

    /// Returns the part of a client's certificate that is its user name, as certificates call it.
    pub(super) fn username(&self) -> Option<&'static str> {
        self.tls_username.map(|part| match part {
            Part::Cn => "cn",
            Part::Subject => "subject",
            Part::Dns => "dns",
            Part::Uri => "uri",
            Part::Email => "email",
            Part::Fingerprint => "fingerprint",
        })
    }

    /// Returns what is wrong about them together.
    pub(crate) fn problem(&self) -> Option<String> {
        let (certificates, keys) = (self.tls_cert.len(), self.tls_key.len());
        (certificates != keys).then(|| {
            format!(
                "--tls-cert stands there {certificates} times, --tls-key {keys} times: each has one"
            )
        })
    }
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    /// They are not asked for one
    Off,
    /// They may
    Optional,
    /// They must
    Required,
}

/// A part of a certificate.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// The Common Name
    Cn,
    /// The whole subject, as RFC 4514 writes it
    Subject,
    /// The DNS name among the alternative names, if it is the only one
    Dns,
    /// The URI, likewise
    Uri,
    /// The mail address, likewise
    Email,
    /// SHA-256 of the certificate in hexadecimal
    Fingerprint,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Version {
    /// RFC 5246
    #[value(name = "1.2")]
    V1_2,
    /// RFC 8446
    #[value(name = "1.3")]
    V1_3,
}
