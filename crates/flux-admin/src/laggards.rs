//! [`Laggards`]: clients that take messages more slowly than they come, since when, and when that is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use flux_auth::Client;
use flux_eventbus::excerpt;
use flux_mqtt::{BrokerHandle, SessionView, Timestamp};
use tracing::Level;

/// Those who were behind when somebody looked last.
#[derive(Debug, Default)]
pub struct Laggards(BTreeMap<Arc<str>, Lag>);

#[derive(Debug)]
struct Lag {
    /// Since when something waits for it all the time.
    since: Timestamp,
    most: usize,
    is_told: bool,
    client: Option<Arc<Client>>,
}

/// What waits for a session at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages.
    pub queued: usize,
    /// Since when one of them or another waits.
    pub since: Option<Timestamp>,
    /// Whether its client is connected.
    pub is_here: bool,
    /// Who that is.
    pub client: Option<Arc<Client>>,
}

/// What has changed about somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LagChange {
    /// At least [`Laggards::LEAST`] messages waited in two looks, one after the other.
    Began {
        /// Whose client identifier.
        client_id: Arc<str>,
        /// For how long something has waited all the time by now, be it that it was away for a part of it.
        lasts_for: Duration,
        /// Messages that wait.
        queued: usize,
        /// Who it is.
        client: Option<Arc<Client>>,
    },
    /// Fewer than half of that wait.
    Ended {
        /// Whose client identifier.
        client_id: Arc<str>,
        /// For how long it was behind.
        lasted: Duration,
        /// The most messages that waited when somebody looked.
        most: usize,
        /// Who it is.
        client: Option<Arc<Client>>,
    },
    /// It is not connected any more.
    Gone {
        /// Whose client identifier.
        client_id: Arc<str>,
        /// For how long it was behind.
        lasted: Duration,
        /// The most messages that waited when somebody looked.
        most: usize,
        /// What waits for it to come back; `None` if its session is over, and all that waited is lost.
        kept: Option<usize>,
        /// Who it was.
        client: Option<Arc<Client>>,
    },
}

impl Laggards {
    /// Whoever has fewer messages waiting is not behind.
    pub const LEAST: usize = 100;

    /// How often it is usually looked.
    pub const EVERY: Duration = Duration::from_secs(10);

    /// Returns what has changed. `behind` are connected clients with the longest queues, `waiting` says what waits for
    /// anybody, and is `None` where there is no session.
    pub fn update(
        &mut self,
        now: Timestamp,
        behind: impl Iterator<Item = (Arc<str>, Waiting)>,
        waiting: impl Fn(&str) -> Option<Waiting>,
    ) -> Vec<LagChange> {
        let mut changes = Vec::new();
        self.0.retain(|client_id, lag| {
            let waiting = waiting(client_id);
            let change = lag.look(now, client_id, waiting.as_ref());
            changes.extend(change);
            waiting.is_some_and(|it| it.is_here && it.queued >= Self::LEAST / 2)
        });
        for (client_id, waiting) in behind.filter(|(_, it)| it.queued >= Self::LEAST) {
            let Waiting { queued, since, client, .. } = waiting;
            let since = since.unwrap_or(now);
            let new = Lag { since, most: queued, is_told: false, client };
            self.0.entry(client_id).or_insert(new);
        }
        changes
    }
}

impl Lag {
    fn look(
        &mut self,
        now: Timestamp,
        client_id: &Arc<str>,
        waiting: Option<&Waiting>,
    ) -> Option<LagChange> {
        let queued = waiting.map_or(0, |it| it.queued);
        self.most = self.most.max(queued);
        let (client_id, client, most) = (client_id.clone(), self.client.clone(), self.most);
        let lasted = now.saturating_since(self.since);
        let Some(waiting) = waiting.filter(|it| it.is_here) else {
            let kept = waiting.map(|it| it.queued);
            let gone = LagChange::Gone { client_id, lasted, most, kept, client };
            return self.is_told.then_some(gone);
        };
        if queued < Laggards::LEAST / 2 {
            let ended = LagChange::Ended { client_id, lasted, most, client };
            return self.is_told.then_some(ended);
        }
        // It may have caught up meanwhile.
        self.since = waiting.since.unwrap_or(now);
        self.client.clone_from(&waiting.client);
        if queued < Laggards::LEAST || self.is_told {
            return None;
        }
        self.is_told = true;
        let lasts_for = now.saturating_since(self.since);
        let client = self.client.clone();
        Some(LagChange::Began { client_id, lasts_for, queued, client })
    }
}

impl From<&SessionView> for Waiting {
    fn from(view: &SessionView) -> Self {
        Self {
            queued: view.queued,
            since: view.waits_since,
            is_here: view.is_attached,
            client: view.client.clone(),
        }
    }
}

/// Logs who is behind and who is so no more, until the sender of `over` is gone. Blocks this thread. It looks as often as
/// `every` says, and only while somebody would read it: a look takes about a microsecond for each session.
pub fn watch_laggards(broker: &BrokerHandle, every: Duration, over: &Receiver<()>) {
    let mut laggards = Laggards::default();
    while over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        if !tracing::enabled!(target: TARGET, Level::INFO) {
            laggards = Laggards::default();
            continue;
        }
        let census = broker.census(MOST);
        let behind = census.behind.iter().map(|view| (view.client_id.clone(), view.into()));
        let waiting = |client_id: &str| {
            let session = broker.manager().session(client_id).filter(|it| !it.is_over);
            session.as_ref().map(Waiting::from)
        };
        laggards.update(census.taken_at, behind, waiting).iter().for_each(log);
    }
}

/// A line is the same macro for each text, with what is known of the client.
macro_rules! write_line {
    ($client_id:expr, $client:expr, $text:expr, $($field:tt)*) => {{
        let client = $client.as_deref();
        tracing::info!(
            target: TARGET,
            client_id = &*excerpt($client_id),
            username = client.and_then(|it| it.identity.username.as_deref()).map(excerpt).as_deref(),
            peer = client.and_then(|it| it.peer).map(tracing::field::display),
            listener = client.and_then(|it| it.listener.as_deref()),
            $($field)*,
            $text,
        )
    }};
}

fn log(change: &LagChange) {
    match change {
        LagChange::Began { client_id, lasts_for, queued, client } => write_line!(
            client_id,
            client,
            "a client is behind",
            queued,
            ?lasts_for,
            help = "see what it lost: flux-broker clients show"
        ),
        LagChange::Ended { client_id, lasted, most, client } => {
            write_line!(client_id, client, "a client is behind no more", most, ?lasted);
        }
        LagChange::Gone { client_id, lasted, most, kept: Some(kept), client } => write_line!(
            client_id,
            client,
            "a client that was behind is gone; what waits is kept",
            most,
            kept,
            ?lasted
        ),
        LagChange::Gone { client_id, lasted, most, kept: None, client } => write_line!(
            client_id,
            client,
            "a client that was behind is gone, and all that waited is lost",
            most,
            ?lasted
        ),
    }
}

/// So many are looked for at once.
const MOST: usize = 100;
const TARGET: &str = "events::slow";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000 * seconds)
    }

    fn waiting(queued: usize, since: u64) -> Waiting {
        Waiting { queued, since: Some(at(since)), is_here: true, client: None }
    }

    /// Looks at this second; the sessions are all that there are.
    fn look(laggards: &mut Laggards, now: u64, sessions: &[(&str, Waiting)]) -> Vec<LagChange> {
        let here = sessions.iter().filter(|(_, it)| it.is_here);
        let behind = here.map(|(client_id, waiting)| ((*client_id).into(), waiting.clone()));
        let waiting = |client_id: &str| {
            let found = sessions.iter().find(|(other, _)| *other == client_id);
            found.map(|(_, waiting)| waiting.clone())
        };
        laggards.update(at(now), behind, waiting)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn began(seconds_before: u64, queued: usize) -> LagChange {
        let lasts_for = seconds(seconds_before);
        LagChange::Began { client_id: "slow".into(), lasts_for, queued, client: None }
    }

    #[test]
    fn whoever_is_behind_for_long_is_told_once_and_when_it_is_over() {
        let mut laggards = Laggards::default();
        let first =
            [("slow", waiting(100, 7)), ("burst", waiting(9000, 9)), ("fast", waiting(99, 1))];
        assert_eq!(look(&mut laggards, 10, &first), []);
        let second = [("slow", waiting(300, 7)), ("burst", waiting(0, 19))];
        assert_eq!(look(&mut laggards, 20, &second), [began(13, 300)], "since the first waited");
        assert_eq!(look(&mut laggards, 30, &[("slow", waiting(200, 7))]), []);
        assert_eq!(look(&mut laggards, 40, &[("slow", waiting(50, 7))]), [], "not yet");
        let ended = LagChange::Ended {
            client_id: "slow".into(),
            lasted: seconds(43),
            most: 300,
            client: None,
        };
        assert_eq!(look(&mut laggards, 50, &[("slow", waiting(49, 7))]), [ended]);
        assert_eq!(look(&mut laggards, 60, &[("slow", waiting(49, 7))]), []);
    }

    #[test]
    fn whoever_caught_up_between_two_looks_is_behind_since_then() {
        let mut laggards = Laggards::default();
        look(&mut laggards, 10, &[("slow", waiting(500, 1))]);
        assert_eq!(look(&mut laggards, 20, &[("slow", waiting(500, 18))]), [began(2, 500)]);
    }

    #[test]
    fn whoever_leaves_is_gone_and_what_waited_is_kept_or_lost() {
        let away = |queued| Waiting { is_here: false, ..waiting(queued, 1) };
        let last: [(&[(&str, Waiting)], _); 2] = [(&[], None), (&[("slow", away(600))], Some(600))];
        for (sessions, kept) in last {
            let mut laggards = Laggards::default();
            look(&mut laggards, 10, &[("slow", waiting(500, 1))]);
            look(&mut laggards, 20, &[("slow", waiting(600, 1))]);
            let lasted = seconds(29);
            let client_id = "slow".into();
            let gone = LagChange::Gone { client_id, lasted, most: 600, kept, client: None };
            assert_eq!(look(&mut laggards, 30, sessions), [gone]);
            assert_eq!(look(&mut laggards, 40, sessions), []);
        }
    }

    #[test]
    fn whoever_leaves_before_it_was_told_is_not_told() {
        let mut laggards = Laggards::default();
        look(&mut laggards, 10, &[("slow", waiting(500, 1))]);
        assert_eq!(look(&mut laggards, 20, &[]), []);
    }
}
