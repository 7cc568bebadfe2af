//! Certificates for one test, and clients that use them.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flux_mqtt::{Listen, Listener, Settings, TlsConfig, TlsSettings};
use flux_tls::ClientCertificates;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams,
    DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Client, Version};

/// A folder with an authority, and what it signed.
pub(crate) struct Certificates {
    folder: PathBuf,
    ca: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// Makes `ca.crt`, and `server.crt` and `server.key` for 127.0.0.1.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        let folder = new_folder();
        let certificates = Self { folder, ca: ca.der().clone(), issuer: Issuer::new(params, key) };
        certificates.write("ca.crt", &ca.pem());
        certificates.renew();
        certificates
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file in place of the old one.
    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path("new"), content).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    /// Makes a new certificate for the server.
    pub(crate) fn renew(&self) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "server");
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write("server.crt", &certificate.pem());
        self.write("server.key", &key.serialize_pem());
    }

    /// Writes `crl.pem`, which says that these serial numbers are revoked.
    pub(crate) fn revoke(&self, serials: &[u64]) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        self.write("crl.pem", &params.signed_by(&self.issuer).unwrap().pem().unwrap());
    }

    /// Returns what a client without a certificate connects with.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        client_config(&self.ca, None)
    }

    /// The same with a certificate of this name and serial number.
    pub(crate) fn client_named(&self, name: &str, serial: u64) -> Arc<ClientConfig> {
        self.client_also_named(name, &[], serial)
    }

    /// The same with these alternative names beside it.
    pub(crate) fn client_also_named(
        &self,
        name: &str,
        others: &[SanType],
        serial: u64,
    ) -> Arc<ClientConfig> {
        let (certificate, key) = self.sign(name, others, serial);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        client_config(&self.ca, Some((certificate.der().clone(), key)))
    }

    /// Makes `NAME.crt` and `NAME.key`, with this name and serial number.
    pub(crate) fn write_client(&self, name: &str, serial: u64) {
        let (certificate, key) = self.sign(name, &[], serial);
        self.write(&format!("{name}.crt"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn sign(&self, name: &str, others: &[SanType], serial: u64) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = others.to_vec();
        params.serial_number = Some(serial.into());
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// Returns settings with these files; clients are not asked for certificates.
    pub(crate) fn settings(&self) -> TlsSettings {
        TlsSettings::new(self.path("server.crt"), self.path("server.key"))
    }

    /// The same, and clients must show one of `ca.crt`.
    pub(crate) fn settings_with_clients(&self) -> TlsSettings {
        let mut settings = self.settings();
        settings.client_ca = vec![self.path("ca.crt")];
        settings.client_certificates = ClientCertificates::Required;
        settings
    }

    /// The same, and none that is revoked in `crl.pem`.
    pub(crate) fn settings_with_crl(&self) -> TlsSettings {
        let mut settings = self.settings_with_clients();
        settings.crl = vec![self.path("crl.pem")];
        settings
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _is_left = fs::remove_dir_all(&self.folder);
    }
}

/// Returns a listener for TLS, on a port of 127.0.0.1 that the system chooses.
pub(crate) fn tls_listener(tls: TlsSettings) -> Listener {
    let listen = Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]);
    Listener::tls(listen, TlsConfig::load(tls).unwrap_or_else(|error| panic!("{error}")))
}

/// Has a broker listen for TLS alone.
pub(crate) fn only_tls(settings: &mut Settings, tls: TlsSettings) {
    settings.listeners = vec![tls_listener(tls)];
}

/// Returns what a client connects with that trusts this authority, and shows this certificate.
pub(crate) fn client_config(
    ca: &CertificateDer<'static>,
    shows: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match shows {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    })
}

/// Begins TLS under the address of the tests.
pub(crate) fn begin_tls(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST));
    ClientConnection::new(config.clone(), name).unwrap()
}

/// Opens a connection over TLS; the handshake comes with the first bytes.
pub(crate) fn open_tls(
    address: SocketAddr,
    version: Version,
    config: &Arc<ClientConfig>,
) -> Client {
    let connection = begin_tls(config);
    Client::open_over(address, version, |socket| Box::new(StreamOwned::new(connection, socket)))
}

/// Makes a folder of its own for a test.
pub(crate) fn new_folder() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("flux-it-{}-{number}", std::process::id()));
        match fs::create_dir(&folder) {
            // Of a process that was killed and had the same number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => {
                made.unwrap();
                return folder;
            }
        }
    }
}

/// Returns what is in a file of PEM, the first of its kind.
pub(crate) fn read_pem<T: rustls::pki_types::pem::PemObject>(path: &Path) -> T {
    T::from_pem_file(path).unwrap()
}
