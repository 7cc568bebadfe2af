//! A disk that is full or fails.

use super::*;

fn failing(version: Version) -> (Durable, Peer) {
    let mut d = Durable::new(1);
    let away = d.connect(0, "away");
    d.subscribe(away, "t", 1);
    d.c.lose(away);
    let publisher = match version {
        Version::V5 => d.visit(0, "publisher"),
        Version::V31 | Version::V311 => d.visit_v3(0, "publisher"),
    };
    d.fail(Fault::Full);
    (d, publisher)
}

#[test]
fn a_publisher_of_mqtt_5_is_told_and_later_all_is_well() {
    let (mut d, publisher) = failing(Version::V5);
    d.c.publish(publisher, 1, 1, "t", "a");
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBACK 1 97"]);
    d.c.publish(publisher, 1, 2, "t", "b");
    d.c.publish(publisher, 1, 3, "nobody", "c");
    d.c.publish(publisher, 0, 0, "t", "d");
    assert_eq!(d.heard(publisher), ["PUBACK 2 97", "PUBACK 3 10"], "the others go on");
    let newcomer = d.c.dial(0, client::connect("newcomer"));
    assert_eq!(d.heard(newcomer), ["CONNACK 88"]);
    d.fail(Fault::None);
    d.sync();
    d.c.publish(publisher, 1, 4, "t", "e");
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBACK 4 00"]);
    let mut d = d.restart(0);
    let away = d.come_back(0, "away");
    let heard = d.heard(away);
    assert_eq!(heard, ["CONNACK 00 present", "t=a q1 #1", "t=e q1 #2"]);
}

#[test]
fn before_mqtt_5_there_is_no_acknowledgement_and_the_connection_closes() {
    let (mut d, publisher) = failing(Version::V311);
    d.c.publish(publisher, 1, 1, "t", "a");
    d.sync();
    assert_eq!(d.heard(publisher), NOTHING);
    assert!(d.c.is_closed(publisher));
    let again = d.visit_v3(0, "publisher");
    d.c.publish(again, 1, 1, "t", "a");
    assert_eq!(d.heard(again), NOTHING);
    assert!(d.c.is_closed(again));
}

#[test]
fn a_message_at_qos_2_waits_until_it_is_safe() {
    let (mut d, _) = failing(Version::V5);
    d.fail(Fault::None);
    let publisher = d.connect(0, "lasting");
    let subscriber = d.visit(0, "subscriber");
    d.c.subscribe(subscriber, "t", 2);
    d.fail(Fault::Sync);
    d.c.publish(publisher, 2, 1, "t", "a");
    d.sync();
    assert_eq!(d.heard(publisher), NOTHING);
    assert_eq!(d.heard(subscriber), NOTHING);
    d.c.publish(publisher, 2, 2, "t", "b");
    d.sync();
    d.fail(Fault::None);
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBREC 1 00", "PUBREC 2 97"]);
    assert_eq!(d.heard(subscriber), ["t=a q2 #1"]);
}

#[test]
fn what_the_store_does_not_take_is_kept() {
    let (mut d, publisher) = failing(Version::V5);
    d.fail(Fault::None);
    d.store.0.lock().unwrap().is_full = true;
    d.c.publish(publisher, 1, 1, "t", "a");
    d.c.publish(publisher, 1, 2, "t", "b");
    d.sync();
    assert_eq!(d.heard(publisher), NOTHING);
    d.store.0.lock().unwrap().is_full = false;
    d.sync();
    d.c.publish(publisher, 0, 0, "t", "");
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBACK 1 00", "PUBACK 2 00"]);
}
