//! The thread that commits: batches in, completions out, one sync for all that came meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::batch::Batch;
use crate::record::{Sequence, SessionKey};
use crate::store::{Queued, ReadError, ReadLimit, Store, SyncError};

/// A store on a thread of its own. Dropping it makes one last attempt to sync.
#[derive(Debug)]
pub struct Committer {
    requests: Option<SyncSender<Request>>,
    /// Bytes that were handed over and are not synced.
    unsynced: Arc<AtomicUsize>,
    max_unsynced: usize,
    thread: Option<JoinHandle<()>>,
}

/// Names a batch, or a read, to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What became of what was handed over. Called for on the thread of the committer, which
/// waits meanwhile: it is to be passed on.
#[derive(Debug)]
pub enum Completion {
    /// These batches outlive a power cut.
    Persisted(Vec<Ticket>),
    /// These batches do not, for now. They are kept and written again; [`Persisted`](Self::Persisted)
    /// may follow.
    Failed {
        /// Which, each once.
        tickets: Vec<Ticket>,
        /// Why.
        error: SyncError,
    },
    /// A part of a session's queue.
    Queue {
        /// Which question.
        ticket: Ticket,
        /// The answer.
        messages: Result<Vec<Queued>, ReadError>,
    },
}

/// A batch or question that was not taken: too much waits, or the thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store does not take more now")]
pub struct NotTaken;

#[derive(Debug)]
enum Request {
    Append { ticket: Ticket, batch: Batch },
    Queue { ticket: Ticket, session: SessionKey, after: Option<Sequence>, limit: ReadLimit },
}

impl Committer {
    /// Starts the thread. At most `max_requests` wait to be looked at, and about
    /// `max_unsynced` bytes to be synced.
    ///
    /// # Errors
    ///
    /// When there can be no more threads.
    pub fn start(
        store: impl Store + 'static,
        max_requests: usize,
        max_unsynced: usize,
        complete: impl FnMut(Completion) + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, received) = sync_channel(max_requests);
        let unsynced = Arc::new(AtomicUsize::new(0));
        let run = Run {
            store,
            complete,
            unsynced: unsynced.clone(),
            waiting: Vec::new(),
            failed: Vec::new(),
        };
        let thread = thread::Builder::new().name("flux-storage".into());
        let thread = thread.spawn(move || run.run(&received))?;
        Ok(Self { requests: Some(requests), unsynced, max_unsynced, thread: Some(thread) })
    }

    /// Takes the records out of a batch; [`Completion::Persisted`] or [`Completion::Failed`] answers.
    ///
    /// # Errors
    ///
    /// When too much waits. The records stay in the batch then, and no completion comes.
    pub fn append(&self, ticket: Ticket, batch: &mut Batch) -> Result<(), NotTaken> {
        let len = batch.len();
        if self.unsynced.fetch_add(len, Ordering::Relaxed) >= self.max_unsynced {
            self.unsynced.fetch_sub(len, Ordering::Relaxed);
            return Err(NotTaken);
        }
        let request = Request::Append { ticket, batch: std::mem::take(batch) };
        self.send(request).map_err(|request| {
            self.unsynced.fetch_sub(len, Ordering::Relaxed);
            if let Request::Append { batch: not_taken, .. } = request {
                *batch = not_taken;
            }
            NotTaken
        })
    }

    /// Asks for a part of a session's queue; [`Completion::Queue`] answers.
    ///
    /// # Errors
    ///
    /// When too many requests wait.
    pub fn read_queue(
        &self,
        ticket: Ticket,
        session: SessionKey,
        after: Option<Sequence>,
        limit: ReadLimit,
    ) -> Result<(), NotTaken> {
        self.send(Request::Queue { ticket, session, after, limit }).map_err(|_| NotTaken)
    }

    /// Returns the request if it is not taken.
    fn send(&self, request: Request) -> Result<(), Request> {
        let Some(requests) = &self.requests else { return Err(request) };
        requests.try_send(request).map_err(|error| match error {
            TrySendError::Full(request) | TrySendError::Disconnected(request) => request,
        })
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported where it happened.
            drop(thread.join());
        }
    }
}

/// What runs on the thread.
struct Run<S, C> {
    store: S,
    complete: C,
    unsynced: Arc<AtomicUsize>,
    /// Batches that were not tried yet.
    waiting: Vec<(Ticket, usize)>,
    /// Batches whose owners were told that they are not safe.
    failed: Vec<(Ticket, usize)>,
}

impl<S: Store, C: FnMut(Completion)> Run<S, C> {
    fn run(mut self, received: &Receiver<Request>) {
        loop {
            // What failed is tried again even if nobody asks for more.
            let first = if self.store.unsynced() > 0 {
                received.recv_timeout(RETRY_AFTER)
            } else {
                received.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            let is_over = matches!(first, Err(RecvTimeoutError::Disconnected));
            for request in first.into_iter().chain(received.try_iter()) {
                self.take(request);
                if self.store.unsynced() >= GROUP_BYTES {
                    break;
                }
            }
            self.commit();
            if is_over {
                return;
            }
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Append { ticket, batch } => {
                self.store.append(&batch);
                self.waiting.push((ticket, batch.len()));
            }
            Request::Queue { ticket, session, after, limit } => {
                let messages = self.store.queue(session, after, limit);
                (self.complete)(Completion::Queue { ticket, messages });
            }
        }
    }

    fn commit(&mut self) {
        match self.store.sync() {
            Ok(()) => {
                let safe: Vec<_> = self.failed.drain(..).chain(self.waiting.drain(..)).collect();
                let bytes = safe.iter().map(|(_, len)| len).sum();
                self.unsynced.fetch_sub(bytes, Ordering::Relaxed);
                if !safe.is_empty() {
                    let tickets = safe.into_iter().map(|(ticket, _)| ticket).collect();
                    (self.complete)(Completion::Persisted(tickets));
                }
            }
            Err(error) => {
                let tickets = self.waiting.iter().map(|(ticket, _)| *ticket).collect();
                self.failed.append(&mut self.waiting);
                (self.complete)(Completion::Failed { tickets, error });
            }
        }
    }
}

/// After a failure, the next attempt comes with the next batch, or after this time.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// No more than this is synced at once.
const GROUP_BYTES: usize = 8 << 20;
