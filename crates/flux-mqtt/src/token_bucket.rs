//! How often something may happen.

use std::num::NonZeroU64;
use std::time::Duration;

use flux_session::Timestamp;

/// So many in a second, and as many at once after a quiet one.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: u64,
    /// Thousandths of a token; less than none where more was spent than there was.
    filled: i64,
    /// When `filled` was right.
    at: Timestamp,
}

impl TokenBucket {
    /// Returns a full bucket. More than 2^50 in a second are not counted.
    pub(crate) fn new(now: Timestamp, per_second: NonZeroU64) -> Self {
        let mut bucket = Self { per_second: per_second.get().min(FASTEST), filled: 0, at: now };
        bucket.filled = bucket.capacity();
        bucket
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// How long it takes until there is one, when there is none.
    pub(crate) fn take(&mut self, now: Timestamp) -> Result<(), Duration> {
        self.refill(now);
        match self.filled - TOKEN {
            left @ 0.. => {
                self.filled = left;
                Ok(())
            }
            missing => Err(self.time_for(missing.unsigned_abs())),
        }
    }

    /// Takes so many tokens, however many there are, and returns how long it takes until there is one again: `None` if there
    /// is one left.
    pub(crate) fn spend(&mut self, now: Timestamp, tokens: u64) -> Option<Duration> {
        self.refill(now);
        let spent = i64::try_from(tokens).unwrap_or(i64::MAX).saturating_mul(TOKEN);
        self.filled = self.filled.saturating_sub(spent);
        let missing = TOKEN.saturating_sub(self.filled);
        (missing > 0).then(|| self.time_for(missing.unsigned_abs()))
    }

    /// Returns whether there is none.
    pub(crate) fn is_empty(&mut self, now: Timestamp) -> bool {
        self.refill(now);
        self.filled < TOKEN
    }

    fn refill(&mut self, now: Timestamp) {
        let elapsed = now.saturating_since(self.at).as_millis();
        // In each millisecond as many thousandths as there are tokens in a second.
        let more = u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_mul(self.per_second);
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        self.filled = self.filled.saturating_add(more).min(self.capacity());
        self.at = self.at.max(now);
    }

    /// What a whole second brings.
    fn capacity(&self) -> i64 {
        i64::try_from(self.per_second).unwrap_or(i64::MAX).saturating_mul(TOKEN)
    }

    fn time_for(&self, thousandths: u64) -> Duration {
        Duration::from_millis(thousandths.div_ceil(self.per_second))
    }
}

const TOKEN: i64 = 1000;
const FASTEST: u64 = 1 << 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn as_many_as_the_rate_at_once_then_one_after_the_other() {
        let mut bucket = TokenBucket::new(at(5), NonZeroU64::new(4).unwrap());
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
        let mut bucket = TokenBucket::new(at(0), NonZeroU64::new(3).unwrap());
        for moment in [0, u64::MAX] {
            let taken = (0..10).filter(|_| bucket.take(at(moment)).is_ok()).count();
            assert_eq!(taken, 3);
        }
    }

    #[test]
    fn whoever_waits_as_told_gets_one() {
        for rate in [1, 3, 7, 999, 1001, u64::MAX] {
            let mut bucket = TokenBucket::new(at(0), NonZeroU64::new(rate).unwrap());
            bucket.filled = 0;
            let wait = bucket.take(at(0)).expect_err("it is empty");
            let moment = at(0) + wait;
            assert_eq!(bucket.take(moment), Ok(()), "{rate}");
        }
    }

    #[test]
    fn what_is_spent_beyond_what_there_is_has_to_come_in_first() {
        let mut bucket = TokenBucket::new(at(0), NonZeroU64::new(1000).unwrap());
        assert_eq!(bucket.spend(at(0), 999), None);
        assert!(!bucket.is_empty(at(0)));
        assert_eq!(bucket.spend(at(0), 2001), Some(Duration::from_millis(2001)));
        assert!(bucket.is_empty(at(2000)));
        assert!(!bucket.is_empty(at(2001)));
        assert_eq!(
            bucket.spend(at(u64::MAX), u64::MAX).map(|wait| wait > Duration::ZERO),
            Some(true)
        );
    }
}
