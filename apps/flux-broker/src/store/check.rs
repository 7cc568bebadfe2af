//! Reads all of a store, and writes what can be read of a damaged one to another directory.
#![expect(clippy::print_stdout, reason = "a command says what it found")]

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;

use flux_storage::{
    Directory, Durability, Log, LogSettings, OpenError, ReadLimit, Report, Sequence, SessionKey,
    View, salvage as salvage_log,
};

use super::{StoreError, cannot_have, cannot_open, lock};

/// Says what is stored, if all of it can be read.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let opened = View::open(lock(path)?);
    let (mut view, report) = opened.map_err(|error| cannot_open(&error, path))?;
    read_all(&mut view)?;
    let mebibytes = view.disk_bytes().div_ceil(1 << 20);
    println!("{} is sound: {}", path.display(), contents(&report));
    println!("it takes {mebibytes} MiB in {} files", view.segments());
    if let Some(cut) = cut(&report) {
        println!("{cut}");
    }
    Ok(())
}

/// Writes what can be read to an empty directory.
pub(super) fn salvage(path: &Path, into: &Path) -> Result<(), StoreError> {
    let damaged = lock(path)?;
    let new = Directory::open(into).map_err(|error| StoreError::CannotLook(cannot_have(&error)))?;
    let salvaged = salvage_log(damaged, new, settings(Durability::Disk));
    let (_, report): (Log<Directory>, _) = salvaged.map_err(|error| match &error {
        OpenError::Io(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            let into = into.display();
            StoreError::CannotLook(format!(
                "{into} has a store in it: name a directory that has none"
            ))
        }
        _ => cannot_open(&error, path),
    })?;
    println!("{} has what could be read: {}", into.display(), contents(&report));
    match report.lost {
        0 => println!("nothing was damaged that could be found in the files that are there"),
        lost => println!(
            "{lost} bytes are damaged and left out; what they ended may be there again, such as messages \
             that were delivered"
        ),
    }
    Ok(())
}

/// Returns how the files of a store are written.
pub(crate) fn settings(durability: Durability) -> LogSettings {
    let new_log_id = RandomState::new().build_hasher().finish();
    LogSettings { segment_bytes: LogSettings::SEGMENT_BYTES, new_log_id, durability }
}

/// Says how much of what there is.
pub(crate) fn contents(report: &Report) -> String {
    let count = |number: u64, one: &str| match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    };
    let groups = match report.groups {
        0 => String::new(),
        groups => format!("{}, ", count(groups as u64, "shared subscription")),
    };
    format!(
        "{}, {groups}{}, {}",
        count(report.sessions as u64, "session"),
        count(report.queued, "queued message"),
        count(report.retained as u64, "retained message"),
    )
}

/// Says what of the end was never synced and is in pieces.
pub(crate) fn cut(report: &Report) -> Option<String> {
    report.cut.map(|cut| {
        format!(
            "the last {} bytes of file {} were never acknowledged and are in pieces: they are left out",
            cut.bytes, cut.segment
        )
    })
}

/// Reads what the index leads to.
fn read_all(view: &mut View<Directory>) -> Result<(), StoreError> {
    let mut after: Option<SessionKey> = None;
    loop {
        let sessions = view.sessions(after, PART)?;
        let Some(last) = sessions.last() else { break };
        after = Some(last.session);
        for session in sessions {
            read_queue(view, session.session)?;
        }
    }
    for stored in view.groups()? {
        read_queue(view, stored.group)?;
    }
    let mut after: Option<String> = None;
    while let Some(last) = view.retained(after.as_deref(), PARTS)?.last() {
        after = Some(String::from_utf8_lossy(&last.content.topic).into_owned());
    }
    Ok(())
}

fn read_queue(view: &mut View<Directory>, key: SessionKey) -> Result<(), StoreError> {
    let mut after: Option<Sequence> = None;
    while let Some(last) = view.queue(key, after, PARTS)?.last() {
        after = Some(last.sequence);
    }
    Ok(())
}

/// Sessions that are read at once.
pub(super) const PART: usize = 16;
/// Messages that are read at once.
pub(super) const PARTS: ReadLimit = ReadLimit { messages: 256, bytes: 1 << 20 };
