//! The things that happen in a broker.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{Denial, DisconnectReason, DropReason, EventKind, Handshake, Limit, SessionEnd};

/// Something that has happened.
///
/// Cloning an event copies references, never a topic or a payload. Section numbers are those of
/// MQTT 5.0.
#[derive(Clone, derive_more::Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A listener accepts connections.
    Listening {
        /// The address it is bound to, with the real port where port 0 was asked for.
        address: SocketAddr,
    },
    /// A client was admitted: CONNACK with success (section 3.2).
    Connected {
        /// The client identifier of the session.
        client_id: Arc<str>,
        /// The protocol version (section 3.1.2.2): 3 is MQTT 3.1, 4 is MQTT 3.1.1, 5 is MQTT 5.0.
        protocol_level: u8,
        /// Who its client was found to be, or `None` for one that nobody knows.
        username: Option<Arc<str>>,
        /// Where the connection comes from, or `None` where that has no meaning.
        peer: Option<SocketAddr>,
        /// The name of the listener it came in by, or `None` where listeners have no names.
        listener: Option<Arc<str>>,
        /// Whether the session was there before (section 3.2.2.1.1).
        session_present: bool,
    },
    /// The connection of a client that had been admitted is over.
    Disconnected {
        /// The client identifier of the session.
        client_id: Arc<str>,
        /// Who its client was found to be, or `None` for one that nobody knows.
        username: Option<Arc<str>>,
        /// Where the connection came from, or `None` where that has no meaning.
        peer: Option<SocketAddr>,
        /// The name of the listener it came in by, or `None` where listeners have no names.
        listener: Option<Arc<str>>,
        /// Why it is over.
        reason: DisconnectReason,
    },
    /// A connection ended without its client having been admitted.
    ConnectRefused {
        /// The client identifier, or `None` where none was understood.
        client_id: Option<Arc<str>>,
        /// Where the connection came from, or `None` where that has no meaning.
        peer: Option<SocketAddr>,
        /// The name of the listener it came in by, or `None` where listeners have no names.
        listener: Option<Arc<str>>,
        /// Why, as a reason code of MQTT 5.0 (section 3.2.2.2), whichever version the client speaks
        /// and whether or not it was told.
        code: u8,
    },
    /// A client subscribed to a filter, or changed such a subscription (section 3.8.4).
    Subscribed {
        /// The client identifier of the session.
        client_id: Arc<str>,
        /// The topic filter as sent.
        filter: Arc<str>,
        /// The QoS that was granted.
        qos: u8,
    },
    /// A subscription was removed on request of its client (section 3.10.4).
    Unsubscribed {
        /// The client identifier of the session.
        client_id: Arc<str>,
        /// The topic filter as sent.
        filter: Arc<str>,
    },
    /// A message was accepted for all who subscribe to its topic, be it nobody (section 3.3).
    Published {
        /// The client identifier of the publisher, or `None` for the broker itself.
        client_id: Option<Arc<str>>,
        /// The topic name.
        topic: Arc<str>,
        /// The application message.
        #[debug("{} bytes", payload.len())]
        payload: Bytes,
        /// The QoS it was published at.
        qos: u8,
        /// Whether it became the retained message of the topic, or cleared it when empty.
        retain: bool,
    },
    /// A client has a message: at QoS 0 it was written to its connection, at QoS 1 PUBACK and at
    /// QoS 2 PUBREC has come, with a reason code below 0x80 (section 4.3). What is sent again and
    /// acknowledged once is delivered once.
    Delivered {
        /// The client identifier of the receiver.
        client_id: Arc<str>,
        /// The topic name.
        topic: Arc<str>,
        /// The QoS it was sent at.
        qos: u8,
    },
    /// A message was not delivered to one client, or not accepted from it.
    Dropped {
        /// The client identifier of the receiver; with [`DropReason::NotAuthorized`], of the
        /// publisher. `None` for a shared subscription of which nobody could take the message.
        client_id: Option<Arc<str>>,
        /// The topic name.
        topic: Arc<str>,
        /// Why it was dropped.
        reason: DropReason,
    },
    /// A session began (section 4.1).
    SessionCreated {
        /// The client identifier of the session.
        client_id: Arc<str>,
    },
    /// A session went on over a new connection (section 4.1).
    SessionResumed {
        /// The client identifier of the session.
        client_id: Arc<str>,
    },
    /// A session is over, and its subscriptions and queued messages with it (section 4.1).
    SessionEnded {
        /// The client identifier of the session.
        client_id: Arc<str>,
        /// Why it is over.
        reason: SessionEnd,
    },
    /// A will message was published (section 3.1.2.5). It is a [`Published`](Self::Published) too.
    WillSent {
        /// The client identifier of the session that left it.
        client_id: Arc<str>,
        /// The will topic.
        topic: Arc<str>,
    },
    /// A limit of the broker was reached. A message that is dropped for it, or a client that is
    /// refused, is an event of its own too.
    LimitReached {
        /// Which limit.
        limit: Limit,
        /// The client identifier of whoever reached it, or `None` where none is known yet.
        client_id: Option<Arc<str>>,
        /// Where its connection comes from, or `None` where that is not known.
        peer: Option<SocketAddr>,
    },
    /// A connection ended before its client could say anything: what lies below did not come about.
    HandshakeFailed {
        /// What did not.
        handshake: Handshake,
        /// Where the connection came from, or `None` where that has no meaning.
        peer: Option<SocketAddr>,
        /// The name of the listener it came in by, or `None` where that has none.
        listener: Option<Arc<str>>,
        /// Why, in words. Some of them may be of whoever connected.
        error: Arc<str>,
    },
    /// A connection was accepted that the system does not let the broker serve.
    Unserved {
        /// Where the connection comes from, or `None` where that has no meaning.
        peer: Option<SocketAddr>,
        /// The name of the listener it came in by, or `None` where that has none.
        listener: Option<Arc<str>>,
        /// Why, in words.
        error: Arc<str>,
    },
    /// An address failed too often to prove who it is, and is turned away for a while.
    Banned {
        /// The address.
        address: IpAddr,
        /// For how long.
        length: Duration,
    },
    /// A client may not do what it wanted to do, or may not any more. A message that is dropped for it, or a client
    /// that is refused, is an event of its own too.
    Denied {
        /// The client identifier of the client.
        client_id: Arc<str>,
        /// Its user name, if it has one.
        username: Option<Arc<str>>,
        /// What it may not do.
        denial: Denial,
        /// The topic name or the topic filter; empty for [`Denial::Connect`] and [`Denial::Session`].
        topic: Arc<str>,
    },
    /// The broker has stopped; nothing happens after this.
    Stopped,
}

impl Event {
    /// Returns which kind of event this is.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Listening { .. } => EventKind::Listening,
            Self::Connected { .. } => EventKind::Connected,
            Self::Disconnected { .. } => EventKind::Disconnected,
            Self::ConnectRefused { .. } => EventKind::ConnectRefused,
            Self::Subscribed { .. } => EventKind::Subscribed,
            Self::Unsubscribed { .. } => EventKind::Unsubscribed,
            Self::Published { .. } => EventKind::Published,
            Self::Delivered { .. } => EventKind::Delivered,
            Self::Dropped { .. } => EventKind::Dropped,
            Self::SessionCreated { .. } => EventKind::SessionCreated,
            Self::SessionResumed { .. } => EventKind::SessionResumed,
            Self::SessionEnded { .. } => EventKind::SessionEnded,
            Self::WillSent { .. } => EventKind::WillSent,
            Self::LimitReached { .. } => EventKind::LimitReached,
            Self::HandshakeFailed { .. } => EventKind::HandshakeFailed,
            Self::Unserved { .. } => EventKind::Unserved,
            Self::Banned { .. } => EventKind::Banned,
            Self::Denied { .. } => EventKind::Denied,
            Self::Stopped => EventKind::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_the_kind_of_its_name() {
        let (id, topic): (Arc<str>, Arc<str>) = ("meter".into(), "a/b".into());
        let (client_id, filter) = (id.clone(), topic.clone());
        let events = [
            Event::Listening { address: ([127, 0, 0, 1], 1883).into() },
            Event::Connected {
                client_id: id.clone(),
                protocol_level: 5,
                username: None,
                peer: None,
                listener: None,
                session_present: false,
            },
            Event::Disconnected {
                client_id: id.clone(),
                username: None,
                peer: None,
                listener: None,
                reason: DisconnectReason::ProtocolError { code: 0x82 },
            },
            Event::ConnectRefused { client_id: None, peer: None, listener: None, code: 0x87 },
            Event::Subscribed { client_id: id.clone(), filter: filter.clone(), qos: 1 },
            Event::Unsubscribed { client_id: id.clone(), filter },
            Event::Published {
                client_id: None,
                topic: topic.clone(),
                payload: Bytes::from_static(b"x"),
                qos: 0,
                retain: true,
            },
            Event::Delivered { client_id: id.clone(), topic: topic.clone(), qos: 2 },
            Event::Dropped {
                client_id: Some(id.clone()),
                topic: topic.clone(),
                reason: DropReason::QueueFull,
            },
            Event::SessionCreated { client_id: id.clone() },
            Event::SessionResumed { client_id: id.clone() },
            Event::SessionEnded { client_id: id, reason: SessionEnd::Expired },
            Event::WillSent { client_id: client_id.clone(), topic: topic.clone() },
            Event::LimitReached { limit: Limit::HalfOpen, client_id: None, peer: None },
            Event::HandshakeFailed {
                handshake: Handshake::Tls,
                peer: None,
                listener: None,
                error: "closed".into(),
            },
            Event::Unserved { peer: None, listener: None, error: "full".into() },
            Event::Banned { address: [192, 0, 2, 1].into(), length: Duration::from_secs(300) },
            Event::Denied { client_id, username: None, denial: Denial::Publish, topic },
            Event::Stopped,
        ];
        assert_eq!(events.len(), EventKind::ALL.len(), "an event of each kind");
        for (event, kind) in events.iter().zip(EventKind::ALL) {
            assert_eq!(event.kind(), kind);
            let name = format!("{event:?}");
            assert_eq!(name.split(' ').next(), Some(format!("{kind:?}").as_str()));
        }
    }

    #[test]
    fn a_clone_shares_topic_and_payload() {
        let event = Event::Published {
            client_id: None,
            topic: "a/b".into(),
            payload: Bytes::from(vec![7; 100]),
            qos: 0,
            retain: false,
        };
        let (
            Event::Published { topic, payload, .. },
            Event::Published { topic: other_topic, payload: other_payload, .. },
        ) = (event.clone(), event)
        else {
            unreachable!("both are the event above");
        };
        assert!(Arc::ptr_eq(&topic, &other_topic));
        assert_eq!(payload.as_ptr(), other_payload.as_ptr());
    }
}
