//! How often something may happen.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flux_session::Timestamp;

/// So many in a second, and as many at once after a quiet one. Threads may share it, and the rate may be another each time.
///
/// What is in it is time: it fills up by itself, to a second at most, and a token costs its share of a second.
#[derive(Debug, Default)]
pub(crate) struct TokenBucket {
    /// The moment up to which all time is spent; later than now where more was spent than there was.
    spent: AtomicU64,
}

impl TokenBucket {
    /// Takes a token. More than a thousand million in a second are not counted.
    ///
    /// # Errors
    ///
    /// How long it takes until there is one, when there is none.
    pub(crate) fn take(&self, now: Timestamp, per_second: NonZeroU64) -> Result<(), Duration> {
        let (now, token) = (ticks(now), cost(1, per_second));
        let next = |spent: u64| Some(after(spent, now, token)).filter(|spent| *spent <= now);
        let taken = self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        taken.map(drop).map_err(|spent| time_until(spent.saturating_add(token), now))
    }

    /// Takes so many tokens, however many there are.
    pub(crate) fn spend(&self, now: Timestamp, per_second: NonZeroU64, tokens: u64) {
        let (now, cost) = (ticks(now), cost(tokens, per_second));
        let next = |spent: u64| Some(after(spent, now, cost));
        // It always has a next value.
        let _before = self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// Returns how long it takes until there is a token: `None` if there is one.
    pub(crate) fn wait(&self, now: Timestamp, per_second: NonZeroU64) -> Option<Duration> {
        let (now, token) = (ticks(now), cost(1, per_second));
        let moment = after(self.spent.load(Ordering::Relaxed), now, token);
        (moment > now).then(|| time_until(moment, now))
    }

    /// Returns whether no more goes in, at whatever rate.
    pub(crate) fn is_full(&self, now: Timestamp) -> bool {
        self.spent.load(Ordering::Relaxed) <= ticks(now).saturating_sub(SECOND)
    }
}

/// Returns up to which moment all is spent after so much more.
fn after(spent: u64, now: u64, cost: u64) -> u64 {
    // What came in more than a second ago has run over.
    spent.max(now.saturating_sub(SECOND)).saturating_add(cost)
}

/// Returns the ticks that so many tokens cost.
fn cost(tokens: u64, per_second: NonZeroU64) -> u64 {
    let ticks = u128::from(tokens) * u128::from(SECOND) / u128::from(per_second.get());
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// Returns a moment in ticks; a second has passed by the first, so that a bucket begins full.
fn ticks(now: Timestamp) -> u64 {
    now.as_millis().saturating_mul(MILLISECOND).saturating_add(SECOND)
}

fn time_until(moment: u64, now: u64) -> Duration {
    Duration::from_millis(moment.saturating_sub(now).div_ceil(MILLISECOND))
}

/// Ticks are a little shorter than nanoseconds, so that all of it fits and is shifted.
const MILLISECOND: u64 = 1 << 20;
const SECOND: u64 = 1000 * MILLISECOND;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn rate(per_second: u64) -> NonZeroU64 {
        NonZeroU64::new(per_second).unwrap()
    }

    #[test]
    fn as_many_as_the_rate_at_once_then_one_after_the_other() {
        let (bucket, four) = (TokenBucket::default(), rate(4));
        for _ in 0..4 {
            assert_eq!(bucket.take(at(0), four), Ok(()));
        }
        assert_eq!(bucket.take(at(0), four), Err(Duration::from_millis(250)));
        assert_eq!(bucket.take(at(249), four), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(at(250), four), Ok(()));
        assert_eq!(bucket.take(at(250), four), Err(Duration::from_millis(250)));
    }

    #[test]
    fn a_long_rest_saves_no_more_than_a_second() {
        for per_second in [1, 3, 7, 1001] {
            let bucket = TokenBucket::default();
            for moment in [0, 1 << 43] {
                let taken = (0..2000).filter(|_| bucket.take(at(moment), rate(per_second)).is_ok());
                assert_eq!(taken.count(), usize::try_from(per_second).unwrap());
            }
        }
    }

    #[test]
    fn whoever_waits_as_told_gets_one() {
        for per_second in [1, 3, 7, 999, 1001, u64::MAX] {
            let bucket = TokenBucket::default();
            while bucket.wait(at(0), rate(per_second)).is_none() {
                bucket.spend(at(0), rate(per_second), per_second);
            }
            let wait = bucket.take(at(0), rate(per_second)).expect_err("it is empty");
            assert_eq!(bucket.wait(at(0), rate(per_second)), Some(wait));
            assert_eq!(bucket.take(at(0) + wait, rate(per_second)), Ok(()), "{per_second}");
        }
    }

    #[test]
    fn what_is_spent_beyond_what_there_is_has_to_come_in_first() {
        let (bucket, thousand) = (TokenBucket::default(), rate(1000));
        bucket.spend(at(0), thousand, 999);
        assert!(bucket.wait(at(0), thousand).is_none() && !bucket.is_full(at(998)));
        assert!(bucket.is_full(at(999)));
        bucket.spend(at(0), thousand, 2001);
        for (moment, wait) in [(0, Some(2001)), (2000, Some(1)), (2001, None)] {
            assert_eq!(bucket.wait(at(moment), thousand), wait.map(Duration::from_millis));
        }
        bucket.spend(at(5000), thousand, u64::MAX);
        assert!(bucket.wait(at(5000), thousand) > Some(Duration::ZERO));
    }

    #[test]
    fn with_another_rate_what_is_left_takes_its_share_of_a_second() {
        let bucket = TokenBucket::default();
        bucket.spend(at(0), rate(1000), 500);
        let taken = (0..100).filter(|_| bucket.take(at(0), rate(10)).is_ok()).count();
        assert_eq!(taken, 5, "half a second's");
    }
}
