//! Files in memory that fail on command, and lose in a power cut what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Disk;

/// The in-memory twin of a directory. Clones are the same disk: one for the log, one for the test.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Inner>);

/// What fails until it is told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Writes fail half way, also of what is new: the disk is full.
    Full,
    /// Syncing fails, and what it should have kept is lost in a power cut, now and later.
    Sync,
    /// Syncing does nothing and says that it went well.
    SilentSync,
    /// Whoever syncs or reads waits until it is told otherwise.
    Hang,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    /// Rung when the fault changes.
    fault_changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<u32, File>,
    /// What a power cut leaves of the list.
    listed: BTreeMap<u32, u64>,
    /// Files that are removed, by birth, in case that the removal is lost.
    removed: BTreeMap<u64, File>,
    births: u64,
    syncs: u64,
    fault: Fault,
    /// How many more changes are made; `None` for any number.
    changes_left: Option<u64>,
    noted: Option<u32>,
    /// What a power cut leaves of the note.
    noted_for_good: Option<u32>,
}

#[derive(Clone, derive_more::Debug, Default)]
struct File {
    birth: u64,
    #[debug("{} bytes", now.len())]
    now: Vec<u8>,
    #[debug("{} bytes", synced.len())]
    synced: Vec<u8>,
    /// The sectors written since the last sync.
    dirty: BTreeSet<usize>,
}

impl SimulatedDisk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, when it does not hang any more.
    fn lock_answering(&self) -> MutexGuard<'_, State> {
        let hangs = |state: &mut State| state.fault == Fault::Hang;
        let waited = self.0.fault_changed.wait_while(self.lock(), hangs);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Inner { state: Mutex::new(state), fault_changed: Condvar::new() }))
    }

    /// Lets something fail from now on.
    pub fn set_fault(&self, fault: Fault) {
        self.lock().fault = fault;
        self.0.fault_changed.notify_all();
    }

    /// Makes so many changes more, syncs included, and then fails at each: a process that ends there
    /// does no more. What a power cut leaves has no limit.
    pub fn stop_after(&self, changes: u64) {
        self.lock().changes_left = Some(changes);
    }

    /// Takes the limit of changes away.
    pub fn go_on(&self) {
        self.lock().changes_left = None;
    }

    /// Returns how many times a file was synced.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Returns what a power cut leaves: of each 512-byte sector that was written and not synced,
    /// and of each change of the list, `keep` decides whether it came through.
    #[must_use]
    pub fn cut_power(&self, mut keep: impl FnMut() -> bool) -> Self {
        let state = self.lock();
        let noted = if keep() { state.noted } else { state.noted_for_good };
        let births = state.births;
        let mut after = State { births, noted, noted_for_good: noted, ..State::default() };
        let numbers: BTreeSet<u32> =
            state.files.keys().chain(state.listed.keys()).copied().collect();
        for number in numbers {
            let (now, listed) = (state.files.get(&number), state.listed.get(&number));
            let is_synced = now.map(|file| file.birth) == listed.copied();
            let file = if is_synced || keep() {
                now
            } else {
                listed.and_then(|birth| state.removed.get(birth))
            };
            if let Some(file) = file {
                let bytes = file.survive(&mut keep);
                after.listed.insert(number, file.birth);
                let (birth, synced, dirty) = (file.birth, bytes.clone(), BTreeSet::new());
                after.files.insert(number, File { birth, now: bytes, synced, dirty });
            }
        }
        Self::of(after)
    }

    /// Returns the bytes of every file.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<u32, Vec<u8>> {
        self.lock().files.iter().map(|(number, file)| (*number, file.now.clone())).collect()
    }

    /// Returns a disk with these files, all synced, and no note.
    #[must_use]
    pub fn with_contents(contents: BTreeMap<u32, Vec<u8>>) -> Self {
        let mut state = State::default();
        for (number, bytes) in contents {
            state.births += 1;
            let (birth, synced, dirty) = (state.births, bytes.clone(), BTreeSet::new());
            state.listed.insert(number, birth);
            state.files.insert(number, File { birth, now: bytes, synced, dirty });
        }
        Self::of(state)
    }
}

impl File {
    /// Returns what is left of the file after a power cut. It may be shorter than it was.
    fn survive(&self, keep: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut left = self.synced.clone();
        for sector in self.dirty.iter().filter(|_| keep()) {
            let start = sector * SECTOR;
            let end = self.now.len().min(start + SECTOR);
            if left.len() < end {
                left.resize(end, 0);
            }
            if let (Some(to), Some(from)) = (left.get_mut(start..end), self.now.get(start..end)) {
                to.copy_from_slice(from);
            }
        }
        left
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        if let Some(place) = self.now.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
        if !bytes.is_empty() {
            self.dirty.extend(offset / SECTOR..=(end - 1) / SECTOR);
        }
    }
}

impl State {
    fn file(&mut self, number: u32) -> io::Result<&mut File> {
        self.files.get_mut(&number).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self) -> io::Result<()> {
        match &mut self.changes_left {
            Some(0) => Err(io::Error::other("stopped")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn bury(&mut self, number: u32) {
        if let Some(file) = self.files.remove(&number) {
            self.removed.insert(file.birth, file);
        }
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(self.lock().files.keys().copied().collect())
    }

    fn create(&mut self, file: u32) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        state.bury(file);
        state.births += 1;
        let birth = state.births;
        state.files.insert(file, File { birth, ..File::default() });
        Ok(())
    }

    fn len(&mut self, file: u32) -> io::Result<u64> {
        self.lock().file(file).map(|file| file.now.len() as u64)
    }

    fn write_at(&mut self, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        let is_full = state.fault == Fault::Full;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let file = state.file(file)?;
        if is_full {
            let (half, _) = bytes.split_at_checked(bytes.len() / 2).unwrap_or_default();
            file.write(offset, half);
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write(offset, bytes);
        Ok(())
    }

    fn read_at(&mut self, file: u32, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.lock_answering();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let from = state.file(file)?.now.get(offset..offset + buffer.len());
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn sync(&mut self, file: u32) -> io::Result<()> {
        let mut state = self.lock_answering();
        state.change()?;
        state.syncs += 1;
        let fault = state.fault;
        let file = state.file(file)?;
        match fault {
            Fault::None | Fault::Full | Fault::Hang => {
                file.synced.resize(file.now.len(), 0);
                for sector in std::mem::take(&mut file.dirty) {
                    let start = sector * SECTOR;
                    let end = file.now.len().min(start + SECTOR);
                    let places = (file.synced.get_mut(start..end), file.now.get(start..end));
                    if let (Some(to), Some(from)) = places {
                        to.copy_from_slice(from);
                    }
                }
                Ok(())
            }
            Fault::Sync => {
                // As Linux does: the pages count as clean, and are not written any more.
                file.dirty.clear();
                Err(io::Error::other("input/output error"))
            }
            Fault::SilentSync => Ok(()),
        }
    }

    fn sync_list(&mut self) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        match state.fault {
            Fault::None | Fault::Full | Fault::Hang => {
                state.listed =
                    state.files.iter().map(|(number, file)| (*number, file.birth)).collect();
                state.removed.clear();
                Ok(())
            }
            Fault::Sync => Err(io::Error::other("input/output error")),
            Fault::SilentSync => Ok(()),
        }
    }

    fn note(&mut self, file: u32) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        state.noted = Some(file);
        match state.fault {
            Fault::None | Fault::Hang => {
                state.noted_for_good = Some(file);
                Ok(())
            }
            Fault::Full => Err(io::ErrorKind::StorageFull.into()),
            Fault::Sync => Err(io::Error::other("input/output error")),
            Fault::SilentSync => Ok(()),
        }
    }

    fn noted(&mut self) -> io::Result<Option<u32>> {
        Ok(self.lock().noted)
    }

    fn remove(&mut self, file: u32) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        state.bury(file);
        Ok(())
    }
}

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
