//! What is delivered: a message, and how this client is to get it.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use crate::{QoS, Timestamp};

/// What a session must know of a message; everything else is the caller's.
///
/// Cloned once per QoS 1 or QoS 2 delivery (the session keeps one until it is acknowledged), so
/// an implementation should be a counted reference.
pub trait Message: Clone {
    /// Returns the bytes this message holds: topic, payload and properties.
    ///
    /// Must not change while a session holds the message: it is what the queue's byte count adds
    /// and subtracts.
    fn size(&self) -> usize;

    /// Returns when the Message Expiry Interval has passed (MQTT 5.0 section 3.3.2.3.3), or `None`
    /// for a message that does not expire.
    fn expires_at(&self) -> Option<Timestamp>;
}

/// One message on its way to one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<M> {
    /// The message, shared with the other receivers.
    pub message: M,
    /// The QoS of this delivery: the published one, at most the granted one
    /// (MQTT 5.0 section 3.8.4, `[MQTT-3.3.4-2]`).
    pub qos: QoS,
    /// The RETAIN flag to send (`[MQTT-3.3.1-12]`, `[MQTT-3.3.1-13]`).
    pub retain: bool,
    /// The identifiers of the subscriptions that matched `[MQTT-3.3.4-3]`.
    pub subscription_ids: SubscriptionIds,
    /// The shared subscription by which it came, or `None` for a subscription of the client alone.
    pub share: Option<ShareId>,
    /// Under which number the caller has stored the message for this session, if it has.
    pub sequence: Option<Sequence>,
}

impl<M: Message> Delivery<M> {
    /// Returns whether the message is too old to be sent for the first time.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.message.expires_at().is_some_and(|moment| moment <= now)
    }

    /// Returns what is to be said once it is needed no more, if it is stored. `is_sent` is whether it was sent.
    pub(crate) fn finished(&self, is_sent: bool) -> Option<Finished> {
        let is_own = is_sent && self.qos == QoS::ExactlyOnce;
        let share = if is_own { None } else { self.share };
        Some(Finished { sequence: self.sequence?, share })
    }
}

/// Names a shared subscription (MQTT 5.0 section 4.8.2) among those of the caller.
///
/// To a session it means nothing but itself: deliveries with the same one belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareId(pub NonZeroU32);

/// Numbers the messages that the caller has stored, in their order.
///
/// A session carries it from the offer to the end of the exchange, and says when it needs the message no
/// more: [`Session::take_finished`](crate::Session::take_finished).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub NonZeroU64);

/// A stored message that is needed no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its number.
    pub sequence: Sequence,
    /// The shared subscription that it was still of. A message is of the group that gave it to a member, until
    /// the member is sent it at QoS 2: from then on nobody else may have it `[MQTT-4.8.2-5]`.
    pub share: Option<ShareId>,
}

/// The Subscription Identifiers that go with a delivery (MQTT 5.0 section 3.3.2.3.8).
///
/// Almost always none or one: those need no allocation, and a clone never needs one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionIds(Identifiers);

impl SubscriptionIds {
    /// No matching subscription has an identifier.
    pub const NONE: Self = Self(Identifiers::None);

    /// Returns the identifiers in the order they were collected; the order means nothing
    /// `[MQTT-3.3.4-4]`.
    pub fn as_slice(&self) -> &[u32] {
        match &self.0 {
            Identifiers::None => &[],
            Identifiers::One(id) => std::slice::from_ref(id),
            Identifiers::Many(ids) => ids,
        }
    }
}

impl From<Option<u32>> for SubscriptionIds {
    fn from(id: Option<u32>) -> Self {
        Self(id.map_or(Identifiers::None, Identifiers::One))
    }
}

impl FromIterator<u32> for SubscriptionIds {
    fn from_iter<I: IntoIterator<Item = u32>>(ids: I) -> Self {
        let mut ids = ids.into_iter();
        match (ids.next(), ids.next()) {
            (first, None) => Self::from(first),
            (first, second) => {
                Self(Identifiers::Many(first.into_iter().chain(second).chain(ids).collect()))
            }
        }
    }
}

/// `Many` holds at least two, so equal sets of identifiers compare equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Identifiers {
    #[default]
    None,
    One(u32),
    Many(Arc<[u32]>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_fits_into_the_padding() {
        let parts = size_of::<(u64, SubscriptionIds, Option<Sequence>)>();
        assert_eq!(size_of::<Delivery<u64>>(), parts + size_of::<u64>());
    }

    #[test]
    fn identifiers_come_back_as_they_were_collected() {
        for ids in [&[][..], &[7], &[7, 9], &[3, 1, 2, 1]] {
            let collected: SubscriptionIds = ids.iter().copied().collect();
            assert_eq!(collected.as_slice(), ids);
            assert_eq!(collected.clone(), collected);
        }
        assert_eq!(SubscriptionIds::from(Some(5)), std::iter::once(5).collect());
        assert_eq!(SubscriptionIds::from(None), SubscriptionIds::NONE);
    }
}
