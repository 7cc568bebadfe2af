//! [`HashPool`]: threads that hash, and verify signatures, so that no worker has to.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::Line;

/// A few threads that verify passwords, or the signatures of tokens, with a line of bounded length before them.
///
/// So many are looked at at once as there are threads; a hash takes some memory meanwhile (19 MiB by default).
/// In the line each network has its turn after the others, however much it asks, and makes room first when it is full: its
/// question is refused at once then; see [`Line`]. A question whose asker has left costs nothing. The threads end when the pool is dropped.
pub struct HashPool {
    queue: Arc<Queue>,
}

impl HashPool {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When the system gives none.
    pub fn start(threads: NonZeroUsize, waiting: usize) -> Result<Self, StartPoolError> {
        let pool = Self { queue: Arc::new(Queue::new(waiting)) };
        for _ in 0..threads.get() {
            let queue = pool.queue.clone();
            let thread = thread::Builder::new().name("flux-hash".into());
            thread.spawn(move || work(&queue)).map_err(|error| StartPoolError { error })?;
        }
        Ok(pool)
    }

    /// Returns what `work` does, which a thread does when it is the turn of this address; `None` if too many wait.
    ///
    /// The future may be dropped: then it is not done, unless it is being done already.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        address: Option<IpAddr>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            if !answer.is_closed() {
                // Nobody hears it who has left meanwhile.
                let _ = answer.send(work());
            }
        };
        // What finds no place ends, and with it the wait for its answer.
        self.queue.enter(address, Box::new(job));
        answered.await.ok()
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool").finish_non_exhaustive()
    }
}

/// The system gave no thread for passwords or tokens.
#[derive(Debug, Error)]
#[error("cannot start a thread that looks at passwords or tokens: {error}")]
pub struct StartPoolError {
    /// What the system says.
    pub error: io::Error,
}

type Job = Box<dyn FnOnce() + Send>;

/// What waits for a thread.
struct Queue {
    /// `None` when the pool is gone.
    line: Mutex<Option<Line<Job>>>,
    /// Somebody came, or nobody will any more.
    change: Condvar,
}

impl Queue {
    fn new(waiting: usize) -> Self {
        Self { line: Mutex::new(Some(Line::new(waiting))), change: Condvar::new() }
    }

    /// Enters a job of somebody at this address. What finds no place, that or another, ends here.
    fn enter(&self, address: Option<IpAddr>, job: Job) {
        let out = self.line.lock().as_mut().and_then(|line| line.enter(address, job));
        self.change.notify_one();
        drop(out);
    }

    /// Waits for the next; `None` when the pool is gone.
    fn next(&self) -> Option<Job> {
        let mut line = self.line.lock();
        loop {
            if let Some(job) = line.as_mut()?.serve() {
                return Some(job);
            }
            self.change.wait(&mut line);
        }
    }

    fn close(&self) {
        let line = self.line.lock().take();
        self.change.notify_all();
        drop(line);
    }
}

fn work(queue: &Queue) {
    while let Some(job) = queue.next() {
        // It ends itself, and with it whoever waits for its answer; those behind it are served.
        if panic::catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!(
                help = "this is an error in the program: please report it",
                "a panic where a password or token was looked at: its client does not get in"
            );
        }
    }
}

/// What waits before the threads of a pool that has none.
#[cfg(test)]
pub(crate) struct Threadless(Arc<Queue>);

#[cfg(test)]
impl Threadless {
    /// Returns a pool in which nothing is looked at but by [`next`](Self::next).
    pub(crate) fn pool(waiting: usize) -> (HashPool, Self) {
        let queue = Arc::new(Queue::new(waiting));
        (HashPool { queue: queue.clone() }, Self(queue))
    }

    /// Does what is next in line; somebody has to be there.
    pub(crate) fn next(&self) {
        self.0.next().unwrap()();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_what_it_is_in_and_no_thread() {
        let pool = HashPool::start(NonZeroUsize::MIN, 2).unwrap();
        assert_eq!(pool.run(None, || panic!("on purpose")).await, None::<()>);
        assert_eq!(pool.run(None, || 1).await, Some(1));
    }

    #[tokio::test]
    async fn what_finds_no_place_in_line_is_refused_and_who_leaves_is_skipped() {
        let queue = Arc::new(Queue::new(2));
        let pool = HashPool { queue: queue.clone() };
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut waits = pin!(pool.run(None, || panic!("nobody waits for this")));
            assert_eq!(waits.as_mut().poll(&mut context), Poll::<Option<()>>::Pending);
        }
        queue.next().unwrap()();

        let thread = {
            let (mut first, mut second) = (pin!(pool.run(None, || 1)), pin!(pool.run(None, || 2)));
            assert_eq!(first.as_mut().poll(&mut context), Poll::Pending);
            assert_eq!(second.as_mut().poll(&mut context), Poll::Pending);
            // Another address takes the place of one of the two.
            let mut third = pin!(pool.run(Some("192.0.2.1".parse().unwrap()), || 3));
            assert_eq!(third.as_mut().poll(&mut context), Poll::Pending);
            assert_eq!(first.await, None);
            let thread = thread::spawn(move || work(&queue));
            assert_eq!((second.await, third.await), (Some(2), Some(3)));
            thread
        };
        drop(pool);
        thread.join().unwrap();
    }
}
