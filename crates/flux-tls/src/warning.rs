//! What is usable, but should not stay so.

use std::fmt;
use std::path::PathBuf;

/// Something about a file that an operator should hear of, though it works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsWarning {
    /// Every user of the machine can read a private key.
    KeyForAll {
        /// Its file.
        path: PathBuf,
    },
    /// The certificate of an authority has expired, or is not valid yet: it admits nobody.
    AuthorityNotValid {
        /// Its file.
        path: PathBuf,
        /// Whose certificate.
        subject: String,
    },
    /// A newer revocation list should be there by now.
    OldList {
        /// Its file.
        path: PathBuf,
        /// Whose list.
        issuer: String,
    },
    /// There are revocation lists, but none of this authority: those it signed are refused.
    NoList {
        /// The file of its certificate.
        path: PathBuf,
        /// Whose certificate.
        subject: String,
    },
}

impl fmt::Display for TlsWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyForAll { path } => {
                let path = path.display();
                write!(f, "{path}: every user can read this private key; run \"chmod o= {path}\"")
            }
            Self::AuthorityNotValid { path, subject } => write!(
                f,
                "{}: the certificate of \"{subject}\" is not valid now, clients that it signed are refused",
                path.display()
            ),
            Self::OldList { path, issuer } => write!(
                f,
                "{}: the revocation list of \"{issuer}\" is out of date, what was revoked since is not known",
                path.display()
            ),
            Self::NoList { path, subject } => write!(
                f,
                "{}: \"{subject}\" has no revocation list, clients that it signed are refused",
                path.display()
            ),
        }
    }
}
