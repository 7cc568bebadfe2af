//! Which kinds of event there are, and sets of them.

use std::fmt;

/// The kind of an [`Event`](crate::Event): the variant of the same name, without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// See [`Event::Listening`](crate::Event::Listening).
    Listening,
    /// See [`Event::Connected`](crate::Event::Connected).
    Connected,
    /// See [`Event::Disconnected`](crate::Event::Disconnected).
    Disconnected,
    /// See [`Event::ConnectRefused`](crate::Event::ConnectRefused).
    ConnectRefused,
    /// See [`Event::Subscribed`](crate::Event::Subscribed).
    Subscribed,
    /// See [`Event::Unsubscribed`](crate::Event::Unsubscribed).
    Unsubscribed,
    /// See [`Event::Published`](crate::Event::Published).
    Published,
    /// See [`Event::Delivered`](crate::Event::Delivered).
    Delivered,
    /// See [`Event::Dropped`](crate::Event::Dropped).
    Dropped,
    /// See [`Event::SessionCreated`](crate::Event::SessionCreated).
    SessionCreated,
    /// See [`Event::SessionResumed`](crate::Event::SessionResumed).
    SessionResumed,
    /// See [`Event::SessionEnded`](crate::Event::SessionEnded).
    SessionEnded,
    /// See [`Event::WillSent`](crate::Event::WillSent).
    WillSent,
    /// See [`Event::LimitReached`](crate::Event::LimitReached).
    LimitReached,
    /// See [`Event::HandshakeFailed`](crate::Event::HandshakeFailed).
    HandshakeFailed,
    /// See [`Event::Unserved`](crate::Event::Unserved).
    Unserved,
    /// See [`Event::Banned`](crate::Event::Banned).
    Banned,
    /// See [`Event::Denied`](crate::Event::Denied).
    Denied,
    // Stays last: the assertion below counts by it.
    /// See [`Event::Stopped`](crate::Event::Stopped).
    Stopped,
}

impl EventKind {
    /// Every kind there is, in the order of declaration.
    pub const ALL: [Self; 19] = [
        Self::Listening,
        Self::Connected,
        Self::Disconnected,
        Self::ConnectRefused,
        Self::Subscribed,
        Self::Unsubscribed,
        Self::Published,
        Self::Delivered,
        Self::Dropped,
        Self::SessionCreated,
        Self::SessionResumed,
        Self::SessionEnded,
        Self::WillSent,
        Self::LimitReached,
        Self::HandshakeFailed,
        Self::Unserved,
        Self::Banned,
        Self::Denied,
        Self::Stopped,
    ];

    /// Returns the set that holds this kind alone, as one bit.
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

const _: () = assert!(
    EventKind::ALL.len() == EventKind::Stopped as usize + 1,
    "a kind is missing from EventKind::ALL"
);

/// A set of [`EventKind`]s, as small as an integer.
///
/// ```
/// use flux_eventbus::{EventKind, EventKinds};
///
/// const SESSIONS: EventKinds =
///     EventKinds::of(&[EventKind::SessionCreated, EventKind::SessionResumed]);
///
/// let kinds = SESSIONS.union(EventKinds::of(&[EventKind::SessionEnded]));
/// assert!(kinds.contains(EventKind::SessionEnded));
/// assert!(!kinds.contains(EventKind::Published));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct EventKinds {
    /// Bit n stands for the kind that is declared n-th.
    bits: u32,
}

impl EventKinds {
    /// Returns the empty set.
    #[must_use]
    pub const fn none() -> Self {
        Self { bits: 0 }
    }

    /// Returns the set of every kind there is.
    #[must_use]
    pub const fn all() -> Self {
        Self::of(&EventKind::ALL)
    }

    /// Returns the set of these kinds.
    #[must_use]
    pub const fn of(kinds: &[EventKind]) -> Self {
        let mut bits = 0;
        let mut rest = kinds;
        while let [kind, others @ ..] = rest {
            bits |= kind.bit();
            rest = others;
        }
        Self { bits }
    }

    /// Returns whether the kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: EventKind) -> bool {
        self.bits & kind.bit() != 0
    }

    /// Returns the set of what is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits }
    }

    /// Returns the set as bits, for an atomic integer.
    pub(crate) const fn bits(self) -> u32 {
        self.bits
    }

    /// Returns the set that [`bits`](Self::bits) came from.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self { bits }
    }
}

impl From<EventKind> for EventKinds {
    fn from(kind: EventKind) -> Self {
        Self::of(&[kind])
    }
}

impl fmt::Debug for EventKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(EventKind::ALL.iter().filter(|&&kind| self.contains(kind))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_once_and_in_order() {
        for (n, kind) in EventKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, n);
        }
    }

    #[test]
    fn a_set_contains_what_it_was_made_of_and_nothing_else() {
        for kind in EventKind::ALL {
            assert!(EventKinds::all().contains(kind));
            assert!(!EventKinds::none().contains(kind));
            for other in EventKind::ALL {
                assert_eq!(EventKinds::from(kind).contains(other), kind == other);
            }
        }
        assert_eq!(EventKinds::of(&[]), EventKinds::none());
        assert_eq!(EventKinds::default(), EventKinds::none());
    }

    #[test]
    fn a_union_contains_what_either_set_does() {
        let left = EventKinds::of(&[EventKind::Connected, EventKind::Stopped]);
        let right = EventKinds::of(&[EventKind::Stopped, EventKind::Dropped]);
        for kind in EventKind::ALL {
            let either = left.contains(kind) || right.contains(kind);
            assert_eq!(left.union(right).contains(kind), either, "{kind:?}");
        }
        assert_eq!(left.union(EventKinds::none()), left);
    }

    #[test]
    fn debug_prints_the_kinds() {
        let kinds = EventKinds::of(&[EventKind::Stopped, EventKind::Connected]);
        assert_eq!(format!("{kinds:?}"), "{Connected, Stopped}");
    }
}
