//! The real file system: who may have a directory, what counts in it, and how much it holds open.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::{ALL, SETTINGS, batch, message, session};
use crate::{Directory, Disk as _, Log, OpenDirectoryError, OpenError, SessionKey, Store as _};

/// A path that nobody uses, which is gone after the test.
pub(super) struct Place(pub(super) PathBuf);

impl Place {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("flux-storage-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name).join("below"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(self.0.parent().unwrap()).unwrap();
    }
}

fn fill(place: &Place, groups: u64) -> Log<Directory> {
    let (mut log, report) = Log::open(Directory::open(&place.0).unwrap(), SETTINGS).unwrap();
    assert_eq!(report.messages, 0);
    for sequence in 0..groups {
        log.append(&batch(&[session(0), message(sequence, &[0], &[1; 100])]));
        log.sync().unwrap();
    }
    log
}

#[test]
fn a_directory_keeps_what_was_synced() {
    let place = Place::new("keeps");
    drop(fill(&place, 100));
    let (mut log, report) = Log::open(Directory::open(&place.0).unwrap(), SETTINGS).unwrap();
    assert_eq!((report.queued, report.cut, report.resynced), (100, None, 0));
    let queue = log.queue(SessionKey(0), None, ALL).unwrap();
    assert!(queue.iter().all(|message| message.content.as_ref().unwrap().payload[..] == [1; 100]));
}

#[test]
fn a_directory_has_one_owner_even_without_the_lock_file() {
    let place = Place::new("owner");
    let first = fill(&place, 1);
    for _ in 0..2 {
        let second = Directory::open(&place.0).unwrap_err();
        assert!(matches!(second, OpenDirectoryError::InUse { .. }), "{second}");
        let second = Directory::open_existing(&place.0).unwrap_err();
        assert!(matches!(second, OpenDirectoryError::InUse { .. }), "{second}");
        let _is_gone_the_second_time = fs::remove_file(place.0.join("lock"));
    }
    drop(first);
    Directory::open(&place.0).unwrap();
}

#[test]
fn a_directory_without_a_store_is_left_alone() {
    let place = Place::new("none");
    let missing = Directory::open_existing(&place.0).unwrap_err();
    assert!(matches!(missing, OpenDirectoryError::Io { .. }), "{missing}");
    assert!(!place.0.exists());
    fs::create_dir_all(&place.0).unwrap();
    let empty = Directory::open_existing(&place.0).unwrap_err();
    assert!(matches!(empty, OpenDirectoryError::Empty { .. }), "{empty}");
    assert_eq!(fs::read_dir(&place.0).unwrap().count(), 0);
    drop(fill(&place, 1));
    Directory::open_existing(&place.0).unwrap();
}

#[test]
fn only_its_owner_may_read_it() {
    let place = Place::new("mode");
    drop(fill(&place, 1));
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.0.clone()), 0o700);
    for entry in fs::read_dir(&place.0).unwrap() {
        assert_eq!(mode(entry.unwrap().path()), 0o600);
    }
}

#[test]
fn files_with_other_names_do_not_count() {
    let place = Place::new("names");
    let log = fill(&place, 1);
    drop(log);
    for name in ["2.log", "+000000003.log", "0000000004.log.bak", "x.log", "4294967296.log"] {
        fs::write(place.0.join(name), "not ours").unwrap();
    }
    assert_eq!(Directory::open(&place.0).unwrap().list().unwrap(), [1]);
}

#[test]
fn a_long_queue_does_not_take_the_descriptors() {
    let place = Place::new("descriptors");
    let mut log = fill(&place, 600);
    assert!(log.segments() > 40, "{}", log.segments());
    assert_eq!(log.queue(SessionKey(0), None, ALL).unwrap().len(), 600);
    assert!(log.disk().open_files() <= 17, "{}", log.disk().open_files());
}

#[test]
fn lost_files_are_missed_whichever_they_are() {
    let place = Place::new("lost");
    drop(fill(&place, 60));
    let files = Directory::open(&place.0).unwrap().list().unwrap();
    let newest = *files.last().unwrap();
    for kept in 0..files.len() {
        for file in &files[kept..] {
            let path = place.0.join(format!("{file:010}.log"));
            fs::rename(&path, path.with_extension("away")).unwrap();
        }
        let opened = Log::open(Directory::open(&place.0).unwrap(), SETTINGS);
        assert!(
            matches!(opened, Err(OpenError::Missing { segment }) if segment == newest),
            "{kept}: {opened:?}"
        );
        for file in &files[kept..] {
            let path = place.0.join(format!("{file:010}.log"));
            fs::rename(path.with_extension("away"), &path).unwrap();
        }
    }
    Log::open(Directory::open(&place.0).unwrap(), SETTINGS).unwrap();
}
