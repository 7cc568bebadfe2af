//! Reading a PEM file, and collecting what is wrong with it.

use std::fs;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::identity::subject;
use crate::pem::{Block, blocks};
use crate::problem::{FileError, Problem};

/// What a path led to.
pub(crate) struct PemFile<'p> {
    pub(crate) path: &'p Path,
    pub(crate) bytes: Vec<u8>,
}

impl<'p> PemFile<'p> {
    pub(crate) fn read(path: &'p Path) -> Result<Self, FileError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Self { path, bytes }),
            Err(error) => {
                Err(Self { path, bytes: Vec::new() }.at(None, Problem::Unreadable(error)))
            }
        }
    }

    /// Returns the error of this file.
    pub(crate) fn at(&self, line: Option<usize>, problem: Problem) -> FileError {
        FileError { path: self.path.to_owned(), line, problem }
    }

    pub(crate) fn blocks(&self) -> Result<Vec<Block<'_>>, FileError> {
        blocks(&self.bytes).map_err(|(line, problem)| self.at(line, problem))
    }

    /// Returns what the blocks of one kind hold, of which there must be one at least; others are skipped.
    pub(crate) fn items(
        &self,
        label: &str,
        expected: &'static str,
    ) -> Result<Vec<(usize, Vec<u8>)>, FileError> {
        let blocks = self.blocks()?;
        let mut items = Vec::new();
        for block in blocks.iter().filter(|block| block.label == label) {
            let (_, der) = block.decode().map_err(|problem| self.at(Some(block.line), problem))?;
            items.push((block.line, der));
        }
        if items.is_empty() {
            let found = blocks.iter().map(|block| block.label.to_owned()).collect();
            return Err(self.at(None, Problem::Missing { expected, found }));
        }
        Ok(items)
    }

    /// Returns all certificates of the file.
    pub(crate) fn certificates(&self) -> Result<Vec<Certificate>, FileError> {
        let items = self.items("CERTIFICATE", "certificate")?;
        let parse = |(line, der): (usize, Vec<u8>)| {
            Certificate::parse(line, der).map_err(|problem| self.at(Some(line), problem))
        };
        items.into_iter().map(parse).collect()
    }
}

/// A certificate, and what is asked of it here.
pub(crate) struct Certificate {
    /// Where it stands in its file.
    pub(crate) line: usize,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// The same as bytes: names that look alike need not be.
    pub(crate) raw_subject: Vec<u8>,
    pub(crate) raw_issuer: Vec<u8>,
    pub(crate) is_authority: bool,
    pub(crate) dns_names: Vec<String>,
    /// Seconds since 1970.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    not_before_text: String,
    not_after_text: String,
}

impl Certificate {
    fn parse(line: usize, der: Vec<u8>) -> Result<Self, Problem> {
        let broken =
            |reason: &dyn ToString| Problem::BrokenCertificate { reason: reason.to_string() };
        let (rest, parsed) = X509Certificate::from_der(&der).map_err(|error| broken(&error))?;
        if !rest.is_empty() {
            return Err(broken(&format!("{} bytes follow it", rest.len())));
        }
        let validity = parsed.validity();
        let names = parsed.subject_alternative_name().map_err(|error| broken(&error))?;
        let dns_names =
            names.map(|names| crate::identity::dns_names(names.value)).unwrap_or_default();
        Ok(Self {
            line,
            subject: subject(parsed.subject()),
            issuer: subject(parsed.issuer()),
            raw_subject: parsed.subject().as_raw().to_vec(),
            raw_issuer: parsed.issuer().as_raw().to_vec(),
            is_authority: parsed.is_ca(),
            dns_names,
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            not_before_text: validity.not_before.to_string(),
            not_after_text: validity.not_after.to_string(),
            der: CertificateDer::from(der),
        })
    }

    /// Checks that it is valid at a moment, in seconds since 1970.
    pub(crate) fn is_valid(&self, now: i64) -> Result<(), Problem> {
        let subject = self.subject.clone();
        if now > self.not_after {
            return Err(Problem::Expired { subject, when: self.not_after_text.clone() });
        }
        if now < self.not_before {
            return Err(Problem::NotYetValid { subject, when: self.not_before_text.clone() });
        }
        Ok(())
    }
}
