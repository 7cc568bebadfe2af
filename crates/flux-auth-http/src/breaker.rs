//! [`Breaker`]: whoever fails again and again is left alone for a while.

use std::time::Duration;

use flux_time::Timestamp;

/// Says whether to ask somebody who may be down. Time is an argument.
///
/// After so many failures in a row nobody asks for a while; then one may try, and what comes of that decides for all.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    most_failures: u32,
    pause: Duration,
    failures: u32,
    /// Until when nobody asks.
    closed_until: Option<Timestamp>,
}

impl Breaker {
    pub(crate) fn new(most_failures: u32, pause: Duration) -> Self {
        Self { most_failures: most_failures.max(1), pause, failures: 0, closed_until: None }
    }

    /// Returns whether to ask now. Whoever may, says what came of it.
    pub(crate) fn may_ask(&mut self, now: Timestamp) -> bool {
        match self.closed_until {
            None => true,
            Some(until) if now < until => false,
            // One tries; the others wait for another pause, or until that one has succeeded.
            Some(_) => {
                self.closed_until = Some(now + self.pause);
                true
            }
        }
    }

    /// There was an answer. Returns whether it is the first since nobody was to ask.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.closed_until.take().is_some()
    }

    /// Whoever asked does not wait for it, or had no turn: that says nothing, and another may try at once.
    pub(crate) fn abandoned(&mut self, now: Timestamp) {
        if let Some(until) = &mut self.closed_until {
            *until = (*until).min(now);
        }
    }

    /// There was none. Returns whether nobody is to ask from now on, and could until now.
    pub(crate) fn failed(&mut self, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < self.most_failures {
            return false;
        }
        self.closed_until.replace(now + self.pause).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn whoever_fails_again_and_again_is_left_alone_until_one_has_tried() {
        let mut breaker = Breaker::new(3, Duration::from_secs(5));
        for _ in 0..2 {
            assert!(breaker.may_ask(at(0)));
            assert!(!breaker.failed(at(0)));
        }
        assert!(!breaker.succeeded());
        // The fourth was asked before the third had failed.
        for (may_ask, is_told) in [(true, false), (true, false), (true, true), (false, false)] {
            assert_eq!(breaker.may_ask(at(1)), may_ask);
            assert_eq!(breaker.failed(at(1)), is_told);
        }
        assert!(!breaker.may_ask(at(5)));
        assert!(breaker.may_ask(at(6)));
        assert!(!breaker.may_ask(at(6)), "one is enough");
        assert!(!breaker.failed(at(7)));
        assert!(!breaker.may_ask(at(11)));
        assert!(breaker.may_ask(at(12)));
        assert!(breaker.succeeded());
        assert!(breaker.may_ask(at(12)) && breaker.may_ask(at(12)));
    }

    #[test]
    fn one_who_tries_and_never_says_what_came_of_it_keeps_nobody_out_for_ever() {
        let mut breaker = Breaker::new(1, Duration::from_secs(5));
        assert!(breaker.failed(at(0)));
        assert!(breaker.may_ask(at(5)));
        assert!(!breaker.may_ask(at(9)));
        assert!(breaker.may_ask(at(10)));
        breaker.abandoned(at(11));
        assert!(breaker.may_ask(at(11)), "who gave up makes room for another");
        assert!(!breaker.may_ask(at(11)));
    }
}
