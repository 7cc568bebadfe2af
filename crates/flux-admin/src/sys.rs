//! [`SysTopics`]: the numbers of a broker as messages under `$SYS/broker`, with mosquitto's names and meanings.

mod load;
mod topics;

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use flux_mqtt::{BrokerHandle, ManagerError, Publication};
use tokio::time::Instant;

use self::load::Loads;
pub use self::topics::SysTopic;
use crate::Snapshot;

/// What was published of a broker's numbers, so that only what changes is published again.
#[derive(Debug, Default)]
pub struct SysTopics {
    published: HashMap<String, String>,
    loads: Loads,
    uptime: Duration,
    most_clients: usize,
}

impl SysTopics {
    /// Returns topics and payloads that have changed; all of them the first time. `passed` is the time since the last
    /// call, or since the broker began.
    pub fn update(&mut self, snapshot: &Snapshot, passed: Duration) -> Vec<(String, String)> {
        self.uptime += passed;
        self.most_clients = self.most_clients.max(snapshot.sessions);
        let version = concat!("flux-broker version ", env!("CARGO_PKG_VERSION"));
        let mut all = vec![
            ("version".to_owned(), version.to_owned()),
            ("uptime".to_owned(), format!("{} seconds", self.uptime.as_secs())),
            ("clients/maximum".to_owned(), self.most_clients.to_string()),
        ];
        let number = |it: &SysTopic| (it.name.to_owned(), (it.read)(snapshot).to_string());
        all.extend(SysTopic::ALL.iter().map(number));
        all.extend(self.loads.update(snapshot, passed));
        all.retain(|(topic, payload)| self.published.get(topic) != Some(payload));
        self.published.extend(all.iter().cloned());
        all.into_iter().map(|(topic, payload)| (format!("$SYS/broker/{topic}"), payload)).collect()
    }
}

/// Publishes the numbers of a broker at this interval, until the sender of `over` is gone or the broker has stopped.
/// Blocks this thread.
///
/// Messages have QoS 0, so that nothing piles up for those who are away: the last value is retained. It
/// is not stored, and not there after a restart.
pub fn publish_sys_topics(broker: &BrokerHandle, interval: Duration, over: &Receiver<()>) {
    let mut topics = SysTopics::default();
    let mut last = Instant::now();
    loop {
        // A busy machine, or one that slept, may have let more than the interval pass.
        let now = Instant::now();
        for (topic, payload) in topics.update(&Snapshot::of(broker), now - last) {
            match publish(broker, &topic, payload) {
                Ok(()) => {}
                Err(ManagerError::Stopped) => return,
                Err(error) => tracing::warn!(
                    %error,
                    topic,
                    help = "report this bug; without sys.interval nothing is published",
                    "cannot publish a number"
                ),
            }
        }
        if over.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        last = now;
    }
}

fn publish(broker: &BrokerHandle, topic: &str, payload: String) -> Result<(), ManagerError> {
    // Whoever subscribes in between gets it twice, in place of an older one after it.
    if let Err(error) = broker.retained().try_set(topic, payload.clone().into(), 0) {
        tracing::debug!(%error, topic, "a number is not retained");
    }
    broker.manager().publish_blocking(&Publication::new(topic, payload)).map(|_| ())
}
