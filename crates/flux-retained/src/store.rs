//! [`RetainedStore`]: one tree, shared between threads.

mod cursor;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use bytes::Bytes;
use flux_time::Timestamp;
use flux_topic::{TopicFilter, TopicName};

pub use self::cursor::RetainedCursor;
use crate::limits::{RetainedLimitError, RetainedLimits};
use crate::message::{MAX_QOS, RetainedMessage, SetRetainedError};
use crate::retain::Retain;
use crate::tree::{Displaced, RetainedTree};

/// The retained messages of a broker. MQTT 5.0 section 3.3.1.3.
///
/// A clone is another handle to the same messages. Readers do not wait for each other; a writer
/// waits until all have finished. A panic in a caller's code under the lock does not close the
/// store: no method leaves the tree half changed.
///
/// A broker that keeps more about a message than [`RetainedMessage`] does, or that shares messages,
/// brings its own `V` and uses [`replace`](Self::replace), [`cursor`](Self::cursor) and
/// [`with_tree`](Self::with_tree).
///
/// [`set`](Self::set), [`try_set`](Self::try_set), [`get`](Self::get) and
/// [`get_matching`](Self::get_matching) know no time: for them a message that expires is there until
/// [`remove_expired`](Self::remove_expired) or a full store removes it.
pub struct RetainedStore<V = RetainedMessage> {
    tree: Arc<RwLock<RetainedTree<V>>>,
}

impl<V> RetainedStore<V>
where
    V: Retain + Clone + From<RetainedMessage> + Into<RetainedMessage>,
{
    /// Stores the message of a topic, or removes it when the payload is empty, `[MQTT-3.3.1-5]`
    /// `[MQTT-3.3.1-6]` `[MQTT-3.3.1-7]`.
    ///
    /// An invalid topic name or quality of service is ignored, as is what it would have stored, and
    /// so is a message for which there is no room: who has to know calls [`try_set`](Self::try_set).
    #[expect(clippy::needless_pass_by_value, reason = "users of the first version pass a String")]
    pub fn set(&self, topic: String, payload: Bytes, qos: u8) {
        let _ignored = self.try_set(&topic, payload, qos);
    }

    /// Stores the message of a topic, or removes it when the payload is empty, `[MQTT-3.3.1-5]`
    /// `[MQTT-3.3.1-6]` `[MQTT-3.3.1-7]`.
    ///
    /// # Errors
    ///
    /// When `topic` is not a topic name, `qos` is more than 2 or the limits do not allow the message;
    /// then the topic keeps the message that it has.
    pub fn try_set(&self, topic: &str, payload: Bytes, qos: u8) -> Result<(), SetRetainedError> {
        let name = TopicName::parse(topic)?;
        if qos > MAX_QOS {
            return Err(SetRetainedError::Qos { qos });
        }
        let message = (!payload.is_empty())
            .then(|| V::from(RetainedMessage { topic: topic.to_owned(), payload, qos }));
        self.replace(TIMELESS, name, message)?;
        Ok(())
    }

    /// Returns the message of exactly this topic.
    #[must_use]
    pub fn get(&self, topic: &str) -> Option<RetainedMessage> {
        let name = TopicName::parse(topic).ok()?;
        self.with_tree(|tree| tree.get(TIMELESS, name).cloned()).map(Into::into)
    }

    /// Returns the messages that a new subscription with `filter` receives, in the order of
    /// [`RetainedTree::for_each_match`]; none when `filter` is not a topic filter. MQTT 5.0 section
    /// 4.7, `[MQTT-3.3.1-9]`.
    #[must_use]
    pub fn get_matching(&self, filter: &str) -> Vec<RetainedMessage> {
        let Ok(filter) = TopicFilter::parse(filter) else { return Vec::new() };
        let mut found = Vec::new();
        self.with_tree(|tree| {
            tree.for_each_match(TIMELESS, &filter, |value| found.push(value.clone()));
        });
        found.into_iter().map(Into::into).collect()
    }
}

impl<V: Retain> RetainedStore<V> {
    /// Stores the value of a topic, or removes it with `None`, and returns what had to make way,
    /// `[MQTT-3.3.1-5]` `[MQTT-3.3.1-6]`: see [`RetainedTree::set`].
    ///
    /// That an empty payload means `None` is for the caller to see to, `[MQTT-3.3.1-7]`.
    ///
    /// # Errors
    ///
    /// When the limits do not allow the value; then the topic keeps the value that it has.
    pub fn replace(
        &self,
        now: Timestamp,
        topic: TopicName<'_>,
        value: Option<V>,
    ) -> Result<Displaced<V>, RetainedLimitError> {
        let mut tree = self.write();
        match value {
            Some(value) => tree.set(now, topic, value),
            None => Ok(Displaced { replaced: tree.remove(topic), dropped: Vec::new() }),
        }
    }

    /// Removes and returns `at_most` values that have expired at `now`: see
    /// [`RetainedTree::remove_expired`].
    pub fn remove_expired(&self, now: Timestamp, at_most: usize) -> Vec<V> {
        self.write().remove_expired(now, at_most)
    }

    /// Returns the first moment at which a value expires, or expired that is still there; none when
    /// no value expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.with_tree(RetainedTree::next_expiry)
    }

    /// Returns the limits that hold.
    #[must_use]
    pub fn limits(&self) -> RetainedLimits {
        self.with_tree(RetainedTree::limits)
    }
}

impl<V> RetainedStore<V> {
    /// Returns a store without messages, with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a store without messages.
    #[must_use]
    pub fn with_limits(limits: RetainedLimits) -> Self {
        Self { tree: Arc::new(RwLock::new(RetainedTree::with_limits(limits))) }
    }

    /// Returns what `read` makes of the tree, during which no message changes.
    ///
    /// So a broker can read messages and offer them in one step. `read` must not call the store
    /// again, which could wait for itself.
    pub fn with_tree<R>(&self, read: impl FnOnce(&RetainedTree<V>) -> R) -> R {
        read(&self.tree.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns how many topics have a message, which may have expired.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with_tree(RetainedTree::len)
    }

    /// Returns whether no topic has a message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.with_tree(RetainedTree::is_empty)
    }

    /// Returns how many bytes the messages and the levels of the tree count, as
    /// [`RetainedLimits::bytes`] defines it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.with_tree(RetainedTree::bytes)
    }

    fn write(&self) -> RwLockWriteGuard<'_, RetainedTree<V>> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Clone for RetainedStore<V> {
    fn clone(&self) -> Self {
        Self { tree: Arc::clone(&self.tree) }
    }
}

impl<V> Default for RetainedStore<V> {
    fn default() -> Self {
        Self { tree: Arc::default() }
    }
}

impl<V> fmt::Debug for RetainedStore<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedStore").finish_non_exhaustive()
    }
}

/// For callers without a clock: at the beginning of time nothing has expired.
const TIMELESS: Timestamp = Timestamp::from_millis(0);
