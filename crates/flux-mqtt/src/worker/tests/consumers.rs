//! Consumers in this process, driven by hand beside clients of the network.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use flux_auth::AllowAll;
use flux_eventbus::{DisconnectReason, Event, Limit, SessionEnd};
use flux_session::{QoS, SessionExpiry, SessionLimits, SubscriptionOptions, WhenFull};
use flux_topic::TopicFilter;

use super::client::{self, ack, connect};
use super::cluster::Cluster;
use crate::consumer::{Attach, Held, Taken};
use crate::input::Command;
use crate::limits::Limits;
use crate::settings::Settings;

/// What a consumer asks for that wants `filter` at QoS 2 and a window of `receive_maximum`.
fn wants(client_id: &str, filter: &str, receive_maximum: u16) -> Attach {
    let filter = TopicFilter::parse(filter).unwrap();
    Attach {
        client_id: Some(client_id.into()),
        owner: None,
        clean_start: false,
        expiry: SessionExpiry::WITH_CONNECTION,
        receive_maximum,
        limits: None,
        subscriptions: vec![(filter, SubscriptionOptions::new(QoS::ExactlyOnce))],
    }
}

/// The same, and its session is kept for an hour.
fn wants_for_long(client_id: &str, filter: &str) -> Attach {
    Attach { expiry: SessionExpiry::from_secs(3600), ..wants(client_id, filter, 10) }
}

impl Cluster {
    #[track_caller]
    fn attach(&mut self, worker: usize, attach: Attach) -> Held {
        self.try_attach(worker, attach).expect("no limit is reached")
    }

    fn try_attach(&mut self, worker: usize, attach: Attach) -> Result<Held, Limit> {
        let (sender, receiver) = sync_channel(1);
        let done = Box::new(move |held| sender.send(held).unwrap());
        self.command(worker, Command::Attach { attach: Box::new(attach), done });
        self.settle();
        receiver.try_recv().expect("the broker is not stopping")
    }

    /// Takes one message, acknowledged or not; what a worker is to do about it is done.
    fn take_one(&mut self, held: &Held, acknowledge: bool) -> Option<Taken> {
        let look = held.take(self.now, acknowledge);
        if look.has_room {
            self.command(held.worker.0, Command::Room(held.clone()));
            self.settle();
        }
        look.taken
    }

    /// Takes and acknowledges all there is, as text.
    fn take_all(&mut self, held: &Held) -> Vec<String> {
        std::iter::from_fn(|| self.take_one(held, true)).map(|taken| show(&taken)).collect()
    }

    fn acknowledge(&mut self, held: &Held, taken: &Taken) -> bool {
        let done = held.acknowledge(taken.packet_id.unwrap(), taken.delivery.qos);
        if done.has_room {
            self.command(held.worker.0, Command::Room(held.clone()));
            self.settle();
        }
        done.is_settled
    }

    fn release(&mut self, held: Held) {
        self.command(held.worker.0, Command::Detach(held));
        self.settle();
    }

    /// A client that is gone again publishes at QoS 1.
    fn publish_from_elsewhere(&mut self, topic: &str, payload: &str) {
        let publisher = self.connect(0, "elsewhere");
        self.publish(publisher, 1, 1, topic, payload);
        self.lose(publisher);
        self.settle();
    }

    /// Which connections and sessions ended, except those from elsewhere.
    fn endings(&mut self) -> Vec<Event> {
        let mut events = self.events();
        events.retain(|event| match event {
            Event::Disconnected { client_id, .. } | Event::SessionEnded { client_id, .. } => {
                &**client_id != "elsewhere"
            }
            _ => false,
        });
        events
    }
}

fn show(taken: &Taken) -> String {
    let Taken { delivery, dup, .. } = taken;
    let message = &delivery.message;
    let payload = String::from_utf8_lossy(message.payload());
    let flag = |is_set, name| if is_set { name } else { "" };
    let (dup, retain) = (flag(*dup, " dup"), flag(delivery.retain, " retain"));
    format!("{}={payload} q{}{dup}{retain}", message.topic(), delivery.qos.as_u8())
}

fn gone(client_id: &str, reason: DisconnectReason) -> Event {
    Event::Disconnected {
        client_id: client_id.into(),
        username: None,
        peer: None,
        listener: None,
        reason,
    }
}

#[test]
fn a_consumer_gets_what_is_retained_and_what_comes_in_order() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    c.send(publisher, &client::publish(publisher.version, 3, 1, "t/0", "kept"));
    let held = c.attach(1, wants("in", "t/#", 10));
    assert!(!held.session_present);
    for qos in 0..=2_u8 {
        c.publish(publisher, qos, 2, &format!("t/{qos}"), "live");
    }
    let expected = ["t/0=kept q1 retain", "t/0=live q0", "t/1=live q1", "t/2=live q2"];
    assert_eq!(c.take_all(&held), expected);
    assert_eq!(held.session.lock().session.in_flight(), 0, "all steps are done");
}

/// Whoever waits is rung once, and again only after it has looked.
#[test]
fn a_consumer_is_told_when_there_is_something() {
    let mut c = Cluster::new(1);
    let publisher = c.connect(0, "pub");
    let held = c.attach(0, wants("in", "t", 10));
    assert_eq!(c.take_all(&held).len(), 0);
    assert!(!held.session.lock().dirty, "it wants to hear of the next");
    c.publish(publisher, 1, 1, "t", "1");
    c.publish(publisher, 1, 2, "t", "2");
    assert!(held.session.lock().dirty);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let rung = |cx: &mut _| std::pin::pin!(held.rung()).poll(cx).is_ready();
    assert!(rung(&mut cx));
    assert!(!rung(&mut cx), "once");
    assert_eq!(c.take_all(&held).len(), 2);
    c.publish(publisher, 1, 3, "t", "3");
    assert!(rung(&mut cx));
}

#[test]
fn who_takes_nothing_holds_as_much_as_its_limits_allow_and_its_publisher_hears_of_it() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    let limits = SessionLimits { queued_messages: 3, ..SessionLimits::default() };
    let held = c.attach(1, Attach { limits: Some(limits), ..wants("in", "t", 10) });
    for number in 1..=5_u16 {
        c.publish(publisher, 1, number, "t", &number.to_string());
    }
    let expected = ["PUBACK 1 00", "PUBACK 2 00", "PUBACK 3 00", "PUBACK 4 97", "PUBACK 5 97"];
    assert_eq!(c.heard(publisher), expected);
    assert_eq!(c.take_all(&held), ["t=1 q1", "t=2 q1", "t=3 q1"]);
    c.publish(publisher, 1, 6, "t", "6");
    assert_eq!(c.heard(publisher), ["PUBACK 6 00"]);
    assert_eq!(c.take_all(&held), ["t=6 q1"]);
}

#[test]
fn what_is_not_acknowledged_fills_the_window_and_an_acknowledgement_opens_it() {
    let mut c = Cluster::new(1);
    let publisher = c.connect(0, "pub");
    let held = c.attach(0, wants("in", "t", 2));
    for (number, qos) in [(1, 2), (2, 1), (3, 2)] {
        c.publish(publisher, qos, number, "t", &number.to_string());
    }
    let first = c.take_one(&held, false).unwrap();
    let second = c.take_one(&held, false).unwrap();
    assert!(c.take_one(&held, false).is_none(), "two are under way");
    assert!(!held.session.lock().dirty);
    assert!(c.acknowledge(&held, &second), "in any order");
    assert!(held.session.lock().dirty, "it was told");
    assert_eq!(c.take_all(&held), ["t=3 q2"]);
    assert!(c.acknowledge(&held, &first));
    assert_eq!(held.session.lock().session.in_flight(), 0);
}

#[test]
fn whoever_comes_with_the_same_client_identifier_takes_over() {
    for worker in [0, 1] {
        let mut c = Cluster::new(2);
        let first = c.attach(0, wants_for_long("in", "t"));
        c.publish_from_elsewhere("t", "x");
        let taken = c.take_one(&first, false).unwrap();

        let second = c.attach(worker, wants_for_long("in", "t"));
        assert!(second.session_present);
        assert_eq!(first.end(), Some(DisconnectReason::TakenOver));
        assert!(c.take_one(&first, true).is_none());
        assert!(!c.acknowledge(&first, &taken), "it is too late");
        assert_eq!(c.take_all(&second), ["t=x q1 dup"]);

        c.publish_from_elsewhere("t", "y");
        let peer = c.dial(worker, connect("in"));
        assert_eq!(second.end(), Some(DisconnectReason::TakenOver));
        assert_eq!(c.heard(peer), ["CONNACK 00 present", "t=y q1 #2"]);
        c.release(first);
        c.release(second);
        assert!(!c.is_closed(peer), "the end of the old ones is not the end of the session");

        let third = c.attach(0, wants_for_long("in", "t"));
        c.settle();
        assert_eq!(c.heard(peer), ["DISCONNECT 8e"]);
        assert_eq!(c.take_all(&third), ["t=y q1 dup"]);
        assert_eq!(c.endings(), vec![gone("in", DisconnectReason::TakenOver); 3]);
    }
}

#[test]
fn a_session_that_was_not_to_outlive_its_consumer_ends_with_it() {
    let mut c = Cluster::new(2);
    let held = c.attach(1, wants("in", "t", 10));
    c.publish_from_elsewhere("t", "x");
    c.release(held);
    let ended = Event::SessionEnded { client_id: "in".into(), reason: SessionEnd::Disconnected };
    assert_eq!(c.endings(), [ended, gone("in", DisconnectReason::ByClient)]);
    assert!(c.broker.clients.get("in").is_none());
    assert_eq!(c.broker.routes.len(), 0);
}

#[test]
fn a_session_that_is_kept_gives_what_waited_to_the_next() {
    let mut c = Cluster::new(2);
    let first = c.attach(0, wants_for_long("in", "t"));
    c.publish_from_elsewhere("t", "1");
    c.publish_from_elsewhere("t", "2");
    assert!(c.take_one(&first, false).is_some());
    c.release(first);
    c.publish_from_elsewhere("t", "3");
    let second = c.attach(1, wants_for_long("in", "other"));
    assert!(second.session_present);
    assert_eq!(c.take_all(&second), ["t=1 q1 dup", "t=2 q1", "t=3 q1"]);
    c.release(second);
    c.sleep(3_600_000);
    assert!(c.broker.clients.get("in").is_none());
}

#[test]
fn kick_overflow_and_shutdown_end_a_consumer() {
    let mut c = Cluster::new(2);
    let held = c.attach(0, wants_for_long("in", "t"));
    let (sender, was_connected) = sync_channel(1);
    let done = Box::new(move |value| sender.send(value).unwrap());
    c.command(1, Command::Kick { client_id: "in".into(), done });
    assert_eq!(was_connected.try_recv(), Ok(true));
    assert_eq!(held.end(), Some(DisconnectReason::Kicked));
    assert_eq!(c.endings(), [gone("in", DisconnectReason::Kicked)]);
    c.release(held);
    assert_eq!(c.endings(), [], "it was gone already");
    assert!(c.broker.clients.get("in").is_some(), "as after any loss");

    let limits = SessionLimits {
        queued_messages: 1,
        when_full: WhenFull::EndSession,
        ..SessionLimits::default()
    };
    let held = c.attach(0, Attach { limits: Some(limits), ..wants("full", "f", 10) });
    c.publish_from_elsewhere("f", "1");
    c.publish_from_elsewhere("f", "2");
    assert_eq!(held.end(), Some(DisconnectReason::QuotaExceeded));
    assert!(c.broker.clients.get("full").is_none());

    let held = c.attach(1, wants("in", "t", 10));
    for worker in [0, 1] {
        c.command(worker, Command::Shutdown);
    }
    assert_eq!(held.end(), Some(DisconnectReason::ServerShutdown));
    let (sender, receiver) = sync_channel(1);
    let done = Box::new(move |held| sender.send(held).unwrap());
    let attach = Box::new(wants("late", "t", 10));
    c.command(0, Command::Attach { attach, done });
    assert!(receiver.recv().is_err(), "nobody comes in any more");
}

#[test]
fn a_consumer_may_be_one_session_too_many() {
    let limits = Limits { sessions: 1, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let mut c = Cluster::with(2, settings, Arc::new(AllowAll));
    let first = c.attach(0, wants("in", "t", 10));
    assert_eq!(c.try_attach(1, wants("other", "t", 10)).unwrap_err(), Limit::Sessions);
    let client_id = Some("other".into());
    let told = Event::LimitReached { limit: Limit::Sessions, client_id, peer: None };
    assert!(c.events().contains(&told));
    // Its own place is free for it, and for another once it is gone.
    let again = c.attach(1, wants("in", "t", 10));
    assert_eq!(first.end(), Some(DisconnectReason::TakenOver));
    c.command(1, Command::Detach(again));
    c.attach(0, wants("other", "t", 10));
}

#[test]
fn a_consumer_shares_with_a_client_and_hands_on_what_it_did_not_take() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    let held = c.attach(0, wants("in", "$share/g/t", 10));
    let peer = c.connect(1, "peer");
    c.subscribe(peer, "$share/g/t", 1);
    for number in 1..=4_u16 {
        c.publish(publisher, 1, number, "t", &number.to_string());
    }
    c.settle();
    let theirs = c.heard(peer).len();
    assert_eq!(theirs, 2, "one after the other");
    let taken = c.take_one(&held, false).unwrap();
    c.release(held);
    let heard = c.heard(peer);
    assert_eq!(heard.len(), 2, "what was taken and not acknowledged, and what was not taken");
    let expected = format!("t={} q1 #3", String::from_utf8_lossy(taken.delivery.message.payload()));
    assert_eq!(heard[0], expected);
}

#[test]
fn a_consumer_that_has_room_again_is_given_what_its_group_kept() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    let held = c.attach(1, wants("in", "$share/g/t", 1));
    for number in 1..=4_u16 {
        c.publish(publisher, 1, number, "t", &number.to_string());
    }
    assert_eq!(held.session.lock().session.queued(), 1, "three wait in the group");
    let taken = c.take_one(&held, false).unwrap();
    assert!(c.take_one(&held, false).is_none());
    assert!(c.acknowledge(&held, &taken));
    assert_eq!(c.take_all(&held), ["t=2 q1", "t=3 q1", "t=4 q1"]);
}

/// The connection before has the message, and only PUBCOMP is missing.
#[test]
fn what_another_connection_took_over_at_qos_2_is_completed_and_does_not_come_again() {
    let mut c = Cluster::new(1);
    let publisher = c.connect(0, "pub");
    let peer = c.connect(0, "in");
    c.subscribe(peer, "t", 2);
    c.publish(publisher, 2, 1, "t", "1");
    c.publish(publisher, 2, 2, "t", "2");
    c.send(peer, &ack(0x50, 1));
    let held = c.attach(0, wants_for_long("in", "t"));
    assert_eq!(c.take_all(&held), ["t=2 q2 dup"]);
    assert_eq!(held.session.lock().session.in_flight(), 0);
}

#[test]
fn an_identifier_is_assigned_and_the_qos_is_at_most_that_of_the_settings() {
    let settings = Settings { max_qos: QoS::AtMostOnce, ..Settings::default() };
    let mut c = Cluster::with(1, settings, Arc::new(AllowAll));
    let attach = || Attach { client_id: None, ..wants("", "t", 10) };
    let (first, second) = (c.attach(0, attach()), c.attach(0, attach()));
    assert_ne!(first.session.client_id, second.session.client_id);
    let publisher = c.connect(0, "pub");
    c.publish(publisher, 0, 0, "t", "x");
    assert_eq!(c.take_all(&first), ["t=x q0"]);
    let qos: Vec<u8> = c
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Subscribed { qos, .. } => Some(qos),
            _ => None,
        })
        .collect();
    assert_eq!(qos, [0, 0]);
}

/// Retained messages come as they are taken: the queue never holds them all.
#[test]
fn a_consumer_is_given_retained_messages_as_it_takes_them() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    for number in 0..500 {
        let publish = client::publish(publisher.version, 1, 0, &format!("t/{number}"), "kept");
        c.send(publisher, &publish);
    }
    let held = c.attach(1, wants("in", "t/#", 10));
    let mut taken = Vec::new();
    while let Some(one) = c.take_one(&held, true) {
        taken.push(one.delivery.message.topic().to_owned());
        assert!(held.session.lock().session.queued() <= 64);
    }
    assert_eq!(taken, (0..500).map(|number| format!("t/{number}")).collect::<Vec<_>>());

    // A walk that finds nothing comes to its end by itself.
    let held = c.attach(1, wants("other", "t/+/x", 10));
    assert!(c.take_one(&held, true).is_none());
    assert!(held.session.lock().replays.is_empty());
}
