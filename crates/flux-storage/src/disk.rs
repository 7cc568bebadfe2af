//! The files beneath the log, as little of them as it needs.

mod directory;
mod note;
mod simulated;

use std::io;

pub use self::directory::{Directory, OpenDirectoryError};
pub use self::simulated::{Fault, SimulatedDisk};

/// A place for numbered files. The log writes each file front to back, once, and syncs it before
/// it believes in it.
pub trait Disk: Send {
    /// Returns the numbers of the files, ascending.
    ///
    /// # Errors
    ///
    /// When the place cannot be read.
    fn list(&self) -> io::Result<Vec<u32>>;

    /// Makes an empty file, in place of one with this number.
    ///
    /// # Errors
    ///
    /// When there is no room, or the place cannot be written.
    fn create(&mut self, file: u32) -> io::Result<()>;

    /// Returns how long a file is.
    ///
    /// # Errors
    ///
    /// When there is no such file, or it cannot be read.
    fn len(&mut self, file: u32) -> io::Result<u64>;

    /// Writes all bytes at an offset, perhaps beyond the end.
    ///
    /// # Errors
    ///
    /// When there is no room, or the file cannot be written. How much is written is unknown then.
    fn write_at(&mut self, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills a buffer from an offset on.
    ///
    /// # Errors
    ///
    /// When the file ends before, or cannot be read.
    fn read_at(&mut self, file: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Returns once what was written to a file would outlive a power cut.
    ///
    /// # Errors
    ///
    /// When that is not certain. Syncing once more proves nothing then.
    fn sync(&mut self, file: u32) -> io::Result<()>;

    /// Returns once it would outlive a power cut which files there are.
    ///
    /// # Errors
    ///
    /// When that is not certain.
    fn sync_list(&mut self) -> io::Result<()>;

    /// Notes the number of a file that is there and synced, and returns once it would outlive a
    /// power cut. The last note counts; it is one more witness of what must be there.
    ///
    /// # Errors
    ///
    /// When that is not certain.
    fn note(&mut self, file: u32) -> io::Result<()>;

    /// Returns what was noted last; `None` if nothing was, or nobody can tell.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn noted(&mut self) -> io::Result<Option<u32>>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    fn remove(&mut self, file: u32) -> io::Result<()>;
}
