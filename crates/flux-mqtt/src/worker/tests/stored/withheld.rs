//! Messages of a shared subscription that a member may not have, over a store: another has each once, also after a
//! crash.

use flux_auth::Decision::Deny;
use flux_topic::TopicFilter;

use super::super::rights::Rights;
use super::*;

const FILTER: &str = "$share/g/t";

/// A broker whose client `a` may not have what is published.
fn durable() -> Durable {
    let rights = Rights::new(&[("receive t by a", Deny)]);
    Durable::under(2, Settings::default(), rights)
}

/// Under which numbers messages wait in the group. They are taken out.
fn numbers(d: &Durable) -> Vec<u64> {
    let share = d.c.broker.routes.shares(&[TopicFilter::parse(FILTER).unwrap()])[0].clone();
    let waiting = share.lock().take_queued();
    waiting.iter().map(|waiting| waiting.sequence.unwrap().0.get()).collect()
}

/// Members that end with their connections have nothing in the store; the publisher's packet identifier is there.
#[test]
fn what_came_at_qos_2_goes_to_nobody_before_its_identifier_is_safe() {
    let mut d = durable();
    let publisher = d.connect(0, "publisher");
    let (b, a) = (d.visit(0, "b"), d.visit(1, "a"));
    for member in [a, b] {
        d.subscribe(member, FILTER, 2);
    }
    d.c.publish(publisher, 2, 7, "t", "x");
    d.c.settle();
    assert_eq!((d.heard(a), d.heard(b)), (vec![], vec![]), "not before it is safe");
    // A crash now leaves nothing of it, and the publisher sends it again.
    let mut d = d.restart(0);
    let b = d.visit(0, "b");
    d.subscribe(b, FILTER, 2);
    let publisher = d.come_back(0, "publisher");
    d.c.send(publisher, &client::publish(publisher.version, 0b1100, 7, "t", "x"));
    d.sync();
    assert_eq!(d.heard(publisher), ["CONNACK 00 present", "PUBREC 7 00"]);
    assert_eq!(d.heard(b), ["t=x q2 #1"], "once");
}

/// There is no moment at which the store has it under an old number no more, and under a new one not yet.
#[test]
fn what_is_withheld_keeps_its_number() {
    for qos in [1, 2] {
        let mut d = durable();
        let (a, b) = (d.connect(0, "a"), d.connect(1, "b"));
        for member in [a, b] {
            d.subscribe(member, FILTER, qos);
        }
        d.c.lose(b);
        let publisher = d.visit(0, "publisher");
        for id in 1..=3 {
            d.c.publish(publisher, qos, id, "t", "x");
        }
        d.sync();
        assert_eq!(d.heard(a), NOTHING);
        let numbers = numbers(&d);
        let first = numbers[0];
        assert_eq!(numbers, [first, first + 2, first + 4], "each and one for the group");
    }
}

#[test]
fn what_is_withheld_from_all_that_are_there_comes_to_another_after_a_crash() {
    for qos in [1, 2] {
        let mut d = durable();
        let (a, b) = (d.connect(0, "a"), d.connect(1, "b"));
        for member in [a, b] {
            d.subscribe(member, FILTER, qos);
        }
        d.c.lose(b);
        let publisher = d.visit(0, "publisher");
        for (id, name) in (1..).zip(["x", "y", "z"]) {
            d.c.publish(publisher, qos, id, "t", name);
        }
        d.sync();
        assert_eq!((d.heard(publisher).len(), d.heard(a)), (3, vec![]));
        // It comes back first, and what it may not have waits on.
        let mut d = d.restart(0);
        let a = d.come_back(0, "a");
        assert_eq!(d.heard(a), ["CONNACK 00 present"]);
        let b = d.come_back(1, "b");
        let expected =
            (1..).zip(["x", "y", "z"]).map(|(id, name)| format!("t={name} q{qos} #{id}"));
        let heard = d.heard(b);
        assert_eq!(heard[1..], expected.collect::<Vec<_>>());
        for id in 1..=3 {
            if qos == 1 {
                d.ack(b, PUBACK, id);
            } else {
                d.ack(b, PUBREC, id);
                d.ack(b, PUBCOMP, id);
            }
        }
        d.sync();
        let mut d = d.restart(0);
        for name in ["a", "b"] {
            let member = d.come_back(0, name);
            assert_eq!(d.heard(member), ["CONNACK 00 present"], "all is over");
        }
    }
}

#[test]
fn what_nobody_may_have_any_more_is_gone_for_good() {
    let mut d = durable();
    let (a, b) = (d.connect(0, "a"), d.connect(1, "b"));
    for member in [a, b] {
        d.subscribe(member, FILTER, 1);
    }
    d.c.lose(b);
    let publisher = d.visit(0, "publisher");
    d.c.publish(publisher, 1, 1, "t", "x");
    d.sync();
    let b = d.come_back(1, "b");
    d.c.send(b, &client::unsubscribe(b.version, 5, FILTER));
    d.c.publish(publisher, 1, 2, "t", "y");
    d.sync();
    let queued = d.store.0.lock().unwrap().log.groups().unwrap()[0].queued;
    assert_eq!(queued, 1, "the first was sent to it, and waits for its answer");
    d.ack(b, PUBACK, 1);
    d.sync();
    assert_eq!(d.store.0.lock().unwrap().log.groups().unwrap()[0].queued, 0);
}

/// It stays the group's until another has acknowledged it.
#[test]
fn what_is_not_sent_again_is_for_another_also_after_a_crash() {
    let rights = Rights::new(&[]);
    let mut d = Durable::under(2, Settings::default(), rights.clone());
    let (a, b) = (d.connect(0, "a"), d.connect(1, "b"));
    for member in [a, b] {
        d.subscribe(member, FILTER, 1);
    }
    d.c.lose(b);
    let publisher = d.visit(0, "publisher");
    d.c.publish(publisher, 1, 1, "t", "x");
    d.sync();
    assert_eq!(d.heard(a), ["t=x q1 #1"]);
    d.c.lose(a);
    rights.set("receive t by a", Deny);
    let a = d.come_back(0, "a");
    assert_eq!(d.heard(a), ["CONNACK 00 present"]);
    let queued = |d: &Durable| d.store.0.lock().unwrap().log.groups().unwrap()[0].queued;
    d.sync();
    assert_eq!(queued(&d), 1);
    let mut d = d.restart(0);
    let b = d.come_back(1, "b");
    assert_eq!(d.heard(b), ["CONNACK 00 present", "t=x q1 #1"]);
    d.ack(b, PUBACK, 1);
    d.sync();
    assert_eq!(queued(&d), 0);
}
