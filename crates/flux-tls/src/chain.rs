//! A certificate of the broker with its chain and key, checked.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SigningKey};

use crate::file::{Certificate, PemFile};
use crate::key;
use crate::problem::{FileError, Problem};
use crate::settings::CertificateFiles;

/// What a client is shown.
pub(crate) struct Chain {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) subject: String,
    pub(crate) dns_names: Vec<String>,
    /// When the first of the chain expires, in seconds since 1970.
    pub(crate) not_after: i64,
}

impl Chain {
    /// Reads both files and checks that they go together at this moment.
    pub(crate) fn load(
        files: &CertificateFiles,
        provider: &CryptoProvider,
        now: i64,
        errors: &mut Vec<FileError>,
    ) -> Option<Self> {
        let mut keep = |error| errors.push(error);
        let chain = PemFile::read(&files.chain).and_then(|file| {
            let certificates = file.certificates()?;
            Ok((file, certificates))
        });
        let key = PemFile::read(&files.key).and_then(|file| {
            let key = key::load(&file, provider)?;
            Ok((file, key))
        });
        let (chain, key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => {
                chain.map(drop).unwrap_or_else(&mut keep);
                key.map(drop).unwrap_or_else(&mut keep);
                return None;
            }
        };
        check(&chain, &key, now)
            .map(|()| Self::new(chain.1, key.1))
            .map_err(|error| errors.push(error))
            .ok()
    }

    fn new(certificates: Vec<Certificate>, key: Arc<dyn SigningKey>) -> Self {
        let not_after = certificates.iter().map(|certificate| certificate.not_after).min();
        let first = certificates.first();
        Self {
            subject: first.map(|first| first.subject.clone()).unwrap_or_default(),
            dns_names: first.map(|first| first.dns_names.clone()).unwrap_or_default(),
            not_after: not_after.unwrap_or_default(),
            key: Arc::new(CertifiedKey::new(
                certificates.into_iter().map(|certificate| certificate.der).collect(),
                key,
            )),
        }
    }
}

fn check(
    (file, certificates): &(PemFile<'_>, Vec<Certificate>),
    (key_file, key): &(PemFile<'_>, Arc<dyn SigningKey>),
    now: i64,
) -> Result<(), FileError> {
    let at = |certificate: &Certificate, problem| file.at(Some(certificate.line), problem);
    match certificates.iter().position(|certificate| is_key_of(key, certificate)) {
        Some(0) => {}
        Some(other) => {
            let line = certificates.get(other).map(|certificate| certificate.line);
            let key = key_file.path.to_owned();
            return Err(file.at(line, Problem::NotFirst { key }));
        }
        None => {
            let chain = file.path.to_owned();
            return Err(key_file.at(None, Problem::OtherKey { chain }));
        }
    }
    for (before, certificate) in certificates.iter().zip(certificates.iter().skip(1)) {
        if before.raw_issuer != certificate.raw_subject {
            let (subject, issuer) = (certificate.subject.clone(), before.issuer.clone());
            return Err(at(certificate, Problem::WrongOrder { subject, issuer }));
        }
    }
    for certificate in certificates {
        certificate.is_valid(now).map_err(|problem| at(certificate, problem))?;
    }
    Ok(())
}

fn is_key_of(key: &Arc<dyn SigningKey>, certificate: &Certificate) -> bool {
    CertifiedKey::new(vec![certificate.der.clone()], key.clone()).keys_match().is_ok()
}
