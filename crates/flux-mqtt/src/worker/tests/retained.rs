//! Retained messages, and that they never cross with live ones.

use flux_session::{QoS, SubscriptionOptions};
use flux_topic::{TopicFilter, TopicName};

use super::client::{self, ack};
use super::cluster::Cluster;
use crate::message::{Message, Parts};

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
                for route in c.broker.routes.find(topic).1.sessions.iter() {
                    assert!(route.offer(c.now, &message("new")).is_some());
                }
            }
            Step::Enter => {
                session.lock().session.subscribe(filter.clone(), options);
                c.broker.routes.follow(&session, std::slice::from_ref(&filter));
            }
            Step::ReadRetained => {
                c.broker.offer_retained(c.now, &session, &filter, &options);
            }
        }
    }
    c.input(0, crate::Input::Writable(peer.id));
    let heard = c.heard(peer).into_iter();
    heard.map(|seen| seen.trim_start_matches("t=").split(' ').next().unwrap().to_owned()).collect()
}
