//! [`Departed`]: what sessions had lost that are over, so that somebody can still ask why.

use std::collections::VecDeque;

use flux_eventbus::DropReason;
use flux_session::Timestamp;

use crate::clients::Ended;
use crate::inspect::EndedSessionView;
use crate::sync::Mutex;

/// The last sessions that are over and had lost something. Those that lost nothing, as most do, are not noted.
#[derive(Debug)]
pub(crate) struct Departed(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// The oldest first.
    sessions: VecDeque<EndedSessionView>,
    /// Of their names, which clients choose.
    bytes: usize,
}

impl Departed {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Noted::default()))
    }

    /// Notes what a session lost, with what goes with it.
    pub(crate) fn note_end(&self, now: Timestamp, ended: &Ended) {
        let mut lost = ended.session.losses.read();
        let rest = ended.remains.len();
        if rest > 0 {
            lost.push((DropReason::SessionEnded, u64::try_from(rest).unwrap_or(u64::MAX)));
        }
        if lost.is_empty() {
            return;
        }
        let owner = ended.session.lock().owner.user().cloned();
        let client_id = ended.session.client_id.clone();
        let reason = ended.reason;
        self.note(EndedSessionView { client_id, owner, ended_at: now, reason, lost });
    }

    /// Notes one, and forgets the oldest if it is too much.
    fn note(&self, session: EndedSessionView) {
        let mut noted = self.0.lock();
        noted.bytes += bytes(&session);
        noted.sessions.push_back(session);
        while noted.sessions.len() > MOST || noted.bytes > MOST_BYTES {
            let Some(oldest) = noted.sessions.pop_front() else { return };
            noted.bytes -= bytes(&oldest);
        }
    }

    /// Returns so many of them, or of those of one client, the last first.
    pub(crate) fn last(&self, client_id: Option<&str>, most: usize) -> Vec<EndedSessionView> {
        let noted = self.0.lock();
        let sessions = noted.sessions.iter().rev();
        let wanted = sessions.filter(|it| client_id.is_none_or(|id| *it.client_id == *id));
        wanted.take(most).cloned().collect()
    }
}

fn bytes(session: &EndedSessionView) -> usize {
    session.client_id.len() + session.owner.as_ref().map_or(0, |owner| owner.len())
}

const MOST: usize = 1_000;
const MOST_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use flux_eventbus::SessionEnd;

    use super::*;

    fn ended(client_id: &str, millis: u64) -> EndedSessionView {
        EndedSessionView {
            client_id: client_id.into(),
            owner: None,
            ended_at: Timestamp::from_millis(millis),
            reason: SessionEnd::Expired,
            lost: vec![(DropReason::QueueFull, 1)],
        }
    }

    #[test]
    fn the_last_are_told_first_and_the_oldest_are_forgotten() {
        let departed = Departed::new();
        for number in 0..1_500 {
            departed.note(ended(&format!("c{}", number % 2), number));
        }
        let last = departed.last(None, 2);
        assert_eq!(last, [ended("c1", 1_499), ended("c0", 1_498)]);
        assert_eq!(departed.last(Some("c0"), 1), [ended("c0", 1_498)]);
        assert_eq!(
            (departed.last(None, 9_999).len(), departed.last(Some("x"), 9).len()),
            (1_000, 0)
        );
    }

    #[test]
    fn names_take_no_more_than_they_may() {
        let departed = Departed::new();
        let name = "x".repeat(65_535);
        for number in 0..100 {
            departed.note(ended(&name, number));
        }
        let left = departed.last(None, 9_999);
        assert_eq!((left.len(), departed.0.lock().bytes), (16, 16 * 65_535));
        assert_eq!(left[0].ended_at, Timestamp::from_millis(99));
    }
}
