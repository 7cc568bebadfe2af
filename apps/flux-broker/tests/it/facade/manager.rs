//! Publishing and subscribing from the process the broker runs in.

use bytes::Bytes;
use flux_mqtt::ManagerError;

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Publish, Version, Will, block_on};

scenarios! {
    topics_filters_and_clients_are_checked,
    a_stopped_broker_says_so,
}

scenarios_of_both_versions! {
    publish_to_subscribers_reaches_them_in_order,
    publish_to_subscribers_can_be_retained,
    subscribe_sends_what_is_retained_and_what_comes,
    unsubscribe_stops_delivery,
    kick_disconnects_and_sends_the_will,
    subscribe_reaches_a_session_that_is_away,
}

fn publish(broker: &Broker, topic: &str, payload: &str, retain: bool) -> Result<(), ManagerError> {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    block_on(broker.handle.manager().publish_to_subscribers(topic, payload, retain))
}

fn publish_to_subscribers_reaches_them_in_order(broker: &Broker, version: Version) {
    let mut subscribers = [0, 1, 2].map(|qos| {
        let mut client = Client::connect(broker, &Connect::new(version, ""));
        client.subscribe("a/+", qos);
        client
    });
    for number in 0..100 {
        publish(broker, "a/b", &number.to_string(), false).unwrap();
    }
    for (granted, subscriber) in subscribers.iter_mut().enumerate() {
        for number in 0..100 {
            let received = subscriber.receive_and_acknowledge();
            assert_eq!((received.number(), received.retain), (number, false));
            assert_eq!(usize::from(received.qos), granted.min(1));
        }
        subscriber.expect_nothing();
    }
}

fn publish_to_subscribers_can_be_retained(broker: &Broker, version: Version) {
    publish(broker, "a", "first", true).unwrap();
    publish(broker, "a", "second", true).unwrap();
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.subscribe("a", 0);
    client.expect_publish(&Publish::new("a", "second").retain());
    publish(broker, "a", "", true).unwrap();
    client.expect_publish(&Publish::new("a", ""));
    client.subscribe("a", 0);
    client.expect_nothing();
}

fn subscribe_sends_what_is_retained_and_what_comes(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    publish(broker, "a/b", "retained", true).unwrap();
    block_on(broker.handle.manager().subscribe("a", "a/#")).unwrap();
    let retained = client.receive_and_acknowledge();
    assert_eq!((retained.text(), retained.retain), ("retained", true));
    client.expect_nothing();
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    publisher.publish("a/c", "live", 2);
    let live = client.receive_and_acknowledge();
    assert_eq!((live.text(), live.retain, live.qos), ("live", false, 2));
}

fn unsubscribe_stops_delivery(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.subscribe("a", 0);
    publish(broker, "a", "before", false).unwrap();
    broker.handle.manager().unsubscribe("a", "a").unwrap();
    publish(broker, "a", "after", false).unwrap();
    client.expect_publish(&Publish::new("a", "before"));
    client.expect_nothing();
    broker.handle.manager().unsubscribe("a", "never/subscribed").unwrap();
    client.send(&version.unsubscribe(1, &["a"]));
    client.expect(&version.unsuback(1, &[0x11]));
}

fn kick_disconnects_and_sends_the_will(broker: &Broker, version: Version) {
    let mut observer = Client::connect(broker, &Connect::new(version, "observer"));
    observer.subscribe("will", 0);
    let connect = Connect::persistent(version, "a");
    let mut client = Client::connect(broker, &connect.clone().will(Will::new("will", "kicked")));
    broker.kick("a");
    client.expect_disconnect(0x98);
    observer.expect_publish(&Publish::new("will", "kicked"));
    Client::resume(broker, &connect).ping();
    observer.expect_nothing();
}

fn subscribe_reaches_a_session_that_is_away(broker: &Broker, version: Version) {
    let connect = Connect::persistent(version, "a");
    Client::connect(broker, &connect).disconnect();
    block_on(broker.handle.manager().subscribe("a", "a")).unwrap();
    publish(broker, "a", "while away", false).unwrap();
    let mut client = Client::resume(broker, &connect);
    assert_eq!(client.receive_and_acknowledge().text(), "while away");
}

fn topics_filters_and_clients_are_checked(broker: &Broker) {
    let manager = broker.handle.manager();
    assert!(matches!(publish(broker, "a/+", "x", false), Err(ManagerError::Topic(_))));
    assert!(matches!(publish(broker, "", "x", true), Err(ManagerError::Topic(_))));
    Client::connect(broker, &Connect::persistent(V5, "a")).disconnect();
    let subscribe = |client, filter| block_on(manager.subscribe(client, filter));
    assert!(matches!(subscribe("a", "a#"), Err(ManagerError::Filter(_))));
    assert!(matches!(subscribe("a", "$share/g/a"), Err(ManagerError::Shared { .. })));
    let shared = manager.unsubscribe("a", "$share/g/a");
    assert!(matches!(shared, Err(ManagerError::Shared { .. })));
    let unknown = |result| matches!(result, Err(ManagerError::UnknownClient { .. }));
    assert!(unknown(subscribe("nobody", "a")));
    assert!(unknown(manager.unsubscribe("nobody", "a")));
    assert!(unknown(block_on(manager.kick("nobody"))));
    assert!(unknown(block_on(manager.kick("a"))), "it is not connected");
    assert!(matches!(manager.unsubscribe("a", "a#"), Err(ManagerError::Filter(_))));
}

fn a_stopped_broker_says_so(broker: &Broker) {
    broker.handle.stop();
    broker.handle.wait();
    assert_eq!(publish(broker, "a", "x", false), Err(ManagerError::Stopped));
    assert_eq!(block_on(broker.handle.manager().kick("a")), Err(ManagerError::Stopped));
}
