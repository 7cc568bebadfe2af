//! What a client lost, by reason: so that it can be told why.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use flux_eventbus::DropReason;

/// Counts what a session lost. Most lose nothing, and have no cells.
#[derive(Debug, Default)]
pub(crate) struct Losses(OnceLock<Box<[AtomicU64; DropReason::KINDS]>>);

impl Losses {
    pub(crate) fn count(&self, reason: DropReason) {
        let cells =
            self.0.get_or_init(|| Box::new([const { AtomicU64::new(0) }; DropReason::KINDS]));
        if let Some(cell) = cells.get(reason.index()) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns each reason for which something was lost, and how many messages.
    pub(crate) fn read(&self) -> Vec<(DropReason, u64)> {
        let Some(cells) = self.0.get() else { return Vec::new() };
        let counts = cells.iter().map(|cell| cell.load(Ordering::Relaxed));
        DropReason::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_told_by_reason() {
        let losses = Losses::default();
        assert!(losses.read().is_empty());
        for reason in [DropReason::Expired, DropReason::QueueFull, DropReason::Expired] {
            losses.count(reason);
        }
        assert_eq!(losses.read(), [(DropReason::QueueFull, 1), (DropReason::Expired, 2)]);
    }
}
