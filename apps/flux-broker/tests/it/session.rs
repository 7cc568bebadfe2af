//! How long a session lasts, and what waits in it (sections 3.1.2.4, 3.1.2.11.2, 4.1).

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Publish, Version, Will, let_pass, u32_property};

scenarios! {
    a_session_without_expiry_ends_with_its_connection,
    a_session_ends_when_it_expires,
    expiry_can_be_set_at_disconnect,
    expiry_cannot_leave_zero_at_disconnect,
}

scenarios_of_both_versions! {
    session_present_tells_whether_there_was_one,
}

scenarios_of_all_versions! {
    a_clean_start_forgets_everything,
    what_came_while_away_is_delivered_in_order_without_qos_0,
    a_session_survives_the_loss_of_its_connection,
    a_second_connection_takes_the_session_over,
    a_clean_start_displaces_a_connection,
}

fn session_present_tells_whether_there_was_one(broker: &Broker, version: Version) {
    let present = |connect: &Connect| {
        let client = Client::connect(broker, connect);
        let present = client.session_present;
        client.disconnect();
        present
    };
    let (persistent, clean) = (Connect::persistent(version, "a"), Connect::new(version, "a"));
    assert!(!present(&persistent), "the first");
    assert!(present(&persistent), "a stored one");
    assert!(!present(&clean), "a clean start");
    assert!(!present(&persistent), "the clean one is not stored");
    assert!(present(&persistent), "stored again");
}

fn a_clean_start_forgets_everything(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(version, "a"));
    client.subscribe("a", 1);
    publisher.publish("a", "in flight", 1);
    client.receive();
    client.disconnect();
    publisher.publish("a", "queued", 1);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    publisher.publish("a", "not subscribed", 1);
    client.expect_nothing();
}

fn what_came_while_away_is_delivered_in_order_without_qos_0(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(version, "a"));
    client.subscribe("a/#", 2);
    client.disconnect();
    for number in 0..60_u8 {
        publisher.publish(&format!("a/{number}"), number.to_string(), number % 3);
    }
    let mut client = Client::resume(broker, &Connect::persistent(version, "a"));
    for number in (0..60_u8).filter(|number| number % 3 > 0) {
        let received = client.receive();
        assert_eq!(received.number(), u32::from(number));
        assert_eq!((received.qos, received.dup), (number % 3, false));
    }
    client.expect_nothing();
}

fn a_session_survives_the_loss_of_its_connection(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(version, "a"));
    client.subscribe("a", 1);
    client.lose();
    // The broker may or may not have noticed; nothing is lost either way.
    publisher.publish("a", "x", 1);
    let mut client = Client::resume(broker, &Connect::persistent(version, "a"));
    assert_eq!(client.receive_and_acknowledge().text(), "x");
    client.expect_nothing();
}

fn a_second_connection_takes_the_session_over(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut old = Client::connect(broker, &Connect::persistent(version, "a"));
    old.subscribe("a", 1);
    for number in 0..10 {
        let mut new = Client::resume(broker, &Connect::persistent(version, "a"));
        old.expect_disconnect(0x8E);
        publisher.publish("a", number.to_string(), 1);
        assert_eq!(new.receive_and_acknowledge().number(), number);
        new.expect_nothing();
        old = new;
    }
}

fn a_clean_start_displaces_a_connection(broker: &Broker, version: Version) {
    let mut old = Client::connect(broker, &Connect::persistent(version, "a"));
    old.subscribe("a", 1);
    let mut new = Client::connect(broker, &Connect::new(version, "a"));
    assert!(!new.session_present);
    old.expect_disconnect(0x8E);
    new.publish("a", "x", 1);
    new.expect_nothing();
}

fn a_session_without_expiry_ends_with_its_connection(broker: &Broker) {
    for connect in [Connect::new(V5, "a").resume(), Connect::new(V5, "a").resume().expiry(0)] {
        let mut client = Client::connect(broker, &connect);
        assert!(!client.session_present);
        client.subscribe("a", 1);
        client.disconnect();
    }
    // A takeover closes the connection, and with it the session.
    let mut old = Client::connect(broker, &Connect::new(V5, "a"));
    let new = Client::connect(broker, &Connect::new(V5, "a").resume());
    assert!(!new.session_present);
    old.expect_disconnect(0x8E);
}

fn a_session_ends_when_it_expires(broker: &Broker) {
    let connect = Connect::new(V5, "short").resume().expiry(1);
    let for_ever = Connect::new(V5, "long").resume().expiry(u32::MAX);
    Client::connect(broker, &connect).disconnect();
    Client::connect(broker, &for_ever).disconnect();
    let_pass(broker, 2);
    assert!(!Client::connect(broker, &connect).session_present);
    assert!(Client::connect(broker, &for_ever).session_present);
}

fn expiry_can_be_set_at_disconnect(broker: &Broker) {
    let leave = |name: &str, at_connect: u32, at_disconnect: u32| {
        let connect = Connect::new(V5, name).resume().expiry(at_connect);
        let mut client = Client::connect(broker, &connect);
        client.send(&disconnect_with_expiry(at_disconnect));
        client.expect_closed();
        connect
    };
    let at_once = leave("at once", 3600, 0);
    assert!(!Client::connect(broker, &at_once).session_present);
    let never = leave("never", 1, u32::MAX);
    let zero = leave("zero", 0, 0);
    assert!(!Client::connect(broker, &zero).session_present);
    let longer = leave("longer", 1, 3600);
    let shorter = leave("shorter", 3600, 1);
    let_pass(broker, 2);
    assert!(Client::connect(broker, &longer).session_present);
    assert!(Client::connect(broker, &never).session_present);
    assert!(!Client::connect(broker, &shorter).session_present);
}

fn expiry_cannot_leave_zero_at_disconnect(broker: &Broker) {
    let mut observer = Client::connect(broker, &Connect::new(V5, "observer"));
    observer.subscribe("will", 0);
    let will = Will::new("will", "not normal");
    let mut client = Client::connect(broker, &Connect::new(V5, "a").will(will));
    client.send(&disconnect_with_expiry(10));
    client.expect_disconnect(0x82);
    observer.expect_publish(&Publish::new("will", "not normal"));
    assert!(!Client::connect(broker, &Connect::new(V5, "a").resume()).session_present);
}

fn disconnect_with_expiry(seconds: u32) -> Vec<u8> {
    [&[0xE0, 7, 0, 5][..], &u32_property(0x11, seconds)].concat()
}
