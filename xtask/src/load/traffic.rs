//! Who publishes how much to whom.

use std::time::Duration;

/// A shape of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(super) shape: Shape,
    pub(super) qos: u8,
    /// Bytes of a payload; the first [`super::packets::STAMP`] say which message it is.
    pub(super) payload: usize,
    pub(super) pace: Pace,
}

/// Who is connected to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// So many publishers, each to one subscriber of its own.
    Pairs(usize),
    /// The same, but each publisher's subscriber connects one place later: in a broker that gives new
    /// connections to its threads in turn, none of an even number of pairs is on one thread alone.
    Apart(usize),
    /// One publisher to so many subscribers.
    FanOut(usize),
    /// So many publishers to one subscriber.
    FanIn(usize),
    /// So many publishers to a shared subscription with so many members.
    Shared(usize, usize),
    /// So many publishers to one session that is away: what is acknowledged counts as delivered.
    Away(usize),
}

/// When the next message is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// While a publisher has fewer than so many messages that its slowest subscriber has not seen.
    Window(u64),
    /// So many in a second, all publishers together, whatever becomes of those before: the time from when
    /// each was due until it arrives is noted.
    PerSecond(u64),
}

impl Traffic {
    /// Returns the number of publishers, each with a topic of its own.
    pub(super) fn publishers(self) -> usize {
        match self.shape {
            Shape::Pairs(publishers)
            | Shape::Apart(publishers)
            | Shape::FanIn(publishers)
            | Shape::Shared(publishers, _)
            | Shape::Away(publishers) => publishers,
            Shape::FanOut(_) => 1,
        }
    }

    /// Returns the number of subscribers.
    pub(super) fn subscribers(self) -> usize {
        match self.shape {
            Shape::Pairs(subscribers)
            | Shape::Apart(subscribers)
            | Shape::FanOut(subscribers)
            | Shape::Shared(_, subscribers) => subscribers,
            Shape::FanIn(_) => 1,
            Shape::Away(_) => 0,
        }
    }

    /// Returns how many deliveries each message becomes.
    pub(super) fn copies(self) -> u64 {
        match self.shape {
            Shape::FanOut(subscribers) => subscribers as u64,
            Shape::Pairs(_)
            | Shape::Apart(_)
            | Shape::FanIn(_)
            | Shape::Shared(..)
            | Shape::Away(_) => 1,
        }
    }

    /// Returns how many messages a publisher sends in one go, for so many deliveries; with a rate, those
    /// of so many seconds.
    pub(super) fn each(self, deliveries: u64, seconds: u64) -> u64 {
        let all = match self.pace {
            // Half a GiB in all is enough of large ones.
            Pace::Window(_) => deliveries.min((1 << 29) / self.payload as u64) / self.copies(),
            Pace::PerSecond(rate) => rate * seconds,
        };
        (all / self.publishers() as u64).max(1)
    }

    /// Returns the filter of one subscriber.
    pub(super) fn filter(self, subscriber: usize) -> String {
        match self.shape {
            Shape::Pairs(_) => topic(subscriber),
            Shape::Apart(pairs) => topic((subscriber + 1) % pairs),
            Shape::FanOut(_) => topic(0),
            Shape::FanIn(_) | Shape::Away(_) => "bench/+".to_owned(),
            Shape::Shared(..) => "$share/load/bench/+".to_owned(),
        }
    }

    /// Returns how long a publisher waits between two messages, if it keeps a rate.
    pub(super) fn interval(self) -> Option<Duration> {
        let Pace::PerSecond(rate) = self.pace else { return None };
        let nanoseconds = 1_000_000_000 * self.publishers() as u64 / rate.max(1);
        Some(Duration::from_nanos(nanoseconds))
    }

    /// Returns how many messages of a publisher may be under way; a rate has no such limit.
    pub(super) fn window(self) -> u64 {
        match self.pace {
            Pace::Window(window) => window,
            Pace::PerSecond(_) => u64::MAX,
        }
    }
}

/// Returns the topic of one publisher.
pub(super) fn topic(publisher: usize) -> String {
    format!("bench/{publisher}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(shape: Shape) -> Traffic {
        Traffic { shape, qos: 0, payload: 64, pace: Pace::PerSecond(10_000) }
    }

    #[test]
    fn a_rate_is_shared_by_the_publishers() {
        assert_eq!(traffic(Shape::Pairs(10)).interval(), Some(Duration::from_millis(1)));
    }

    #[test]
    fn each_of_those_apart_has_another_place_than_its_publisher() {
        let filters = (0..4).map(|number| traffic(Shape::Apart(4)).filter(number));
        assert!(filters.eq([1, 2, 3, 0].map(topic)));
    }
}
