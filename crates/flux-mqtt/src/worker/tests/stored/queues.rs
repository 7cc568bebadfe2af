//! Long queues: a part here, the rest in the store.

use flux_session::SessionLimits;

use super::*;

fn small() -> Settings {
    let session = SessionLimits { queued_here: 4, ..SessionLimits::default() };
    Settings { session, ..Settings::default() }
}

fn fill(d: &mut Durable, count: u16) {
    let publisher = d.visit(1, "publisher");
    for id in 1..=count {
        d.c.publish(publisher, 1, id, "t", &id.to_string());
    }
    d.sync();
    assert_eq!(d.heard(publisher).len(), usize::from(count));
}

fn payloads(heard: &[String]) -> Vec<u16> {
    let payload = |line: &String| line.strip_prefix("t=")?.split(' ').next()?.parse().ok();
    heard.iter().filter_map(payload).collect()
}

#[test]
fn a_long_queue_comes_in_its_order() {
    let mut d = Durable::with(2, small());
    let away = d.connect(0, "away");
    d.subscribe(away, "t", 1);
    d.c.lose(away);
    fill(&mut d, 50);
    let again = d.come_back(0, "away");
    let heard = d.heard(again);
    assert_eq!(payloads(&heard), (1..=50).collect::<Vec<_>>());
}

#[test]
fn after_a_restart_too_and_what_comes_meanwhile_is_behind_it() {
    let mut d = Durable::with(2, small());
    let away = d.connect(0, "away");
    d.subscribe(away, "t", 1);
    d.c.lose(away);
    fill(&mut d, 30);
    let mut d = d.restart(0);
    let held = d.c.broker.holdings().sessions;
    let publisher = d.visit(1, "publisher");
    for id in 31..=40 {
        d.c.publish(publisher, 1, id, "t", &id.to_string());
    }
    assert!(d.c.broker.holdings().sessions < held + 2_000, "they are not in memory");
    let again = d
        .c
        .dial(0, ntex_mqtt::v5::codec::Connect { clean_start: false, ..client::connect("away") });
    d.c.publish(publisher, 1, 41, "t", "41");
    d.sync();
    d.c.publish(publisher, 1, 42, "t", "42");
    d.sync();
    let heard = d.heard(again);
    assert_eq!(payloads(&heard), (1..=42).collect::<Vec<_>>());
    for id in 1..=42 {
        d.ack(again, PUBACK, id);
    }
    d.sync();
    let mut d = d.restart(0);
    let again = d.come_back(0, "away");
    assert_eq!(d.heard(again), ["CONNACK 00 present"]);
}

/// The client moves to another worker while the first reads for it: both get the same part.
#[test]
fn a_part_that_two_workers_read_is_not_the_last() {
    let mut d = Durable::with(2, small());
    let away = d.connect(0, "away");
    d.subscribe(away, "t", 1);
    d.c.lose(away);
    fill(&mut d, 10);
    let mut d = d.restart(0);
    let connect =
        || ntex_mqtt::v5::codec::Connect { clean_start: false, ..client::connect("away") };
    d.c.dial(0, connect());
    d.answer();
    let second = d.c.dial(1, connect());
    d.answer();
    assert_eq!(d.heard(second), ["CONNACK 00 present"]);
    assert!(d.load_for(0));
    assert!(d.load_for(1), "it had asked, too");
    d.sync();
    assert_eq!(payloads(&d.heard(second)), (1..=10).collect::<Vec<_>>());
}

#[test]
fn a_part_that_has_expired_is_not_the_last() {
    let mut d = Durable::with(2, small());
    let away = d.connect(0, "away");
    d.subscribe(away, "t", 1);
    d.c.lose(away);
    let publisher = d.visit(1, "publisher");
    for id in 1..=4 {
        d.c.send(publisher, &client::publish_that_expires(id, "t", "old", 10));
    }
    d.sync();
    fill(&mut d, 4);
    let mut d = d.restart(10_000);
    let again = d.come_back(0, "away");
    assert_eq!(payloads(&d.heard(again)), (1..=4).collect::<Vec<_>>());
}
