//! What runs on the thread: rounds of requests, and a commit after each.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::health::Shared;
use super::{Completion, Ticket, weight};
use crate::batch::Batch;
use crate::clock::now;
use crate::record::{Sequence, SessionKey};
use crate::store::{ReadLimit, Store, SyncError};

#[derive(Debug)]
pub(super) enum Request {
    Append { ticket: Ticket, batch: Batch },
    Queue { ticket: Ticket, session: SessionKey, after: Option<Sequence>, limit: ReadLimit },
}

/// What runs on the thread.
pub(super) struct Run<S, C> {
    store: S,
    complete: C,
    shared: Arc<Shared>,
    /// Batches that were not tried yet.
    waiting: Vec<(Ticket, usize)>,
    /// Batches whose owners were told that they are not safe.
    failed: Vec<(Ticket, usize)>,
    /// The last attempt, if it failed.
    failure: Option<(Instant, io::Error)>,
}

impl<S: Store, C: FnMut(Completion)> Run<S, C> {
    pub(super) fn new(store: S, complete: C, shared: Arc<Shared>) -> Self {
        shared.bytes_on_disk.store(store.bytes_on_disk(), Ordering::Relaxed);
        Self { store, complete, shared, waiting: Vec::new(), failed: Vec::new(), failure: None }
    }

    pub(super) fn run(mut self, received: &Receiver<Request>) {
        loop {
            // What failed is tried again even if nobody asks for more.
            let first = if self.store.unsynced() > 0 {
                received.recv_timeout(self.until_retry().unwrap_or(RETRY_AFTER))
            } else {
                received.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            let is_over = matches!(first, Err(RecvTimeoutError::Disconnected));
            let (mut bytes, mut reads) = (0, 0);
            for request in first.into_iter().chain(received.try_iter()) {
                match &request {
                    Request::Append { batch, .. } => bytes += batch.len(),
                    Request::Queue { .. } => reads += 1,
                }
                self.take(request);
                // Whoever reads must not keep those waiting who write.
                if bytes >= GROUP_BYTES || reads >= GROUP_READS {
                    break;
                }
            }
            if is_over || self.until_retry().is_none() {
                self.commit();
            } else {
                self.put_off();
            }
            if is_over {
                return;
            }
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Append { ticket, batch } => {
                self.store.append(&batch);
                self.shared.records.fetch_add(batch.records().into(), Ordering::Relaxed);
                self.waiting.push((ticket, weight(&batch)));
            }
            Request::Queue { ticket, session, after, limit } => {
                self.shared.begins();
                let messages = self.store.queue(session, after, limit);
                self.shared.has_read();
                (self.complete)(Completion::Queue { ticket, messages });
            }
        }
    }

    /// Returns how long to wait for the next attempt. After a failure all that is pending is written once
    /// more, which is too much to do for each batch that comes.
    fn until_retry(&self) -> Option<Duration> {
        let (tried, _) = self.failure.as_ref()?;
        RETRY_AFTER.checked_sub(tried.elapsed()).filter(|rest| !rest.is_zero())
    }

    fn commit(&mut self) {
        // A round of nothing but reads is no attempt that says how long one takes.
        if self.store.unsynced() > 0 {
            self.shared.begins();
        }
        let synced = self.store.sync();
        self.shared.ends(synced.as_ref().err().map(|error| error.source.to_string()));
        self.shared.is_stuck.store(self.store.is_stuck(), Ordering::Relaxed);
        self.shared.bytes_on_disk.store(self.store.bytes_on_disk(), Ordering::Relaxed);
        match synced {
            Ok(()) => {
                self.failure = None;
                let safe: Vec<_> = self.failed.drain(..).chain(self.waiting.drain(..)).collect();
                let bytes = safe.iter().map(|(_, weight)| weight).sum();
                self.shared.unsynced.fetch_sub(bytes, Ordering::Relaxed);
                if !safe.is_empty() {
                    let tickets = safe.into_iter().map(|(ticket, _)| ticket).collect();
                    (self.complete)(Completion::Persisted(tickets));
                }
            }
            Err(error) => {
                self.failure = Some((now(), again(&error.source)));
                self.tell(error);
            }
        }
    }

    /// Tells the owners of new batches what the last attempt met.
    fn put_off(&mut self) {
        let Some((_, source)) = &self.failure else { return };
        if !self.waiting.is_empty() {
            let error = SyncError { unsynced: self.store.unsynced(), source: again(source) };
            self.tell(error);
        }
    }

    fn tell(&mut self, error: SyncError) {
        let tickets = self.waiting.iter().map(|(ticket, _)| *ticket).collect();
        self.failed.append(&mut self.waiting);
        (self.complete)(Completion::Failed { tickets, error });
    }
}

/// Returns the same error once more.
fn again(error: &io::Error) -> io::Error {
    let code = error.raw_os_error().map(io::Error::from_raw_os_error);
    code.unwrap_or_else(|| io::Error::new(error.kind(), error.to_string()))
}

/// After a failure the next attempt comes after this time.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// No more than this is synced at once.
const GROUP_BYTES: usize = 8 << 20;
/// No more than so many parts of queues are read between two syncs.
const GROUP_READS: usize = 32;
