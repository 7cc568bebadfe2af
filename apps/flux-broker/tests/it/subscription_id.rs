//! Subscription identifiers: which subscriptions a message came for (sections 3.3.2.3.8, 3.3.4,
//! 3.8.2.1.2).

use crate::support::Version::{V5, V311};
use crate::support::{Broker, Client, Connect, Publish, Received};

scenarios! {
    a_retained_message_carries_the_one_that_brought_it,
    subscribing_again_changes_or_removes_it,
    several_filters_of_one_packet_have_the_same,
    overlapping_subscriptions_carry_it_as_often_as_they_match,
    it_waits_with_the_message_and_comes_again_with_it,
    a_shared_subscription_adds_its_own_delivery,
    an_older_version_loses_it,
}

fn id(number: u32) -> Vec<u8> {
    let mut bytes = vec![0x0B];
    bytes.extend(crate::support::integer(usize::try_from(number).unwrap()));
    bytes
}

fn subscribe(client: &mut Client, number: u32, filters: &[(&str, u8)]) {
    client.send(&V5.subscribe_with(1, &id(number), filters));
    client
        .expect(&V5.suback(1, &filters.iter().map(|(_, options)| options & 3).collect::<Vec<_>>()));
}

fn ids(received: &Received) -> Vec<Vec<u8>> {
    let mut ids: Vec<_> =
        received.properties.all(0x0B).map(|value| [&[0x0B], value].concat()).collect();
    ids.sort();
    ids
}

fn a_retained_message_carries_the_one_that_brought_it(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.publish_packet(&Publish::new("t/a", "x").retain(), 0);
    for (number, filter) in [(1, "t/a"), (268_435_455, "t/+"), (128, "#")] {
        subscribe(&mut client, number, &[(filter, 0)]);
        let received = client.receive();
        assert_eq!((received.retain, ids(&received)), (true, vec![id(number)]), "{filter}");
    }
    client.subscribe("t/#", 0);
    assert_eq!(ids(&client.receive()), Vec::<Vec<u8>>::new());
}

fn subscribing_again_changes_or_removes_it(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    for number in [1, 2, 300] {
        subscribe(&mut client, number, &[("t", 0)]);
        publisher.publish("t", "x", 0);
        assert_eq!(ids(&client.receive()), [id(number)]);
    }
    client.subscribe("t", 0);
    publisher.publish("t", "x", 0);
    client.expect_publish(&Publish::new("t", "x"));
    client.expect_nothing();
}

fn several_filters_of_one_packet_have_the_same(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    subscribe(&mut client, 7, &[("a", 0), ("b/+", 0)]);
    for topic in ["a", "b/c"] {
        publisher.publish(topic, "x", 0);
        client.expect_publish(&Publish::new(topic, "x").property(&id(7)));
    }
}

/// Section 3.3.4: also several times the same.
fn overlapping_subscriptions_carry_it_as_often_as_they_match(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    subscribe(&mut client, 7, &[("t/+", 0), ("t/#", 1)]);
    subscribe(&mut client, 8, &[("t/a", 2)]);
    client.subscribe("+/a", 0);
    publisher.publish("t/a", "x", 2);
    let received = client.receive_and_acknowledge();
    assert_eq!((received.qos, ids(&received)), (2, vec![id(7), id(7), id(8)]));
    client.expect_nothing();
}

fn it_waits_with_the_message_and_comes_again_with_it(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let connect = Connect::persistent(V5, "a");
    let mut client = Client::connect(broker, &connect);
    subscribe(&mut client, 7, &[("t", 1)]);
    client.disconnect();
    publisher.publish("t", "x", 1);
    let expected = Publish::new("t", "x").qos(1, 1).property(&id(7));
    let mut client = Client::resume(broker, &connect);
    client.expect_publish(&expected);
    client.lose();
    let mut client = Client::resume(broker, &connect);
    client.expect_publish(&expected.dup());
}

fn a_shared_subscription_adds_its_own_delivery(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    subscribe(&mut client, 1, &[("t", 0)]);
    for number in [2, 3] {
        subscribe(&mut client, number, &[("$share/g/t", 0)]);
        publisher.publish("t", "x", 0);
        let mut both = [ids(&client.receive()), ids(&client.receive())];
        both.sort();
        assert_eq!(both, [vec![id(1)], vec![id(number)]]);
    }
    client.expect_nothing();
}

fn an_older_version_loses_it(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(V5, "a"));
    subscribe(&mut client, 7, &[("t", 0)]);
    client.disconnect();
    let mut client = Client::resume(broker, &Connect::persistent(V311, "a"));
    publisher.publish("t", "x", 0);
    client.expect_publish(&Publish::new("t", "x"));
}
