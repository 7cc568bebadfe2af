//! The words between a worker and a store of sessions and retained messages (`flux-storage`).
//!
//! A moment is stored as it is: with a store, [`Timestamp`](flux_session::Timestamp) counts from the Unix
//! epoch.

use std::num::NonZeroU64;

use flux_session::{Sequence, ShareId, SubscriptionIds};
use flux_storage::{Content, StoredContent, Target};
use flux_topic::TopicName;

use crate::message::{Delivery, Message, Parts};
use crate::names::SessionKey;

/// Returns a session's name in the store.
pub(crate) fn key(key: SessionKey) -> flux_storage::SessionKey {
    flux_storage::SessionKey(key.0.get())
}

/// Returns the name of a shared subscription's group in the store.
pub(crate) fn group(share: ShareId) -> flux_storage::SessionKey {
    flux_storage::SessionKey::of_group(share.0.get())
}

/// Returns a message's number in the store.
pub(crate) fn sequence(sequence: Sequence) -> flux_storage::Sequence {
    flux_storage::Sequence(sequence.0.get())
}

/// Returns the number that a message of the store has.
pub(crate) fn number(sequence: flux_storage::Sequence) -> Sequence {
    Sequence(NonZeroU64::new(sequence.0).unwrap_or(NonZeroU64::MIN))
}

/// Returns what is stored of a message.
pub(crate) fn content(message: &Message) -> Content<'_> {
    Content {
        topic: message.topic(),
        properties: message.properties(),
        payload: message.payload(),
        qos: message.qos(),
        retain: message.retain(),
        expires_at: message.expires_at(),
    }
}

/// Returns a message as it was stored; `None` if its topic name is none. Who published it is not stored.
pub(crate) fn message(content: &StoredContent) -> Option<Message> {
    let topic = std::str::from_utf8(&content.topic).ok()?;
    Some(Message::new(Parts {
        topic: TopicName::parse(topic).ok()?,
        properties: &content.properties,
        payload: &content.payload,
        qos: content.qos,
        retain: content.retain,
        publisher: None,
        expires_at: content.expires_at,
    }))
}

/// Returns that a group is to have a message that is being stored, under a number so much higher than its own.
/// How a member gets it is that member's affair.
pub(crate) fn waiting(share: ShareId, message: &Message, offset: u32) -> Target {
    Target {
        session: group(share),
        offset,
        qos: message.qos(),
        retain: message.retain(),
        subscription_ids: SubscriptionIds::NONE,
        sent: None,
    }
}

/// Returns how a session is to get a message that is being stored.
pub(crate) fn target(session: SessionKey, delivery: &Delivery) -> Target {
    Target {
        session: key(session),
        offset: 0,
        qos: delivery.qos,
        retain: delivery.retain,
        subscription_ids: delivery.subscription_ids.clone(),
        sent: None,
    }
}
