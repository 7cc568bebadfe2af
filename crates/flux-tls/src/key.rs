//! The private key of a certificate.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::SectionKind;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::SigningKey;

use crate::file::PemFile;
use crate::problem::{FileError, Problem};
use crate::warning::TlsWarning;

/// Reads the one key of a file.
pub(crate) fn load(
    file: &PemFile<'_>,
    provider: &CryptoProvider,
) -> Result<Arc<dyn SigningKey>, FileError> {
    let blocks = file.blocks()?;
    let mut key = None;
    for block in blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY")) {
        let at = |problem| file.at(Some(block.line), problem);
        let (kind, der) = block.decode().map_err(at)?;
        let der: PrivateKeyDer<'static> = match kind {
            SectionKind::PrivateKey => PrivatePkcs8KeyDer::from(der).into(),
            SectionKind::EcPrivateKey => PrivateSec1KeyDer::from(der).into(),
            SectionKind::RsaPrivateKey => PrivatePkcs1KeyDer::from(der).into(),
            _ => continue,
        };
        let loaded = provider
            .key_provider
            .load_private_key(der)
            .map_err(|error| at(Problem::BadKey { reason: reason(error) }))?;
        if key.replace(loaded).is_some() {
            return Err(at(Problem::SecondKey));
        }
    }
    key.ok_or_else(|| {
        let found = blocks.iter().map(|block| block.label.to_owned()).collect();
        file.at(None, Problem::Missing { expected: "private key", found })
    })
}

fn reason(error: rustls::Error) -> String {
    match error {
        rustls::Error::General(reason) => reason,
        error => error.to_string(),
    }
}

/// Looks at who may read a key.
#[cfg(unix)]
pub(crate) fn warning(path: &PathBuf) -> Option<TlsWarning> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| TlsWarning::KeyForAll { path: path.clone() })
}

/// Looks at who may read a key: unknown here.
#[cfg(not(unix))]
pub(crate) fn warning(_path: &PathBuf) -> Option<TlsWarning> {
    None
}
