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

impl TlsWarning {
    /// Returns what to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::KeyForAll { path } => format!(
                "run \"chmod o= {}\"; first \"chgrp\" it to the broker's group, if the broker is not its owner",
                path.display()
            ),
            Self::AuthorityNotValid { .. } => {
                "put one that is valid into the file, or take it out".to_owned()
            }
            Self::OldList { .. } | Self::NoList { .. } => {
                "put the list that the authority has issued last into the file of `crl`".to_owned()
            }
        }
    }
}

impl fmt::Display for TlsWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyForAll { path } => {
                write!(f, "{}: every user can read this private key", path.display())
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
