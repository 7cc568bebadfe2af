//! What several threads touch at once, in the order that a schedule decides: all orders where there
//! are few, else many.
//!
//! Threads switch at every lock and counter of `sync.rs`, and nowhere else; what one wrote the
//! others see at once. A test is repeated for one schedule after the other.

mod follow;
mod ledger;
mod mailbox;
mod routes;
mod shared;
mod wake;
mod wills;

use std::mem;
use std::sync::Arc;

use flux_session::Timestamp;
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use super::client::{self, Peer, ack};
use super::cluster::{Cluster, Node};
use crate::input::{Input, Letter};
use crate::sync::Mutex;

/// Runs every schedule there is.
#[track_caller]
fn exhaust(test: impl Fn() + Send + Sync + 'static) {
    let schedules = Runner::new(DfsScheduler::new(None, false), config()).run(test);
    assert!(schedules > 100, "the threads meet in {schedules} schedules only");
}

/// Runs schedules by chance, half of them with few switches: what goes wrong, mostly does so with
/// two or three in the right places.
fn sample(schedules: usize, test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    let again = test.clone();
    Runner::new(RandomScheduler::new_from_seed(SEED, schedules / 2), config()).run(move || again());
    Runner::new(PctScheduler::new_from_seed(SEED, 3, schedules / 2), config()).run(move || test());
}

fn config() -> Config {
    let mut config = Config::new();
    // A worker's frames are large without optimization.
    config.stack_size = 512 * 1024;
    config.silence_warnings = true;
    config
}

const SEED: u64 = 7;
const NOW: Timestamp = Timestamp::from_millis(1_000);

/// Where the letters to each worker wait.
type Mail = Arc<[Mutex<Vec<Letter>>]>;

/// A worker on a thread of its own.
struct Thread {
    worker: usize,
    node: Node,
    mail: Mail,
}

impl Thread {
    /// Takes the workers of a cluster apart; `gather` puts them together again.
    fn each_of(c: &mut Cluster) -> Vec<Self> {
        let mail: Mail = c.nodes.iter().map(|_| Mutex::new(Vec::new())).collect();
        let nodes = c.nodes.drain(..).enumerate();
        nodes.map(|(worker, node)| Self { worker, node, mail: mail.clone() }).collect()
    }

    /// Puts the workers together again, with the letters that were not read.
    fn gather(c: &mut Cluster, threads: Vec<Self>) {
        for mut thread in threads {
            thread.node.mail.extend(thread.mail[thread.worker].lock().drain(..));
            c.nodes.push(thread.node);
        }
    }

    fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.node.fx.socket(peer.id).inbound.extend_from_slice(bytes);
        self.turn();
    }

    /// Reads the letters that are there.
    fn read_mail(&mut self) {
        let letters = mem::take(&mut *self.mail[self.worker].lock());
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
