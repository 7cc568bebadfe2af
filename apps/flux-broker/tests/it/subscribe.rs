//! SUBSCRIBE and UNSUBSCRIBE and their answers (sections 3.8 to 3.11).

use crate::support::Version::{V5, V31, V311};
use crate::support::{Broker, Client, Connect, Publish, Version, puback};

scenarios! {
    suback_has_one_code_for_each_filter,
    a_malformed_shared_filter_of_v3_is_refused_beside_others,
    unsuback_of_v5_says_what_existed,
}

scenarios_of_all_versions! {
    unsubscribe_stops_delivery,
    unsubscribe_of_nothing_is_acknowledged,
    a_message_in_flight_outlives_its_subscription,
    a_repeated_subscription_replaces_the_one_before,
    one_unsubscribe_ends_several,
}

fn suback_has_one_code_for_each_filter(broker: &Broker) {
    let filters = [("a", 2), ("b", 0), ("a/#", 1), ("a", 1)];
    for version in [V311, V5] {
        let mut client = Client::connect(broker, &Connect::new(version, "a"));
        client.send(&version.subscribe(0x1234, &filters));
        client.expect(&version.suback(0x1234, &[2, 0, 1, 1]));
    }
}

fn a_malformed_shared_filter_of_v3_is_refused_beside_others(broker: &Broker) {
    let filters = [("$share/group", 1), ("a", 1), ("$share//a", 2), ("$share/g+/a", 0), ("b", 0)];
    for (version, codes) in [(V31, [1, 1, 2, 0, 0]), (V311, [0x80, 1, 0x80, 0x80, 0])] {
        let mut client = Client::connect(broker, &Connect::new(version, "a"));
        client.send(&version.subscribe(1, &filters));
        client.expect(&version.suback(1, &codes));
        client.send(&version.subscribe(2, &[("$share/group/", 1)]));
        client.expect(&version.suback(2, &codes[..1]));
        client.send(&version.unsubscribe(3, &["$share/group", "b"]));
        client.expect(&version.unsuback(3, &[]));
        let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
        for topic in ["b", "group", "a"] {
            publisher.publish(topic, "x", 0);
        }
        client.expect_publish(&Publish::new("a", "x"));
        client.expect_nothing();
    }
}

fn unsuback_of_v5_says_what_existed(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.subscribe("a", 0);
    client.subscribe("b/#", 0);
    client.send(&V5.unsubscribe(2, &["a", "b", "b/#", "a"]));
    client.expect(&V5.unsuback(2, &[0x00, 0x11, 0x00, 0x11]));
}

fn unsubscribe_stops_delivery(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.subscribe("a/+", 0);
    subscriber.subscribe("a/#", 0);
    publisher.publish("a/b", "both", 0);
    subscriber.expect_publish(&Publish::new("a/b", "both"));
    for (filter, is_left) in [("a/+", true), ("a/#", false)] {
        subscriber.send(&version.unsubscribe(3, &[filter]));
        subscriber.expect(&version.unsuback(3, &[0]));
        publisher.publish("a/b", "x", 0);
        if is_left {
            subscriber.expect_publish(&Publish::new("a/b", "x"));
        }
        subscriber.expect_nothing();
    }
}

fn unsubscribe_of_nothing_is_acknowledged(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.send(&version.unsubscribe(9, &["never/subscribed"]));
    client.expect(&version.unsuback(9, &[0x11]));
}

fn a_message_in_flight_outlives_its_subscription(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::persistent(version, "subscriber"));
    subscriber.subscribe("a", 1);
    publisher.publish("a", "x", 1);
    let first = subscriber.receive();
    subscriber.send(&version.unsubscribe(3, &["a"]));
    subscriber.expect(&version.unsuback(3, &[0]));
    subscriber.disconnect();
    let mut subscriber = Client::resume(broker, &Connect::persistent(version, "subscriber"));
    subscriber.expect_publish(&Publish::new("a", "x").qos(1, first.id).dup());
    subscriber.send(&puback(first.id));
    subscriber.expect_nothing();
}

fn a_repeated_subscription_replaces_the_one_before(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    for qos in [0, 2, 1] {
        subscriber.subscribe("a", qos);
        publisher.publish("a", "x", 2);
        assert_eq!(subscriber.receive_and_acknowledge().qos, qos);
        subscriber.expect_nothing();
    }
}

fn one_unsubscribe_ends_several(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.send(&version.subscribe(1, &[("a", 0), ("b", 0), ("c", 0)]));
    subscriber.expect(&version.suback(1, &[0, 0, 0]));
    subscriber.send(&version.unsubscribe(2, &["a", "c"]));
    subscriber.expect(&version.unsuback(2, &[0, 0]));
    for topic in ["a", "b", "c"] {
        publisher.publish(topic, "x", 1);
    }
    subscriber.expect_publish(&Publish::new("b", "x"));
    subscriber.expect_nothing();
}
