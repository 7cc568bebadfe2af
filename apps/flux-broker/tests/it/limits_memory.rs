//! The whole broker holds as many bytes as it may, and no more, whoever publishes.

use flux_eventbus::{DropReason, Event, EventKind, Limit};
use flux_mqtt::Settings;

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Events, Publish, Version};

scenarios_of_all_versions! {
    publishers_are_slowed_and_refused_until_there_is_room with one_mebibyte,
}

fn one_mebibyte(settings: &mut Settings) {
    settings.limits.bytes = LIMIT;
}

const LIMIT: u64 = 1024 * 1024;
const MESSAGES: u64 = 40;

fn publishers_are_slowed_and_refused_until_there_is_room(broker: &Broker, version: Version) {
    let mut reached = Events::of(broker, EventKind::LimitReached);
    let connect = Connect::persistent(version, "reader");
    let mut reader = Client::connect(broker, &connect);
    reader.subscribe("t", 1);
    reader.disconnect();
    let mut other = Client::connect(broker, &Connect::new(version, "other"));
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let idle = broker.handle.ledger();
    assert_eq!(idle.sessions, idle.total());
    let publish = Publish::new("t", "x".repeat(30_000)).qos(1, 1).bytes(version);
    let mut refused = 0;
    for _ in 0..MESSAGES {
        publisher.send(&publish);
        let ack = publisher.packet();
        refused += u64::from(ack.get(4) == Some(&0x97));
        other.ping();
    }
    let Event::LimitReached { limit: Limit::Bytes, .. } = reached.expect() else {
        panic!("only this limit is low");
    };
    let dropped = broker.handle.counters().dropped(DropReason::QuotaExceeded);
    assert!((1..MESSAGES).contains(&dropped), "{dropped}");
    // Who can be told is told.
    assert_eq!(refused, if version == V5 { dropped } else { 0 });
    let held = broker.handle.ledger();
    assert!((LIMIT - 30_000..LIMIT + 60_000).contains(&held.total()), "{held:?}");
    assert_eq!(held.sessions, held.total());
    // What was taken is delivered.
    let mut reader = Client::resume(broker, &connect);
    for _ in dropped..MESSAGES {
        assert_eq!(reader.receive_and_acknowledge().text().len(), 30_000);
    }
    reader.ping();
    assert_eq!(broker.handle.ledger(), idle);
    // And so is what comes then, some time later.
    let is_taken = |publisher: &mut Client| {
        let before = broker.handle.counters().dropped(DropReason::QuotaExceeded);
        publisher.send(&publish);
        publisher.packet();
        broker.handle.counters().dropped(DropReason::QuotaExceeded) == before
    };
    while !is_taken(&mut publisher) {}
    assert_eq!(reader.receive_and_acknowledge().text().len(), 30_000);
}
