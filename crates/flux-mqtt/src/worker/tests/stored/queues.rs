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
