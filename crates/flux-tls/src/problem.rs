//! What can be wrong with the files of certificates, in sentences that say what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why certificates cannot be used: every problem of every file, one a line.
#[derive(Debug, Error)]
#[error("{}", lines(.0))]
pub struct LoadTlsError(pub Vec<FileError>);

fn lines(errors: &[FileError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// One problem of one file.
#[derive(Debug)]
pub struct FileError {
    /// The file; empty when a setting is missing.
    pub path: PathBuf,
    /// The line, counted from 1, if it is one that is wrong.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

impl std::error::Error for FileError {}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.as_os_str().is_empty() {
            write!(f, "{}:", self.path.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        self.problem.fmt(f)
    }
}

/// What is wrong with a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be read.
    #[error("cannot read it: {}", hint(.0))]
    Unreadable(io::Error),
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It is DER.
    #[error(
        "this is binary (DER or PKCS#12), PEM was expected; \
         convert it with \"openssl x509\", \"openssl pkey\" or \"openssl pkcs12\""
    )]
    Der,
    /// It is something else that is not text.
    #[error("this is not text, PEM was expected, which begins with -----BEGIN")]
    NotText,
    /// It is text without a block.
    #[error("there is no line that begins with -----BEGIN, PEM was expected")]
    NoPem,
    /// A block does not end.
    #[error("-----BEGIN {label}----- has no -----END {label}-----: the file was cut off or edited")]
    NoEnd {
        /// What the block says it is.
        label: String,
    },
    /// A block ends as another one.
    #[error("-----END {end}----- ends what began as -----BEGIN {begin}-----")]
    OtherEnd {
        /// What it said at its beginning.
        begin: String,
        /// And at its end.
        end: String,
    },
    /// What is in a block is not Base64.
    #[error("this {label} is not valid Base64: the file was cut off or edited")]
    BrokenBase64 {
        /// What the block says it is.
        label: String,
    },
    /// There is no block of the kind that is needed.
    #[error("there is no {expected} in the file, only {}", found.join(", "))]
    Missing {
        /// What is needed.
        expected: &'static str,
        /// What is there.
        found: Vec<String>,
    },
    /// Nothing was named.
    #[error("{setting} is needed: {why}")]
    NotSet {
        /// The setting.
        setting: &'static str,
        /// What for.
        why: &'static str,
    },
    /// The key needs a password.
    #[error(
        "the key is encrypted, and the broker cannot ask for its password; \
         decrypt it with \"openssl pkey -in KEY -out NEW\", and let only the broker read it"
    )]
    EncryptedKey,
    /// There are several keys.
    #[error("a second private key; one file holds one")]
    SecondKey,
    /// The key is of no kind that can be used.
    #[error(
        "this key cannot be used ({reason}); \
         RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519 was expected"
    )]
    BadKey {
        /// What the library says.
        reason: String,
    },
    /// The key is of another certificate.
    #[error("this key does not belong to the certificate in {}", chain.display())]
    OtherKey {
        /// The file of the certificate.
        chain: PathBuf,
    },
    /// The key is of another certificate in the file.
    #[error(
        "the key {} belongs to this certificate, which must come first in the file",
        key.display()
    )]
    NotFirst {
        /// The file of the key.
        key: PathBuf,
    },
    /// A certificate cannot be parsed.
    #[error("this certificate is broken: {reason}")]
    BrokenCertificate {
        /// What the library says.
        reason: String,
    },
    /// A certificate did not sign the one before it.
    #[error(
        "this certificate is of \"{subject}\", expected was that of \"{issuer}\", which signed the one \
         before it; the order is: the server's, then each one's issuer"
    )]
    WrongOrder {
        /// Whose certificate stands there.
        subject: String,
        /// Whose must.
        issuer: String,
    },
    /// A certificate is too old.
    #[error("the certificate of \"{subject}\" expired on {when}")]
    Expired {
        /// Whose certificate.
        subject: String,
        /// The end of its validity.
        when: String,
    },
    /// A certificate is too new.
    #[error("the certificate of \"{subject}\" is not valid before {when}; is the clock right?")]
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// The beginning of its validity.
        when: String,
    },
    /// A certificate that shall be chosen by name has none.
    #[error("this certificate is to be chosen by name, but has no DNS name (subjectAltName)")]
    NoDnsName,
    /// A certificate of nobody who signs others.
    #[error(
        "the certificate of \"{subject}\" is not one of an authority (CA), and cannot sign those of clients"
    )]
    NotAnAuthority {
        /// Whose certificate.
        subject: String,
    },
    /// A revocation list cannot be parsed.
    #[error("this revocation list is broken: {reason}")]
    BrokenList {
        /// What the library says.
        reason: String,
    },
    /// All files are right, but not together.
    #[error("cannot be used: {reason}")]
    Unusable {
        /// What the library says.
        reason: String,
    },
}

fn hint(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "the user that the broker runs as may not; change its owner or group".to_owned()
        }
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}
