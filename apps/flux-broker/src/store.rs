//! `flux-broker store`: looks at the directory of a broker that does not run.

mod check;
mod export;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use flux_storage::{Directory, OpenDirectoryError, OpenError, ReadError};

pub(crate) use self::check::{contents, cut, settings};

/// What can be done with it. None changes it.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Read all that is stored and say whether it is as it was written
    ///
    /// Ends with 0 if it is (a torn tail was never promised to anybody, and is no damage), with 1 if it is
    /// damaged, and with 3 if it cannot be looked at: it is in use, missing, or may not be read.
    Check {
        /// The directory that a broker was given with --data-dir
        #[arg(value_name = "DIR")]
        directory: PathBuf,

        /// Write all that can be read to this directory, which must be new or empty; a broker starts
        /// with it
        #[arg(long, value_name = "DIR")]
        salvage: Option<PathBuf>,
    },
    /// Write all that is stored to standard output, one JSON object a line
    ///
    /// Each has a "kind": session, subscription, will, queued, group, waiting or retained. What belongs to a
    /// session names its "client_id", and what to a shared subscription its "filter". Of a message, "payload" is its text, or "payload_base64" its bytes where they are
    /// no UTF-8; "properties_base64" are its properties as MQTT 5.0 encodes them. Moments are
    /// milliseconds since 1970. Ends as check does.
    Export {
        /// The directory that a broker was given with --data-dir
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// Why a store cannot be shown.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// It is not as it was written.
    Damaged(String),
    /// Nobody can tell.
    CannotLook(String),
}

impl StoreCommand {
    /// Does it, and returns how the program ends.
    pub(crate) fn run(&self) -> ExitCode {
        let done = match self {
            Self::Check { directory, salvage: None } => check::check(directory),
            Self::Check { directory, salvage: Some(into) } => check::salvage(directory, into),
            Self::Export { directory } => export::export(directory),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(StoreError::Damaged(message)) => {
                complain(&message);
                ExitCode::FAILURE
            }
            Err(StoreError::CannotLook(message)) => {
                complain(&message);
                ExitCode::from(3)
            }
        }
    }
}

/// Locks a directory that has a store in it.
fn lock(path: &Path) -> Result<Directory, StoreError> {
    Directory::open_existing(path).map_err(|error| StoreError::CannotLook(cannot_have(&error)))
}

/// Says what to do about a directory that is not ours.
pub(crate) fn cannot_have(error: &OpenDirectoryError) -> String {
    match error {
        OpenDirectoryError::InUse { .. } => {
            format!("{error}: stop the broker that runs there, or name another directory")
        }
        OpenDirectoryError::Empty { .. } => format!("{error}, or it was never used"),
        OpenDirectoryError::Io { source, .. } => {
            format!("{error}: {source}; it must be a directory that this user may read and write")
        }
    }
}

/// Says what to do about a log that is not opened.
pub(crate) fn cannot_open(error: &OpenError, path: &Path) -> StoreError {
    let path = path.display();
    match error {
        OpenError::Io(source) => StoreError::CannotLook(format!("cannot read {path}: {source}")),
        OpenError::Sync(sync) => {
            StoreError::CannotLook(format!("cannot write to {path}: {}", sync.source))
        }
        OpenError::FutureVersion { .. } => StoreError::CannotLook(format!(
            "cannot read {path}: {error}; a newer flux-broker wrote it and reads it"
        )),
        OpenError::Damaged { .. } | OpenError::UnknownRecord { .. } | OpenError::Missing { .. } => {
            StoreError::Damaged(format!(
                "{path} is damaged: {error}\n\
                 nothing was changed; a copy from before has all of it, or \
                 `flux-broker store check {path} --salvage NEW_DIR` writes what can be read to NEW_DIR"
            ))
        }
    }
}

impl From<ReadError> for StoreError {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Io { source, .. } => Self::CannotLook(format!("{error}: {source}")),
            ReadError::Damaged { .. } => Self::Damaged(error.to_string()),
        }
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(message) | Self::CannotLook(message) => formatter.write_str(message),
        }
    }
}

impl Error for StoreError {}

#[expect(clippy::print_stderr, reason = "the reason why the program ends")]
fn complain(message: &str) {
    for line in message.lines() {
        eprintln!("flux-broker: {line}");
    }
}
