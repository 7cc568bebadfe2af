//! A directory of the file system, which no other process may use meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{Disk, note};

/// A directory with a lock. Only its owner may read what is in it: it holds the payloads of messages.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// The file that was made last.
    written: Option<(u32, File)>,
    /// Some of the others, to read.
    read: BTreeMap<u32, File>,
    /// Both are locked as long as they are open; the kernel unlocks them when the process dies.
    directory: File,
    lock: File,
}

/// Why a directory is not ours.
#[derive(Debug, Error)]
pub enum OpenDirectoryError {
    /// Somebody else uses it.
    #[error("{} is used by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// There is no store in it.
    #[error("there is no store in {}", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made, read or locked.
    #[error("cannot open {}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Directory {
    /// Opens a directory, makes it if it is missing, and locks it.
    ///
    /// # Errors
    ///
    /// When another process has it, or the file system refuses.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenDirectoryError> {
        let path = path.into();
        make(&path).map_err(|source| OpenDirectoryError::Io { path: path.clone(), source })?;
        Self::lock(path)
    }

    /// Opens a directory that has a store in it, and locks it.
    ///
    /// # Errors
    ///
    /// When there is none, another process has it, or the file system refuses.
    pub fn open_existing(path: impl Into<PathBuf>) -> Result<Self, OpenDirectoryError> {
        let path = path.into();
        let numbers = numbers(&path);
        let numbers =
            numbers.map_err(|source| OpenDirectoryError::Io { path: path.clone(), source })?;
        if numbers.is_empty() && !path.join(LOCK).exists() {
            return Err(OpenDirectoryError::Empty { path });
        }
        Self::lock(path)
    }

    fn lock(path: PathBuf) -> Result<Self, OpenDirectoryError> {
        let failed = |source| OpenDirectoryError::Io { path: path.clone(), source };
        let directory = File::open(&path).map_err(failed)?;
        // The lock of the directory holds even if somebody removes the file; not every file system
        // has one.
        if let Err(TryLockError::WouldBlock) = directory.try_lock() {
            return Err(OpenDirectoryError::InUse { path });
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(OWNER_ONLY);
        let lock = options.open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, written: None, read: BTreeMap::new(), directory, lock }),
            Err(TryLockError::WouldBlock) => Err(OpenDirectoryError::InUse { path }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn path_of(&self, file: u32) -> PathBuf {
        self.path.join(name_of(file))
    }

    fn file(&mut self, number: u32) -> io::Result<&File> {
        if let Some((_, file)) = self.written.as_ref().filter(|(written, _)| *written == number) {
            return Ok(file);
        }
        let path = self.path_of(number);
        // Connections need descriptors, too. Which of them goes hardly matters.
        if self.read.len() >= OPEN_FILES && !self.read.contains_key(&number) {
            self.read.pop_first();
        }
        match self.read.entry(number) {
            std::collections::btree_map::Entry::Occupied(open) => Ok(open.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                Ok(place.insert(File::open(path)?))
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn open_files(&self) -> usize {
        self.read.len() + usize::from(self.written.is_some())
    }
}

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<u32>> {
        numbers(&self.path)
    }

    fn create(&mut self, file: u32) -> io::Result<()> {
        let path = self.path_of(file);
        self.written = None;
        self.read.remove(&file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.create_new(true).read(true).write(true).mode(OWNER_ONLY);
        self.written = Some((file, options.open(path)?));
        Ok(())
    }

    fn len(&mut self, file: u32) -> io::Result<u64> {
        Ok(self.file(file)?.metadata()?.len())
    }

    fn write_at(&mut self, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(file)?.write_all_at(bytes, offset)
    }

    fn read_at(&mut self, file: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file(file)?.read_exact_at(buffer, offset)
    }

    fn sync(&mut self, file: u32) -> io::Result<()> {
        self.file(file)?.sync_data()
    }

    fn sync_list(&mut self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn note(&mut self, file: u32) -> io::Result<()> {
        let (offset, bytes) = note::encode(file);
        self.lock.write_all_at(&bytes, offset)?;
        self.lock.sync_data()
    }

    fn noted(&mut self) -> io::Result<Option<u32>> {
        Ok(note::decode(&fs::read(self.path.join(LOCK))?))
    }

    fn remove(&mut self, file: u32) -> io::Result<()> {
        self.read.remove(&file);
        match fs::remove_file(self.path_of(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Makes a directory and all above it, so that they outlive a power cut.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make(above)?;
    }
    match DirBuilder::new().mode(OWNER_ONLY | 0o100).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}

fn numbers(path: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        let number = number.and_then(|number| number.parse::<u32>().ok());
        // What is called otherwise is not ours, such as a copy that somebody made.
        numbers.extend(number.filter(|number| *name == *name_of(*number)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn name_of(file: u32) -> String {
    format!("{file:010}.log")
}

/// The file with the lock and the note.
const LOCK: &str = "lock";
const OWNER_ONLY: u32 = 0o600;
/// Files that are kept open to read.
const OPEN_FILES: usize = 16;
