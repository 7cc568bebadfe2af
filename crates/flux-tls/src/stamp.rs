//! Whether a file has changed since it was read.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// What changes when a file is written, replaced, or a link on its path is turned elsewhere, as Kubernetes does
/// with mounted secrets. Asking costs one call to the system, needs no thread, and misses nothing that
/// links or network disks hide from notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    /// Device and inode.
    identity: (u64, u64),
}

impl Stamp {
    /// Returns the stamp of a file; `None` when there is none, or it cannot be asked.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            identity: identity(&metadata),
        })
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_metadata: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}
