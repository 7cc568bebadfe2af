//! For how long each worker was awake, as its runtime knows.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeMetrics};

use crate::names::WorkerId;

/// The runtimes of the workers, one each. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Busy(Arc<[OnceLock<RuntimeMetrics>]>);

impl Busy {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| OnceLock::new()).collect())
    }

    /// To be called in the runtime of that worker.
    ///
    /// # Panics
    ///
    /// Outside of any runtime.
    pub(super) fn watch(&self, worker: WorkerId) {
        if let Some(runtime) = self.0.get(worker.0) {
            runtime.get_or_init(|| Handle::current().metrics());
        }
    }

    /// Returns for how long each worker was awake, in the order of their numbers, until it slept last or had
    /// polled some tasks without a sleep.
    pub(crate) fn read(&self) -> Vec<Duration> {
        let awake = |runtime: &RuntimeMetrics| runtime.worker_total_busy_duration(0);
        self.0.iter().map(|runtime| runtime.get().map_or(Duration::ZERO, awake)).collect()
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;
    use tokio::task::{spawn, yield_now};

    use super::*;

    #[test]
    fn a_worker_is_busy_while_it_is_awake() {
        let busy = Busy::new(2);
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            busy.watch(WorkerId(1));
            let other = busy.clone();
            let work = spawn(async move {
                while other.read()[1].is_zero() {
                    yield_now().await;
                }
            });
            work.await.unwrap();
        });
        assert_eq!(busy.read()[0], Duration::ZERO, "it has no runtime");
    }
}
