//! TLS to the admin listener.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How the broker proves who it is, and we do.
#[derive(Args, Debug)]
pub(super) struct AdminTls {
    /// Ask over TLS. File with the authority that signed the broker's certificate, in PEM
    #[arg(long, env = "FLUX_ADMIN_CA", value_name = "FILE")]
    admin_ca: Option<PathBuf>,

    /// File with the certificate to show, in PEM
    #[arg(long, env = "FLUX_ADMIN_CERT", value_name = "FILE", requires_all = ["admin_ca", "admin_key"])]
    admin_cert: Option<PathBuf>,

    /// File with its key
    #[arg(long, env = "FLUX_ADMIN_KEY", value_name = "FILE", requires = "admin_cert")]
    admin_key: Option<PathBuf>,
}

/// A connection with TLS, or without.
pub(super) enum Either {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl AdminTls {
    /// Puts TLS over a connection to a host and port, if it is wanted.
    pub(super) fn over(&self, socket: TcpStream, admin: &str) -> anyhow::Result<Either> {
        let Some(file) = &self.admin_ca else { return Ok(Either::Plain(socket)) };
        let mut roots = RootCertStore::empty();
        for authority in certificates(file)? {
            roots.add(authority).with_context(|| format!("in {}", file.display()))?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
        let config = match (&self.admin_cert, &self.admin_key) {
            (Some(chain), Some(key)) => {
                let read = || format!("cannot read {}", key.display());
                let key = PrivateKeyDer::from_pem_file(key).with_context(read)?;
                builder.with_client_auth_cert(certificates(chain)?, key)?
            }
            (_, _) => builder.with_no_client_auth(),
        };
        let (host, _) = admin.rsplit_once(':').unwrap_or((admin, ""));
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host)?;
        let connection = ClientConnection::new(Arc::new(config), name)?;
        Ok(Either::Tls(Box::new(StreamOwned::new(connection, socket))))
    }
}

fn certificates(file: &PathBuf) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || format!("cannot read {}", file.display());
    let certificates = CertificateDer::pem_file_iter(file).with_context(read)?;
    certificates.collect::<Result<Vec<_>, _>>().with_context(read)
}
