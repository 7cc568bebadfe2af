//! Mailboxes: how the outside of a worker's thread reaches it.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::Waker;

use flux_storage::Queued;
use flux_tls::TlsConfig;
use ipnet::IpNet;
use parking_lot::Mutex;

use crate::input::Letter;
use crate::listener::Transport;
use crate::names::{SessionKey, WorkerId};

/// What can be in a mailbox.
#[derive(Debug)]
pub(crate) enum Mail {
    /// For the worker itself.
    Letter(Letter),
    /// The store has answered: one at a time for each worker.
    StoreAnswered,
    /// A part of a session's queue was read: one at a time for each session that was asked for.
    Loaded(SessionKey, Option<Vec<Queued>>),
    /// A connection that was accepted, for the driver. Bounded by the descriptors of the
    /// process.
    Accepted(Accepted),
    /// Other clients may come through listeners with this configuration than before.
    ClientsChanged(TlsConfig),
}

/// A connection that nobody has read from yet.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) socket: TcpStream,
    pub(crate) peer: SocketAddr,
    /// What the listener that it came through speaks.
    pub(crate) transport: Transport,
    /// From where load balancers may speak for others through that listener.
    pub(crate) proxies: Arc<[IpNet]>,
}

impl Accepted {
    /// Whether whoever connected says for whom, before all else.
    pub(crate) fn is_from_proxy(&self) -> bool {
        let ip = self.peer.ip().to_canonical();
        self.proxies.iter().any(|net| net.contains(&ip))
    }
}

/// The mailboxes of all workers. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Mailboxes {
    boxes: Arc<[Mailbox]>,
}

#[derive(Debug, Default)]
struct Mailbox {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    mail: Vec<Mail>,
    /// The worker is gone: what is posted is dropped, and with it whoever waits for an answer
    /// learns that there will be none.
    is_closed: bool,
    /// Whoever empties the mailbox, while it waits.
    waker: Option<Waker>,
}

impl Mailboxes {
    pub(crate) fn new(workers: usize) -> Self {
        Self { boxes: (0..workers).map(|_| Mailbox::default()).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.boxes.len()
    }

    /// Puts something into the mailbox of a worker, and wakes it if it waits.
    pub(crate) fn post(&self, to: WorkerId, mail: Mail) {
        let Some(mailbox) = self.boxes.get(to.0) else { return };
        let waker = {
            let mut inside = mailbox.inside.lock();
            if inside.is_closed {
                return;
            }
            inside.mail.push(mail);
            inside.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Closes all mailboxes and drops what is in them.
    pub(super) fn close(&self) {
        for mailbox in self.boxes.iter() {
            let mut inside = mailbox.inside.lock();
            inside.is_closed = true;
            let unread = std::mem::take(&mut inside.mail);
            drop(inside);
            drop(unread);
        }
    }

    /// Swaps the mail of a worker against the empty `into`; when there is none, `waker` will
    /// be called as soon as there is some.
    pub(super) fn take(&self, of: WorkerId, into: &mut Vec<Mail>, waker: &Waker) {
        let Some(mailbox) = self.boxes.get(of.0) else { return };
        let mut inside = mailbox.inside.lock();
        if inside.mail.is_empty() {
            inside.waker = Some(waker.clone());
        } else {
            std::mem::swap(&mut inside.mail, into);
        }
    }
}
