//! What is written down of sessions that begin, and of those that do not.

use flux_session::{Sequence, SessionExpiry};
use flux_storage::{Durability, Log, LogSettings, SimulatedDisk, Store as _};

use super::*;
use crate::names::WorkerId;

impl Clients {
    /// Returns how many sessions there are, looked up in the map.
    pub(crate) fn listed(&self) -> usize {
        self.sessions.len()
    }

    /// Returns what all sessions hold now, looked at one after the other.
    pub(crate) fn held_bytes(&self) -> usize {
        let held = |session: &SharedSession| session.held_bytes(&session.lock());
        self.sessions.iter().map(|entry| held(&entry.value().session)).sum()
    }
}

struct Directory {
    clients: Clients,
    journal: Arc<Journal>,
}

impl Directory {
    fn new() -> Self {
        let journal = Arc::new(Journal::new(Sequence(NonZeroU64::MIN)));
        let first = SessionKey(NonZeroU64::MIN);
        let clients = Clients::new(7, Ledger::new(1), Some(journal.clone()), first);
        Self { clients, journal }
    }

    /// A user comes for a client identifier that nobody had when it looked.
    fn begin(&self, user: &str, most: usize) -> Result<(), NotBegun> {
        let claim = Claim {
            attachment: Attachment::Connection {
                worker: WorkerId(0),
                connection: crate::names::ConnectionId { index: 0, stamp: 0 },
            },
            clean_start: false,
            connection: Connection { receive_maximum: 1, expiry: SessionExpiry::NEVER, will: None },
            owner: Owner::User(user.into()),
            client: None,
        };
        let (now, limits) = (Timestamp::from_millis(0), SessionLimits::default());
        self.clients.begin(now, &"meter".into(), &claim, limits, None, most).map(drop)
    }

    /// Returns whose sessions a crash would leave now.
    fn stored(&self) -> Vec<String> {
        let settings =
            LogSettings { segment_bytes: 4096, new_log_id: 7, durability: Durability::Disk };
        let (mut log, _) = Log::open(SimulatedDisk::default(), settings).unwrap();
        self.journal.hand_over(|_, batch| {
            log.append(batch);
            false
        });
        log.sync().unwrap();
        let sessions = log.sessions(None, 9).unwrap();
        let owner =
            |session: &flux_storage::StoredSession| session.owner.user().unwrap().to_string();
        sessions.iter().map(owner).collect()
    }
}

/// After a crash the later one would hold: the loser's.
#[test]
fn of_two_who_begin_a_session_only_the_one_who_has_it_is_written_down() {
    let directory = Directory::new();
    directory.begin("alice", 9).unwrap();
    assert_eq!(directory.begin("mallory", 9), Err(NotBegun::Late));
    assert_eq!(directory.stored(), ["alice"]);
}

#[test]
fn a_session_that_there_is_no_place_for_is_not_written_down() {
    let directory = Directory::new();
    assert_eq!(directory.begin("mallory", 0), Err(NotBegun::NoPlace));
    assert_eq!(directory.stored(), [""; 0]);
}
