//! Shared subscriptions: members decline, become ready and leave while messages come.

use std::mem;

use flux_auth::Decision;
use flux_session::QoS;
use flux_topic::{TopicFilter, TopicName};
use shuttle::thread;

use super::{NOW, Thread, ack, client, sample};
use crate::message::{Message, Parts};
use crate::settings::Settings;
use crate::wire::Version;
use crate::worker::tests::client::Peer;
use crate::worker::tests::cluster::Cluster;
use crate::worker::tests::rights::Rights;

const FILTER: &str = "$share/g/t";

/// A member that takes one message, and the next once it has acknowledged that.
fn member(c: &mut Cluster, worker: usize, client_id: &str) -> Peer {
    let peer = c.dial(worker, client::connect(client_id).receive_max(1));
    c.subscribe_after_connack(peer, FILTER, 1);
    peer
}

/// The acknowledgements of what was heard: `t=2 q1 #7` is message 2 with identifier 7.
fn acks(heard: &[String]) -> Vec<u8> {
    let identifiers = heard.iter().filter_map(|seen| seen.strip_prefix("t=")?.split_once('#'));
    identifiers
        .flat_map(|(_, id)| ack(0x40, id.split(' ').next().unwrap().parse().unwrap()))
        .collect()
}

impl Thread {
    /// Hears what came to a connection and acknowledges it.
    fn listen(&mut self, peer: Peer, heard: &mut Vec<String>) {
        self.read_mail();
        let sent = mem::take(&mut self.node.fx.socket(peer.id).sent);
        let seen = client::show(peer.version, &sent);
        self.send(peer, &acks(&seen));
        heard.extend(seen);
    }
}

/// What waits in the shared subscription, and whether a member could take it.
fn is_stuck(c: &Cluster, clients: &[&str]) -> bool {
    let filters = [TopicFilter::parse(FILTER).unwrap()];
    let waits = c.broker.routes.shares(&filters).iter().any(|share| share.lock().queued() > 0);
    waits
        && clients.iter().any(|name| {
            let session = c.broker.clients.get(name).unwrap();
            let state = session.lock();
            state.session.subscription(&filters[0]).is_some()
                && state.attached.is_some()
                && state.session.has_room_for_shared()
        })
}

/// Delivers and acknowledges until nothing comes any more; returns all that members heard.
fn come_to_rest(c: &mut Cluster, clients: &[&str], members: &[Peer]) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        c.settle();
        assert!(!is_stuck(c, clients), "a message waits, and a member has room");
        let before = all.len();
        for member in members {
            let heard = c.heard(*member);
            if !c.is_closed(*member) {
                c.send(*member, &acks(&heard));
            }
            all.extend(heard);
        }
        if all.len() == before {
            return all;
        }
    }
}

/// Which messages were heard, each once however often it came.
fn numbers(heard: &[String]) -> Vec<&str> {
    let payloads = heard.iter().filter_map(|seen| seen.strip_prefix("t=")?.split(' ').next());
    let mut numbers: Vec<_> = payloads.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The one member has its window full. While it acknowledges, the next message comes.
#[test]
fn a_member_that_declines_and_becomes_ready_gets_the_message() {
    sample(3_000, || {
        let mut c = Cluster::new(2);
        let peer = member(&mut c, 1, "a");
        let filters = [TopicFilter::parse(FILTER).unwrap()];
        let share = c.broker.routes.shares(&filters)[0].clone();
        let message = |payload: &str| {
            Message::new(Parts {
                topic: TopicName::parse("t").unwrap(),
                properties: &[],
                payload: payload.as_bytes(),
                qos: QoS::AtLeastOnce,
                retain: false,
                publisher: None,
                expires_at: None,
            })
        };
        let first = message("1");
        let node = &mut c.nodes[0];
        node.worker.publish_shared(NOW, &share, &first, None, &mut node.fx);
        c.turn(0);
        c.settle();
        let mut heard = c.heard(peer);
        let mut threads = Thread::each_of(&mut c);
        let (mut acknowledging, mut publishing) = (threads.pop().unwrap(), threads.pop().unwrap());
        let (second, acks) = (message("2"), acks(&heard));
        let publishing = thread::spawn(move || {
            let node = &mut publishing.node;
            node.worker.publish_shared(NOW, &share, &second, None, &mut node.fx);
            publishing.turn();
            publishing
        });
        acknowledging.send(peer, &acks);
        Thread::gather(&mut c, vec![publishing.join().unwrap(), acknowledging]);
        heard.extend(come_to_rest(&mut c, &["a"], &[peer]));
        assert_eq!(numbers(&heard), ["1", "2"]);
    });
}

/// One member may not have what comes, and the other has its window full. While that acknowledges, the next message
/// comes.
#[test]
fn a_member_that_declines_and_becomes_ready_gets_what_another_may_not_have() {
    sample(3_000, || {
        let rights = Rights::new(&[("receive t by a", Decision::Deny)]);
        let mut c = Cluster::with(2, Settings::default(), rights);
        let publisher = c.connect(0, "pub");
        let barred = c.connect(0, "a");
        c.subscribe(barred, FILTER, 1);
        let peer = member(&mut c, 1, "b");
        c.publish(publisher, 1, 1, "t", "1");
        c.settle();
        let mut heard = c.heard(peer);
        let mut threads = Thread::each_of(&mut c);
        let (mut acknowledging, mut publishing) = (threads.pop().unwrap(), threads.pop().unwrap());
        let acks = acks(&heard);
        let publishing = thread::spawn(move || {
            let publish = client::publish(publisher.version, 2, 2, "t", "2");
            publishing.send(publisher, &publish);
            publishing
        });
        acknowledging.send(peer, &acks);
        Thread::gather(&mut c, vec![publishing.join().unwrap(), acknowledging]);
        heard.extend(come_to_rest(&mut c, &["b"], &[peer]));
        assert_eq!(numbers(&heard), ["1", "2"]);
        assert_eq!(c.heard(barred), [""; 0]);
    });
}

/// Three messages; one member acknowledges, the other leaves in the middle.
fn leave_in_the_middle(leave: impl Fn(&mut Thread, Peer) + Copy + Send + 'static) {
    let mut c = Cluster::new(3);
    let publisher = c.connect(0, "pub");
    let members = [member(&mut c, 1, "a"), member(&mut c, 2, "b")];
    let mut threads = Thread::each_of(&mut c).into_iter();
    let [mut publishing, mut staying, mut leaving] = [(); 3].map(|()| threads.next().unwrap());
    let publishing = thread::spawn(move || {
        for number in 1..=3 {
            let payload = number.to_string();
            let publish = client::publish(Version::V5, 2, number, "t", &payload);
            publishing.send(publisher, &publish);
        }
        publishing
    });
    let leaving = thread::spawn(move || {
        let mut heard = Vec::new();
        leaving.listen(members[1], &mut heard);
        leave(&mut leaving, members[1]);
        (leaving, heard)
    });
    let mut heard = Vec::new();
    for _ in 0..2 {
        staying.listen(members[0], &mut heard);
    }
    let publishing = publishing.join().unwrap();
    let (leaving, heard_by_other) = leaving.join().unwrap();
    heard.extend(heard_by_other);
    Thread::gather(&mut c, vec![publishing, staying, leaving]);
    heard.extend(come_to_rest(&mut c, &["a", "b"], &members));
    assert_eq!(numbers(&heard), ["1", "2", "3"]);
}

#[test]
fn what_an_unsubscribed_member_was_given_goes_to_another() {
    sample(600, || {
        leave_in_the_middle(|thread, peer| {
            thread.send(peer, &client::unsubscribe(peer.version, 9, FILTER));
        });
    });
}

#[test]
fn what_a_lost_member_was_given_goes_to_another() {
    sample(600, || {
        leave_in_the_middle(|thread, peer| {
            thread.node.close(NOW, peer.id);
            thread.turn();
        });
    });
}
