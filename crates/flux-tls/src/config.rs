//! Certificates in use.

mod succession;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::authorities::Authorities;
use crate::certificate::{CertificateName, ClientCertificate};
use crate::chain::Chain;
use crate::identity::{AdmitError, client_certificate};
use crate::key;
use crate::problem::{FileError, LoadTlsError, Problem};
use crate::resumption::Resumption;
use crate::server_names::ServerNames;
use crate::settings::{ClientCertificates, Protocol, TlsSettings, TlsVersion};
use crate::stamp::Stamp;
use crate::validity;
use crate::warning::TlsWarning;
pub use succession::WeakTlsConfig;

/// What a listener shakes hands with. A clone is a reference to the same, and sees its reloads.
#[derive(Clone)]
pub struct TlsConfig {
    inner: Arc<Inner>,
}

struct Inner {
    settings: TlsSettings,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<Loaded>>,
    /// What took its place. It leads to no circle: what has a place is never put into one.
    successor: RwLock<Option<TlsConfig>>,
    /// What the files looked like before they were last read. Held while they are read.
    stamps: Mutex<Vec<Option<Stamp>>>,
}

/// What was made of the files.
struct Loaded {
    mqtt: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    authorities: Option<Authorities>,
    resumption: Resumption,
    certificates: Vec<CertificateInUse>,
    warnings: Vec<TlsWarning>,
}

/// A certificate that clients are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInUse {
    /// The file it was read from.
    pub path: PathBuf,
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
    /// When it, or another one of its chain, expires: the first of them, in seconds since 1970.
    pub not_after: i64,
}

impl CertificateInUse {
    /// Returns how many whole days are left, rounded down; negative when it has expired.
    #[must_use]
    pub fn days_left(&self, now: UnixTime) -> i64 {
        (self.not_after - seconds(now)).div_euclid(24 * 60 * 60)
    }
}

/// What a reload has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// Whether other clients may come now: then no session can be resumed, and those that are
    /// connected can be asked about with [`TlsConfig::admit`].
    pub clients_changed: bool,
}

impl TlsConfig {
    /// Reads all files and checks them.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them.
    pub fn load(settings: TlsSettings) -> Result<Self, LoadTlsError> {
        let provider = Arc::new(ring::default_provider());
        let stamps = stamps(&settings);
        let loaded = Loaded::read(&settings, &provider, None)?;
        let inner = Inner {
            settings,
            provider,
            current: RwLock::new(Arc::new(loaded)),
            successor: RwLock::default(),
            stamps: Mutex::new(stamps),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Reads all files anew. Handshakes that begin from now on use them.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them. Then what was in use stays in use.
    pub fn reload(&self) -> Result<Reloaded, LoadTlsError> {
        let mut stamps = self.inner.stamps.lock();
        // Before the files are read: what is written meanwhile is seen the next time.
        *stamps = self::stamps(&self.inner.settings);
        self.read()
    }

    /// Reads all files anew if one of them has changed since they were last read, whether or not they could be
    /// used then; `None` if none has. Looks at each file's metadata: call it every few seconds.
    #[must_use]
    pub fn reload_if_changed(&self) -> Option<Result<Reloaded, LoadTlsError>> {
        let mut stamps = self.inner.stamps.lock();
        let now = self::stamps(&self.inner.settings);
        if *stamps == now {
            return None;
        }
        *stamps = now;
        Some(self.read())
    }

    fn read(&self) -> Result<Reloaded, LoadTlsError> {
        let Inner { settings, provider, current, .. } = &*self.inner;
        let before = current.read().clone();
        let loaded = Loaded::read(settings, provider, Some(&before))?;
        let clients_changed = before.admits_others_than(loaded.authorities.as_ref());
        *current.write() = Arc::new(loaded);
        Ok(Reloaded { clients_changed })
    }

    /// Returns whether both are references to the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Returns what to shake hands with now. Ask for each connection.
    #[must_use]
    pub fn server_config(&self, protocol: Protocol) -> Arc<ServerConfig> {
        let current = self.inner.current.read();
        match protocol {
            Protocol::Mqtt => current.mqtt.clone(),
            Protocol::Http => current.http.clone(),
        }
    }

    /// Returns who a client is whose handshake has ended, or `None` if it showed no certificate.
    ///
    /// `chain` is what it showed: its certificate first. With what was reloaded since the handshake began it may
    /// be refused now: give the configuration that it began with.
    ///
    /// # Errors
    ///
    /// When it is refused: close the connection.
    pub fn identify(
        &self,
        chain: &[CertificateDer<'_>],
        began_with: &Arc<ServerConfig>,
    ) -> Result<Option<ClientCertificate>, AdmitError> {
        let Some(first) = chain.first() else { return Ok(None) };
        if self.is_current(began_with) {
            // A session that was resumed was not verified again, and time has passed.
            let now = self.now().ok_or(rustls::Error::FailedToGetCurrentTime)?;
            chain.iter().try_for_each(|certificate| validity::check(certificate, now))?;
        } else {
            self.admit(chain)?;
        }
        client_certificate(first).map(Some)
    }

    /// Returns whether a handshake that began with this configuration would begin with the same now.
    #[must_use]
    pub fn is_current(&self, began_with: &Arc<ServerConfig>) -> bool {
        let current = self.inner.current.read();
        let is_same =
            Arc::ptr_eq(&current.mqtt, began_with) || Arc::ptr_eq(&current.http, began_with);
        is_same && self.successor().is_none()
    }

    /// Checks whether a client that showed this chain would be admitted now: its authority is known, nothing
    /// is revoked, nothing has expired.
    ///
    /// # Errors
    ///
    /// Why it would be refused.
    pub fn admit(&self, chain: &[CertificateDer<'_>]) -> Result<(), AdmitError> {
        let authorities = self.latest().inner.current.read().authorities.clone();
        let (Some(authorities), Some((first, others))) = (authorities, chain.split_first()) else {
            return Ok(());
        };
        let now = self.now().ok_or(rustls::Error::FailedToGetCurrentTime)?;
        authorities.verifier.verify_client_cert(first, others, now)?;
        Ok(())
    }

    /// Returns the name that takes the place of a client's user name, if the settings say so and its
    /// certificate has one.
    #[must_use]
    pub fn username(&self, certificate: &ClientCertificate) -> Option<Arc<str>> {
        certificate.name(self.inner.settings.username_from?)
    }

    /// Returns which part of a certificate is its holder's user name.
    #[must_use]
    pub fn username_from(&self) -> Option<CertificateName> {
        self.inner.settings.username_from
    }

    /// Returns whether every client must show a certificate that can be verified.
    #[must_use]
    pub fn requires_certificates(&self) -> bool {
        self.inner.settings.client_certificates == ClientCertificates::Required
    }

    /// Returns whether connections end when a reload would refuse their client.
    #[must_use]
    pub fn ends_revoked_clients(&self) -> bool {
        self.inner.settings.ends_revoked_clients
    }

    /// Returns how long a handshake may take.
    #[must_use]
    pub fn handshake_timeout(&self) -> Duration {
        self.inner.settings.handshake_timeout
    }

    /// Returns the certificates that clients are shown, the default one first.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateInUse> {
        self.inner.current.read().certificates.clone()
    }

    /// Returns the same, each with the whole days until it expires; nothing if there is no clock.
    #[must_use]
    pub fn days_left(&self) -> Vec<(CertificateInUse, i64)> {
        let Some(now) = self.now() else { return Vec::new() };
        let with_days = |it: CertificateInUse| {
            let days = it.days_left(now);
            (it, days)
        };
        self.certificates().into_iter().map(with_days).collect()
    }

    /// Returns what an operator should hear of. It is looked for when files are read.
    #[must_use]
    pub fn warnings(&self) -> Vec<TlsWarning> {
        self.inner.current.read().warnings.clone()
    }

    fn now(&self) -> Option<UnixTime> {
        self.inner.settings.clock.current_time()
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Loaded {
    /// Reads the files; sessions stay resumable if clients are verified as `before`.
    fn read(
        settings: &TlsSettings,
        provider: &Arc<CryptoProvider>,
        before: Option<&Self>,
    ) -> Result<Self, LoadTlsError> {
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        let now = settings.clock.current_time().map_or(i64::MIN, seconds);
        let default = Chain::load(&settings.certificate, provider, now, &mut errors);
        let mut further = Vec::new();
        for files in &settings.further_certificates {
            let chain = Chain::load(files, provider, now, &mut errors);
            if chain.as_ref().is_some_and(|chain| chain.dns_names.is_empty()) {
                errors.push(error(&files.chain, Problem::NoDnsName));
            }
            further.extend(chain);
        }
        let authorities = Authorities::load(settings, provider, now, &mut errors, &mut warnings);
        let (Some(default), true) = (default, errors.is_empty()) else {
            return Err(LoadTlsError(errors));
        };
        let all_files = all_certificates(settings);
        warnings.extend(all_files.iter().filter_map(|files| key::warning(&files.key)));
        let in_use = |(files, chain): (&&crate::CertificateFiles, &Chain)| CertificateInUse {
            path: files.chain.clone(),
            subject: chain.subject.clone(),
            not_after: chain.not_after,
        };
        let chains = std::iter::once(&default).chain(&further);
        let certificates = all_files.iter().zip(chains).map(in_use).collect();
        let unusable = |reason: rustls::Error| {
            let problem = Problem::Unusable { reason: reason.to_string() };
            LoadTlsError(vec![error(&settings.certificate.chain, problem)])
        };
        let kept = before.filter(|before| !before.admits_others_than(authorities.as_ref()));
        let resumption = match kept {
            Some(before) => before.resumption.clone(),
            None => Resumption::new(settings.cached_sessions, &settings.clock).map_err(unusable)?,
        };
        let names = ServerNames::new(&default, &further);
        let mqtt = server_config(settings, provider, authorities.as_ref(), names, &resumption)
            .map_err(unusable)?;
        let mut http = mqtt.clone();
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            mqtt: Arc::new(mqtt),
            http: Arc::new(http),
            authorities,
            resumption,
            certificates,
            warnings,
        })
    }

    fn admits_others_than(&self, authorities: Option<&Authorities>) -> bool {
        let digest = |authorities: &Authorities| authorities.digest.clone();
        self.authorities.as_ref().map(digest) != authorities.map(digest)
    }
}

fn server_config(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
    authorities: Option<&Authorities>,
    names: ServerNames,
    resumption: &Resumption,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[&SupportedProtocolVersion] = match settings.minimum_version {
        TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_details(provider.clone(), settings.clock.clone())
        .with_protocol_versions(versions)?;
    let builder = match authorities {
        Some(authorities) => builder.with_client_cert_verifier(authorities.verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(names));
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    config.ticketer = resumption.tickets.clone();
    config.session_storage = resumption.sessions.clone();
    // A client has one connection: each handshake brings the ticket for the next.
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn all_certificates(settings: &TlsSettings) -> Vec<&crate::CertificateFiles> {
    std::iter::once(&settings.certificate).chain(&settings.further_certificates).collect()
}

fn stamps(settings: &TlsSettings) -> Vec<Option<Stamp>> {
    let own = all_certificates(settings).into_iter().flat_map(|files| [&files.chain, &files.key]);
    let of_clients = settings.client_ca.iter().chain(&settings.crl);
    own.chain(of_clients).map(|path| Stamp::of(path)).collect()
}

fn error(path: &std::path::Path, problem: Problem) -> FileError {
    FileError { path: path.to_owned(), line: None, problem }
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
