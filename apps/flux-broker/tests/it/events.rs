//! What the platform is told, on the bus of a running broker.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use flux_eventbus::{
    DisconnectReason, DropReason, Event, EventBus, EventKind, EventKinds, SessionEnd,
};
use flux_mqtt::{AllowAll, Settings, SimpleAuthenticator, WhenFull, start_broker_with};

use crate::support::Version::{V5, V31};
use crate::support::{
    Broker, Client, Connect, Events, Publish, Version, Will, let_pass, loopback_settings, packet,
    u32_property,
};

scenarios_of_all_versions! {
    a_message_is_delivered_when_its_client_has_it,
    comings_and_goings_are_told,
    the_end_of_a_connection_is_told_with_its_reason,
    the_end_of_a_session_is_told_with_its_reason,
    a_stopping_broker_tells_of_its_connections_and_sends_their_wills,
    a_refused_connect_is_told,
    subscriptions_are_told_as_they_were_granted,
    messages_and_wills_are_told_when_they_are_published,
    a_message_without_room_is_dropped with one_queued_message,
    a_message_that_no_member_has_room_for_is_dropped with one_queued_message,
    a_message_that_is_not_retained_is_told with nothing_retained,
    a_qos_0_message_is_not_kept_for_who_is_away,
}

scenarios! {
    a_refused_message_is_dropped,
    an_expired_message_is_dropped,
    a_session_without_room_may_end with one_queued_message_or_the_end,
}

fn one_queued_message(settings: &mut Settings) {
    settings.session.queued_messages = 1;
    settings.shared.limits.queued_messages = 1;
}

fn one_queued_message_or_the_end(settings: &mut Settings) {
    settings.session.queued_messages = 1;
    settings.session.when_full = WhenFull::EndSession;
}

fn nothing_retained(settings: &mut Settings) {
    settings.retained.messages = 0;
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

fn the_end_of_a_connection_is_told_with_its_reason(broker: &Broker, version: Version) {
    use DisconnectReason::{
        ByClient, ByClientWithError, ByClientWithWill, ConnectionLost, KeepAliveTimeout, Kicked,
        PacketTooLarge, ProtocolError, TakenOver,
    };
    let mut ended = Events::of(broker, EventKind::Disconnected);
    let connect = Connect::new(version, "a");
    let mut by_bytes = vec![
        (vec![0xE0, 0], ByClient),
        (vec![0x00, 0], ProtocolError { code: 0x81 }),
        (connect.bytes(), ProtocolError { code: 0x82 }),
        (vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F], PacketTooLarge),
    ];
    if version == V5 {
        by_bytes.push((vec![0xE0, 1, 0x04], ByClientWithWill));
        by_bytes.push((vec![0xE0, 1, 0x99], ByClientWithError { code: 0x99 }));
    }
    for (bytes, reason) in by_bytes {
        let mut client = Client::connect(broker, &connect);
        client.send(&bytes);
        assert_eq!(ended.expect_disconnected("a"), reason);
    }
    Client::connect(broker, &connect).lose();
    assert_eq!(ended.expect_disconnected("a"), ConnectionLost);
    let _silent = Client::connect(broker, &connect.clone().keep_alive(1));
    assert_eq!(ended.expect_disconnected("a"), KeepAliveTimeout);
    let _old = Client::connect(broker, &connect);
    let _new = Client::connect(broker, &connect);
    assert_eq!(ended.expect_disconnected("a"), TakenOver);
    broker.kick("a");
    assert_eq!(ended.expect_disconnected("a"), Kicked);
}

fn the_end_of_a_session_is_told_with_its_reason(broker: &Broker, version: Version) {
    let mut created = Events::of(broker, EventKind::SessionCreated);
    let mut ended = Events::of(broker, EventKind::SessionEnded);
    let mut check = |reason| {
        let client_id: Arc<str> = "a".into();
        assert_eq!(created.expect(), Event::SessionCreated { client_id: client_id.clone() });
        assert_eq!(ended.expect(), Event::SessionEnded { client_id, reason });
    };
    Client::connect(broker, &Connect::new(version, "a")).disconnect();
    check(SessionEnd::Disconnected);
    Client::connect(broker, &Connect::persistent(version, "a")).disconnect();
    let clean = Client::connect(broker, &Connect::new(version, "a"));
    check(SessionEnd::CleanStart);
    clean.lose();
    check(SessionEnd::Disconnected);
    if version == V5 {
        Client::connect(broker, &Connect::new(V5, "a").expiry(1)).disconnect();
        check(SessionEnd::Expired);
    }
}

fn a_stopping_broker_tells_of_its_connections_and_sends_their_wills(
    broker: &Broker,
    version: Version,
) {
    let mut ended = Events::of(broker, EventKind::Disconnected);
    let mut wills = Events::of(broker, EventKind::WillSent);
    let mut stopped = Events::of(broker, EventKind::Stopped);
    let connect = Connect::persistent(version, "a").will(Will::new("will", "gone"));
    let mut client = Client::connect(broker, &connect);
    broker.handle.stop();
    client.expect_disconnect(0x8B);
    assert_eq!(ended.expect_disconnected("a"), DisconnectReason::ServerShutdown);
    assert_eq!(wills.expect(), Event::WillSent { client_id: "a".into(), topic: "will".into() });
    assert_eq!(stopped.expect(), Event::Stopped);
}

fn a_refused_connect_is_told(broker: &Broker, version: Version) {
    let mut refused = Events::of(broker, EventKind::ConnectRefused);
    let connect = Connect::new(version, "a").will(Will::new("denied/will", "x"));
    let mut client = Client::open_with(broker, version, &connect.bytes());
    if version == V5 {
        client.expect_refusal(0x87);
    } else {
        client.expect(&[0x20, 2, 0, 5]);
    }
    let Event::ConnectRefused { client_id, peer, code, .. } = refused.expect() else {
        panic!("only this was asked for");
    };
    assert_eq!((client_id.as_deref(), code), (Some("a"), 0x87));
    assert!(peer.is_some_and(|peer| peer.ip().is_loopback()));
}

fn subscriptions_are_told_as_they_were_granted(broker: &Broker, version: Version) {
    let mut made = Events::of(broker, EventKind::Subscribed);
    let mut removed = Events::of(broker, EventKind::Unsubscribed);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.send(&version.subscribe(1, &[("denied/a", 1), ("t/#", 2), ("$share/g/t", 1)]));
    client.packet();
    client.send(&version.unsubscribe(2, &["never", "t/#", "$share/g/t"]));
    client.packet();
    for (filter, qos) in [("t/#", 2), ("$share/g/t", 1)] {
        let (client_id, filter) = ("a".into(), filter.into());
        assert_eq!(made.expect(), Event::Subscribed { client_id, filter, qos });
    }
    for filter in ["t/#", "$share/g/t"] {
        let (client_id, filter) = ("a".into(), filter.into());
        assert_eq!(removed.expect(), Event::Unsubscribed { client_id, filter });
    }
}

fn messages_and_wills_are_told_when_they_are_published(broker: &Broker, version: Version) {
    let mut messages = Events::of(broker, EventKind::Published);
    let mut wills = Events::of(broker, EventKind::WillSent);
    let published = |topic: &str, qos, retain| Event::Published {
        client_id: Some("a".into()),
        topic: topic.into(),
        payload: Bytes::from_static(b"x"),
        qos,
        retain,
    };
    let will = Will::new("will", "x").qos(1).retain();
    let mut client = Client::connect(broker, &Connect::new(version, "a").will(will));
    for qos in 0..=2 {
        client.publish("t", "x", qos);
        assert_eq!(messages.expect(), published("t", qos, false));
    }
    client.lose();
    assert_eq!(messages.expect(), published("will", 1, true));
    assert_eq!(wills.expect(), Event::WillSent { client_id: "a".into(), topic: "will".into() });
}

fn a_message_without_room_is_dropped(broker: &Broker, version: Version) {
    let mut dropped = Events::of(broker, EventKind::Dropped);
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(version, "a"));
    client.subscribe("t", 1);
    client.disconnect();
    for _ in 0..2 {
        publisher.send(&Publish::new("t", "x").qos(1, 1).bytes(version));
        publisher.packet();
    }
    dropped.expect_dropped("a", "t", DropReason::QueueFull);
}

fn a_message_that_no_member_has_room_for_is_dropped(broker: &Broker, version: Version) {
    let mut dropped = Events::of(broker, EventKind::Dropped);
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(version, "a"));
    client.subscribe("$share/g/t", 1);
    client.disconnect();
    for _ in 0..2 {
        publisher.send(&Publish::new("t", "x").qos(1, 1).bytes(version));
        publisher.packet();
    }
    let (topic, reason) = ("t".into(), DropReason::QueueFull);
    assert_eq!(dropped.expect(), Event::Dropped { client_id: None, topic, reason });
}

fn a_message_that_is_not_retained_is_told(broker: &Broker, version: Version) {
    let mut dropped = Events::of(broker, EventKind::Dropped);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.send(&Publish::new("t", "x").retain().bytes(version));
    let (topic, reason) = ("t".into(), DropReason::NotRetained);
    assert_eq!(dropped.expect(), Event::Dropped { client_id: None, topic, reason });
}

fn a_qos_0_message_is_not_kept_for_who_is_away(broker: &Broker, version: Version) {
    let mut dropped = Events::of(broker, EventKind::Dropped);
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(version, "a"));
    client.subscribe("t", 1);
    client.disconnect();
    publisher.publish("t", "x", 0);
    dropped.expect_dropped("a", "t", DropReason::Offline);
    Client::resume(broker, &Connect::persistent(version, "a")).expect_nothing();
}

fn an_expired_message_is_dropped(broker: &Broker) {
    let mut dropped = Events::of(broker, EventKind::Dropped);
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(V5, "a"));
    client.subscribe("t", 1);
    client.disconnect();
    let publish = Publish::new("t", "x").qos(1, 1).property(&u32_property(0x02, 1));
    publisher.publish_packet(&publish, 1);
    let_pass(broker, 1);
    Client::resume(broker, &Connect::persistent(V5, "a")).expect_nothing();
    dropped.expect_dropped("a", "t", DropReason::Expired);
}

fn a_session_without_room_may_end(broker: &Broker) {
    let mut ended = Events::of(broker, EventKind::SessionEnded);
    let mut connections = Events::of(broker, EventKind::Disconnected);
    let mut publisher = Client::connect(broker, &Connect::persistent(V31, "publisher"));
    let connect = Connect::persistent(V5, "a").receive_maximum(1);
    let mut client = Client::connect(broker, &connect);
    client.subscribe("t", 1);
    publisher.publish("t", "in flight", 1);
    assert_eq!(client.receive().text(), "in flight");
    publisher.publish("t", "queued", 1);
    publisher.publish("t", "too much", 1);
    client.expect_disconnect(0x97);
    let (client_id, reason) = ("a".into(), SessionEnd::QueueFull);
    assert_eq!(ended.expect(), Event::SessionEnded { client_id, reason });
    assert_eq!(connections.expect_disconnected("a"), DisconnectReason::QuotaExceeded);
    let client = Client::connect(broker, &connect);
    assert!(!client.session_present);
}
