//! What a session holds beside messages, in bytes: a running sum, so that messages pay nothing for it.

use flux_topic::TopicFilter;

use super::Session;
use crate::queue::cost;
use crate::{FILTER_LEVEL_OVERHEAD, Message, SUBSCRIPTION_OVERHEAD, Will};

impl<M: Message> Session<M> {
    /// Puts another will, or none, in the place of the one that is there, and returns that.
    pub(super) fn replace_will(&mut self, will: Option<Will<M>>) -> Option<Will<M>> {
        let others = self.standing_bytes.saturating_sub(cost_of_will(self.will.as_ref()));
        self.standing_bytes = others.saturating_add(cost_of_will(will.as_ref()));
        std::mem::replace(&mut self.will, will)
    }
}

/// Returns the bytes that a subscription counts.
pub(super) fn cost_of_filter(filter: &TopicFilter) -> usize {
    let levels = filter.level_count().saturating_mul(FILTER_LEVEL_OVERHEAD);
    filter.as_str().len().saturating_add(SUBSCRIPTION_OVERHEAD).saturating_add(levels)
}

/// Returns the bytes that a will counts.
fn cost_of_will<M: Message>(will: Option<&Will<M>>) -> usize {
    will.map_or(0, |will| cost(&will.message))
}
