//! What the platform is told: every kind of event, with what it carries.

use std::sync::Arc;

use flux_auth::AllowAll;
use flux_auth::Decision::Deny;
use flux_eventbus::{DisconnectReason, DropReason, Event, EventKind, SessionEnd};
use flux_session::GroupLimits;
use flux_topic::TopicFilter;
use ntex_mqtt::v5::codec::Connect;

use super::client::{self, DISCONNECT, ack, connect, connect_with_will, packet};
use super::cluster::Cluster;
use super::rights::Rights;
use crate::counters::Count;
use crate::publication::Publication;
use crate::settings::{Settings, SharedSettings};

/// A cluster of two workers in which only events of these kinds are looked at.
struct Watched {
    c: Cluster,
    kinds: &'static [EventKind],
}

impl Watched {
    fn new(kinds: &'static [EventKind]) -> Self {
        Self { c: Cluster::new(2), kinds }
    }

    /// The events so far, in the order of each worker.
    #[track_caller]
    fn expect(&mut self, expected: &[Event]) {
        self.c.settle();
        let mut events = self.c.events();
        events.retain(|event| self.kinds.contains(&event.kind()));
        assert_eq!(events, expected);
    }
}

fn id(client_id: &str) -> Arc<str> {
    client_id.into()
}

fn delivered(client_id: &str, topic: &str, qos: u8) -> Event {
    Event::Delivered { client_id: id(client_id), topic: id(topic), qos }
}

fn dropped(client_id: &str, topic: &str, reason: DropReason) -> Event {
    Event::Dropped { client_id: Some(id(client_id)), topic: id(topic), reason }
}

fn disconnected(client_id: &str, reason: DisconnectReason) -> Event {
    Event::Disconnected {
        client_id: id(client_id),
        username: None,
        peer: None,
        listener: None,
        reason,
    }
}

const MESSAGES: &[EventKind] = &[EventKind::Published, EventKind::Delivered, EventKind::Dropped];

const FATES: &[EventKind] = &[EventKind::Delivered, EventKind::Dropped];

const LIVES: &[EventKind] = &[
    EventKind::Connected,
    EventKind::Disconnected,
    EventKind::SessionCreated,
    EventKind::SessionResumed,
    EventKind::SessionEnded,
];

#[test]
fn a_message_is_published_once_and_delivered_when_its_client_has_it() {
    for qos in 0..=2_u8 {
        let mut w = Watched::new(MESSAGES);
        let (publisher, subscriber) = (w.c.connect(0, "pub"), w.c.connect(1, "sub"));
        w.c.subscribe(subscriber, "t/#", qos);
        w.c.send(publisher, &client::publish(publisher.version, qos << 1 | 1, 7, "t/x", "21"));
        let published = Event::Published {
            client_id: Some(id("pub")),
            topic: id("t/x"),
            payload: "21".into(),
            qos,
            retain: true,
        };
        if qos == 0 {
            w.expect(&[published, delivered("sub", "t/x", 0)]);
            continue;
        }
        w.expect(&[published]);
        let first = if qos == 1 { 0x40 } else { 0x50 };
        w.c.send(subscriber, &[ack(first, 1), ack(first, 1)].concat());
        w.expect(&[delivered("sub", "t/x", qos)]);
        if qos == 2 {
            w.c.send(subscriber, &ack(0x70, 1));
            w.expect(&[]);
        }
    }
}

#[test]
fn what_is_sent_again_is_delivered_once() {
    let mut w = Watched::new(FATES);
    let (publisher, subscriber) = (w.c.connect(0, "pub"), w.c.connect(1, "sub"));
    w.c.subscribe(subscriber, "t", 1);
    w.c.publish(publisher, 1, 1, "t", "x");
    w.c.settle();
    let again = w.c.dial(0, connect("sub"));
    assert_eq!(w.c.heard(again), ["CONNACK 00 present", "t=x q1 #1 dup"]);
    w.expect(&[]);
    w.c.send(again, &ack(0x40, 1));
    w.expect(&[delivered("sub", "t", 1)]);
}

#[test]
fn a_reason_code_from_0x80_on_is_a_refusal_and_below_it_a_delivery() {
    for (first, qos) in [(0x40, 1), (0x50, 2)] {
        for (code, expected) in [
            (0x10, delivered("sub", "t", qos)),
            (0x80, dropped("sub", "t", DropReason::Refused { code: 0x80 })),
            (0x97, dropped("sub", "t", DropReason::Refused { code: 0x97 })),
        ] {
            let mut w = Watched::new(FATES);
            let (publisher, subscriber) = (w.c.connect(0, "pub"), w.c.connect(1, "sub"));
            w.c.subscribe(subscriber, "t", qos);
            w.c.publish(publisher, qos, 1, "t", "x");
            w.c.settle();
            w.c.send(subscriber, &packet(first, &[&[0, 1, code]]));
            w.expect(&[expected]);
        }
    }
}

#[test]
fn what_is_too_large_is_dropped_and_not_delivered() {
    let mut w = Watched::new(FATES);
    let publisher = w.c.connect(0, "pub");
    let mut small = connect("sub");
    small.max_packet_size = std::num::NonZeroU32::new(30);
    let subscriber = w.c.dial(1, small);
    w.c.subscribe_after_connack(subscriber, "t", 0);
    w.c.publish(publisher, 0, 0, "t", &"x".repeat(30));
    w.expect(&[dropped("sub", "t", DropReason::PacketTooLarge)]);
}

#[test]
fn what_expires_in_the_queue_is_dropped() {
    let mut w = Watched::new(FATES);
    let publisher = w.c.connect(0, "pub");
    let subscriber = w.c.dial(1, connect("sub").receive_max(1));
    w.c.subscribe_after_connack(subscriber, "t", 1);
    w.c.publish(publisher, 1, 1, "t", "x");
    w.c.settle();
    // Message Expiry Interval of 1 second.
    w.c.send(publisher, &packet(0x32, &[b"\0\x01t\0\x02\x05\x02\0\0\0\x01y"]));
    w.c.sleep(1_000);
    w.c.send(subscriber, &ack(0x40, 1));
    w.expect(&[delivered("sub", "t", 1), dropped("sub", "t", DropReason::Expired)]);
}

#[test]
fn what_a_client_may_not_publish_is_dropped() {
    let mut w = Watched::new(MESSAGES);
    w.c = Cluster::with(2, Settings::default(), Rights::new(&[("publish no", Deny)]));
    let publisher = w.c.connect(0, "pub");
    w.c.publish(publisher, 1, 1, "no", "x");
    w.expect(&[dropped("pub", "no", DropReason::NotAuthorized)]);
}

/// Nobody of the group can take it, and it may not wait: nobody in particular lost it.
#[test]
fn what_a_shared_subscription_has_no_room_for_is_dropped_for_nobody() {
    let mut w = Watched::new(FATES);
    let limits = GroupLimits { queued_messages: 0, ..GroupLimits::default() };
    let shared = SharedSettings { limits, ..SharedSettings::default() };
    let settings = Settings { shared, ..Settings::default() };
    w.c = Cluster::with(2, settings, Arc::new(AllowAll));
    let publisher = w.c.connect(0, "pub");
    let member = w.c.dial(1, connect("sub").receive_max(1));
    w.c.subscribe_after_connack(member, "$share/g/t", 1);
    w.c.publish(publisher, 1, 1, "t", "1");
    w.c.publish(publisher, 1, 2, "t", "2");
    w.expect(&[Event::Dropped { client_id: None, topic: id("t"), reason: DropReason::QueueFull }]);
}

#[test]
fn a_session_is_created_resumed_and_ended_around_its_connections() {
    let mut w = Watched::new(LIVES);
    let connected = |session_present| Event::Connected {
        client_id: id("a"),
        protocol_level: 5,
        username: None,
        peer: None,
        listener: None,
        session_present,
    };
    let first = w.c.connect(0, "a");
    w.expect(&[Event::SessionCreated { client_id: id("a") }, connected(false)]);
    w.c.send(first, &DISCONNECT);
    w.expect(&[disconnected("a", DisconnectReason::ByClient)]);
    w.c.dial(1, connect("a"));
    w.expect(&[Event::SessionResumed { client_id: id("a") }, connected(true)]);
    w.c.dial(1, Connect { clean_start: true, ..connect("a") });
    w.expect(&[
        disconnected("a", DisconnectReason::TakenOver),
        Event::SessionEnded { client_id: id("a"), reason: SessionEnd::CleanStart },
        Event::SessionCreated { client_id: id("a") },
        connected(false),
    ]);
}

#[test]
fn a_session_ends_by_expiry_or_with_its_connection() {
    for (seconds, reason) in [(10, SessionEnd::Expired), (0, SessionEnd::Disconnected)] {
        let mut w = Watched::new(&[EventKind::Disconnected, EventKind::SessionEnded]);
        let mut packet = connect("a");
        packet.session_expiry_interval_secs = seconds;
        let peer = w.c.dial(0, packet);
        w.c.lose(peer);
        let ended = Event::SessionEnded { client_id: id("a"), reason };
        let lost = disconnected("a", DisconnectReason::ConnectionLost);
        if seconds == 0 {
            w.expect(&[ended, lost]);
        } else {
            w.expect(&[lost]);
            w.c.sleep(10_000);
            w.expect(&[ended]);
        }
    }
}

#[test]
fn a_disconnect_is_told_with_its_reason() {
    for (bytes, reason) in [
        (client::disconnect(0x00, None), DisconnectReason::ByClient),
        (client::disconnect(0x04, None), DisconnectReason::ByClientWithWill),
        (client::disconnect(0x81, None), DisconnectReason::ByClientWithError { code: 0x81 }),
        (vec![0xF0, 0], DisconnectReason::ProtocolError { code: 0x82 }),
    ] {
        let mut w = Watched::new(&[EventKind::Disconnected]);
        let peer = w.c.connect(0, "a");
        w.c.send(peer, &bytes);
        w.expect(&[disconnected("a", reason)]);
    }
    let mut w = Watched::new(&[EventKind::Disconnected]);
    w.c.dial(0, Connect { keep_alive: 10, ..connect("a") });
    w.c.sleep(15_000);
    w.expect(&[disconnected("a", DisconnectReason::KeepAliveTimeout)]);
}

#[test]
fn subscriptions_come_and_go_as_they_were_granted() {
    let mut w = Watched::new(&[EventKind::Subscribed, EventKind::Unsubscribed]);
    let peer = w.c.connect(0, "a");
    w.c.subscribe(peer, "t/#", 1);
    w.c.subscribe(peer, "$share/g/t", 2);
    let subscribed =
        |filter, qos| Event::Subscribed { client_id: id("a"), filter: id(filter), qos };
    w.expect(&[subscribed("t/#", 1), subscribed("$share/g/t", 2)]);
    w.c.send(peer, &client::unsubscribe(peer.version, 1, "t/#"));
    w.c.send(peer, &client::unsubscribe(peer.version, 1, "never"));
    w.expect(&[Event::Unsubscribed { client_id: id("a"), filter: id("t/#") }]);
}

#[test]
fn a_will_is_sent_and_published() {
    let mut w = Watched::new(&[EventKind::WillSent, EventKind::Published]);
    let peer = w.c.dial(1, connect_with_will("a", "w/a", "gone", None));
    w.c.lose(peer);
    let published = Event::Published {
        client_id: Some(id("a")),
        topic: id("w/a"),
        payload: "gone".into(),
        qos: 1,
        retain: false,
    };
    w.expect(&[published, Event::WillSent { client_id: id("a"), topic: id("w/a") }]);
}

/// Beside events stands whence the client comes that has the session; a session without a connection is nowhere.
#[test]
fn what_happens_to_a_session_is_told_with_whence_its_client_comes() {
    let mut c = Cluster::new(1);
    let expect = |c: &mut Cluster, kind, listener: Option<&str>| {
        c.settle();
        let sources = std::mem::take(&mut c.nodes[0].fx.sources);
        let of_kind = sources.iter().filter(|(it, _)| *it == kind);
        let told: Vec<_> = of_kind.map(|(_, source)| source.listener.as_deref()).collect();
        assert_eq!(told, [listener], "{kind:?}");
    };
    let terms = Arc::new(Settings::default().terms());
    let a = c.enter(0, "a", ("door", &terms));
    expect(&mut c, EventKind::SessionCreated, Some("door"));
    c.subscribe(a, "t", 0);
    expect(&mut c, EventKind::Subscribed, Some("door"));
    c.lose(a);
    let publisher = c.connect(0, "publisher");
    c.publish(publisher, 0, 0, "t", "is lost");
    expect(&mut c, EventKind::Dropped, None);
    let a = c.enter(0, "a", ("door", &terms));
    expect(&mut c, EventKind::SessionResumed, Some("door"));
    c.lose(a);
    c.sleep(3_600_000);
    expect(&mut c, EventKind::SessionEnded, None);
}

/// A subscriber of `t` that is away, after having got one message and not acknowledged it, and for
/// which two more wait.
fn with_three_messages(w: &mut Watched) {
    let publisher = w.c.connect(0, "pub");
    let subscriber = w.c.dial(1, connect("sub").receive_max(1));
    w.c.subscribe_after_connack(subscriber, "t", 2);
    for number in 1..=3_u16 {
        w.c.publish(publisher, 2, number, "t", "x");
    }
    w.c.settle();
    assert_eq!(w.c.heard(subscriber), ["t=x q2 #1"]);
    w.c.lose(subscriber);
}

const THREE_LOST: fn() -> [Event; 3] =
    || std::array::from_fn(|_| dropped("sub", "t", DropReason::SessionEnded));

#[test]
fn what_waits_in_a_session_that_ends_is_dropped() {
    let mut w = Watched::new(FATES);
    with_three_messages(&mut w);
    w.c.dial(0, Connect { clean_start: true, ..connect("sub") });
    w.expect(&THREE_LOST());

    let mut w = Watched::new(FATES);
    with_three_messages(&mut w);
    w.c.sleep(3_600_000);
    w.expect(&THREE_LOST());
}

/// What the client said it has is not lost with its session, nor is what another member gets.
#[test]
fn what_a_client_has_or_another_member_gets_is_not_dropped_with_a_session() {
    let mut w = Watched::new(&[EventKind::Dropped]);
    let (publisher, a) = (w.c.connect(0, "pub"), w.c.connect(1, "a"));
    w.c.subscribe(a, "t", 2);
    w.c.publish(publisher, 2, 1, "t", "x");
    w.c.settle();
    assert_eq!(w.c.heard(a), ["t=x q2 #1"]);
    // PUBREC, and no PUBCOMP.
    w.c.send(a, &ack(0x50, 1));
    w.c.heard(a);
    w.c.subscribe(a, "$share/g/s", 1);
    w.c.publish(publisher, 1, 2, "s", "y");
    w.c.settle();
    let b = w.c.connect(0, "b");
    w.c.subscribe(b, "$share/g/s", 1);
    w.c.heard(b);
    w.c.dial(0, Connect { clean_start: true, ..connect("a") });
    w.expect(&[]);
    assert_eq!(w.c.heard(b), ["s=y q1 #1"]);
}

/// By the last member's UNSUBSCRIBE, by the end of its session, and by both at once.
#[test]
fn what_waits_in_a_shared_subscription_is_dropped_with_its_last_member() {
    const FILTER: &str = "$share/g/t";
    let for_nobody =
        || Event::Dropped { client_id: None, topic: id("t"), reason: DropReason::NoMember };
    let waits = |w: &mut Watched| {
        let publisher = w.c.connect(0, "pub");
        let member = w.c.dial(1, connect("sub").receive_max(1));
        w.c.subscribe_after_connack(member, FILTER, 1);
        for number in 1..=3_u16 {
            w.c.publish(publisher, 1, number, "t", "x");
        }
        w.c.settle();
        assert_eq!(w.c.heard(member), ["t=x q1 #1"]);
        member
    };
    let mut w = Watched::new(FATES);
    let member = waits(&mut w);
    w.c.send(member, &client::unsubscribe(member.version, 1, FILTER));
    w.expect(&[for_nobody(), for_nobody()]);
    // The one in flight is still the client's.
    w.c.send(member, &ack(0x40, 1));
    w.expect(&[delivered("sub", "t", 1)]);

    let mut w = Watched::new(FATES);
    waits(&mut w);
    w.c.dial(0, Connect { clean_start: true, ..connect("sub") });
    w.expect(&[for_nobody(), for_nobody(), for_nobody()]);
}

#[test]
fn a_retained_message_that_expires_is_dropped_for_nobody() {
    let mut w = Watched::new(FATES);
    let publisher = w.c.connect(0, "pub");
    w.c.send(publisher, &packet(0x31, &[b"\0\x01t\x05\x02\0\0\0\x01y"]));
    w.expect(&[]);
    w.c.sleep(1_000);
    let reason = DropReason::RetainedExpired;
    w.expect(&[Event::Dropped { client_id: None, topic: id("t"), reason }]);
}

/// A worker that remembers the route hands a message to a shared subscription that is over.
#[test]
fn what_comes_late_to_a_shared_subscription_is_dropped_and_does_not_stay() {
    let mut w = Watched::new(FATES);
    let member = w.c.connect(1, "sub");
    w.c.subscribe(member, "$share/g/t", 1);
    let filter = TopicFilter::parse("$share/g/t").unwrap();
    let [share] = &*w.c.broker.routes.shares(&[filter]) else { panic!("there is one") };
    let share = share.clone();
    w.c.send(member, &client::unsubscribe(member.version, 1, "$share/g/t"));
    w.expect(&[]);
    let message = Publication::new("t", "x").message(w.c.now, None).unwrap();
    let node = &mut w.c.nodes[0];
    node.worker.publish_shared(w.c.now, &share, &message, None, &mut node.fx);
    w.expect(&[Event::Dropped { client_id: None, topic: id("t"), reason: DropReason::NoMember }]);
    assert_eq!(w.c.broker.holdings().shared, 0);
}

#[test]
fn what_is_dropped_with_a_session_is_counted_though_nobody_listens() {
    let mut w = Watched::new(&[EventKind::Dropped]);
    with_three_messages(&mut w);
    for node in &mut w.c.nodes {
        node.fx.is_unheard = true;
        node.fx.counts.clear();
    }
    w.c.dial(0, Connect { clean_start: true, ..connect("sub") });
    w.expect(&[]);
    let lost = Count::Dropped(DropReason::SessionEnded);
    assert_eq!(w.c.nodes[0].fx.counts.iter().filter(|count| **count == lost).count(), 3);
}
