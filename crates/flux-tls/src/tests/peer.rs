//! A client of rustls, and the handshake without a network.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::client::{Resumption, Tls12Resumption};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Error, HandshakeKind, ProtocolVersion, RootCertStore,
    ServerConfig, ServerConnection, SupportedProtocolVersion,
};

use super::authority::Signed;
use super::folder::{Fixed, NOW};
use crate::{Protocol, TlsConfig};

/// What a client knows and shows.
pub(super) struct Peer {
    config: ClientConfig,
}

/// Both ends after a handshake.
pub(super) struct Pair {
    pub(super) client: ClientConnection,
    pub(super) server: ServerConnection,
    pub(super) began_with: Arc<ServerConfig>,
}

impl Peer {
    /// Trusts this authority, and shows a certificate if it has one.
    pub(super) fn new(authority: &str, shows: Option<&Signed>) -> Self {
        Self::of_versions(authority, shows, rustls::ALL_VERSIONS)
    }

    pub(super) fn of_versions(
        authority: &str,
        shows: Option<&Signed>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_details(provider, Arc::new(Fixed(NOW)))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows {
            Some(Signed { pem, key }) => {
                let chain = CertificateDer::pem_slice_iter(pem.as_bytes());
                let chain = chain.collect::<Result<_, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::in_memory_sessions(4);
        Self { config }
    }

    /// Resumes sessions of TLS 1.2 in this way only.
    pub(super) fn resuming_by(mut self, how: Tls12Resumption) -> Self {
        self.config.resumption = Resumption::in_memory_sessions(4).tls12_resumption(how);
        self
    }

    /// Has the sessions of another one, and keeps its own there.
    pub(super) fn remembering_what(mut self, other: &Self) -> Self {
        self.config.resumption = other.config.resumption.clone();
        self
    }

    pub(super) fn offer(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols =
            protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Shakes hands with a server under this name.
    pub(super) fn connect(&self, tls: &TlsConfig, name: &str) -> Result<Pair, Error> {
        self.connect_for(tls, name, Protocol::Mqtt)
    }

    pub(super) fn connect_for(
        &self,
        tls: &TlsConfig,
        name: &str,
        protocol: Protocol,
    ) -> Result<Pair, Error> {
        let mut pair = self.begin(tls, name, protocol);
        pair.finish()?;
        Ok(pair)
    }

    pub(super) fn begin(&self, tls: &TlsConfig, name: &str, protocol: Protocol) -> Pair {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let client = ClientConnection::new(Arc::new(self.config.clone()), name).unwrap();
        let began_with = tls.server_config(protocol);
        let server = ServerConnection::new(began_with.clone()).unwrap();
        Pair { client, server, began_with }
    }
}

impl Pair {
    /// Carries everything over until neither has anything to say; what the server says first counts.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        while self.client.wants_write() || self.server.wants_write() {
            while self.client.wants_write() {
                self.client.write_tls(&mut to_server).unwrap();
            }
            let mut bytes = &to_server[..];
            while !bytes.is_empty() {
                self.server.read_tls(&mut bytes).unwrap();
                self.server.process_new_packets()?;
            }
            to_server.clear();
            while self.server.wants_write() {
                self.server.write_tls(&mut to_client).unwrap();
            }
            let mut bytes = &to_client[..];
            while !bytes.is_empty() {
                self.client.read_tls(&mut bytes).unwrap();
                self.client.process_new_packets()?;
            }
            to_client.clear();
        }
        assert!(!self.server.is_handshaking() && !self.client.is_handshaking());
        Ok(())
    }

    /// Data goes from the client to the server.
    pub(super) fn is_alive(&mut self) -> bool {
        self.client.writer().write_all(b"hello").unwrap();
        self.finish().unwrap();
        let mut got = [0; 5];
        self.server.reader().read_exact(&mut got).unwrap();
        got == *b"hello"
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.server.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(super) fn version(&self) -> ProtocolVersion {
        self.server.protocol_version().unwrap()
    }

    /// Returns the Common Name that the client was shown.
    pub(super) fn server_name(&self) -> String {
        let shown = self.client.peer_certificates().unwrap();
        crate::client_certificate(&shown[0]).unwrap().common_name.unwrap().to_string()
    }
}
