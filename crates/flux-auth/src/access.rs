//! What a client wants to do.

use std::sync::Arc;

/// One thing a client wants to do, borrowed from the packet that asks for it.
///
/// Topic names and filters are well formed, and `qos` is 0, 1 or 2: the broker has checked. The
/// enum is exhaustive on purpose: an [`Authorizer`](crate::Authorizer) must decide about each
/// access there is, so do not write a `_` arm that allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access<'a> {
    /// Connect at all, now that its identity is known.
    ///
    /// Denied, it is refused with CONNACK: not authorized (0x87, in MQTT 3.1.1 0x05).
    Connect,
    /// Publish a message.
    ///
    /// Denied, the message goes nowhere. In MQTT 5.0 the client learns it from PUBACK or PUBREC
    /// (0x87, section 3.4.2.1); MQTT 3.1.1 has no way to say so, and its packet is acknowledged all
    /// the same or the connection is closed [MQTT-3.3.5-2].
    Publish {
        /// The topic name, with any topic alias resolved.
        topic: &'a str,
        /// The QoS it is published at.
        qos: u8,
        /// Whether it would also replace the retained message of the topic.
        retain: bool,
    },
    /// Leave a will message (MQTT 5.0 section 3.1.2.5) to be published in the client's name.
    ///
    /// Asked at CONNECT, where the client can still be told; denied, it is refused with CONNACK:
    /// not authorized.
    Will {
        /// The will topic.
        topic: &'a str,
        /// The will QoS.
        qos: u8,
        /// Whether the will message would replace the retained message of the topic.
        retain: bool,
    },
    /// Subscribe to what a filter matches.
    ///
    /// Denied, the client learns it from SUBACK (0x87, section 3.9.3; in MQTT 3.1.1 0x80). All that
    /// the filter could ever match has to be allowed, not merely some of it.
    Subscribe {
        /// The topic filter as sent, with its `$share/{name}/` if it has one.
        filter: &'a str,
        /// The highest QoS asked for.
        qos: u8,
    },
    /// Keep a subscription made over an earlier connection (MQTT 5.0 section 4.1).
    ///
    /// Rules may have changed since, and the same client identifier may now belong to somebody
    /// else. Denied, the subscription is removed from the session.
    Resume {
        /// The topic filter as sent, with its `$share/{name}/` if it has one.
        filter: &'a str,
        /// The QoS that was granted.
        qos: u8,
    },
}

/// The owned twin of [`Access`], for a question that outlives its packet.
///
/// Each variant means what the variant of the same name means there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessRequest {
    /// See [`Access::Connect`].
    Connect,
    /// See [`Access::Publish`].
    Publish {
        /// The topic name.
        topic: Arc<str>,
        /// The QoS it is published at.
        qos: u8,
        /// Whether it would also replace the retained message of the topic.
        retain: bool,
    },
    /// See [`Access::Will`].
    Will {
        /// The will topic.
        topic: Arc<str>,
        /// The will QoS.
        qos: u8,
        /// Whether the will message would replace the retained message of the topic.
        retain: bool,
    },
    /// See [`Access::Subscribe`].
    Subscribe {
        /// The topic filter.
        filter: Arc<str>,
        /// The highest QoS asked for.
        qos: u8,
    },
    /// See [`Access::Resume`].
    Resume {
        /// The topic filter.
        filter: Arc<str>,
        /// The QoS that was granted.
        qos: u8,
    },
}

impl AccessRequest {
    /// Returns the access that is requested.
    #[must_use]
    pub fn as_access(&self) -> Access<'_> {
        match self {
            Self::Connect => Access::Connect,
            &Self::Publish { ref topic, qos, retain } => Access::Publish { topic, qos, retain },
            &Self::Will { ref topic, qos, retain } => Access::Will { topic, qos, retain },
            &Self::Subscribe { ref filter, qos } => Access::Subscribe { filter, qos },
            &Self::Resume { ref filter, qos } => Access::Resume { filter, qos },
        }
    }
}

impl From<Access<'_>> for AccessRequest {
    fn from(access: Access<'_>) -> Self {
        match access {
            Access::Connect => Self::Connect,
            Access::Publish { topic, qos, retain } => {
                Self::Publish { topic: topic.into(), qos, retain }
            }
            Access::Will { topic, qos, retain } => Self::Will { topic: topic.into(), qos, retain },
            Access::Subscribe { filter, qos } => Self::Subscribe { filter: filter.into(), qos },
            Access::Resume { filter, qos } => Self::Resume { filter: filter.into(), qos },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_survives_being_owned() {
        #[track_caller]
        fn check(access: Access<'_>) {
            assert_eq!(AccessRequest::from(access).as_access(), access);
        }
        check(Access::Connect);
        check(Access::Publish { topic: "a/b", qos: 1, retain: true });
        check(Access::Publish { topic: "a/b", qos: 2, retain: false });
        check(Access::Will { topic: "a/gone", qos: 0, retain: true });
        check(Access::Subscribe { filter: "$share/g/a/+", qos: 2 });
        check(Access::Resume { filter: "a/#", qos: 1 });
    }
}
