//! Message Expiry Interval (section 3.3.2.3.3).

use crate::support::Version::{V5, V311};
use crate::support::{Broker, Client, Connect, Publish, let_pass, u32_property};

scenarios! {
    expiry_is_counted_down_while_a_message_waits,
    an_expired_message_is_not_sent,
    an_expired_retained_message_is_not_sent,
    a_message_that_was_sent_before_comes_again_though_expired,
    expiry_is_counted_down_for_what_comes_again,
    expiry_goes_on_while_a_message_waits_in_a_group,
    expiry_is_passed_on_as_it_came,
}

fn expiry_is_counted_down_while_a_message_waits(broker: &Broker) {
    let (mut publisher, client) = pair(broker);
    client.disconnect();
    publisher.publish_packet(&Publish::new("a", "x").qos(1, 1).property(&expiry(100)), 1);
    publisher.publish_packet(&Publish::new("r", "x").property(&expiry(100)).retain(), 0);
    let_pass(broker, 2);
    let mut client = Client::resume(broker, &Connect::persistent(V5, "a"));
    let left = client.receive_and_acknowledge().properties.number(0x02).unwrap();
    assert!((1..=98).contains(&left), "{left}");
    client.subscribe("r", 0);
    let left = client.receive().properties.number(0x02).unwrap();
    assert!((1..=98).contains(&left), "{left}");
}

fn an_expired_message_is_not_sent(broker: &Broker) {
    let (mut publisher, client) = pair(broker);
    client.disconnect();
    for (text, seconds) in [("short", 1), ("long", 3600), ("shorter", 0), ("longer", u32::MAX)] {
        for qos in [1, 2] {
            publisher.publish_packet(
                &Publish::new("a", text).qos(qos, 1).property(&expiry(seconds)),
                qos,
            );
        }
    }
    let_pass(broker, 2);
    let mut client = Client::resume(broker, &Connect::persistent(V5, "a"));
    for text in ["long", "long", "longer", "longer"] {
        assert_eq!(client.receive_and_acknowledge().text(), text);
    }
    client.expect_nothing();
}

fn an_expired_retained_message_is_not_sent(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker);
    publisher.publish_packet(&Publish::new("r", "x").property(&expiry(1)).retain(), 0);
    let_pass(broker, 2);
    client.subscribe("r", 0);
    client.expect_nothing();
}

fn a_message_that_was_sent_before_comes_again_though_expired(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker);
    publisher.publish_packet(&Publish::new("a", "x").qos(2, 1).property(&expiry(1)), 2);
    let id = client.receive().id;
    client.disconnect();
    let_pass(broker, 2);
    let mut client = Client::resume(broker, &Connect::persistent(V5, "a"));
    let again = client.receive_and_acknowledge();
    assert_eq!((again.id, again.dup, again.text()), (id, true, "x"));
    assert_eq!(again.properties.number(0x02), Some(0), "nothing is left of it");
    client.expect_nothing();
}

fn expiry_is_counted_down_for_what_comes_again(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker);
    publisher.publish_packet(&Publish::new("a", "x").qos(1, 1).property(&expiry(100)), 1);
    let first = client.receive().properties.number(0x02).unwrap();
    client.disconnect();
    let_pass(broker, 2);
    let mut client = Client::resume(broker, &Connect::persistent(V5, "a"));
    let again = client.receive_and_acknowledge();
    assert!(again.dup && again.properties.number(0x02).unwrap() < first);
}

fn expiry_goes_on_while_a_message_waits_in_a_group(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker);
    client.subscribe("$share/g/s", 1);
    client.disconnect();
    for (text, seconds) in [("short", 1), ("long", 100)] {
        let publish = Publish::new("s", text).qos(1, 1).property(&expiry(seconds));
        publisher.publish_packet(&publish, 1);
    }
    let_pass(broker, 2);
    let mut client = Client::resume(broker, &Connect::persistent(V5, "a"));
    let received = client.receive_and_acknowledge();
    assert_eq!(received.text(), "long");
    let left = received.properties.number(0x02).unwrap();
    assert!((1..=98).contains(&left), "{left}");
    client.expect_nothing();
}

fn expiry_is_passed_on_as_it_came(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker);
    let mut v3 = Client::connect(broker, &Connect::new(V311, "v3"));
    v3.subscribe("a", 0);
    let user = b"\x26\0\x01k\0\x01v";
    let publish = Publish::new("a", "x").property(user).property(&expiry(3600)).property(user);
    publisher.publish_packet(&publish, 0);
    let received = client.receive();
    // A second may have begun meanwhile.
    assert!(matches!(received.properties.number(0x02), Some(3599 | 3600)));
    assert_eq!(received.properties.all(0x26).count(), 2);
    v3.expect_publish(&Publish::new("a", "x"));
}

fn expiry(seconds: u32) -> Vec<u8> {
    u32_property(0x02, seconds)
}

/// A publisher, and a client with a lasting session that subscribed to `a` with QoS 2.
fn pair(broker: &Broker) -> (Client, Client) {
    let publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(V5, "a"));
    client.subscribe("a", 2);
    (publisher, client)
}
