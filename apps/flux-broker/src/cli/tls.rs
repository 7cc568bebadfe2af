//! What the command line says about TLS.

use clap::{Args, ValueEnum};
use flux_config::Flags;

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
    tls_cert: Vec<String>,

    /// Private key of the certificate, in PEM and not encrypted
    #[arg(
        long,
        env = "FLUX_TLS_KEY",
        value_delimiter = ',',
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Vec<String>,

    /// Certificates of the authorities that sign those of clients, in PEM; may be repeated
    #[arg(
        long,
        env = "FLUX_TLS_CLIENT_CA",
        value_delimiter = ',',
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_client_ca: Vec<String>,

    /// Revocation lists in PEM, one for each of these authorities; may be repeated. Clients whose certificate comes on one are
    /// disconnected
    #[arg(
        long,
        env = "FLUX_TLS_CRL",
        value_delimiter = ',',
        value_name = "FILE",
        requires = "tls_client_ca"
    )]
    tls_crl: Vec<String>,

    /// Whether clients show a certificate. Default: required with --tls-client-ca, else off
    #[arg(long, env = "FLUX_TLS_CLIENT_CERTIFICATES", value_name = "WHEN", requires = "tls_cert")]
    tls_client_certificates: Option<When>,

    /// Part of a client's certificate that takes the place of its user name
    #[arg(long, env = "FLUX_TLS_USERNAME", value_name = "PART", requires = "tls_client_ca")]
    tls_username: Option<Part>,

    /// Oldest version of TLS that is spoken. Default: 1.2
    #[arg(long, env = "FLUX_TLS_MINIMUM_VERSION", value_name = "VERSION")]
    tls_minimum_version: Option<Version>,

    /// Listen for TLS alone, not on --port
    #[arg(long, env = "FLUX_TLS_ONLY", requires = "tls_cert")]
    pub(super) tls_only: bool,
}

impl TlsArguments {
    /// Sets what they say, under the name `flags`. Returns whether there is to be TLS.
    pub(super) fn put(&self, flags: &mut Flags) -> bool {
        let mut pairs = self.tls_cert.iter().zip(&self.tls_key);
        let Some((cert, key)) = pairs.next() else { return false };
        let path = |key| ["tls", "flags", key];
        flags.text(&path("cert"), cert, "--tls-cert");
        flags.text(&path("key"), key, "--tls-key");
        for (number, (cert, key)) in pairs.enumerate() {
            let number = number.to_string();
            let path = |key| ["tls", "flags", "further", &number, key];
            flags.text(&path("cert"), cert, "--tls-cert");
            flags.text(&path("key"), key, "--tls-key");
        }
        let lists = [
            ("client_ca", &self.tls_client_ca, "--tls-client-ca"),
            ("crl", &self.tls_crl, "--tls-crl"),
        ];
        for (key, files, flag) in lists.into_iter().filter(|(_, files, _)| !files.is_empty()) {
            flags.list(&path(key), files.clone(), flag);
        }
        if let Some(when) = self.tls_client_certificates {
            flags.text(&path("client_certificates"), word(&when), "--tls-client-certificates");
        }
        if let Some(part) = self.tls_username {
            flags.text(&path("username_from"), word(&part), "--tls-username");
        }
        if let Some(version) = self.tls_minimum_version {
            flags.text(&path("minimum_version"), word(&version), "--tls-minimum-version");
        }
        true
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

/// Returns the word of a choice, which is the one in the config.
fn word(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default()
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
