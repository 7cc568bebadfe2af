//! What a message carries from publisher to subscriber (section 3.3).

use super::violation::{NAME_INVALID, PROTOCOL_ERROR, ends_the_connection, form};
use crate::case::Trial;
use crate::{Publish, Received, string};

cases! {
    both {
        dup_of_a_publisher_goes_no_further,
        dup_at_qos_0_ends_the_connection,
        a_message_of_qos_3_ends_the_connection,
        a_topic_name_with_a_wildcard_ends_the_connection,
        topic_and_payload_arrive_as_they_were,
        a_delivery_has_a_topic_that_the_filter_matches,
        one_copy_of_a_message_has_the_highest_qos_of_all_that_match,
        no_delivery_at_qos_0_has_dup,
    }
    v5 {
        the_payload_format_arrives_as_it_was,
        the_content_type_arrives_as_it_was,
        response_topic_and_correlation_data_arrive_as_they_were,
        a_response_topic_with_a_wildcard_ends_the_connection,
        user_properties_arrive_in_their_order,
        properties_wait_with_their_message,
        subscription_identifiers_of_all_that_match_arrive,
        without_a_subscription_identifier_none_arrives,
        a_subscription_identifier_of_a_publisher_ends_the_connection,
    }
}

fn dup_of_a_publisher_goes_no_further(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("sub");
    client.follow(&topic, 2);
    let mut publisher = trial.client("pub");
    for qos in [1, 2] {
        publisher.publish_packet(&Publish::new(&topic, "x").qos(qos, 1).dup(), qos);
        let received = client.receive_and_acknowledge();
        assert!(!received.dup, "{received:?}");
    }
}

fn dup_at_qos_0_ends_the_connection(trial: &Trial) {
    let bytes = Publish::new(&trial.topic("a"), "x").dup().bytes(trial.version);
    ends_the_connection(trial, vec![form("DUP at QoS 0", bytes, &[0x81])]);
}

fn a_message_of_qos_3_ends_the_connection(trial: &Trial) {
    let bytes = Publish::new(&trial.topic("a"), "x").qos(3, 1).bytes(trial.version);
    ends_the_connection(trial, vec![form("QoS 3", bytes, &[0x81])]);
}

fn a_topic_name_with_a_wildcard_ends_the_connection(trial: &Trial) {
    let topic = trial.topic("a");
    let mut observer = trial.client("observer");
    observer.follow(&trial.topic("#"), 0);
    let publish = |name: &str| Publish::new(&trial.topic(name), "x").bytes(trial.version);
    let forms =
        ["#", "+", "a/+/b", "+a", "a#"].map(|name| form("a wildcard", publish(name), NAME_INVALID));
    ends_the_connection(trial, forms.into());
    observer.deliveries().iter().for_each(|received| {
        assert!(!received.topic.contains(['#', '+']), "{} {topic}", received.topic);
    });
}

fn topic_and_payload_arrive_as_they_were(trial: &Trial) {
    let mut client = trial.client("sub");
    client.follow(&trial.topic("#"), 2);
    let mut publisher = trial.client("pub");
    let payloads: [&[u8]; 4] = [b"", b"\0\xFF\xC3\x28", b"text", &[7; 70_000]];
    for name in ["a", "/", "a//b", " ", "\u{1F980}/\u{E9}"] {
        for payload in payloads {
            for qos in 0..=2 {
                let topic = trial.topic(name);
                publisher.publish(&topic, payload, qos);
                let received = client.receive_and_acknowledge();
                assert_eq!((received.topic, received.qos), (topic, qos));
                assert!(received.payload == payload, "{} bytes at QoS {qos}", payload.len());
            }
        }
    }
}

fn a_delivery_has_a_topic_that_the_filter_matches(trial: &Trial) {
    let mut client = trial.client("sub");
    client.follow(&trial.topic("+/b"), 0);
    let mut publisher = trial.client("pub");
    for name in ["a/b", "b", "a/b/c", "c/b", "a/bb", "ab"] {
        publisher.publish(&trial.topic(name), name, 1);
    }
    client.expect_texts(&["a/b", "c/b"]);
}

/// One copy or several: the highest QoS granted must be among them.
fn one_copy_of_a_message_has_the_highest_qos_of_all_that_match(trial: &Trial) {
    let topic = trial.topic("a/b");
    for filters in [[("a/b", 0), ("a/+", 2), ("a/#", 1)], [("a/+", 0), ("a/b", 1), ("a/#", 0)]] {
        let mut client = trial.client("sub");
        let highest = filters.iter().map(|(_, qos)| *qos).max().unwrap();
        for (filter, qos) in filters {
            client.follow(&trial.topic(filter), qos);
        }
        trial.client("pub").publish(&topic, "x", 2);
        let found = client.deliveries();
        assert!(!found.is_empty() && found.len() <= 3, "{found:?}");
        let qos = found.iter().map(|received| received.qos).max();
        assert_eq!(qos, Some(highest), "the highest QoS of {} copies", found.len());
    }
}

fn no_delivery_at_qos_0_has_dup(trial: &Trial) {
    let topic = trial.topic("a");
    let persistent = trial.persistent("sub");
    let mut publisher = trial.client("pub");
    let mut client = trial.begin(&persistent);
    client.follow(&topic, 0);
    for qos in 0..=2 {
        publisher.publish(&topic, "x", qos);
        let received = client.expect_text("x");
        assert!(!received.dup && received.qos == 0 && received.id == 0, "{received:?}");
    }
    client.lose();
    for received in trial.resume(&persistent).deliveries() {
        assert!(!received.dup && received.qos == 0, "{received:?}");
    }
}

/// What comes of a message with these properties, to one who listens, one who was away, and one
/// who comes later to the retained message.
fn everywhere(trial: &Trial, properties: &[u8]) -> Vec<Received> {
    let topic = trial.topic("a");
    let persistent = trial.persistent("away");
    let mut away = trial.begin(&persistent);
    away.follow(&topic, 1);
    away.disconnect();
    let mut present = trial.client("present");
    present.follow(&topic, 0);
    let publish = Publish::new(&topic, "x").qos(1, 1).retain().property(properties);
    trial.client("pub").publish_packet(&publish, 1);
    let mut late = trial.client("late");
    late.follow(&topic, 1);
    let found = vec![
        present.expect_text("x"),
        trial.resume(&persistent).expect_text("x"),
        late.expect_text("x"),
    ];
    trial.begin(&trial.connect("away")).disconnect();
    trial.client("pub").publish_packet(&Publish::new(&topic, "").qos(1, 1).retain(), 1);
    found
}

fn the_payload_format_arrives_as_it_was(trial: &Trial) {
    for value in [0, 1] {
        for received in everywhere(trial, &[0x01, value]) {
            // 0 is the default, and means the same when it is absent.
            assert_eq!(received.properties.number(0x01).unwrap_or(0), value.into());
        }
    }
    for received in everywhere(trial, &[]) {
        assert_eq!(received.properties.number(0x01).unwrap_or(0), 0);
    }
}

fn the_content_type_arrives_as_it_was(trial: &Trial) {
    for value in ["text/plain; charset=utf-8", "", "\u{FEFF}\u{1F980}"] {
        let property = [&[0x03][..], &string(value)].concat();
        for received in everywhere(trial, &property) {
            assert_eq!(received.properties.text(0x03).as_deref(), Some(value));
        }
    }
}

fn response_topic_and_correlation_data_arrive_as_they_were(trial: &Trial) {
    let topic = trial.topic("answers//\u{E9}");
    let data = [0, 0xFF, 0, 0xC3];
    let properties = [&[0x08][..], &string(&topic), &[0x09], &string(data)].concat();
    for received in everywhere(trial, &properties) {
        assert_eq!(received.properties.text(0x08), Some(topic.clone()));
        assert_eq!(received.properties.get(0x09), Some(&string(data)[..]));
    }
}

fn a_response_topic_with_a_wildcard_ends_the_connection(trial: &Trial) {
    let publish = |name: &str| {
        let property = [&[0x08][..], &string(name)].concat();
        Publish::new(&trial.topic("a"), "x").property(&property).bytes(trial.version)
    };
    let forms =
        ["+", "#", "a/+/b", "a/#"].map(|name| form("a wildcard", publish(name), PROTOCOL_ERROR));
    ends_the_connection(trial, forms.into());
}

fn user_properties_arrive_in_their_order(trial: &Trial) {
    let pairs = [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("a", "\u{1F980}")];
    let properties: Vec<u8> = pairs
        .iter()
        .flat_map(|(name, value)| [vec![0x26], string(name), string(value)].concat())
        .collect();
    let expected: Vec<_> =
        pairs.iter().map(|(name, value)| [string(name), string(value)].concat()).collect();
    for received in everywhere(trial, &properties) {
        assert_eq!(received.properties.all(0x26).collect::<Vec<_>>(), expected);
    }
}

/// All of them at once, and nothing else.
fn properties_wait_with_their_message(trial: &Trial) {
    let properties =
        [&[0x01, 1][..], b"\x03\0\x01c", b"\x08\0\x01r", b"\x09\0\x01d", b"\x26\0\x01n\0\x01v"];
    for received in everywhere(trial, &properties.concat()) {
        let mut ids: Vec<_> = received.properties.0.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        assert_eq!(ids, [0x01, 0x03, 0x08, 0x09, 0x26]);
    }
}

fn identifiers(received: &Received) -> Vec<u8> {
    let mut ids: Vec<u8> = received.properties.all(0x0B).map(|value| value[0]).collect();
    ids.sort_unstable();
    ids
}

/// In one copy all of them; in several, each its own.
fn subscription_identifiers_of_all_that_match_arrive(trial: &Trial) {
    let mut client = trial.client("sub");
    for (filter, id) in [("a/b", 7), ("a/+", 8), ("a/#", 9), ("other", 10)] {
        client.ask_with(&[0x0B, id], &[(&trial.topic(filter), 1)]);
    }
    let mut publisher = trial.client("pub");
    publisher.publish(&trial.topic("a/b"), "x", 1);
    let found = client.deliveries();
    let mut ids: Vec<u8> = found.iter().flat_map(identifiers).collect();
    ids.sort_unstable();
    assert_eq!(ids, [7, 8, 9], "{found:?}");
    for received in &found {
        client.accept(received);
        let copies = identifiers(received).len();
        assert!(copies == 3 || (copies == 1 && found.len() == 3), "{found:?}");
    }
    publisher.publish(&trial.topic("other"), "y", 1);
    let received = client.expect_text("y");
    assert_eq!(identifiers(&received), [10]);
}

fn without_a_subscription_identifier_none_arrives(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("sub");
    client.follow(&topic, 0);
    trial.client("pub").publish(&topic, "x", 0);
    assert_eq!(identifiers(&client.expect_text("x")), []);
    // A new SUBSCRIBE replaces the identifier, or takes it away.
    for (property, expected) in [(&[0x0B, 5][..], vec![5]), (&[0x0B, 6], vec![6]), (&[], vec![])] {
        client.ask_with(property, &[(&topic, 0)]);
        trial.client("pub").publish(&topic, "x", 0);
        assert_eq!(identifiers(&client.expect_text("x")), expected);
    }
}

fn a_subscription_identifier_of_a_publisher_ends_the_connection(trial: &Trial) {
    let bytes = Publish::new(&trial.topic("a"), "x").property(&[0x0B, 1]).bytes(trial.version);
    ends_the_connection(trial, vec![form("a subscription identifier", bytes, PROTOCOL_ERROR)]);
}
