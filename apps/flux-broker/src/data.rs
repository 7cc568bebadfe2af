//! Where the broker keeps what is to outlive it, and what it found there.

use std::error::Error;
use std::path::PathBuf;

use flux_config::Durability as Promise;
use flux_storage::{Directory, Durability, Log, Report};

use crate::store::{cannot_have, cannot_open, contents, cut, settings};

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

/// Opens the store that the config names, if it names one. It has been checked: there is a durability only with a directory.
pub(crate) fn open(storage: &flux_config::Storage) -> Result<Option<Data>, Box<dyn Error>> {
    let Some(directory) = storage.data_dir.clone() else { return Ok(None) };
    let durability = match storage.durability {
        None | Some(Promise::Disk) => Durability::Disk,
        Some(Promise::Os) => Durability::Os,
        Some(Promise::None) => return Ok(None),
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
