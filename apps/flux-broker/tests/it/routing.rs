//! Who gets a message: wildcards, overlapping subscriptions, No Local (sections 3.3.4, 4.7).

use std::collections::BTreeSet;

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Publish, Version, pubrel};

scenarios! {
    overlapping_subscriptions_carry_all_their_identifiers,
    no_local_spares_the_publisher_only,
    no_local_and_another_subscription_that_matches,
}

scenarios_of_all_versions! {
    wildcards_match_as_the_standard_says,
    overlapping_subscriptions_give_one_delivery_with_the_highest_qos,
    every_subscriber_gets_its_copy,
}

fn wildcards_match_as_the_standard_says(broker: &Broker, version: Version) {
    let topics =
        ["a", "a/b", "a/b/c", "/a", "a/", "a//c", "A", "$sys", "$sys/a", "ä/b", "\u{FEFF}a"];
    let table: [(&str, &[&str]); 14] = [
        ("#", &["a", "a/b", "a/b/c", "/a", "a/", "a//c", "A", "ä/b", "\u{FEFF}a"]),
        ("+", &["a", "A", "\u{FEFF}a"]),
        ("+/#", &["a", "a/b", "a/b/c", "/a", "a/", "a//c", "A", "ä/b", "\u{FEFF}a"]),
        ("a", &["a"]),
        ("a/#", &["a", "a/b", "a/b/c", "a/", "a//c"]),
        ("a/+", &["a/b", "a/"]),
        ("+/+", &["a/b", "/a", "a/", "ä/b"]),
        ("/+", &["/a"]),
        ("a/+/c", &["a/b/c", "a//c"]),
        ("a/b/c/#", &["a/b/c"]),
        ("$sys/#", &["$sys", "$sys/a"]),
        ("$sys/+", &["$sys/a"]),
        ("+/a", &["/a"]),
        ("a/b/c/d", &[]),
    ];
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscribers = table.map(|(filter, _)| {
        let mut client = Client::connect(broker, &Connect::new(version, filter));
        client.subscribe(filter, 0);
        client
    });
    for topic in topics {
        publisher.publish(topic, topic, 1);
    }
    for ((filter, expected), client) in table.iter().zip(&mut subscribers) {
        let got: Vec<String> = expected.iter().map(|_| client.receive().topic).collect();
        assert_eq!(got, *expected, "{filter}");
        client.expect_nothing();
    }
}

fn overlapping_subscriptions_give_one_delivery_with_the_highest_qos(
    broker: &Broker,
    version: Version,
) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.send(&version.subscribe(1, &[("a/#", 0), ("a/+", 2), ("a/b", 1), ("+/b", 0)]));
    subscriber.expect(&version.suback(1, &[0, 2, 1, 0]));
    publisher.send(&Publish::new("a/b", "x").qos(2, 3).bytes(version));
    publisher.expect(&crate::support::pubrec(3));
    publisher.send(&pubrel(3));
    assert_eq!(subscriber.receive_and_acknowledge().qos, 2);
    subscriber.expect_nothing();
}

fn overlapping_subscriptions_carry_all_their_identifiers(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(V5, "subscriber"));
    for (identifier, filter) in [(&[1][..], "a/#"), (&[0xC8, 0x01], "a/+"), (&[7], "other")] {
        let property = [&[0x0B][..], identifier].concat();
        subscriber.send(&V5.subscribe_with(1, &property, &[(filter, 1)]));
        subscriber.expect(&V5.suback(1, &[1]));
    }
    subscriber.subscribe("a/b", 0);
    publisher.publish("a/b", "x", 1);
    let received = subscriber.receive_and_acknowledge();
    let identifiers: BTreeSet<&[u8]> = received.properties.all(0x0B).collect();
    assert_eq!(identifiers, BTreeSet::from([&[1][..], &[0xC8, 0x01]]));
    assert_eq!(received.properties.0.len(), 2);
    subscriber.expect_nothing();
}

fn no_local_spares_the_publisher_only(broker: &Broker) {
    let mut one = Client::connect(broker, &Connect::new(V5, "one"));
    let mut other = Client::connect(broker, &Connect::new(V5, "other"));
    one.subscribe("a", 0x04);
    other.subscribe("a", 0x04);
    one.publish("a", "from one", 1);
    other.expect_publish(&Publish::new("a", "from one"));
    one.expect_nothing();
    other.publish("a", "from other", 1);
    one.expect_publish(&Publish::new("a", "from other"));
    other.expect_nothing();
}

fn no_local_and_another_subscription_that_matches(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.subscribe("a/#", 0x05);
    client.subscribe("a/b", 0);
    client.send(&Publish::new("a/b", "x").qos(1, 1).bytes(V5));
    client.expect(&[0x40, 2, 0, 1]);
    client.expect_publish(&Publish::new("a/b", "x"));
    client.send(&Publish::new("a/c", "x").bytes(V5));
    client.expect_nothing();
}

fn every_subscriber_gets_its_copy(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscribers: Vec<Client> = (0..20)
        .map(|number| {
            // Both versions listen, whichever publishes.
            let version = if number % 2 == 0 { V5 } else { Version::V311 };
            let mut client = Client::connect(broker, &Connect::new(version, ""));
            client.subscribe("a/+", number % 3);
            client
        })
        .collect();
    for number in 0..50 {
        publisher.publish("a/b", number.to_string(), 2);
    }
    for subscriber in &mut subscribers {
        for number in 0..50 {
            assert_eq!(subscriber.receive_and_acknowledge().number(), number);
        }
        subscriber.expect_nothing();
    }
}
