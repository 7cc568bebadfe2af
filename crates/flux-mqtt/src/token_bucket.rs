//! How often something may happen.

use std::num::NonZeroU32;
use std::time::Duration;

use flux_session::Timestamp;

/// So many in a second, and as many at once after a quiet one.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: u64,
    /// Thousandths of a token.
    filled: u64,
    /// When `filled` was right.
    at: Timestamp,
}

impl TokenBucket {
    /// Returns a full bucket.
    pub(crate) fn new(now: Timestamp, per_second: NonZeroU32) -> Self {
        let per_second = u64::from(per_second.get());
        Self { per_second, filled: per_second * TOKEN, at: now }
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// How long it takes until there is one, when there is none.
    pub(crate) fn take(&mut self, now: Timestamp) -> Result<(), Duration> {
        let elapsed = now.saturating_since(self.at).as_millis();
        // In each millisecond as many thousandths as there are tokens in a second.
        let more = u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_mul(self.per_second);
        self.filled = self.filled.saturating_add(more).min(self.per_second * TOKEN);
        self.at = self.at.max(now);
        match self.filled.checked_sub(TOKEN) {
            Some(left) => {
                self.filled = left;
                Ok(())
            }
            None => Err(Duration::from_millis((TOKEN - self.filled).div_ceil(self.per_second))),
        }
    }
}

const TOKEN: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn as_many_as_the_rate_at_once_then_one_after_the_other() {
        let mut bucket = TokenBucket::new(at(5), NonZeroU32::new(4).unwrap());
        for _ in 0..4 {
            assert_eq!(bucket.take(at(5)), Ok(()));
        }
        assert_eq!(bucket.take(at(5)), Err(Duration::from_millis(250)));
        assert_eq!(bucket.take(at(254)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(at(255)), Ok(()));
        assert_eq!(bucket.take(at(255)), Err(Duration::from_millis(250)));
    }

    #[test]
    fn a_long_rest_saves_no_more_than_a_second() {
        let mut bucket = TokenBucket::new(at(0), NonZeroU32::new(3).unwrap());
        for moment in [0, u64::MAX] {
            let taken = (0..10).filter(|_| bucket.take(at(moment)).is_ok()).count();
            assert_eq!(taken, 3);
        }
    }

    #[test]
    fn whoever_waits_as_told_gets_one() {
        for rate in [1, 3, 7, 999, 1001, u32::MAX] {
            let mut bucket = TokenBucket::new(at(0), NonZeroU32::new(rate).unwrap());
            bucket.filled = 0;
            let wait = bucket.take(at(0)).expect_err("it is empty");
            let moment = at(0) + wait;
            assert_eq!(bucket.take(moment), Ok(()), "{rate}");
        }
    }
}
