//! Who may sign the certificates of clients, and what they have revoked.

use std::path::Path;
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::file::{Certificate, PemFile};
use crate::identity::subject;
use crate::problem::{FileError, Problem};
use crate::settings::{ClientCertificates, TlsSettings};
use crate::warning::TlsWarning;

/// What verifies the certificates of clients.
#[derive(Clone, derive_more::Debug)]
pub(crate) struct Authorities {
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    /// Of everything that was read: another one means that other clients may come.
    #[debug("{} bytes", digest.len())]
    pub(crate) digest: Vec<u8>,
}

impl Authorities {
    /// Reads what the settings name; `None` when clients are not asked, or something is wrong.
    pub(crate) fn load(
        settings: &TlsSettings,
        provider: &Arc<CryptoProvider>,
        now: i64,
        errors: &mut Vec<FileError>,
        warnings: &mut Vec<TlsWarning>,
    ) -> Option<Self> {
        if settings.client_certificates == ClientCertificates::Off {
            return None;
        }
        let mut reading = Reading { context: Context::new(&SHA256), now, errors, warnings };
        if settings.client_ca.is_empty() {
            reading.errors.push(nothing_verifies());
        }
        let signers: Vec<_> =
            settings.client_ca.iter().flat_map(|path| reading.authorities(path)).collect();
        let lists: Vec<_> = settings.crl.iter().flat_map(|path| reading.lists(path)).collect();
        if !lists.is_empty() {
            reading.warn_of_missing_lists(&signers, &lists);
        }
        if !reading.errors.is_empty() {
            return None;
        }
        let digest = reading.context.finish().as_ref().to_vec();
        match verifier(settings.client_certificates, provider, signers, lists) {
            Ok(verifier) => Some(Self { verifier, digest }),
            Err(problem) => {
                let path = settings.client_ca.first().cloned().unwrap_or_default();
                errors.push(FileError { path, line: None, problem });
                None
            }
        }
    }
}

fn nothing_verifies() -> FileError {
    let (setting, why) = ("client_ca", "certificates of clients are verified with it");
    FileError { path: "".into(), line: None, problem: Problem::NotSet { setting, why } }
}

fn verifier(
    clients: ClientCertificates,
    provider: &Arc<CryptoProvider>,
    signers: Vec<Signer<'_>>,
    lists: Vec<List>,
) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let unusable = |error: &dyn ToString| Problem::Unusable { reason: error.to_string() };
    let mut roots = RootCertStore::empty();
    for signer in signers {
        roots.add(signer.certificate.der).map_err(|error| unusable(&error))?;
    }
    let lists = lists.into_iter().map(|list| list.der);
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = builder.with_crls(lists);
    let builder = match clients {
        ClientCertificates::Off | ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::Required => builder,
    };
    builder.build().map_err(|error| unusable(&error))
}

struct Signer<'p> {
    path: &'p Path,
    certificate: Certificate,
}

struct List {
    der: CertificateRevocationListDer<'static>,
    raw_issuer: Vec<u8>,
}

/// What is known while the files are read.
struct Reading<'r> {
    context: Context,
    now: i64,
    errors: &'r mut Vec<FileError>,
    warnings: &'r mut Vec<TlsWarning>,
}

impl Reading<'_> {
    fn read<'p>(&mut self, path: &'p Path) -> Option<PemFile<'p>> {
        let file = PemFile::read(path).map_err(|error| self.errors.push(error)).ok()?;
        // With its length, so that nothing can move from one file to the next unseen.
        self.context.update(&file.bytes.len().to_be_bytes());
        self.context.update(&file.bytes);
        Some(file)
    }

    fn authorities<'p>(&mut self, path: &'p Path) -> Vec<Signer<'p>> {
        let Some(file) = self.read(path) else { return Vec::new() };
        let certificates = file.certificates().unwrap_or_else(|error| {
            self.errors.push(error);
            Vec::new()
        });
        for certificate in &certificates {
            let subject = certificate.subject.clone();
            if !certificate.is_authority {
                let problem = Problem::NotAnAuthority { subject };
                self.errors.push(file.at(Some(certificate.line), problem));
            } else if certificate.is_valid(self.now).is_err() {
                let path = path.to_owned();
                self.warnings.push(TlsWarning::AuthorityNotValid { path, subject });
            }
        }
        certificates.into_iter().map(|certificate| Signer { path, certificate }).collect()
    }

    fn lists(&mut self, path: &Path) -> Vec<List> {
        let Some(file) = self.read(path) else { return Vec::new() };
        let items = file.items("X509 CRL", "revocation list (X509 CRL)").unwrap_or_else(|error| {
            self.errors.push(error);
            Vec::new()
        });
        let mut lists = Vec::new();
        for (line, der) in items {
            match self.list(path, der) {
                Ok(list) => lists.push(list),
                Err(problem) => self.errors.push(file.at(Some(line), problem)),
            }
        }
        lists
    }

    fn list(&mut self, path: &Path, der: Vec<u8>) -> Result<List, Problem> {
        let (_, parsed) = CertificateRevocationList::from_der(&der)
            .map_err(|error| Problem::BrokenList { reason: error.to_string() })?;
        let (raw_issuer, issuer) = (parsed.issuer().as_raw().to_vec(), subject(parsed.issuer()));
        if parsed.next_update().is_some_and(|next| next.timestamp() < self.now) {
            self.warnings.push(TlsWarning::OldList { path: path.to_owned(), issuer });
        }
        Ok(List { der: CertificateRevocationListDer::from(der), raw_issuer })
    }

    fn warn_of_missing_lists(&mut self, signers: &[Signer<'_>], lists: &[List]) {
        for Signer { path, certificate } in signers {
            if !lists.iter().any(|list| list.raw_issuer == certificate.raw_subject) {
                let (path, subject) = ((*path).to_owned(), certificate.subject.clone());
                self.warnings.push(TlsWarning::NoList { path, subject });
            }
        }
    }
}
