//! [`Laggards`]: clients that take messages more slowly than they come, since when, and when that is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use flux_eventbus::excerpt;
use flux_mqtt::BrokerHandle;
use tracing::Level;

/// Those who were behind when somebody looked last.
#[derive(Debug, Default)]
pub struct Laggards(BTreeMap<Arc<str>, Lag>);

#[derive(Debug)]
struct Lag {
    lasts_for: Duration,
    most: usize,
    is_told: bool,
}

/// What has changed about somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LagChange {
    /// At least [`Laggards::LEAST`] messages waited in two looks, one after the other.
    Began {
        /// Whose client identifier.
        client_id: Arc<str>,
        /// For how long by now.
        lasts_for: Duration,
        /// Messages that wait.
        queued: usize,
    },
    /// Fewer than half of that wait, or the client is not connected any more.
    Ended {
        /// Whose client identifier.
        client_id: Arc<str>,
        /// For how long it was behind.
        lasted: Duration,
        /// The most messages that waited when somebody looked.
        most: usize,
    },
}

impl Laggards {
    /// Whoever has fewer messages waiting is not behind.
    pub const LEAST: usize = 100;

    /// How often it is usually looked.
    pub const EVERY: Duration = Duration::from_secs(10);

    /// Returns what has changed. `behind` are connected clients with the longest queues, `queued` says how much waits for
    /// somebody who is connected, and `passed` is the time since the last look.
    pub fn update(
        &mut self,
        behind: impl Iterator<Item = (Arc<str>, usize)>,
        queued: impl Fn(&str) -> usize,
        passed: Duration,
    ) -> Vec<LagChange> {
        let mut changes = Vec::new();
        self.0.retain(|client_id, lag| {
            let queued = queued(client_id);
            lag.lasts_for += passed;
            lag.most = lag.most.max(queued);
            let goes_on = queued >= Self::LEAST / 2;
            if goes_on && queued >= Self::LEAST && !lag.is_told {
                lag.is_told = true;
                let (client_id, lasts_for) = (client_id.clone(), lag.lasts_for);
                changes.push(LagChange::Began { client_id, lasts_for, queued });
            } else if !goes_on && lag.is_told {
                let (client_id, lasted) = (client_id.clone(), lag.lasts_for);
                changes.push(LagChange::Ended { client_id, lasted, most: lag.most });
            }
            goes_on
        });
        for (client_id, queued) in behind.filter(|(_, queued)| *queued >= Self::LEAST) {
            let new = Lag { lasts_for: Duration::ZERO, most: queued, is_told: false };
            self.0.entry(client_id).or_insert(new);
        }
        changes
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
        let behind = broker.census(MOST).behind;
        let behind = behind.into_iter().map(|view| (view.client_id, view.queued));
        let queued = |client_id: &str| {
            let session = broker.manager().session(client_id).filter(|it| it.is_attached);
            session.map_or(0, |session| session.queued)
        };
        laggards.update(behind, queued, every).iter().for_each(log);
    }
}

fn log(change: &LagChange) {
    match change {
        LagChange::Began { client_id, lasts_for, queued } => tracing::info!(
            target: TARGET,
            client_id = &*excerpt(client_id),
            queued,
            ?lasts_for,
            help = "see what it lost: flux-broker clients show",
            "a client is behind",
        ),
        LagChange::Ended { client_id, lasted, most } => tracing::info!(
            target: TARGET,
            client_id = &*excerpt(client_id),
            most,
            ?lasted,
            "a client is behind no more",
        ),
    }
}

/// So many are looked for at once.
const MOST: usize = 100;
const TARGET: &str = "events::slow";

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks again after a second; `queues` are those of everybody who is connected.
    fn look(laggards: &mut Laggards, queues: &[(&str, usize)]) -> Vec<LagChange> {
        let behind = queues.iter().map(|(client_id, queued)| ((*client_id).into(), *queued));
        let queued = |client_id: &str| {
            let found = queues.iter().find(|(other, _)| *other == client_id);
            found.map_or(0, |(_, queued)| *queued)
        };
        laggards.update(behind, queued, Duration::from_secs(1))
    }

    fn ended(client_id: &str, seconds: u64, most: usize) -> LagChange {
        let lasted = Duration::from_secs(seconds);
        LagChange::Ended { client_id: client_id.into(), lasted, most }
    }

    #[test]
    fn whoever_is_behind_for_long_is_told_once_and_when_it_is_over() {
        let mut laggards = Laggards::default();
        assert_eq!(look(&mut laggards, &[("slow", 100), ("burst", 9000), ("fast", 99)]), []);
        let lasts_for = Duration::from_secs(1);
        let began = LagChange::Began { client_id: "slow".into(), lasts_for, queued: 300 };
        assert_eq!(look(&mut laggards, &[("slow", 300), ("burst", 0)]), [began]);
        assert_eq!(look(&mut laggards, &[("slow", 200)]), []);
        assert_eq!(look(&mut laggards, &[("slow", 50)]), [], "not yet");
        assert_eq!(look(&mut laggards, &[("slow", 49)]), [ended("slow", 4, 300)]);
        assert_eq!(look(&mut laggards, &[("slow", 49)]), []);
    }

    #[test]
    fn whoever_leaves_is_behind_no_more() {
        let mut laggards = Laggards::default();
        look(&mut laggards, &[("slow", 500)]);
        look(&mut laggards, &[("slow", 600)]);
        assert_eq!(look(&mut laggards, &[]), [ended("slow", 2, 600)]);
    }
}
