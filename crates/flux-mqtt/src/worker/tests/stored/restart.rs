//! After a crash: what was acknowledged is there, and nothing at QoS 2 comes twice.

use super::*;

#[test]
fn a_session_goes_on_with_its_subscriptions_and_its_messages() {
    let mut d = Durable::new(2);
    let away = d.connect(0, "away");
    d.subscribe(away, "t/+", 1);
    d.subscribe(away, "gone", 1);
    d.c.send(away, &client::unsubscribe(away.version, 2, "gone"));
    d.c.lose(away);
    let publisher = d.visit(1, "publisher");
    for (id, name) in (1..).zip(["a", "b", "c", "d"]) {
        d.c.publish(publisher, 1, id, "t/1", name);
    }
    d.sync();
    assert_eq!(d.heard(publisher).len(), 4);
    let mut d = d.restart(5_000);
    let again = d.come_back(1, "away");
    assert_eq!(
        d.heard(again),
        ["CONNACK 00 present", "t/1=a q1 #1", "t/1=b q1 #2", "t/1=c q1 #3", "t/1=d q1 #4"]
    );
    let publisher = d.visit(0, "publisher");
    d.c.publish(publisher, 1, 1, "t/2", "e");
    d.c.publish(publisher, 1, 2, "gone", "f");
    assert_eq!(d.heard(again), ["t/2=e q1 #5"]);
}

#[test]
fn what_was_not_answered_may_be_gone_and_what_was_acknowledged_does_not_come_again() {
    let mut d = Durable::new(1);
    let subscriber = d.connect(0, "subscriber");
    d.subscribe(subscriber, "t", 1);
    let publisher = d.visit(0, "publisher");
    d.c.publish(publisher, 1, 1, "t", "a");
    d.sync();
    d.ack(subscriber, PUBACK, 1);
    d.sync();
    d.c.publish(publisher, 1, 2, "t", "b");
    assert_eq!(d.heard(publisher), ["PUBACK 1 00"], "nobody was told of the second");
    let mut d = d.restart(0);
    let again = d.come_back(0, "subscriber");
    assert_eq!(d.heard(again), ["CONNACK 00 present"]);
}

#[test]
fn a_message_at_qos_2_is_taken_once_over_a_crash() {
    let mut d = Durable::new(1);
    let subscriber = d.connect(0, "subscriber");
    d.subscribe(subscriber, "t", 2);
    d.c.lose(subscriber);
    let publisher = d.connect(0, "publisher");
    d.c.publish(publisher, 2, 9, "t", "x");
    d.c.publish(publisher, 2, 10, "nobody", "y");
    d.sync();
    let mut d = d.restart(0);
    let publisher = d.come_back(0, "publisher");
    for (id, topic) in [(9, "t"), (10, "nobody")] {
        let dup = client::publish(publisher.version, 0b1100, id, topic, "x");
        d.c.send(publisher, &dup);
    }
    d.ack(publisher, PUBREL, 9);
    d.sync();
    assert_eq!(
        d.heard(publisher),
        ["CONNACK 00 present", "PUBREC 9 00", "PUBREC 10 00", "PUBCOMP 9 00"]
    );
    let subscriber = d.come_back(0, "subscriber");
    assert_eq!(d.heard(subscriber), ["CONNACK 00 present", "t=x q2 #1"], "once");
    // Its identifier is free now.
    d.c.publish(publisher, 2, 9, "t", "new");
    d.sync();
    assert_eq!(d.heard(subscriber), ["t=new q2 #2"]);
}

#[test]
fn an_exchange_goes_on_where_it_was() {
    let mut d = Durable::new(1);
    let subscriber = d.connect(0, "subscriber");
    d.subscribe(subscriber, "t", 2);
    let publisher = d.visit(0, "publisher");
    for (id, name) in (1..).zip(["a", "b", "c", "d"]) {
        d.c.publish(publisher, 2, id, "t", name);
    }
    d.sync();
    assert_eq!(d.heard(subscriber).len(), 4);
    d.ack(subscriber, PUBREC, 1);
    d.ack(subscriber, PUBREC, 2);
    d.sync();
    d.ack(subscriber, PUBCOMP, 1);
    d.sync();
    d.ack(subscriber, PUBREC, 3);
    let mut d = d.restart(0);
    let again = d.come_back(0, "subscriber");
    assert_eq!(
        d.heard(again),
        ["CONNACK 00 present", "PUBREL 2 00", "t=c q2 #3 dup", "t=d q2 #4 dup"],
        "of the last PUBREC nobody was told"
    );
}

#[test]
fn retained_messages_are_what_they_were() {
    let mut d = Durable::new(1);
    let publisher = d.visit(0, "publisher");
    let retain = |id, topic, payload| client::publish(Version::V5, 0b0011, id, topic, payload);
    d.c.send(publisher, &retain(1, "a", "old"));
    d.c.send(publisher, &retain(2, "b", "gone"));
    d.c.send(publisher, &retain(3, "a", "new"));
    d.c.send(publisher, &retain(4, "b", ""));
    assert_eq!(d.heard(publisher), NOTHING);
    d.sync();
    assert_eq!(d.heard(publisher).len(), 4);
    d.c.send(publisher, &retain(5, "c", "not yet"));
    let mut d = d.restart(0);
    assert_eq!(d.c.broker.retained.len(), 1);
    let subscriber = d.visit(0, "subscriber");
    d.c.send(subscriber, &client::subscribe(Version::V5, 1, &[("#", 1)]));
    assert_eq!(d.heard(subscriber), ["SUBACK 1 [01]", "a=new q1 #1 retain"]);
}

#[test]
fn a_retained_message_that_was_replayed_to_a_session_is_its_own() {
    let mut d = Durable::new(1);
    let publisher = d.visit(0, "publisher");
    d.c.send(publisher, &client::publish(Version::V5, 0b0011, 1, "a", "x"));
    let subscriber = d.connect(0, "subscriber");
    d.subscribe(subscriber, "#", 1);
    d.c.lose(subscriber);
    d.c.send(publisher, &client::publish(Version::V5, 0b0011, 2, "a", ""));
    d.sync();
    let mut d = d.restart(0);
    let again = d.come_back(0, "subscriber");
    let heard = d.heard(again);
    assert_eq!(heard[..2], ["CONNACK 00 present", "a=x q1 #1 retain"]);
}

#[test]
fn a_will_and_the_end_of_a_session_come_when_they_are_due() {
    let mut d = Durable::new(1);
    let watcher = d.connect(0, "watcher");
    d.subscribe(watcher, "w", 1);
    let gone = d.c.dial(0, client::connect_with_will("gone", "w", "of gone", Some(10)));
    d.sync();
    d.c.lose(gone);
    let there = d.c.dial(0, client::connect_with_will("there", "w", "of there", Some(20)));
    d.sync();
    assert_eq!(d.heard(there), ["CONNACK 00"]);
    let mut d = d.restart(5_000);
    let watcher = d.come_back(0, "watcher");
    assert_eq!(d.heard(watcher), ["CONNACK 00 present"]);
    d.c.sleep(4_999);
    d.sync();
    assert_eq!(d.heard(watcher), NOTHING);
    d.c.sleep(1);
    d.sync();
    assert_eq!(d.heard(watcher), ["w=of gone q1 #1"]);
    // The other's connection ended with the process; it is counted from the start, once.
    let mut d = d.restart(5_000);
    let watcher = d.come_back(0, "watcher");
    assert_eq!(d.heard(watcher)[0], "CONNACK 00 present");
    d.c.sleep(10_000);
    d.sync();
    assert_eq!(d.heard(watcher), ["w=of there q1 #2"]);
    assert!(d.c.broker.clients.contains("gone"));
    d.c.sleep(3_600_000);
    d.sync();
    assert!(!d.c.broker.clients.contains("gone"));
    assert!(!d.c.broker.clients.contains("there"));
    let d = d.restart(0);
    assert!(!d.c.broker.clients.contains("gone"));
    assert!(d.c.broker.clients.contains("watcher"));
}

#[test]
fn a_session_that_was_discarded_does_not_come_back() {
    let mut d = Durable::new(1);
    let first = d.connect(0, "a");
    d.subscribe(first, "t", 1);
    let clean = ntex_mqtt::v5::codec::Connect { clean_start: true, ..client::connect("a") };
    let second = d.c.dial(0, clean);
    d.sync();
    d.c.lose(second);
    let third = d.visit(0, "b");
    d.c.publish(third, 1, 1, "t", "x");
    let mut d = d.restart(0);
    let again = d.come_back(0, "a");
    assert_eq!(d.heard(again), ["CONNACK 00 present"]);
    assert_eq!(d.c.broker.routes.len(), 0);
}

#[test]
fn a_message_that_expired_meanwhile_is_gone() {
    let mut d = Durable::new(1);
    let away = d.connect(0, "away");
    d.subscribe(away, "t", 1);
    d.c.lose(away);
    let publisher = d.visit(0, "publisher");
    d.c.send(publisher, &client::publish_that_expires(1, "t", "x", 10));
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBACK 1 00"]);
    let mut d = d.restart(10_000);
    let again = d.come_back(0, "away");
    assert_eq!(d.heard(again), ["CONNACK 00 present"]);
    d.sync();
    assert_eq!(d.store.0.lock().unwrap().log.sessions(None, 9).unwrap()[0].queued, 0);
}

#[test]
fn a_member_of_a_shared_subscription_keeps_what_it_was_given() {
    let mut d = Durable::new(1);
    let member = d.connect(0, "member");
    d.subscribe(member, "$share/g/t", 1);
    let publisher = d.visit(0, "publisher");
    d.c.publish(publisher, 1, 1, "t", "x");
    assert_eq!(d.heard(publisher), NOTHING);
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBACK 1 00"]);
    let mut d = d.restart(0);
    let again = d.come_back(0, "member");
    assert_eq!(d.heard(again), ["CONNACK 00 present", "t=x q1 #1"]);
}

/// Nobody knows whose it is that an earlier version wrote.
#[test]
fn a_session_stays_whose_it_is_over_a_restart_and_one_of_an_earlier_version_is_for_who_comes_first()
{
    let of = |user: &str, clean_start| ntex_mqtt::v5::codec::Connect {
        username: Some(user.to_owned().into()),
        clean_start,
        ..client::connect("meter")
    };
    let dial = |d: &mut Durable, user, clean_start| {
        let peer = d.c.dial(1, of(user, clean_start));
        d.sync();
        let heard = d.heard(peer);
        d.c.lose(peer);
        d.sync();
        heard
    };
    let mut d = Durable::new(2);
    d.connect(0, "meter");
    let session = d.c.broker.clients.get("meter").unwrap();
    let mut state = session.lock();
    state.owner = flux_storage::Owner::Unknown;
    session.write_standing(&state);
    drop(state);
    // That goes to the store with what comes next.
    d.connect(0, "another");
    d.sync();
    let mut d = d.restart(1_000);
    assert_eq!(dial(&mut d, "alice", false), ["CONNACK 00 present"]);
    for _ in 0..2 {
        d = d.restart(1_000);
        for clean_start in [true, false] {
            assert_eq!(dial(&mut d, "bob", clean_start), ["CONNACK 85"]);
        }
        assert_eq!(dial(&mut d, "alice", false), ["CONNACK 00 present"]);
    }
    let mut d = d.restart(3_600_000);
    assert_eq!(dial(&mut d, "bob", false), ["CONNACK 00"]);
    let mut d = d.restart(1_000);
    assert_eq!(dial(&mut d, "alice", false), ["CONNACK 85"]);

    let mut d = Durable::new(2);
    d.connect(0, "meter");
    let mut d = d.restart(1_000);
    d.come_back(0, "meter");
    let mut d = d.restart(1_000);
    assert_eq!(dial(&mut d, "alice", false), ["CONNACK 00"]);
}

#[test]
fn a_session_that_was_ended_by_hand_does_not_come_back() {
    let mut d = Durable::new(2);
    let peer = d.connect(0, "meter");
    d.c.lose(peer);
    d.sync();
    let (done, answer) = crate::worker::tests::commands::done();
    d.c.command(1, crate::input::Command::EndSession { client_id: "meter".into(), done });
    assert!(answer.try_recv().is_err(), "it is not safe yet");
    d.sync();
    assert_eq!(answer.try_recv(), Ok(true));
    let d = d.restart(1_000);
    assert!(!d.c.broker.clients.contains("meter"));
}
