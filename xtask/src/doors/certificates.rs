//! The certificates of a run: an authority, a server and a client, as `flux-broker tls init` makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// A folder with certificates, removed in the end.
#[derive(Debug)]
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    /// Has the broker make certificates for its loopback address.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub(crate) fn make(binary: &Path, name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("flux-{name}-{}", std::process::id()));
        let made = Command::new(binary)
            .args(["tls", "init", "--name", "127.0.0.1", "--name", "localhost"])
            .arg(&folder)
            .stdout(Stdio::null())
            .status()?;
        ensure!(made.success(), "the broker makes no certificates: {made}");
        Ok(Self(folder))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Returns the broker's options for TLS with them, on a port that the system chooses.
    pub(crate) fn options_of_server(&self) -> Vec<String> {
        let mut options = self.files_of_server();
        options.extend(["--tls-port", "0"].map(str::to_owned));
        options
    }

    /// Returns the broker's options that name its certificate and key.
    pub(crate) fn files_of_server(&self) -> Vec<String> {
        let mut options = self.option("--tls-cert", "server.crt");
        options.extend(self.option("--tls-key", "server.key"));
        options
    }

    /// Returns these options for a broker that asks for certificates of clients.
    pub(crate) fn options(&self) -> Vec<String> {
        let mut options = self.options_of_server();
        options.extend(self.option("--tls-client-ca", "ca.crt"));
        options
    }

    fn option(&self, name: &str, file: &str) -> Vec<String> {
        vec![name.to_owned(), self.file(file).display().to_string()]
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // Nothing depends on it.
        let _is_left = fs::remove_dir_all(&self.0);
    }
}

/// Returns what a client connects with over TLS that trusts the authority in this file.
///
/// # Errors
///
/// When the file is not a certificate in PEM.
pub(crate) fn client_config(ca: &Path) -> Result<Arc<ClientConfig>> {
    let authority = CertificateDer::from_pem_file(ca)
        .with_context(|| format!("{} is not a certificate in PEM", ca.display()))?;
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
    Ok(Arc::new(builder.with_no_client_auth()))
}
