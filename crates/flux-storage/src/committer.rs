//! The thread that commits: batches in, completions out, one sync for all that came meanwhile.

mod health;
mod run;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use crate::batch::Batch;
use crate::record::{Sequence, SessionKey};
use crate::store::{Queued, ReadError, ReadLimit, Store, SyncError};

use self::health::Shared;
use self::run::{Request, Run};

pub use self::health::{Failure, Health};

/// A store on a thread of its own. Dropping it makes one last attempt to sync.
#[derive(Debug)]
pub struct Committer {
    requests: Option<SyncSender<Request>>,
    shared: Arc<Shared>,
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
        let shared = Arc::new(Shared::of(store.sync_times()));
        let run = Run::new(store, complete, shared.clone());
        let thread = thread::Builder::new().name("flux-storage".into());
        let thread = thread.spawn(move || run.run(&received))?;
        Ok(Self { requests: Some(requests), shared, max_unsynced, thread: Some(thread) })
    }

    /// Takes the records out of a batch; [`Completion::Persisted`] or [`Completion::Failed`] answers.
    ///
    /// # Errors
    ///
    /// When too much waits. The records stay in the batch then, and no completion comes.
    pub fn append(&self, ticket: Ticket, batch: &mut Batch) -> Result<(), NotTaken> {
        let weight = weight(batch);
        if self.shared.unsynced.fetch_add(weight, Ordering::Relaxed) >= self.max_unsynced {
            self.shared.unsynced.fetch_sub(weight, Ordering::Relaxed);
            return Err(NotTaken);
        }
        let request = Request::Append { ticket, batch: std::mem::take(batch) };
        self.send(request).map_err(|request| {
            self.shared.unsynced.fetch_sub(weight, Ordering::Relaxed);
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

    /// Returns how the store is; from any thread, without waiting for it.
    #[must_use]
    pub fn health(&self) -> Health {
        let is_running = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        self.shared.health(is_running)
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

/// What a batch takes in memory until it is synced, its ticket included: so many empty batches are not
/// nothing.
fn weight(batch: &Batch) -> usize {
    batch.len().saturating_add(size_of::<(Ticket, usize)>())
}
