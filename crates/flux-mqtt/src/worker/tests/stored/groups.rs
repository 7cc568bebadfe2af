//! Shared subscriptions over a store: what waits for their members is not lost, and comes to one of them.

use super::*;

/// A broker with a group of two that are away, and a publisher.
fn group_that_is_away(qos: u8) -> (Durable, Peer) {
    let mut d = Durable::new(2);
    for (worker, member) in ["m1", "m2"].iter().enumerate() {
        let member = d.connect(worker, member);
        d.subscribe(member, "$share/g/t", qos);
        d.c.lose(member);
    }
    let publisher = d.connect(0, "publisher");
    (d, publisher)
}

fn stored(d: &Durable) -> Vec<(String, usize)> {
    let groups = d.store.0.lock().unwrap().log.groups().unwrap();
    groups.into_iter().map(|group| (group.filter.into(), group.queued)).collect()
}

fn count(heard: &[String]) -> usize {
    heard.iter().filter(|what| what.contains('=')).count()
}

#[test]
fn what_was_acknowledged_while_all_members_are_away_comes_after_a_crash() {
    for qos in [1, 2] {
        let (mut d, publisher) = group_that_is_away(qos);
        for (id, name) in (1..).zip(["a", "b", "c"]) {
            d.c.publish(publisher, qos, id, "t", name);
        }
        assert_eq!(d.heard(publisher), NOTHING, "not before it is safe");
        d.sync();
        assert_eq!(d.heard(publisher).len(), 3);
        let mut d = d.restart(0);
        assert_eq!(stored(&d), [("$share/g/t".to_owned(), 3)]);
        let member = d.come_back(1, "m2");
        let expected: Vec<_> = (1..).zip(["a", "b", "c"]).collect();
        let expected = expected.iter().map(|(id, name)| format!("t={name} q{qos} #{id}"));
        let expected: Vec<_> =
            ["CONNACK 00 present".to_owned()].into_iter().chain(expected).collect();
        assert_eq!(d.heard(member), expected);
        let other = d.come_back(0, "m1");
        assert_eq!(d.heard(other), ["CONNACK 00 present"]);
        for id in 1..=3 {
            if qos == 1 {
                d.ack(member, PUBACK, id);
            } else {
                d.ack(member, PUBREC, id);
                d.ack(member, PUBCOMP, id);
            }
        }
        d.sync();
        let mut d = d.restart(0);
        assert_eq!(stored(&d), [("$share/g/t".to_owned(), 0)], "all is over");
        for name in ["m1", "m2"] {
            let member = d.come_back(0, name);
            assert_eq!(d.heard(member), ["CONNACK 00 present"]);
        }
    }
}

#[test]
fn what_a_member_was_sent_at_qos_2_is_its_own_after_a_crash() {
    let (mut d, publisher) = group_that_is_away(2);
    let member = d.come_back(1, "m1");
    d.c.publish(publisher, 2, 1, "t", "a");
    d.c.publish(publisher, 2, 2, "t", "b");
    d.sync();
    assert_eq!(d.heard(member), ["CONNACK 00 present", "t=a q2 #1", "t=b q2 #2"]);
    d.ack(member, PUBREC, 2);
    d.sync();
    let mut d = d.restart(0);
    let other = d.come_back(0, "m2");
    assert_eq!(d.heard(other), ["CONNACK 00 present"], "it may have been delivered");
    let again = d.come_back(0, "m1");
    assert_eq!(d.heard(again), ["CONNACK 00 present", "t=a q2 #1 dup", "PUBREL 2 00"]);
    d.ack(again, PUBREC, 1);
    d.ack(again, PUBCOMP, 1);
    d.ack(again, PUBCOMP, 2);
    d.sync();
    let mut d = d.restart(0);
    let again = d.come_back(0, "m1");
    assert_eq!(d.heard(again), ["CONNACK 00 present"]);
}

#[test]
fn a_send_at_qos_2_that_was_not_safe_was_not_sent() {
    let (mut d, publisher) = group_that_is_away(2);
    d.c.publish(publisher, 2, 1, "t", "a");
    d.sync();
    let member = d.come_back(1, "m1");
    assert_eq!(d.heard(member), ["CONNACK 00 present", "t=a q2 #1"]);
    let (mut d, publisher) = group_that_is_away(2);
    let member = d.come_back(1, "m1");
    assert_eq!(d.heard(member), ["CONNACK 00 present"]);
    d.c.publish(publisher, 2, 1, "t", "a");
    assert_eq!((d.heard(publisher).len(), d.heard(member)), (0, Vec::new()));
    // The publisher was told nothing, and neither was the member.
    let mut d = d.restart(0);
    let publisher = d.come_back(0, "publisher");
    d.c.send(publisher, &client::publish(publisher.version, 0b1100, 1, "t", "a"));
    d.sync();
    assert_eq!(d.heard(publisher), ["CONNACK 00 present", "PUBREC 1 00"]);
    let other = d.come_back(0, "m2");
    assert_eq!(d.heard(other), ["CONNACK 00 present", "t=a q2 #1"], "once");
}

#[test]
fn what_a_member_does_not_acknowledge_at_qos_1_is_for_another_after_a_crash() {
    let (mut d, publisher) = group_that_is_away(1);
    let visitor = d.visit(0, "visitor");
    d.subscribe(visitor, "$share/g/t", 1);
    d.c.publish(publisher, 1, 1, "t", "a");
    d.c.publish(publisher, 1, 2, "t", "b");
    d.sync();
    assert_eq!(d.heard(visitor), ["t=a q1 #1", "t=b q1 #2"]);
    d.ack(visitor, PUBACK, 1);
    d.sync();
    let mut d = d.restart(0);
    let member = d.come_back(0, "m1");
    assert_eq!(d.heard(member), ["CONNACK 00 present", "t=b q1 #1"]);
}

#[test]
fn a_visitor_that_was_sent_it_at_qos_2_is_the_only_one() {
    let (mut d, publisher) = group_that_is_away(2);
    let visitor = d.visit(0, "visitor");
    d.subscribe(visitor, "$share/g/t", 2);
    d.c.publish(publisher, 2, 1, "t", "a");
    d.sync();
    assert_eq!(d.heard(visitor), ["t=a q2 #1"]);
    let mut d = d.restart(0);
    let member = d.come_back(0, "m1");
    assert_eq!(d.heard(member), ["CONNACK 00 present"]);
}

#[test]
fn what_a_member_gave_back_is_there_after_a_crash_in_its_order() {
    let (mut d, publisher) = group_that_is_away(1);
    let slow = d.c.dial(0, client::connect("slow").receive_max(1));
    d.sync();
    assert_eq!(d.heard(slow), ["CONNACK 00"]);
    d.subscribe(slow, "$share/g/t", 1);
    for (id, name) in (1..).zip(["a", "b", "c"]) {
        d.c.publish(publisher, 1, id, "t", name);
    }
    d.sync();
    assert_eq!(count(&d.heard(slow)), 1);
    d.c.send(slow, &client::unsubscribe(slow.version, 5, "$share/g/t"));
    d.c.lose(slow);
    d.sync();
    let mut d = d.restart(0);
    let member = d.come_back(0, "m1");
    assert_eq!(d.heard(member), ["CONNACK 00 present", "t=a q1 #1", "t=b q1 #2", "t=c q1 #3"]);
}

#[test]
fn a_session_has_a_message_of_its_own_and_that_of_its_group() {
    let mut d = Durable::new(1);
    let both = d.connect(0, "both");
    d.subscribe(both, "$share/g/t", 2);
    d.subscribe(both, "$share/h/t", 2);
    d.subscribe(both, "t", 2);
    let publisher = d.visit(0, "publisher");
    d.c.publish(publisher, 2, 1, "t", "a");
    d.sync();
    assert_eq!(d.heard(both), ["t=a q2 #1", "t=a q2 #2", "t=a q2 #3"]);
    d.ack(both, PUBREC, 2);
    d.sync();
    d.ack(both, PUBCOMP, 2);
    d.sync();
    let mut d = d.restart(0);
    let again = d.come_back(0, "both");
    assert_eq!(d.heard(again), ["CONNACK 00 present", "t=a q2 #1 dup", "t=a q2 #3 dup"]);
}

#[test]
fn a_group_is_stored_while_it_has_members_and_was_not_for_visitors() {
    let mut d = Durable::new(1);
    let publisher = d.visit(0, "publisher");
    let visitor = d.visit(0, "visitor");
    d.subscribe(visitor, "$share/g/t", 1);
    d.c.publish(publisher, 1, 1, "t", "a");
    assert_eq!(d.heard(publisher), ["PUBACK 1 00"], "the store is not asked");
    assert_eq!(stored(&d), []);
    let member = d.connect(0, "member");
    d.subscribe(member, "$share/g/t", 1);
    assert_eq!(stored(&d).len(), 1);
    d.c.lose(visitor);
    d.c.lose(member);
    d.c.publish(publisher, 1, 2, "t", "b");
    d.sync();
    assert_eq!(stored(&d)[0].1, 2, "the first went back when its member left");
    let member = d.come_back(0, "member");
    d.c.send(member, &client::unsubscribe(member.version, 5, "$share/g/t"));
    d.sync();
    assert_eq!(stored(&d), []);
    let d = d.restart(0);
    assert_eq!(d.c.broker.routes.len(), 0);
}

#[test]
fn a_message_that_expires_in_a_group_is_gone_for_good() {
    let (mut d, publisher) = group_that_is_away(1);
    let body = [&[0, 1, b't', 0, 1][..], &[5, 2, 0, 0, 0, 10], b"x"].concat();
    let len = u8::try_from(body.len()).unwrap();
    d.c.send(publisher, &[&[0x32, len][..], &body].concat());
    d.sync();
    assert_eq!(stored(&d)[0].1, 1);
    let mut d = d.restart(10_000);
    let member = d.come_back(0, "m1");
    assert_eq!(d.heard(member), ["CONNACK 00 present"]);
    d.sync();
    assert_eq!(stored(&d)[0].1, 0);
}

#[test]
fn what_is_refused_because_the_group_is_full_is_not_stored() {
    let mut settings = Settings::default();
    settings.shared.limits.queued_messages = 1;
    let mut d = Durable::with(1, settings);
    let member = d.connect(0, "member");
    d.subscribe(member, "$share/g/t", 1);
    d.c.lose(member);
    let publisher = d.visit(0, "publisher");
    d.c.publish(publisher, 1, 1, "t", "a");
    d.c.publish(publisher, 1, 2, "t", "b");
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBACK 1 00", "PUBACK 2 97"]);
    assert_eq!(stored(&d)[0].1, 1);
}
