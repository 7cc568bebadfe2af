//! The durable log behind MQTT sessions and retained messages.
//!
//! A broker appends [`Record`]s to a [`Store`] and calls [`Store::sync`]: one sync for all that came
//! meanwhile. [`Log`] is the store: segments on a [`Disk`], and in memory an index of what is alive,
//! 16 bytes for each queued message and about 50 for its place. [`Committer`] runs it on a thread.
//!
//! What holds after a crash or a power cut, given a disk that keeps what it synced:
//!
//! - What was synced is there, in its order.
//! - What was appended later is there or not, each record whole.
//! - A torn tail is cut and reported ([`Report::cut`]). Damage to what had been synced is never taken
//!   for one: opening is refused, and [`salvage`] reads the rest.
//!
//! Invariants that this comes from:
//!
//! - The index changes only by records that are synced, at run time as at start.
//! - Nothing is appended to a segment after a failure, nor after a start.
//! - Segments go oldest first, after a synced record that says so.
//! - A segment counts once its first group is synced; until then the one before counts to its end.
//!
//! The crate knows no sockets and no async runtime, and reads a clock only to say how long a disk takes and to
//! try again; it does not decide what is worth keeping.
//!
//! ```
//! use flux_storage::{Batch, Durability, Log, LogSettings, Owner, Record, SessionKey, SessionRecord};
//! use flux_storage::{SimulatedDisk, Store as _};
//! use flux_session::SessionExpiry;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk = SimulatedDisk::default();
//! let settings = LogSettings {
//!     segment_bytes: LogSettings::SEGMENT_BYTES,
//!     new_log_id: 7,
//!     durability: Durability::Disk,
//! };
//! let (mut log, _) = Log::open(disk.clone(), settings)?;
//! let mut batch = Batch::new();
//! batch.push(&Record::Session(SessionRecord {
//!     session: log.next_session(),
//!     client_id: "meter-17",
//!     owner: Owner::Nobody,
//!     expiry: SessionExpiry::NEVER,
//!     detached_since: None,
//! }))?;
//! log.append(&batch);
//! log.sync()?;
//!
//! let after_power_cut = disk.cut_power(|| false);
//! let (mut log, report) = Log::open(after_power_cut, settings)?;
//! assert_eq!(report.sessions, 1);
//! assert_eq!(&*log.sessions(None, 10)?[0].client_id, "meter-17");
//! # Ok(())
//! # }
//! ```

mod batch;
mod clock;
mod committer;
mod disk;
mod index;
mod log;
mod record;
mod scan;
mod segment;
mod store;
#[cfg(test)]
mod tests;

pub use self::batch::{Batch, RecordTooLong};
pub use self::committer::{Committer, Completion, Failure, Health, NotTaken, Ticket};
pub use self::disk::{Directory, Disk, Fault, OpenDirectoryError, SimulatedDisk};
pub use self::log::{Cut, Durability, Log, LogSettings, OpenError, Report, View, salvage};
pub use self::record::{
    Content, MessageRecord, Owner, Record, Sequence, SessionKey, SessionRecord, Target, WillRecord,
};
pub use self::store::{
    Queued, ReadError, ReadLimit, Store, StoredContent, StoredGroup, StoredMessage, StoredSession,
    StoredWill, SyncError,
};
