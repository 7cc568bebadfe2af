//! Retained messages, and that they never cross with live ones.

use std::sync::Arc;
use std::time::Duration;

use flux_auth::AllowAll;
use flux_eventbus::{DropReason, Event};
use flux_retained::RetainedLimits;
use flux_session::{QoS, SubscriptionOptions};
use flux_topic::{TopicFilter, TopicName};

use super::client::{self, Peer, ack, packet};
use super::cluster::Cluster;
use crate::message::{Message, Parts};
use crate::replay::replay_one;
use crate::settings::Settings;

/// RETAIN and QoS 1.
const RETAINED: u8 = 0b0011;

#[test]
fn a_new_subscription_gets_what_is_retained() {
    let mut c = Cluster::new(2);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(1, "sub"));
    for (topic, payload) in [("a/1", "x"), ("a/2", "y"), ("b", "z"), ("a/2", "")] {
        c.send(publisher, &client::publish(publisher.version, RETAINED, 1, topic, payload));
    }
    c.send(subscriber, &client::subscribe(subscriber.version, 1, &[("a/#", 1)]));
    assert_eq!(c.heard(subscriber), ["SUBACK 1 [01]", "a/1=x q1 #1 retain"]);
    c.send(publisher, &client::publish(publisher.version, RETAINED, 1, "a/1", "live"));
    c.settle();
    assert_eq!(c.heard(subscriber), ["a/1=live q1 #2"], "live ones come without RETAIN");
}

#[test]
fn retain_handling_and_retain_as_published_are_honoured() {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "a");
    c.send(peer, &client::publish(peer.version, 1, 0, "t", "x"));
    let mut subscribe = |options: u8| {
        c.send(peer, &client::subscribe(peer.version, 1, &[("t", options)]));
        c.heard(peer).len() - 1
    };
    assert_eq!(subscribe(0x20), 0, "never");
    assert_eq!(subscribe(0x10), 0, "only when it is new");
    assert_eq!(subscribe(0x00), 1);
    assert_eq!(subscribe(0x08), 1);
    c.send(peer, &client::publish(peer.version, 1, 0, "t", "y"));
    assert_eq!(c.heard(peer), ["t=y retain"]);
    c.send(peer, &client::unsubscribe(peer.version, 2, "t"));
    c.send(peer, &client::subscribe(peer.version, 1, &[("t", 0x10)]));
    assert_eq!(c.heard(peer), ["UNSUBACK 2 [00]", "SUBACK 1 [00]", "t=y retain"]);
}

#[test]
fn a_retained_message_waits_for_the_window_like_any_other() {
    let mut c = Cluster::new(1);
    let peer = c.dial(0, client::connect("a").receive_max(1));
    for topic in ["t/1", "t/2"] {
        c.send(peer, &client::publish(peer.version, RETAINED, 1, topic, "x"));
    }
    c.heard(peer);
    c.send(peer, &client::subscribe(peer.version, 1, &[("t/#", 1)]));
    assert_eq!(c.heard(peer), ["SUBACK 1 [01]", "t/1=x q1 #1 retain"]);
    c.send(peer, &ack(0x40, 1));
    assert_eq!(c.heard(peer), ["t/2=x q1 #2 retain"]);
}

/// PUBLISH stores before it matches: at the moment in which the first receiver is woken, the
/// new value is there for whoever subscribes.
#[test]
fn the_new_value_is_stored_before_anybody_is_offered_it() {
    let mut c = Cluster::new(2);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(1, "sub"));
    c.subscribe(subscriber, "t", 0);
    let broker = c.broker.clone();
    let (seen, values) = std::sync::mpsc::sync_channel(8);
    c.nodes[0].fx.on_letter = Some(Box::new(move || {
        seen.send(broker.retained.get("t").map(|message| message.payload)).unwrap();
    }));
    c.send(publisher, &client::publish(publisher.version, 1, 0, "t", "new"));
    assert_eq!(values.try_iter().collect::<Vec<_>>(), [Some("new".into())]);
}

/// What a publisher does in two steps, and a subscriber in two.
#[derive(Clone, Copy, Debug)]
enum Step {
    Store,
    Offer,
    Enter,
    ReadRetained,
}

/// Nobody misses the new value, and nobody sees the old one after it, in whatever order the
/// steps of two workers come.
#[test]
fn retained_and_live_never_cross_in_any_order() {
    use Step::{Enter, Offer, ReadRetained, Store};
    let orders = [
        [Store, Offer, Enter, ReadRetained],
        [Store, Enter, Offer, ReadRetained],
        [Store, Enter, ReadRetained, Offer],
        [Enter, Store, Offer, ReadRetained],
        [Enter, Store, ReadRetained, Offer],
        [Enter, ReadRetained, Store, Offer],
    ];
    for order in orders {
        let seen = play(order);
        assert_eq!(seen.last().map(String::as_str), Some("new"), "{order:?}: {seen:?}");
        let first_new = seen.iter().position(|value| value == "new");
        let last_old = seen.iter().rposition(|value| value == "old");
        assert!(last_old < first_new, "{order:?}: {seen:?}");
    }
}

fn message(payload: &str) -> Message {
    Message::new(Parts {
        topic: TopicName::parse("t").unwrap(),
        properties: &[],
        payload: payload.as_bytes(),
        qos: QoS::AtLeastOnce,
        retain: true,
        publisher: None,
        expires_at: None,
    })
}

/// Plays the steps against the shared parts of a broker, and returns what the client got.
fn play(order: [Step; 4]) -> Vec<String> {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "sub");
    let session = c.broker.clients.get("sub").unwrap();
    let (topic, filter) = (TopicName::parse("t").unwrap(), TopicFilter::parse("t").unwrap());
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    c.broker.retained.replace(c.now, topic, Some(message("old"))).unwrap();
    for step in order {
        match step {
            Step::Store => {
                c.broker.retained.replace(c.now, topic, Some(message("new"))).unwrap();
            }
            Step::Offer => {
                for route in &c.broker.routes.find(topic).sessions {
                    assert!(route.offer(c.now, &message("new"), None).is_some());
                }
            }
            Step::Enter => {
                session.lock().session.subscribe(filter.clone(), options);
                c.broker.routes.follow(&session, std::slice::from_ref(&filter));
            }
            Step::ReadRetained => {
                let store = &c.broker.retained;
                let replayed = replay_one(c.now, store, topic, &session, &options);
                assert!(replayed.is_some_and(|replayed| replayed.lost.is_empty()));
            }
        }
    }
    c.input(0, crate::Input::Writable(peer.id));
    let heard = c.heard(peer).into_iter();
    heard.map(|seen| seen.trim_start_matches("t=").split(' ').next().unwrap().to_owned()).collect()
}

/// A broker with retained messages `t/0`, `t/1` and so on, whose payload is `old`.
fn kept(workers: usize, count: usize) -> Cluster {
    let mut c = Cluster::new(workers);
    let publisher = c.connect(0, "pub");
    for number in 0..count {
        c.publish_retained(publisher, &format!("t/{number}"), "old");
    }
    c
}

impl Cluster {
    fn publish_retained(&mut self, publisher: Peer, topic: &str, payload: &str) {
        self.send(publisher, &client::publish(publisher.version, RETAINED, 1, topic, payload));
        self.heard(publisher);
    }

    /// Connects `sub` with this Receive Maximum and subscribes; returns what came behind SUBACK.
    fn subscribe_anew(
        &mut self,
        worker: usize,
        receive_maximum: u16,
        filter: &str,
    ) -> (Peer, Vec<String>) {
        let peer = self.dial(worker, client::connect("sub").receive_max(receive_maximum));
        assert_eq!(self.heard(peer), ["CONNACK 00"]);
        self.send(peer, &client::subscribe(peer.version, 1, &[(filter, 1)]));
        let mut heard = self.heard(peer);
        assert_eq!(heard.remove(0), "SUBACK 1 [01]");
        (peer, heard)
    }

    fn queued(&self, client_id: &str) -> usize {
        self.broker.clients.get(client_id).unwrap().lock().session.queued()
    }

    fn replays(&self, client_id: &str) -> usize {
        self.broker.clients.get(client_id).unwrap().lock().replays.len()
    }
}

/// The identifier of a QoS 1 PUBLISH that was heard, and what it says before that.
fn parted(heard: &str) -> (&str, u16) {
    let (value, rest) = heard.split_once(" q1 #").unwrap();
    (value, rest.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn retained_messages_come_as_the_client_takes_them_and_never_fill_its_queue() {
    let mut c = kept(2, 1_000);
    let (subscriber, mut heard) = c.subscribe_anew(1, 10, "t/#");
    let mut seen = Vec::new();
    while !heard.is_empty() {
        let (values, ids): (Vec<_>, Vec<_>) = heard.iter().map(|heard| parted(heard)).unzip();
        seen.extend(values.into_iter().map(str::to_owned));
        assert!(c.queued("sub") <= 64, "{} wait", c.queued("sub"));
        c.send(subscriber, &ids.iter().map(|id| ack(0x40, *id)).collect::<Vec<_>>().concat());
        c.settle();
        heard = c.heard(subscriber);
    }
    assert_eq!(seen, (0..1_000).map(|number| format!("t/{number}=old")).collect::<Vec<_>>());
    assert_eq!(c.replays("sub"), 0);
}

/// However many exact topics one packet names, and whatever waits already.
#[test]
fn retained_messages_of_single_topics_wait_for_room_too() {
    let mut c = kept(1, 200);
    let peer = c.dial(0, client::connect("sub").receive_max(10));
    assert_eq!(c.heard(peer), ["CONNACK 00"]);
    let topics: Vec<String> = (0..200).map(|number| format!("t/{number}")).collect();
    let filters: Vec<_> = topics.iter().map(|topic| (topic.as_str(), 1)).collect();
    c.send(peer, &client::subscribe(peer.version, 1, &filters));
    let mut heard = c.heard(peer);
    heard.remove(0);
    let mut seen = Vec::new();
    while !heard.is_empty() {
        let (values, ids): (Vec<_>, Vec<_>) = heard.iter().map(|heard| parted(heard)).unzip();
        seen.extend(values.into_iter().map(str::to_owned));
        c.send(peer, &ids.iter().map(|id| ack(0x40, *id)).collect::<Vec<_>>().concat());
        heard = c.heard(peer);
    }
    seen.sort_unstable();
    let mut expected: Vec<_> = topics.iter().map(|topic| format!("{topic}=old")).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected);
    assert_eq!(c.replays("sub"), 0);
}

#[test]
fn what_is_set_during_a_replay_comes_live_and_once() {
    let mut c = kept(2, 300);
    let publisher = c.connect(0, "other");
    let (subscriber, mut heard) = c.subscribe_anew(1, 1, "t/#");
    for (topic, payload) in [("t/0", "new"), ("t/250", "new"), ("t/251", ""), ("t/new", "new")] {
        c.publish_retained(publisher, topic, payload);
    }
    c.settle();
    let mut seen = Vec::new();
    while let Some(first) = heard.first() {
        let (value, id) = parted(first);
        seen.push(value.to_owned());
        c.send(subscriber, &ack(0x40, id));
        c.settle();
        heard = c.heard(subscriber);
    }
    let of = |topic: &str| -> Vec<&str> {
        seen.iter().filter_map(|seen| seen.strip_prefix(topic)?.strip_prefix('=')).collect()
    };
    assert_eq!(of("t/0"), ["old", "new"], "it was on its way already");
    assert_eq!(of("t/1"), ["old"]);
    assert_eq!(of("t/250"), ["new"]);
    assert_eq!(of("t/251"), [""]);
    assert_eq!(of("t/new"), ["new"]);
    assert_eq!(seen.len(), 300 + 1 + 1, "every topic, t/0 twice, and the new one");
}

#[test]
fn a_replay_goes_on_over_another_connection() {
    for loses in [true, false] {
        let mut c = kept(2, 300);
        let (first, heard) = c.subscribe_anew(0, 5, "t/#");
        assert_eq!(heard.len(), 5);
        if loses {
            c.lose(first);
        }
        let second = c.dial(1, client::connect("sub").receive_max(300));
        c.settle();
        let heard = c.heard(second);
        assert_eq!(heard[0], "CONNACK 00 present");
        let values: Vec<_> = heard[1..].iter().map(|heard| parted(heard).0).collect();
        assert_eq!(values, (0..300).map(|n| format!("t/{n}=old")).collect::<Vec<_>>());
        assert_eq!(c.replays("sub"), 0);
    }
}

#[test]
fn unsubscribing_ends_a_replay_and_subscribing_again_begins_a_new_one() {
    let mut c = kept(1, 300);
    let (peer, _) = c.subscribe_anew(0, 1, "t/#");
    assert_eq!(c.replays("sub"), 1);
    c.send(peer, &client::subscribe(peer.version, 1, &[("t/#", 0), ("t/+", 1)]));
    assert_eq!(c.replays("sub"), 2, "one for each filter");
    c.send(peer, &client::unsubscribe(peer.version, 2, "t/+"));
    assert_eq!(c.replays("sub"), 1);
    c.send(peer, &client::unsubscribe(peer.version, 3, "t/#"));
    assert_eq!(c.replays("sub"), 0);
}

/// A filter that walks many topics and finds nothing must not hold its worker up.
#[test]
fn a_replay_that_finds_nothing_takes_its_turns() {
    let mut c = kept(1, 5_000);
    let peer = c.dial(0, client::connect("sub"));
    assert_eq!(c.heard(peer), ["CONNACK 00"]);
    let node = &mut c.nodes[0];
    node.fx.socket(peer.id);
    let subscribe = client::subscribe(peer.version, 1, &[("t/+/x", 1)]);
    node.worker.receive(c.now, peer.id, &subscribe, &mut node.fx);
    let mut turns = 0;
    while node.worker.has_dirty() {
        node.worker.finish_turn(c.now, &mut node.fx);
        turns += 1;
    }
    // Two looks at each topic, 64 looks a step and 16 steps a turn.
    assert!((5..=20).contains(&turns), "{turns} turns");
    assert_eq!(c.replays("sub"), 0);
    assert_eq!(c.heard(peer), ["SUBACK 1 [01]"]);
}

#[test]
fn a_retained_message_goes_when_it_expires() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    let expiring = packet(0x31, &[&[0, 1, b't', 5, 2, 0, 0, 0, 10, b'x']]);
    c.send(publisher, &expiring);
    assert_eq!(c.broker.retained.len(), 1);
    c.sleep(9_999);
    assert_eq!(c.broker.retained.len(), 1);
    c.sleep(1);
    assert_eq!(c.broker.retained.len(), 0, "nobody asked for it");
}

#[test]
fn one_that_had_expired_and_made_room_is_told() {
    let retained = RetainedLimits { messages: 1, ..RetainedLimits::default() };
    let settings = Settings { retained, ..Settings::default() };
    let mut c = Cluster::with(1, settings, Arc::new(AllowAll));
    let publisher = c.connect(0, "pub");
    c.send(publisher, &packet(0x31, &[b"\0\x01t\x05\x02\0\0\0\x01y"]));
    c.events();
    // The worker has not been told the time.
    c.now = c.now + Duration::from_secs(2);
    c.send(publisher, &packet(0x31, &[b"\0\x01u\0y"]));
    assert_eq!(c.broker.retained.len(), 1);
    c.sleep(0);
    let (client_id, topic, reason) = (None, "t".into(), DropReason::RetainedExpired);
    assert!(c.events().contains(&Event::Dropped { client_id, topic, reason }));
}
