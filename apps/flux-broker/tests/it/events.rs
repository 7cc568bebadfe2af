//! What the platform is told, on the bus of a running broker.

use std::num::NonZeroUsize;
use std::sync::Arc;

use flux_eventbus::{DropReason, Event, EventBus, EventKind, EventKinds};
use flux_mqtt::{AllowAll, SimpleAuthenticator, start_broker_with};

use crate::support::Version::V5;
use crate::support::{
    Broker, Client, Connect, Events, Publish, Version, loopback_settings, packet,
};

scenarios_of_all_versions! {
    a_message_is_delivered_when_its_client_has_it,
    comings_and_goings_are_told,
}

scenarios! {
    a_refused_message_is_dropped,
}

/// The first thing that happens, and the last.
#[test]
fn a_broker_says_where_it_listens_and_that_it_has_stopped() {
    let events = Arc::new(EventBus::new());
    let mut subscriber = events.subscribe(EventKinds::all(), NonZeroUsize::new(10).unwrap());
    let authenticator = Arc::new(SimpleAuthenticator::new());
    let handle =
        start_broker_with(loopback_settings(), events, authenticator, Arc::new(AllowAll)).unwrap();
    handle.stop();
    handle.wait();
    let address = handle.local_addrs()[0];
    assert_eq!(subscriber.try_recv(), Some(Event::Listening { address }));
    assert_eq!(subscriber.try_recv(), Some(Event::Stopped));
    assert_eq!(subscriber.blocking_recv(), None, "the handle does not keep the bus");
}

fn a_message_is_delivered_when_its_client_has_it(broker: &Broker, version: Version) {
    let mut delivered = Events::of(broker, EventKind::Delivered);
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.subscribe("a/+", 2);
    for qos in [0, 1, 2_u8] {
        publisher.publish("a/b", "x", qos);
        assert_eq!(subscriber.receive_and_acknowledge().qos, qos);
        let (client_id, topic) = ("subscriber".into(), "a/b".into());
        assert_eq!(delivered.expect(), Event::Delivered { client_id, topic, qos });
    }
}

fn a_refused_message_is_dropped(broker: &Broker) {
    let mut dropped = Events::of(broker, EventKind::Dropped);
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.subscribe("t", 1);
    client.publish("t", "x", 1);
    client.expect_publish(&Publish::new("t", "x").qos(1, 1));
    // PUBACK: Implementation specific error.
    client.send(&packet(0x40, &[&[0, 1, 0x83]]));
    dropped.expect_dropped("a", "t", DropReason::Refused { code: 0x83 });
}

fn comings_and_goings_are_told(broker: &Broker, version: Version) {
    let mut connected = Events::of(broker, EventKind::Connected);
    let mut resumed = Events::of(broker, EventKind::SessionResumed);
    let connect = Connect::persistent(version, "a");
    Client::connect(broker, &connect).disconnect();
    Client::resume(broker, &connect).disconnect();
    for present in [false, true] {
        let Event::Connected { client_id, peer, session_present, .. } = connected.expect() else {
            panic!("only these were asked for");
        };
        assert_eq!((&*client_id, session_present), ("a", present));
        assert!(peer.is_some_and(|peer| peer.ip().is_loopback()));
    }
    assert_eq!(resumed.expect(), Event::SessionResumed { client_id: "a".into() });
}
