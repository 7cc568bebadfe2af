//! `Debug` of what holds bytes of a client: how many they are, and never which; of a secret not even how many. So whatever is
//! logged of a packet, no password, no proof and no payload is.
//!
//! Each names all fields of its type: a new one must be thought about here.

use std::fmt;

use super::auth::Auth;
use super::cursor::Cursor;
use super::property::Property;
use super::{ConnAck, Connect, Frame, Publish, Will};

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            clean_start,
            keep_alive,
            session_expiry,
            receive_maximum,
            maximum_packet_size,
            topic_alias_maximum,
            wants_problem_information,
            wants_response_information,
            authentication,
            client_id,
            username,
            password,
            will,
        } = self;
        f.debug_struct("Connect")
            .field("version", version)
            .field("clean_start", clean_start)
            .field("keep_alive", keep_alive)
            .field("session_expiry", session_expiry)
            .field("receive_maximum", receive_maximum)
            .field("maximum_packet_size", maximum_packet_size)
            .field("topic_alias_maximum", topic_alias_maximum)
            .field("wants_problem_information", wants_problem_information)
            .field("wants_response_information", wants_response_information)
            .field("authentication", &authentication.as_ref().map(|(method, _)| (method, SECRET)))
            .field("client_id", client_id)
            .field("username", username)
            .field("password", &password.as_ref().map(|_| SECRET))
            .field("will", will)
            .finish()
    }
}

impl fmt::Debug for Will {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, payload, qos, retain, delay, expiry, properties } = self;
        f.debug_struct("Will")
            .field("topic", topic)
            .field("payload_len", &payload.len())
            .field("qos", qos)
            .field("retain", retain)
            .field("delay", delay)
            .field("expiry", expiry)
            .field("properties_len", &properties.len())
            .finish()
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, method, data: _ } = self;
        f.debug_struct("Auth")
            .field("step", step)
            .field("method", method)
            .field("data", &SECRET)
            .finish()
    }
}

impl fmt::Debug for ConnAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            session_present,
            receive_maximum,
            maximum_qos,
            retain_available,
            maximum_packet_size,
            topic_alias_maximum,
            wildcard_subscriptions,
            subscription_identifiers,
            shared_subscriptions,
            assigned_client_id,
            keep_alive,
            session_expiry,
            response_information,
            authentication,
        } = self;
        f.debug_struct("ConnAck")
            .field("session_present", session_present)
            .field("receive_maximum", receive_maximum)
            .field("maximum_qos", maximum_qos)
            .field("retain_available", retain_available)
            .field("maximum_packet_size", maximum_packet_size)
            .field("topic_alias_maximum", topic_alias_maximum)
            .field("wildcard_subscriptions", wildcard_subscriptions)
            .field("subscription_identifiers", subscription_identifiers)
            .field("shared_subscriptions", shared_subscriptions)
            .field("assigned_client_id", assigned_client_id)
            .field("keep_alive", keep_alive)
            .field("session_expiry", session_expiry)
            .field("response_information", response_information)
            .field("authentication", &authentication.as_ref().map(|(method, _)| (method, SECRET)))
            .finish()
    }
}

impl fmt::Debug for Publish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { qos, retain, topic, packet_id, expiry, bytes, properties: _, payload } = self;
        f.debug_struct("Publish")
            .field("qos", qos)
            .field("retain", retain)
            .field("topic", topic)
            .field("packet_id", packet_id)
            .field("expiry", expiry)
            .field("len", &bytes.len())
            .field("properties_len", &self.properties().len())
            .field("payload_len", &payload.len())
            .finish()
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packet_type, flags, bytes, body: _ } = self;
        f.debug_struct("Frame")
            .field("packet_type", packet_type)
            .field("flags", flags)
            .field("len", &bytes.len())
            .finish()
    }
}

impl fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("len", &self.remaining().len()).finish()
    }
}

impl fmt::Debug for Property<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The length of a password might be told otherwise: it may be an Authentication Data.
        let Self { id, number, bytes: _ } = self;
        f.debug_struct("Property").field("id", id).field("number", number).finish_non_exhaustive()
    }
}

/// What stands in place of a secret.
const SECRET: &str = "<hidden>";

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use bytes::Bytes;
    use flux_eventbus::Event;
    use flux_retained::RetainedMessage;
    use flux_session::QoS;
    use flux_topic::TopicName;

    use super::*;
    use crate::message::{Message, Parts};
    use crate::packets::Packets;
    use crate::publication::Publication;
    use crate::wire::{InboundTopics, MessageProperty, Version, split};

    /// As text and as the numbers of its bytes.
    #[track_caller]
    fn check(shown: &impl Debug, expected: &str) {
        let text = format!("{shown:?} {shown:#?}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("115, 51, 99"), "{text}");
    }

    #[test]
    fn a_connect_tells_whether_there_are_secrets_and_no_more() {
        let mut connect = Connect::new(Version::V5);
        connect.client_id = "meter".to_owned();
        check(&connect, "password: None");
        connect.password = Some(Bytes::from_static(b"s3cret"));
        connect.authentication = Some(("PLAIN".to_owned(), Bytes::from_static(b"s3cret")));
        let (topic, properties) = ("t".to_owned(), b"s3cret".to_vec());
        let (payload, qos) = (Bytes::from_static(b"s3cret"), QoS::AtMostOnce);
        let will = Will { topic, payload, qos, retain: true, delay: 0, expiry: None, properties };
        connect.will = Some(will);
        check(&connect, r#"password: Some("<hidden>")"#);
        check(&connect, r#"authentication: Some(("PLAIN", "<hidden>"))"#);
        check(&connect, "payload_len: 6");
        check(&connect, "meter");
    }

    #[test]
    fn no_step_of_an_exchange_shows_its_data() {
        let bytes = b"\xF0\x0F\x18\x0D\x15\0\x01x\x16\0\x06s3cret";
        let frame = split(bytes, 1000, None).unwrap().unwrap();
        check(&frame, "len: 17");
        check(&frame.cursor(), "len: 15");
        let auth = Auth::read(&frame).unwrap();
        assert_eq!(&*auth.data, b"s3cret");
        check(&auth, r#"Auth { step: Continue, method: "x", data: "<hidden>" }"#);
        check(&Property { id: 0x16, number: 0, bytes: b"\x16\0\x06s3cret" }, "id: 22");
        let connack = ConnAck {
            session_present: false,
            receive_maximum: 1,
            maximum_qos: QoS::AtMostOnce,
            retain_available: false,
            maximum_packet_size: 1_000,
            topic_alias_maximum: 0,
            wildcard_subscriptions: false,
            subscription_identifiers: false,
            shared_subscriptions: false,
            assigned_client_id: None,
            keep_alive: None,
            session_expiry: None,
            response_information: None,
            authentication: Some(("x".to_owned(), auth.data)),
        };
        check(&connack, r#"authentication: Some(("x", "<hidden>"))"#);
    }

    #[test]
    fn a_publish_does_not_show_what_is_in_it() {
        let bytes = b"\x30\x12\0\x01a\x09\x09\0\x06s3crets3cret";
        let frame = split(bytes, 1000, Some(Version::V5)).unwrap().unwrap();
        let mut topics = InboundTopics::new(0);
        let publish = Publish::read(&frame, Version::V5, &mut topics).unwrap();
        check(&publish, "payload_len: 5");
        check(&publish, "properties_len: 9");
    }

    #[test]
    fn nothing_that_is_made_of_it_does_either() {
        let secret = Bytes::from_static(b"s3cret");
        let publication = Publication::new("t", secret.clone())
            .correlation_data(secret.clone())
            .user_property("key", "s3cret");
        check(&publication, "payload: 6 bytes");
        check(&publication, "correlation_data: Some(6) bytes");
        let large = b"s3cret".repeat(1000);
        for (payload, expected) in
            [(&b"s3cret"[..], "payload_len: 6"), (&large, "payload_len: 6000")]
        {
            let parts = Parts {
                topic: TopicName::parse("t").unwrap(),
                properties: b"s3cret",
                payload,
                qos: QoS::AtMostOnce,
                retain: true,
                publisher: None,
                expires_at: None,
            };
            check(&parts, "properties: 6 bytes");
            let message = Message::new(parts);
            check(&message, expected);
            check(&RetainedMessage::from(message), &format!("payload: {} bytes", payload.len()));
        }
        let event = Event::Published {
            client_id: None,
            topic: "t".into(),
            payload: secret.clone(),
            qos: 0,
            retain: false,
        };
        check(&event, "payload: 6 bytes");
        let mut packets = Packets::default();
        packets.written().extend_from_slice(b"s3cret");
        packets.share(ntex_bytes::Bytes::from_static(b"s3cret"));
        check(&packets, "written: 6 bytes, shared: 1 payloads");
        packets.for_each_part(|part| check(&part, "(6 bytes)"));
        check(&MessageProperty::CorrelationData(&secret), "(6 bytes)");
        check(&MessageProperty::UserProperty("key", "s3cret"), "\"key\"");
    }
}
