//! Who else is there while messages go from publishers to subscribers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow};

use super::packets::{CONNACK, SUBACK, Version};
use crate::stress::crowd::Crowd;
use crate::stress::visitors::{Visit, Visitors};

/// Others, who have nothing to do with the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    Nobody,
    /// Clients with so many subscriptions in all, with wildcards, that do not match.
    Filters(usize),
    /// Clients, so many a second, that connect, subscribe to five filters and leave.
    Visitors(u64),
}

/// Connects clients, each with a thousand filters of those with these numbers; they stay as long as the crowd.
pub(super) fn holders(address: SocketAddr, version: Version, filters: usize) -> Result<Crowd> {
    let mut crowd = Crowd::new(address)?;
    let holders = filters.div_ceil(FILTERS_EACH);
    crowd.each(0..holders, AT_ONCE, (CONNACK, 1), |crowd, holder| {
        crowd.connect(version.connect(&format!("holder-{holder}"))).map(drop)
    })?;
    // One SUBSCRIBE of a thousand filters is answered at once.
    crowd.each(0..holders, AT_ONCE, (SUBACK, 1), |crowd, holder| {
        let first = holder * FILTERS_EACH;
        let names = (first..filters.min(first + FILTERS_EACH)).map(filter);
        crowd.send(holder, &version.subscribe(&names.collect::<Vec<_>>(), 0));
        Ok(())
    })?;
    Ok(crowd)
}

/// Returns one of any number of filters with wildcards that share levels with the topics of the load and
/// match none of them.
pub(super) fn filter(number: usize) -> String {
    match number % 3 {
        0 => format!("bench/+/n{number}"),
        1 => format!("+/n{number}/#"),
        _ => format!("bench/n{number}/#"),
    }
}

/// Visitors on a thread of their own, from [`Churn::start`] to [`Churn::finish`].
pub(super) struct Churn {
    is_over: Arc<AtomicBool>,
    left: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Churn {
    pub(super) fn start(address: SocketAddr, version: Version, per_second: u64) -> Result<Self> {
        let mut visitors = Visitors::new(address, restless(version))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let left = Arc::new(AtomicU64::new(0));
        let (told, counted) = (Arc::clone(&is_over), Arc::clone(&left));
        let thread = thread::spawn(move || {
            visitors.come_at(per_second, |visitors| {
                counted.store(visitors.left(), Ordering::Relaxed);
                told.load(Ordering::Relaxed)
            })
        });
        Ok(Self { is_over, left, thread })
    }

    /// Returns how many have come and left by now.
    pub(super) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Lets no more come, and waits until the last has left.
    ///
    /// # Errors
    ///
    /// When one was cut off.
    pub(super) fn finish(self) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the visitors have panicked"))?.context("visitors")
    }
}

/// What those do that only disturb.
pub(super) const fn restless(version: Version) -> Visit {
    Visit { version, filters: 5, publish: None }
}

/// Fewer than the least limit of the brokers that are measured.
pub(super) const FILTERS_EACH: usize = 1_000;
/// Clients that wait for their answer: less than the shortest backlog.
pub(super) const AT_ONCE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_differ_and_have_wildcards() {
        let filters: std::collections::BTreeSet<_> = (0..3_000).map(filter).collect();
        assert_eq!(filters.len(), 3_000);
        assert!(filters.iter().all(|filter| filter.contains(['+', '#'])));
    }
}
