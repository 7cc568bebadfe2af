//! Clean Start: the old session is over, in every place where it was known.

use flux_eventbus::{Event, SessionEnd};

use super::client::{self, connect};
use super::cluster::Cluster;

#[test]
fn clean_start_ends_the_old_session_and_its_routes() {
    let mut c = Cluster::new(2);
    let (publisher, old) = (c.connect(0, "pub"), c.connect(1, "sub"));
    c.subscribe(old, "t", 1);
    c.subscribe(old, "#", 1);
    assert_eq!(c.broker.routes.len(), 2);
    // Worker 0 has the routes of the topic in its cache from here on.
    c.publish(publisher, 1, 8, "t", "before");
    c.publish(publisher, 1, 1, "t", "before");
    assert_eq!(c.heard(publisher), ["PUBACK 8 00", "PUBACK 1 00"]);
    c.events();

    let mut clean = connect("sub");
    clean.clean_start = true;
    let new = c.dial(1, clean);
    assert_eq!(c.heard(new), ["CONNACK 00"], "not present, and nothing of the old queue");
    assert_eq!(c.heard(old), ["DISCONNECT 8e"]);
    assert_eq!(c.broker.routes.len(), 0);
    let ended = |event: &Event| {
        matches!(event, Event::SessionEnded { reason: SessionEnd::CleanStart, client_id }
            if &**client_id == "sub")
    };
    assert_eq!(c.events().iter().filter(|event| ended(event)).count(), 1);

    c.publish(publisher, 1, 2, "t", "after");
    c.settle();
    assert_eq!(c.heard(publisher), ["PUBACK 2 10"]);
    assert_eq!(c.heard(new), [""; 0], "a cached route does not lead into the new session");
}

#[test]
fn across_workers_the_old_connection_may_still_talk_and_adds_nothing() {
    let mut c = Cluster::new(2);
    let old = c.connect(0, "sub");
    c.subscribe(old, "t", 1);
    let mut clean = connect("sub");
    clean.clean_start = true;
    let new = c.dial(1, clean);
    assert_eq!(c.heard(new), ["CONNACK 00"]);
    // The letter to the old connection waits.
    c.send(old, &client::subscribe(old.version, 5, &[("late", 1)]));
    assert_eq!(c.broker.routes.len(), 0);
    c.settle();
    assert_eq!(c.heard(old), ["DISCONNECT 8e"]);
    c.publish(new, 0, 0, "late", "x");
    c.publish(new, 0, 0, "t", "x");
    c.settle();
    assert_eq!(c.heard(new), [""; 0]);
}

#[test]
fn a_session_with_expiry_0_ends_with_its_connection() {
    let mut c = Cluster::new(1);
    let mut short = connect("sub");
    short.session_expiry_interval_secs = 0;
    let peer = c.dial(0, short.clone());
    c.subscribe_after_connack(peer, "t", 1);
    c.lose(peer);
    assert_eq!(c.broker.routes.len(), 0);
    assert!(c.broker.clients.get("sub").is_none());
    let ended = c.events().into_iter().find_map(|event| match event {
        Event::SessionEnded { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(ended, Some(SessionEnd::Disconnected));

    // Taken over, it does not go on either: its connection is closed by that.
    let first = c.dial(0, short.clone());
    c.subscribe_after_connack(first, "t", 1);
    let second = c.dial(0, short);
    assert_eq!(c.heard(second), ["CONNACK 00"]);
    assert_eq!(c.heard(first), ["DISCONNECT 8e"]);
    assert_eq!(c.broker.routes.len(), 0);
}

#[test]
fn a_v311_clean_session_is_not_kept_and_the_other_kind_is_kept_for_ever() {
    use ntex_mqtt::v3::codec::Connect;
    let mut c = Cluster::new(1);
    let kept = c.dial_v3(0, Connect::default().client_id("kept"));
    let clean = Connect { clean_session: true, ..Connect::default().client_id("clean") };
    let clean = c.dial_v3(0, clean);
    c.lose(kept);
    c.lose(clean);
    assert!(c.broker.clients.get("clean").is_none());
    c.sleep(1_000 * 3600 * 24 * 365 * 200);
    let again = c.dial_v3(0, Connect::default().client_id("kept"));
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
}

/// Somebody may still hold the session, in a cached route.
#[test]
fn a_session_that_ended_takes_no_message() {
    use flux_session::{QoS, SubscriptionIds};
    let mut c = Cluster::new(1);
    c.connect(0, "sub");
    let session = c.broker.clients.get("sub").unwrap();
    let mut clean = connect("sub");
    clean.clean_start = true;
    c.dial(0, clean);
    let message = crate::Message::from(crate::RetainedMessage {
        topic: "t".to_owned(),
        payload: "x".into(),
        qos: 1,
    });
    let delivery = crate::message::Delivery {
        message,
        qos: QoS::AtLeastOnce,
        retain: false,
        subscription_ids: SubscriptionIds::NONE,
        share: None,
        sequence: None,
    };
    assert!(session.offer(c.now, delivery).is_none());
    assert_eq!(session.lock().session.queued(), 0);
}
