//! A message that is offered while the connection drains is sent, now or after one more letter.

use std::sync::Arc;

use flux_session::{QoS, SubscriptionIds};
use flux_topic::TopicName;
use shuttle::thread;

use super::{Mail, NOW, Thread, exhaust, sample};
use crate::input::Letter;
use crate::message::{Delivery, Message, Parts};
use crate::session::{Attachment, SharedSession};
use crate::worker::tests::cluster::Cluster;

fn delivery(payload: &str) -> Delivery {
    let message = Message::new(Parts {
        topic: TopicName::parse("t").unwrap(),
        properties: &[],
        payload: payload.as_bytes(),
        qos: QoS::AtMostOnce,
        retain: false,
        publisher: None,
        expires_at: None,
    });
    Delivery {
        message,
        qos: QoS::AtMostOnce,
        retain: false,
        subscription_ids: SubscriptionIds::default(),
        share: None,
        sequence: None,
    }
}

/// Offers messages as another worker does.
fn offer(session: &Arc<SharedSession>, mail: &Mail, payload: &str) {
    let offered = session.offer(NOW, delivery(payload)).unwrap();
    if let Some(Attachment::Connection { worker, connection }) = offered.wake {
        let mut letters = mail[worker.0].lock();
        letters.push(Letter::Wake(connection));
        assert_eq!(letters.len(), 1, "one letter a connection");
    }
}

/// Some threads offer two messages each, while the connection's worker reads its mail twice.
fn race(publishers: usize) {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "sub");
    let session = c.broker.clients.get("sub").unwrap();
    let mut workers = Thread::each_of(&mut c);
    let threads: Vec<_> = (0..publishers)
        .map(|publisher| {
            let (session, mail) = (session.clone(), workers[0].mail.clone());
            thread::spawn(move || {
                for number in 0..2 {
                    offer(&session, &mail, &format!("{publisher}{number}"));
                }
            })
        })
        .collect();
    for _ in 0..2 {
        workers[0].read_mail();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    Thread::gather(&mut c, workers);
    c.settle();
    let mut heard = c.heard(peer);
    for publisher in 0..publishers {
        let own: Vec<_> =
            heard.extract_if(.., |seen| seen.starts_with(&format!("t={publisher}"))).collect();
        assert_eq!(own, [format!("t={publisher}0"), format!("t={publisher}1")]);
    }
    assert!(!session.lock().dirty, "marked, and nobody comes");
}

#[test]
fn no_wake_is_lost_between_a_publisher_and_a_drain() {
    exhaust(|| race(1));
}

#[test]
fn no_wake_is_lost_between_two_publishers_and_a_drain() {
    sample(1_000, || race(2));
}
