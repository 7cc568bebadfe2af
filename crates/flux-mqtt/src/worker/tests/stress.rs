//! Real threads, one for each worker: nothing promised is lost, no wake is lost, nothing stays.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use flux_session::Timestamp;
use ntex_mqtt::v5;
use parking_lot::Mutex;

use super::client::{self, Peer, ack, connect};
use super::cluster::{Cluster, Node};
use crate::input::{Input, Letter};
use crate::names::ConnectionId;
use crate::wire::Version;

const WORKERS: usize = 4;
/// Clients that keep their subscription and are taken over from worker to worker.
const STABLE: usize = 6;
/// Clients that come and go, with new sessions and old ones.
const FICKLE: u64 = 5;
const ROUNDS: u64 = 300;

type Mail = Arc<[Mutex<Vec<Letter>>]>;

#[test]
fn promises_hold_while_clients_race_on_four_threads() {
    for seed in 1..=2 {
        run(seed);
    }
}

fn run(seed: u64) {
    let mut c = Cluster::new(WORKERS);
    let mut lives = Vec::new();
    for number in 0..STABLE {
        let name = format!("stable-{number}");
        let peer = c.connect(number % WORKERS, &name);
        c.subscribe(peer, "t/#", 1);
        lives.push((generation(&mut c.nodes[peer.worker], peer.id), name, peer));
    }
    let mail: Mail = (0..WORKERS).map(|_| Mutex::default()).collect();
    let threads: Vec<_> = c
        .nodes
        .drain(..)
        .enumerate()
        .map(|(worker, node)| {
            let mut thread = Thread {
                worker,
                node,
                mail: mail.clone(),
                random: seed * 1_000 + worker as u64,
                peers: Vec::new(),
                got: HashMap::new(),
            };
            thread::spawn(move || {
                thread.run();
                thread
            })
        })
        .collect();
    let mut got: HashMap<(usize, ConnectionId), Vec<String>> = HashMap::new();
    for thread in threads {
        let thread = thread.join().unwrap();
        lives.extend(thread.peers.iter().map(|(name, peer, life)| (*life, name.clone(), *peer)));
        got.extend(thread.got.into_iter().map(|(id, seen)| ((thread.worker, id), seen)));
        c.nodes.push(thread.node);
    }
    // The threads are done, their letters are not.
    for (worker, letters) in mail.iter().enumerate() {
        c.nodes[worker].mail.extend(letters.lock().drain(..));
        c.turn(worker);
    }
    come_to_rest(&mut c, &lives, &mut got);
    check(&lives, &got);
    end_everything(&mut c);
}

/// Delivers and acknowledges until there is nothing more; then no session may hold anything
/// that its connection does not know of.
fn come_to_rest(
    c: &mut Cluster,
    lives: &[(u64, String, Peer)],
    got: &mut HashMap<(usize, ConnectionId), Vec<String>>,
) {
    loop {
        c.settle();
        let mut progress = false;
        for (_, _, peer) in lives {
            let seen = c.heard(*peer);
            let acks = acknowledgements(&seen);
            progress |= !seen.is_empty();
            got.entry((peer.worker, peer.id)).or_default().extend(seen);
            if !acks.is_empty() && !c.is_closed(*peer) {
                c.send(*peer, &acks);
            }
        }
        if !progress {
            break;
        }
    }
    for number in 0..STABLE {
        let session = c.broker.clients.get(&format!("stable-{number}")).unwrap();
        let state = session.lock();
        assert!(state.attached.is_some());
        assert_eq!(state.session.queued(), 0, "a wake was lost");
        assert!(!state.dirty, "marked, and nobody comes");
    }
}

/// Each connection saw each publisher's numbers in order; each stable client saw all of them.
fn check(lives: &[(u64, String, Peer)], got: &HashMap<(usize, ConnectionId), Vec<String>>) {
    let mut all: HashMap<(String, String), Vec<u64>> = HashMap::new();
    let mut lives: Vec<_> = lives.iter().collect();
    lives.sort_by_key(|(generation, ..)| *generation);
    for (generation, name, peer) in lives {
        let seen = got.get(&(peer.worker, peer.id)).map_or(&[][..], Vec::as_slice);
        let mut last: HashMap<String, u64> = HashMap::new();
        for (publisher, number, _) in seen.iter().filter_map(|seen| numbered(seen)) {
            let before = last.insert(publisher.clone(), number);
            assert!(before < Some(number), "{name}, life {generation}: {seen:?}");
            all.entry((name.clone(), publisher)).or_default().push(number);
        }
        let goodbye = seen.iter().position(|seen| seen.starts_with("DISCONNECT"));
        assert!(goodbye.is_none_or(|at| at + 1 == seen.len()), "{name}: {seen:?}");
    }
    for stable in 0..STABLE {
        for publisher in 0..WORKERS {
            let key = (format!("stable-{stable}"), format!("t/{publisher}"));
            let numbers = &all[&key];
            let mut first_seen = Vec::new();
            for number in numbers {
                if first_seen.last() < Some(number) {
                    first_seen.push(*number);
                }
            }
            assert_eq!(first_seen, (1..=ROUNDS).collect::<Vec<_>>(), "{key:?}: {numbers:?}");
        }
    }
}

/// Everybody connects once more for a new session that ends with its connection.
fn end_everything(c: &mut Cluster) {
    let names = (0..STABLE).map(|n| format!("stable-{n}"));
    let names = names.chain((0..FICKLE).map(|n| format!("fickle-{n}")));
    let names = names.chain((0..WORKERS).map(|n| format!("publisher-{n}")));
    for name in names.collect::<Vec<_>>() {
        let peer = c.dial(
            0,
            v5::codec::Connect {
                clean_start: true,
                session_expiry_interval_secs: 0,
                ..connect(&name)
            },
        );
        c.settle();
        c.lose(peer);
        assert!(c.broker.clients.get(&name).is_none(), "{name}");
    }
    c.settle();
    assert_eq!(c.broker.routes.len(), 0, "routes of sessions that ended");
    assert!(c.nodes.iter().all(|node| node.mail.is_empty() && node.worker.connections() == 0));
}

/// `t/0=17 q1 #3 dup` is number 17 of publisher `t/0`, packet identifier 3.
fn numbered(seen: &str) -> Option<(String, u64, u16)> {
    let (topic, rest) = seen.split_once('=')?;
    let mut words = rest.split([' ', '#']);
    let number = words.next()?.parse().ok()?;
    Some((topic.to_owned(), number, words.nth(2)?.parse().ok()?))
}

fn acknowledgements(seen: &[String]) -> Vec<u8> {
    seen.iter().filter_map(|seen| numbered(seen)).flat_map(|(_, _, id)| ack(0x40, id)).collect()
}

/// Which life of its session a connection is: session keys grow, generations grow within one.
fn generation(node: &mut Node, id: ConnectionId) -> u64 {
    let online = node.worker.connections.online(id);
    online.map_or(0, |online| online.session.key.0.get() << 32 | online.generation)
}

struct Thread {
    worker: usize,
    node: Node,
    mail: Mail,
    random: u64,
    /// Connections that this worker was asked for, with the client and which life it is.
    peers: Vec<(String, Peer, u64)>,
    got: HashMap<ConnectionId, Vec<String>>,
}

impl Thread {
    fn run(&mut self) {
        let publisher = self.dial(connect(&format!("publisher-{}", self.worker)));
        let topic = format!("t/{}", self.worker);
        for number in 1..=ROUNDS {
            let id = u16::try_from(number).unwrap();
            let payload = number.to_string();
            self.send(publisher, &client::publish(Version::V5, 2, id, &topic, &payload));
            match self.next(8) {
                0 => {
                    let stable = self.next(STABLE as u64);
                    self.dial(connect(&format!("stable-{stable}")));
                }
                1 | 2 => self.fickle(),
                3 => self.subscribe_or_not(),
                4 => self.hang_up(),
                _ => {}
            }
            if self.next(3) > 0 {
                self.read_mail();
            }
            self.listen();
        }
        let acked = &self.got[&publisher.id];
        assert_eq!(acked.iter().filter(|seen| seen.starts_with("PUBACK")).count() as u64, ROUNDS);
    }

    fn next(&mut self, below: u64) -> u64 {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }

    fn dial(&mut self, packet: v5::codec::Connect) -> Peer {
        let name = packet.client_id.to_string();
        let id = self.node.open(NOW, None);
        let peer = Peer { worker: self.worker, id, version: Version::V5 };
        self.send(peer, &client::encode_v5(packet.into()));
        let life = generation(&mut self.node, id);
        self.peers.push((name, peer, life));
        peer
    }

    fn fickle(&mut self) {
        let mut packet = connect(&format!("fickle-{}", self.next(FICKLE)));
        packet.clean_start = self.next(2) == 0;
        packet.session_expiry_interval_secs = if self.next(2) == 0 { 0 } else { 100 };
        self.dial(packet);
    }

    /// One of our fickle clients changes its mind; it may have been taken over meanwhile.
    fn subscribe_or_not(&mut self) {
        let Some(peer) = self.some_fickle() else { return };
        let filter = ["t/#", "t/0", "+/1", "#"][usize::try_from(self.next(4)).unwrap()];
        let packet = match self.next(2) {
            0 => client::unsubscribe(Version::V5, 1, filter),
            _ => client::subscribe(Version::V5, 1, &[(filter, 1)]),
        };
        self.send(peer, &packet);
    }

    fn hang_up(&mut self) {
        let Some(peer) = self.some_fickle() else { return };
        self.node.close(NOW, peer.id);
        self.turn();
    }

    fn some_fickle(&mut self) -> Option<Peer> {
        let fickle = self.peers.iter().filter(|(name, ..)| name.starts_with("fickle"));
        let fickle: Vec<Peer> = fickle.rev().take(4).map(|(_, peer, _)| *peer).collect();
        let at = usize::try_from(self.next(fickle.len().max(1) as u64)).unwrap();
        fickle.get(at).copied()
    }

    /// Reads what all connections got; acknowledges most of it.
    fn listen(&mut self) {
        for id in self.node.fx.ids() {
            let socket = self.node.fx.socket(id);
            let (sent, is_closed) = (std::mem::take(&mut socket.sent), socket.is_closed);
            let seen = client::show(Version::V5, &sent);
            let acks = acknowledgements(&seen);
            if !is_closed && !acks.is_empty() && self.next(4) > 0 {
                self.node.fx.socket(id).inbound.extend(acks);
            }
            self.got.entry(id).or_default().extend(seen);
        }
        self.turn();
    }

    fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.node.fx.socket(peer.id).inbound.extend_from_slice(bytes);
        self.turn();
    }

    fn read_mail(&mut self) {
        let letters = std::mem::take(&mut *self.mail[self.worker].lock());
        for letter in letters {
            self.node.handle(NOW, Input::Letter(letter));
        }
        self.turn();
    }

    fn turn(&mut self) {
        self.node.turn(NOW, Some(flux_auth::Identity::user));
        for (to, letter) in self.node.fx.take_letters() {
            self.mail[to.0].lock().push(letter);
        }
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_000);
