//! [`HashPool`]: threads that hash, so that no worker has to.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::oneshot;

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

    /// Returns what `work` does, which a thread does when its turn comes; `None` if too many wait already.
    ///
    /// The future may be dropped: then it is not done, unless it is being done already.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            if !answer.is_closed() {
                // Nobody hears it who has left meanwhile.
                let _ = answer.send(work());
            }
        };
        match self.jobs.try_send(Box::new(job)) {
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

type Job = Box<dyn FnOnce() + Send>;

fn work(line: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: who holds it is next.
        let next = line.lock().recv();
        let Ok(job) = next else { return };
        job();
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
        let (jobs, line) = sync_channel(1);
        let pool = HashPool { jobs };
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut waits = pin!(pool.run(|| panic!("nobody waits for this")));
            assert_eq!(waits.as_mut().poll(&mut context), Poll::<Option<()>>::Pending);
            assert_eq!(pool.run(|| 2).await, None);
        }
        line.recv().unwrap()();

        let mut waits = pin!(pool.run(|| 3));
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        thread::spawn(move || work(&Mutex::new(line)));
        assert_eq!(waits.await, Some(3));
    }
}
