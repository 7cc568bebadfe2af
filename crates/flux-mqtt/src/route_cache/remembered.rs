//! [`RememberedVerdict`]: what a worker does about a PUBLISH that it decided about before, for the benchmark alone.

use flux_auth::{Authorizer, Client, Stamp, Verdict};
use flux_topic::TopicName;

use super::RouteCache;
use crate::ledger::Ledger;
use crate::routes::Routes;
use crate::settings::SharedSettings;

/// A worker's memory, in which there is what was decided about one topic.
#[derive(Debug)]
pub struct RememberedVerdict(RouteCache);

impl RememberedVerdict {
    /// Remembers that the client may publish to `topic`, at QoS 0, under the rules of now.
    #[must_use]
    pub fn new(authorizer: &dyn Authorizer, client: &Client, topic: TopicName<'_>) -> Self {
        let routes = Routes::new(SharedSettings::default(), Ledger::new(1), None, 0);
        let mut cache = RouteCache::default();
        // A topic is remembered when it comes a second time.
        for _ in 0..2 {
            cache.find(&routes, topic);
        }
        let stamp = authorizer.stamp(client).unwrap_or_else(Stamp::next);
        if cache.verdict(topic, stamp, QOS_0).is_none() {
            cache.note_verdict(stamp, QOS_0, Verdict::Allow);
        }
        Self(cache)
    }

    /// Returns what is remembered, as a worker asks for it.
    pub fn verdict(
        &mut self,
        authorizer: &dyn Authorizer,
        client: &Client,
        topic: TopicName<'_>,
    ) -> Option<Verdict> {
        self.0.verdict(topic, authorizer.stamp(client)?, QOS_0)
    }
}

/// The flags of such a PUBLISH that is not retained.
const QOS_0: u8 = 0;
