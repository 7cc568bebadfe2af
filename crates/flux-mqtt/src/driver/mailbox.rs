//! Mailboxes: how the outside of a worker's thread reaches it.
//!
//! A worker that is awake looks into its mailbox by itself, and once more before it sleeps. Only one that sleeps is
//! woken, which takes a call to the system.

#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use flux_storage::Queued;
use flux_tls::TlsConfig;

use super::eras::Era;
use crate::gauge::Place;
use crate::input::Letter;
use crate::listener::Listener;
use crate::names::{SessionKey, WorkerId};
use crate::sync::{AtomicBool, Mutex};

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
    pub(crate) socket: AcceptedSocket,
    /// Where it is from; nobody knows of a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
    /// What it came through.
    pub(crate) by: Arc<Listener>,
    pub(crate) era: Era,
    /// Its place among those who came through that.
    pub(crate) place: Option<Place>,
}

/// A socket that nobody has read from yet.
#[derive(Debug)]
pub(crate) enum AcceptedSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Accepted {
    /// Whether whoever connected says for whom, before all else.
    pub(crate) fn is_from_proxy(&self) -> bool {
        self.peer.is_some_and(|peer| {
            let ip = peer.ip().to_canonical();
            self.by.proxies.iter().any(|net| net.contains(&ip))
        })
    }
}

/// The mailboxes of all workers. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Mailboxes {
    boxes: Arc<[Mailbox]>,
}

#[derive(Debug)]
struct Mailbox {
    inside: Mutex<Inside>,
    /// Whether there is something in it. Without the lock the answer may be late by a moment, but never for a
    /// worker that is about to sleep.
    has_mail: AtomicBool,
}

#[derive(Debug, Default)]
struct Inside {
    mail: Vec<Mail>,
    /// The worker is gone: what is posted is dropped, and with it whoever waits for an answer
    /// learns that there will be none.
    is_closed: bool,
    /// The worker sleeps, and nobody has woken it yet.
    is_asleep: bool,
    /// Whoever empties the mailbox.
    reader: Option<Waker>,
}

impl Mailboxes {
    pub(crate) fn new(workers: usize) -> Self {
        let mailbox =
            |_| Mailbox { inside: Mutex::new(Inside::default()), has_mail: AtomicBool::new(false) };
        Self { boxes: (0..workers).map(mailbox).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.boxes.len()
    }

    /// Puts something into the mailbox of a worker, and wakes it if it sleeps.
    pub(crate) fn post(&self, to: WorkerId, mail: Mail) {
        self.post_all(to, std::iter::once(mail));
    }

    /// Does so with several things at once.
    pub(crate) fn post_all(&self, to: WorkerId, mail: impl Iterator<Item = Mail>) {
        let Some(mailbox) = self.boxes.get(to.0) else { return };
        let reader = {
            let mut inside = mailbox.inside.lock();
            if inside.is_closed {
                return;
            }
            inside.mail.extend(mail);
            mailbox.has_mail.store(true, Ordering::Release);
            if std::mem::take(&mut inside.is_asleep) { inside.reader.clone() } else { None }
        };
        if let Some(reader) = reader {
            reader.wake();
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

    /// Says who empties the mailbox of a worker from now on, on its thread.
    pub(crate) fn set_reader(&self, of: WorkerId, reader: &Waker) {
        if let Some(mailbox) = self.boxes.get(of.0) {
            mailbox.inside.lock().reader = Some(reader.clone());
        }
    }

    /// Whether there is something for a worker, which asks that itself, again and again while it is awake.
    pub(crate) fn has_mail(&self, of: WorkerId) -> bool {
        self.boxes.get(of.0).is_some_and(|mailbox| mailbox.has_mail.load(Ordering::Acquire))
    }

    /// Swaps the mail of a worker against the empty `into`.
    pub(crate) fn take(&self, of: WorkerId, into: &mut Vec<Mail>) {
        let Some(mailbox) = self.boxes.get(of.0) else { return };
        if !mailbox.has_mail.load(Ordering::Acquire) {
            return;
        }
        let mut inside = mailbox.inside.lock();
        mailbox.has_mail.store(false, Ordering::Release);
        std::mem::swap(&mut inside.mail, into);
    }

    /// Returns how much waits for each worker, in the order of their numbers.
    pub(crate) fn depths(&self) -> Vec<usize> {
        self.boxes.iter().map(|mailbox| mailbox.inside.lock().mail.len()).collect()
    }

    /// The thread of a worker is about to sleep, and is woken from now on; it is at once if there is mail.
    pub(crate) fn fall_asleep(&self, of: WorkerId) {
        let Some(mailbox) = self.boxes.get(of.0) else { return };
        let reader = {
            let mut inside = mailbox.inside.lock();
            inside.is_asleep = inside.mail.is_empty();
            if inside.is_asleep { None } else { inside.reader.clone() }
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The thread of a worker sleeps no more, whatever has woken it.
    pub(crate) fn wake_up(&self, of: WorkerId) {
        if let Some(mailbox) = self.boxes.get(of.0) {
            mailbox.inside.lock().is_asleep = false;
        }
    }
}
