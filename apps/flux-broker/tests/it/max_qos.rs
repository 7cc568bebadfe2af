//! A broker whose maximum QoS is 1 (section 3.2.2.3.4).

use flux_mqtt::{QoS, Settings};

use crate::support::Version::{V5, V311};
use crate::support::{Broker, Client, Connect, Publish, Version, Will};

scenarios! {
    connack_of_v5_announces_it with at_most_1,
    v5_may_not_publish_above_it with at_most_1,
    v5_may_not_leave_a_will_above_it with at_most_1,
    v3_publishes_at_qos_2_and_is_delivered_at_1 with at_most_1,
    a_will_of_v3_at_qos_2_is_delivered_at_1 with at_most_1,
    a_maximum_of_0_grants_0 with at_most_0,
}

scenarios_of_all_versions! {
    qos_2_is_granted_as_1 with at_most_1,
}

fn at_most_1(settings: &mut Settings) {
    settings.max_qos = QoS::AtLeastOnce;
}

fn at_most_0(settings: &mut Settings) {
    settings.max_qos = QoS::AtMostOnce;
}

fn connack_of_v5_announces_it(broker: &Broker) {
    let client = Client::connect(broker, &Connect::new(V5, "a"));
    assert_eq!(client.connack.number(0x24), Some(1));
}

fn v5_may_not_publish_above_it(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.send(&Publish::new("a", "x").qos(2, 1).bytes(V5));
    client.expect_disconnect(0x9B);
}

fn v5_may_not_leave_a_will_above_it(broker: &Broker) {
    let will = Will::new("will", "x").qos(2);
    let connect = Connect::new(V5, "a").will(will).bytes();
    let mut client = Client::open_with(broker, V5, &connect);
    client.expect_refusal(0x9B);
}

fn v3_publishes_at_qos_2_and_is_delivered_at_1(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V311, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(V311, "subscriber"));
    subscriber.send(&V311.subscribe(1, &[("a", 2)]));
    subscriber.expect(&V311.suback(1, &[1]));
    publisher.publish("a", "x", 2);
    assert_eq!(subscriber.receive_and_acknowledge().qos, 1);
    subscriber.expect_nothing();
}

fn a_will_of_v3_at_qos_2_is_delivered_at_1(broker: &Broker) {
    let mut observer = Client::connect(broker, &Connect::new(V311, "observer"));
    observer.subscribe("will", 1);
    let will = Will::new("will", "gone").qos(2);
    Client::connect(broker, &Connect::new(V311, "a").will(will)).lose();
    assert_eq!(observer.receive_and_acknowledge().qos, 1);
}

fn a_maximum_of_0_grants_0(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    assert_eq!(client.connack.number(0x24), Some(0));
    client.send(&V5.subscribe(1, &[("a", 2), ("b", 1), ("c", 0)]));
    client.expect(&V5.suback(1, &[0, 0, 0]));
}

fn qos_2_is_granted_as_1(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.send(&version.subscribe(1, &[("a", 2), ("b", 1), ("c", 0)]));
    client.expect(&version.suback(1, &[1, 1, 0]));
}
