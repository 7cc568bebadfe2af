//! Where the broker keeps what is to outlive it, and what it found there.

use std::error::Error;
use std::path::PathBuf;

use clap::ValueEnum;
use flux_storage::{Directory, Durability, Log, Report};

use crate::store::{cannot_have, cannot_open, contents, cut, settings};

/// What an acknowledgement outlives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Promise {
    /// A crash of the broker, of the system, and a power cut: it is on the disk
    Disk,
    /// A crash of the broker, but none of the system and no power cut: the system has it
    Os,
    /// Nothing: everything is in memory
    None,
}

/// A store that is open, and what it had.
pub(crate) struct Data {
    pub(crate) log: Log<Directory>,
    pub(crate) found: Found,
}

/// What the broker says of its store.
pub(crate) struct Found {
    directory: PathBuf,
    report: Report,
}

/// Opens the store that the command line names, if it names one.
pub(crate) fn open(
    directory: Option<PathBuf>,
    promise: Option<Promise>,
) -> Result<Option<Data>, Box<dyn Error>> {
    let (directory, durability) = match (directory, promise) {
        (None, None | Some(Promise::None)) => return Ok(None),
        (Some(directory), None | Some(Promise::Disk)) => (directory, Durability::Disk),
        (Some(directory), Some(Promise::Os)) => (directory, Durability::Os),
        (None, Some(Promise::Disk | Promise::Os)) => {
            return Err(
                "there is nowhere to keep what is acknowledged: say where with --data-dir DIR, \
                        or leave --durability out to have everything in memory"
                    .into(),
            );
        }
        (Some(directory), Some(Promise::None)) => {
            let directory = directory.display();
            return Err(format!(
                "with --durability none nothing would be kept in {directory}: choose disk or os, or leave \
                 --data-dir out to have everything in memory"
            )
            .into());
        }
    };
    let opened = Directory::open(&directory).map_err(|error| cannot_have(&error))?;
    let opened = Log::open(opened, settings(durability));
    let (log, report) = opened.map_err(|error| cannot_open(&error, &directory))?;
    Ok(Some(Data { log, found: Found { directory, report } }))
}

impl Found {
    /// Says what was found and where, in a few words.
    pub(crate) fn words(&self) -> String {
        format!("{} in {}", contents(&self.report), self.directory.display())
    }

    /// Says what the last crash left in pieces.
    pub(crate) fn cut(&self) -> Option<String> {
        cut(&self.report)
    }
}
