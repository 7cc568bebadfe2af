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
        self.verify_telling(hash, password, None).await
    }

    /// As [`verify`](Self::verify); what was computed for somebody who did not wait for it is told to `left`.
    pub(super) async fn verify_telling(
        &self,
        hash: Arc<PasswordHash>,
        password: bytes::Bytes,
        left: Option<Left>,
    ) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        match self.jobs.try_send(Job { hash, password, answer, left }) {
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
    left: Option<Left>,
}

/// Is told whether the password was right of somebody who left while it was hashed.
pub(super) type Left = Box<dyn FnOnce(bool) + Send>;

fn work(line: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: who holds it is next.
        let next = line.lock().recv();
        let Ok(Job { hash, password, answer, left }) = next else { return };
        if !answer.is_closed() {
            give(answer, hash.verify(&password), left);
        }
    }
}

/// Answers, or tells that nobody waits for the answer any more.
fn give(answer: oneshot::Sender<bool>, is_right: bool, left: Option<Left>) {
    if answer.send(is_right).is_err()
        && let Some(left) = left
    {
        left(is_right);
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

    #[tokio::test]
    async fn what_was_hashed_for_somebody_who_left_is_told_and_nothing_else() {
        let hash = Arc::new(PasswordHash::of(b"secret").unwrap());
        let (jobs, line) = sync_channel(2);
        let pool = HashPool { jobs };
        let (told, tells) = sync_channel(3);
        let left = || {
            let told = told.clone();
            Some(Box::new(move |is_right| told.send(is_right).unwrap()) as Left)
        };
        let mut context = Context::from_waker(Waker::noop());
        // It leaves when the thread has its job already.
        let job = {
            let mut waits = pin!(pool.verify_telling(hash.clone(), "wrong".into(), left()));
            assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
            line.recv().unwrap()
        };
        give(job.answer, false, job.left);
        assert_eq!(tells.try_recv(), Ok(false));

        // It leaves before, or stays.
        {
            let mut waits = pin!(pool.verify_telling(hash.clone(), "wrong".into(), left()));
            assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        }
        let mut waits = pin!(pool.verify_telling(hash, "wrong".into(), left()));
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        thread::spawn(move || work(&Mutex::new(line)));
        assert_eq!(waits.await, Some(false));
        assert!(tells.try_recv().is_err());
    }
}
