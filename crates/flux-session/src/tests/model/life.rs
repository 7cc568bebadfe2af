//! The model of expiry and will: moments that are written down when a connection ends.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Numbered;
use crate::{Due, Timestamp, Will};

/// When the session ends, what its will is, and what became of every will there was.
#[derive(Debug)]
pub(super) struct Life {
    /// The Session Expiry Interval in seconds.
    pub(super) expiry: u32,
    pub(super) will: Option<Will<Numbered>>,
    /// The moments, while there is no connection.
    will_at: Option<Timestamp>,
    pub(super) ends_at: Option<Timestamp>,
    is_attached: bool,
    wills: BTreeMap<u32, Fate>,
}

/// What becomes of a will, and never more than one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Published,
    Discarded,
    Cancelled,
}

impl Life {
    pub(super) fn new() -> Self {
        Self {
            expiry: u32::MAX,
            will: None,
            will_at: None,
            ends_at: None,
            is_attached: false,
            wills: BTreeMap::new(),
        }
    }

    pub(super) fn continues(&self, now: Timestamp, clean_start: bool) -> bool {
        !clean_start && self.expiry > 0 && !self.has_expired(now)
    }

    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.ends_at.is_some_and(|moment| moment <= now)
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.will_at.into_iter().chain(self.ends_at).min()
    }

    /// Begins a connection, and returns the will before if it is not cancelled by that.
    pub(super) fn attach(
        &mut self,
        now: Timestamp,
        expiry: u32,
        will: Option<Will<Numbered>>,
    ) -> Option<Will<Numbered>> {
        let is_late = self.will_at.is_some_and(|moment| moment <= now);
        let is_taken_over = self.is_attached && self.will.as_ref().is_some_and(|w| w.delay == 0);
        let fate = if is_late || is_taken_over { Fate::Published } else { Fate::Cancelled };
        let before = self.settle_will(fate);
        (self.will_at, self.ends_at, self.is_attached) = (None, None, true);
        (self.expiry, self.will) = (expiry, will);
        before.filter(|_| fate == Fate::Published)
    }

    pub(super) fn detach(&mut self, now: Timestamp, discard_will: bool, expiry: Option<u32>) {
        if !self.is_attached {
            return;
        }
        if discard_will {
            self.settle_will(Fate::Discarded);
        }
        if self.expiry > 0 {
            self.expiry = expiry.unwrap_or(self.expiry);
        }
        self.is_attached = false;
        let after = |secs: u32| now + Duration::from_secs(secs.into());
        self.ends_at = (self.expiry < u32::MAX).then(|| after(self.expiry));
        self.will_at = self.will.as_ref().map(|will| after(will.delay.min(self.expiry)));
    }

    /// Returns what has to happen now.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Due<Numbered>> {
        if self.will_at.is_some_and(|moment| moment <= now) {
            return self.settle_will(Fate::Published).map(Due::Will);
        }
        self.has_expired(now).then_some(Due::End)
    }

    /// Ends the session and returns the will that is still to be published.
    pub(super) fn end(&mut self) -> Option<Will<Numbered>> {
        let will = self.settle_will(Fate::Published);
        *self = Self { wills: std::mem::take(&mut self.wills), ..Self::new() };
        will
    }

    fn settle_will(&mut self, fate: Fate) -> Option<Will<Numbered>> {
        let will = self.will.take()?;
        self.will_at = None;
        let before = self.wills.insert(will.message.number, fate);
        assert_eq!(before, None, "one end for each will");
        Some(will)
    }
}
