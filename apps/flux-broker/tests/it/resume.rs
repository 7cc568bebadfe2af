//! What is sent again when a client resumes its session (section 4.4).

use crate::support::{
    Broker, Client, Connect, Publish, Received, Version, puback, pubcomp, pubrec, pubrel,
};

scenarios_of_all_versions! {
    unacknowledged_messages_come_again_in_order,
    nothing_acknowledged_comes_again,
    pubrel_alone_comes_again_after_pubrec,
    everything_comes_again_in_the_order_it_went,
    an_open_qos_2_identifier_of_the_client_is_remembered,
    what_was_not_acknowledged_comes_again_on_takeover,
    a_message_comes_again_as_often_as_it_must,
}

fn unacknowledged_messages_come_again_in_order(broker: &Broker, version: Version) {
    let (mut publisher, mut client) = pair(broker, version);
    for number in 0..10_u8 {
        publisher.publish("a", number.to_string(), 1 + number % 2);
    }
    let before: Vec<Received> = (0..10).map(|_| client.receive()).collect();
    assert!(before.iter().all(|received| !received.dup));
    client.disconnect();
    publisher.publish("a", "new", 1);
    let mut client = Client::resume(broker, &Connect::persistent(version, "a"));
    for sent in before {
        assert_eq!(client.receive_and_acknowledge(), Received { dup: true, ..sent });
    }
    let new = client.receive_and_acknowledge();
    assert_eq!((new.text(), new.dup), ("new", false));
    client.expect_nothing();
}

fn nothing_acknowledged_comes_again(broker: &Broker, version: Version) {
    let (mut publisher, mut client) = pair(broker, version);
    for number in 0..6_u8 {
        publisher.publish("a", number.to_string(), 1 + number % 2);
    }
    for _ in 0..6 {
        client.receive_and_acknowledge();
    }
    client.disconnect();
    Client::resume(broker, &Connect::persistent(version, "a")).expect_nothing();
}

fn pubrel_alone_comes_again_after_pubrec(broker: &Broker, version: Version) {
    let (mut publisher, mut client) = pair(broker, version);
    publisher.publish("a", "x", 2);
    let id = client.receive().id;
    client.send(&pubrec(id));
    client.expect(&pubrel(id));
    client.disconnect();
    for _ in 0..2 {
        let mut client = Client::resume(broker, &Connect::persistent(version, "a"));
        client.expect(&pubrel(id));
        client.expect_nothing();
        client.disconnect();
    }
    let mut client = Client::resume(broker, &Connect::persistent(version, "a"));
    client.expect(&pubrel(id));
    client.send(&pubcomp(id));
    client.disconnect();
    Client::resume(broker, &Connect::persistent(version, "a")).expect_nothing();
}

fn everything_comes_again_in_the_order_it_went(broker: &Broker, version: Version) {
    let (mut publisher, mut client) = pair(broker, version);
    for number in 0..4 {
        publisher.publish("a", number.to_string(), 2);
    }
    let ids: Vec<u16> = (0..4).map(|_| client.receive().id).collect();
    // The second is released already, the third is over.
    client.send(&[pubrec(ids[1]), pubrec(ids[2]), pubcomp(ids[2])].concat());
    client.expect(&pubrel(ids[1]));
    client.expect(&pubrel(ids[2]));
    client.disconnect();
    let mut client = Client::resume(broker, &Connect::persistent(version, "a"));
    client.expect_publish(&Publish::new("a", "0").qos(2, ids[0]).dup());
    client.expect(&pubrel(ids[1]));
    client.expect_publish(&Publish::new("a", "3").qos(2, ids[3]).dup());
    client.expect_nothing();
}

fn an_open_qos_2_identifier_of_the_client_is_remembered(broker: &Broker, version: Version) {
    let mut observer = Client::connect(broker, &Connect::new(version, "observer"));
    observer.subscribe("a", 0);
    let connect = Connect::persistent(version, "a");
    let publish = Publish::new("a", "once").qos(2, 11);
    let mut client = Client::connect(broker, &connect);
    client.send(&publish.bytes(version));
    client.expect(&pubrec(11));
    client.disconnect();
    observer.expect_publish(&Publish::new("a", "once"));
    let mut client = Client::resume(broker, &connect);
    client.send(&publish.dup().bytes(version));
    client.expect(&pubrec(11));
    observer.expect_nothing();
    client.send(&pubrel(11));
    client.expect(&pubcomp(11));
    client.disconnect();
    let mut client = Client::resume(broker, &connect);
    client.send(&pubrel(11));
    client.expect(&version.ack(0x70, 11, 0x92));
}

fn what_was_not_acknowledged_comes_again_on_takeover(broker: &Broker, version: Version) {
    let (mut publisher, mut old) = pair(broker, version);
    publisher.publish("a", "x", 1);
    let id = old.receive().id;
    let mut new = Client::resume(broker, &Connect::persistent(version, "a"));
    old.expect_disconnect(0x8E);
    new.expect_publish(&Publish::new("a", "x").qos(1, id).dup());
    new.send(&puback(id));
    new.expect_nothing();
}

fn a_message_comes_again_as_often_as_it_must(broker: &Broker, version: Version) {
    let (mut publisher, mut client) = pair(broker, version);
    publisher.publish("a", "x", 1);
    let id = client.receive().id;
    for _ in 0..5 {
        client.disconnect();
        client = Client::resume(broker, &Connect::persistent(version, "a"));
        client.expect_publish(&Publish::new("a", "x").qos(1, id).dup());
        client.expect_nothing();
    }
}

/// A publisher, and a client with a lasting session that subscribed to `a` with QoS 2.
fn pair(broker: &Broker, version: Version) -> (Client, Client) {
    let publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(version, "a"));
    client.subscribe("a", 2);
    (publisher, client)
}
