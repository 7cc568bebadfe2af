//! Time as an argument: milliseconds since a start the caller chose.

use std::ops::Add;
use std::time::Duration;

/// A moment, in milliseconds since a start that the caller chooses once and keeps.
///
/// Moments are compared with each other and with nothing else, so any start does: the epoch, the start of the process, or zero in a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the moment `millis` milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns how long after `earlier` this is; zero if it is not after it.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at the last moment there is: an endless interval stays endless.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_and_subtracting_saturate() {
        let moment = Timestamp::from_millis(1_000);
        assert_eq!(moment + Duration::from_secs(2), Timestamp::from_millis(3_000));
        assert_eq!(moment + Duration::MAX, Timestamp::from_millis(u64::MAX));
        assert_eq!(
            (moment + Duration::from_secs(2)).saturating_since(moment),
            Duration::from_secs(2)
        );
        assert_eq!(moment.saturating_since(moment + Duration::from_secs(2)), Duration::ZERO);
    }
}
