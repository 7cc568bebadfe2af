//! A folder for the files of one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use super::authority::{Authority, Signed};
use crate::{ClientCertificates, LoadTlsError, TlsConfig, TlsSettings};

/// It goes with the test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("flux-tls-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Has `server.crt` and `server.key` for `localhost`, and in `ca.crt` the authority that signed them.
    pub(super) fn with_server() -> (Self, Authority, Signed) {
        let (folder, root) = (Self::new(), Authority::new("root"));
        let server = root.sign(&["localhost"]);
        folder.write("server.crt", &server.pem);
        folder.write("server.key", &server.key);
        folder.write("ca.crt", &root.pem);
        (folder, root, server)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file as editors and tools do: a new one in place of the old one.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.path("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    /// Returns settings with `server.crt` and `server.key` of this folder, at the time of the tests.
    pub(super) fn settings(&self) -> TlsSettings {
        let mut settings = TlsSettings::new(self.path("server.crt"), self.path("server.key"));
        settings.clock = Arc::new(Fixed(NOW));
        settings
    }

    /// The same, with `ca.crt` and clients that must show a certificate.
    pub(super) fn settings_with_clients(&self) -> TlsSettings {
        let mut settings = self.settings();
        settings.client_certificates = ClientCertificates::Required;
        settings.client_ca = vec![self.path("ca.crt")];
        settings
    }

    /// The same, with a list of what is revoked.
    pub(super) fn settings_with_crl(&self, name: &str) -> TlsSettings {
        let mut settings = self.settings_with_clients();
        settings.crl = vec![self.path(name)];
        settings
    }

    /// Returns the sentences of an error, with the folder left out.
    pub(super) fn sentences(&self, error: &LoadTlsError) -> String {
        error.to_string().replace(&format!("{}/", self.0.display()), "")
    }

    #[track_caller]
    pub(super) fn load(&self, settings: TlsSettings) -> TlsConfig {
        TlsConfig::load(settings).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _is_left = fs::remove_dir_all(&self.0);
    }
}

/// A clock that stands still.
#[derive(Debug)]
pub(super) struct Fixed(pub(super) u64);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

/// A clock that is set.
#[derive(Debug)]
pub(super) struct Hand(AtomicU64);

impl Hand {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(NOW)))
    }

    pub(super) fn turn(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(super) fn turn_back(&self, seconds: u64) {
        self.0.fetch_sub(seconds, Ordering::Relaxed);
    }
}

impl TimeProvider for Hand {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

/// The first of June 2027.
pub(super) const NOW: u64 = 1_811_808_000;
