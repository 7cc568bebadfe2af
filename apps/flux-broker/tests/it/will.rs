//! Will messages: when they are sent, and when not (sections 3.1.2.5, 3.1.3.2).

mod endings;

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Publish, Version, Will, let_pass, u32_property};

scenarios! {
    a_delayed_will_is_cancelled_when_the_session_resumes_in_time,
    a_delayed_will_is_sent_when_the_session_expires,
    a_delayed_will_is_not_sent_on_takeover_with_resume,
    the_expiry_of_a_will_begins_when_it_is_sent,
}

scenarios_of_all_versions! {
    a_will_can_be_retained,
    a_will_is_sent_once,
    a_will_has_the_qos_it_asked_for,
}

fn a_will_can_be_retained(broker: &Broker, version: Version) {
    let mut observer = observer(broker, version);
    let will = Will::new("will", "gone").retain();
    Client::connect(broker, &Connect::new(version, "mortal").will(will)).lose();
    observer.expect_publish(&Publish::new("will", "gone"));
    let mut late = Client::connect(broker, &Connect::new(version, "late"));
    late.subscribe("will", 0);
    late.expect_publish(&Publish::new("will", "gone").retain());
}

fn a_will_is_sent_once(broker: &Broker, version: Version) {
    let mut observer = observer(broker, version);
    let will = Will::new("will", "gone");
    let connect = Connect::persistent(version, "mortal");
    Client::connect(broker, &connect.clone().will(will)).lose();
    observer.expect_publish(&Publish::new("will", "gone"));
    // The next connection has no will of its own, nor the old one [MQTT-3.1.2-10].
    Client::resume(broker, &connect).lose();
    Client::resume(broker, &connect).disconnect();
    observer.expect_nothing();
}

fn a_will_has_the_qos_it_asked_for(broker: &Broker, version: Version) {
    let mut observer = Client::connect(broker, &Connect::new(version, "observer"));
    observer.subscribe("will", 2);
    for qos in 0..=2 {
        let will = Will::new("will", "gone").qos(qos);
        Client::connect(broker, &Connect::new(version, "mortal").will(will)).lose();
        assert_eq!(observer.receive_and_acknowledge().qos, qos);
    }
}

fn a_delayed_will_is_cancelled_when_the_session_resumes_in_time(broker: &Broker) {
    let mut observer = observer(broker, V5);
    let connect = Connect::persistent(V5, "mortal");
    let will = Will::new("will", "gone").delay(2);
    Client::connect(broker, &connect.clone().will(will)).close_with_will();
    let mut client = Client::resume(broker, &connect);
    let_pass(broker, 3);
    observer.expect_nothing();
    client.ping();
}

fn a_delayed_will_is_sent_when_the_session_expires(broker: &Broker) {
    let mut observer = observer(broker, V5);
    let will = Will::new("will", "gone").delay(3600);
    Client::connect(broker, &Connect::new(V5, "mortal").expiry(1).will(will)).close_with_will();
    observer.expect_publish(&Publish::new("will", "gone"));
}

fn a_delayed_will_is_not_sent_on_takeover_with_resume(broker: &Broker) {
    let mut observer = observer(broker, V5);
    let connect = Connect::persistent(V5, "mortal");
    let will = Will::new("will", "gone").delay(1);
    let mut old = Client::connect(broker, &connect.clone().will(will));
    let new = Client::resume(broker, &connect);
    old.expect_disconnect(0x8E);
    let_pass(broker, 2);
    observer.expect_nothing();
    new.disconnect();
    observer.expect_nothing();
}

fn the_expiry_of_a_will_begins_when_it_is_sent(broker: &Broker) {
    let mut observer = observer(broker, V5);
    let expiry = u32_property(0x02, 1);
    let will = Will::new("will", "gone").delay(2).property(&expiry);
    Client::connect(broker, &Connect::persistent(V5, "mortal").will(will)).close_with_will();
    observer.expect_publish(&Publish::new("will", "gone").property(&expiry));
}

/// A client that sees wills.
fn observer(broker: &Broker, version: Version) -> Client {
    let mut client = Client::connect(broker, &Connect::new(version, "observer"));
    client.subscribe("will", 0);
    client
}
