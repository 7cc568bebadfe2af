//! [`HashPool`]: threads that hash, so that no worker has to.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::oneshot;

use super::hash::PasswordHash;

/// A few threads that verify passwords, with a line of bounded length before them.
///
/// So many hashes are computed at once as there are threads, and each takes some memory (19 MiB by default).
/// What does not find a place in the line is refused at once. A question whose asker has left costs nothing.
/// The threads end when the pool is dropped.
#[derive(Debug)]
pub struct HashPool {
    jobs: SyncSender<Job>,
}

impl HashPool {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When the system gives none.
    pub fn start(threads: NonZeroUsize, waiting: usize) -> Result<Self, StartPoolError> {
        let (jobs, line) = sync_channel::<Job>(waiting);
        let line = Arc::new(Mutex::new(line));
        for _ in 0..threads.get() {
            let line = line.clone();
            let thread = thread::Builder::new().name("flux-hash".into());
            thread.spawn(move || work(&line)).map_err(|error| StartPoolError { error })?;
        }
        Ok(Self { jobs })
    }

    /// Returns whether `password` is the one that was hashed; `None` if too many wait already.
    ///
    /// The future may be dropped: then it is not computed, unless it is being computed already.
    pub async fn verify(&self, hash: Arc<PasswordHash>, password: bytes::Bytes) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        match self.jobs.try_send(Job { hash, password, answer }) {
            Ok(()) => answered.await.ok(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        }
    }
}

/// The system gave no thread to hash passwords.
#[derive(Debug, Error)]
#[error("cannot start a thread that hashes passwords: {error}")]
pub struct StartPoolError {
    /// What the system says.
    pub error: io::Error,
}

struct Job {
    hash: Arc<PasswordHash>,
    password: bytes::Bytes,
    answer: oneshot::Sender<bool>,
}

fn work(line: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: who holds it is next.
        let next = line.lock().recv();
        let Ok(Job { hash, password, answer }) = next else { return };
        if !answer.is_closed() {
            // Who left meanwhile does not care.
            let _ = answer.send(hash.verify(&password));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn what_finds_no_place_in_line_is_refused_and_who_leaves_is_skipped() {
        let hash = Arc::new(PasswordHash::of(b"secret").unwrap());
        let (jobs, line) = sync_channel(1);
        let pool = HashPool { jobs };
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut waits = pin!(pool.verify(hash.clone(), "secret".into()));
            assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
            let refused = pool.verify(hash.clone(), "secret".into()).await;
            assert_eq!(refused, None);
        }
        assert!(line.recv().unwrap().answer.is_closed());

        let mut waits = pin!(pool.verify(hash, "wrong".into()));
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        thread::spawn(move || work(&Mutex::new(line)));
        assert_eq!(waits.await, Some(false));
    }
}
