//! [`Surroundings`]: what a file is read from, and what it refers to.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Files and variables.
pub trait Surroundings {
    /// Returns a variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;

    /// Returns the text of a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no UTF-8.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// Returns the files of a directory whose names have this extension, in the order of their names; none where there is no such
    /// directory.
    ///
    /// # Errors
    ///
    /// When it cannot be listed.
    fn list(&self, directory: &Path, extension: &str) -> io::Result<Vec<PathBuf>>;

    /// Returns whether every user of the machine may read a file.
    fn is_for_all(&self, path: &Path) -> bool;
}

/// Those of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Surroundings for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn list(&self, directory: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == extension) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    #[cfg(unix)]
    fn is_for_all(&self, path: &Path) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o004 != 0)
    }

    #[cfg(not(unix))]
    fn is_for_all(&self, _: &Path) -> bool {
        false
    }
}

/// Files that are nowhere but here, and no variables unless some are added: for tests, and for texts that are made.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    files: BTreeMap<PathBuf, String>,
    variables: BTreeMap<String, String>,
}

impl InMemory {
    /// Returns surroundings with these files.
    #[must_use]
    pub fn new<const N: usize>(files: [(&str, &str); N]) -> Self {
        let files = files.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
        Self { files: files.into(), variables: BTreeMap::new() }
    }

    /// Adds a variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Surroundings for InMemory {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
        let is_inside = |path: &&PathBuf| {
            path.parent() == Some(directory) && path.extension().is_some_and(|it| it == extension)
        };
        Ok(self.files.keys().filter(is_inside).cloned().collect())
    }

    fn is_for_all(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }
}
