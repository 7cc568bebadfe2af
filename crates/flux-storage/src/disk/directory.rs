//! A directory of the file system, which no other process may use meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Disk;

/// A directory with a lock.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    files: BTreeMap<u32, File>,
    /// Locked as long as it is open; the kernel unlocks it when the process dies.
    _lock: File,
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
        let failed = |path: &Path, source| OpenDirectoryError::Io { path: path.into(), source };
        let opened = fs::create_dir_all(&path).and_then(|()| {
            let options = OpenOptions::new().create(true).truncate(false).write(true).to_owned();
            options.open(path.join("lock"))
        });
        let lock = opened.map_err(|error| failed(&path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, files: BTreeMap::new(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenDirectoryError::InUse { path }),
            Err(TryLockError::Error(error)) => Err(failed(&path, error)),
        }
    }

    fn path_of(&self, file: u32) -> PathBuf {
        self.path.join(format!("{file:010}.log"))
    }

    fn file(&mut self, number: u32) -> io::Result<&File> {
        let path = self.path_of(number);
        match self.files.entry(number) {
            std::collections::btree_map::Entry::Occupied(open) => Ok(open.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                Ok(place.insert(OpenOptions::new().read(true).write(true).open(path)?))
            }
        }
    }
}

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn create(&mut self, file: u32) -> io::Result<()> {
        let path = self.path_of(file);
        self.files.remove(&file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let options = OpenOptions::new().create_new(true).read(true).write(true).to_owned();
        self.files.insert(file, options.open(path)?);
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
        File::open(&self.path)?.sync_all()
    }

    fn remove(&mut self, file: u32) -> io::Result<()> {
        self.files.remove(&file);
        match fs::remove_file(self.path_of(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
