//! [`Strategy`]: who of those with room is asked first.

use std::collections::VecDeque;

use super::line::Ticket;

/// Which of the members that have room gets a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Any, by the number that is drawn for the message.
    Random,
    /// The one that took the last, for as long as it has room.
    Sticky,
    /// The same one for the same drawn number, a hash of the publisher or of the topic say, for as
    /// long as it has room. When members come and go, only what must move does.
    Affine,
}

impl Strategy {
    /// Returns the place in the ring of the member that is asked next and is not barred. `number` says which member's it is, if
    /// it is one's.
    pub(super) fn choose<K: PartialEq>(
        self,
        ring: &VecDeque<(K, Ticket)>,
        draw: u64,
        barred: &[K],
        number: impl Fn(&K, Ticket) -> Option<u64>,
    ) -> Option<usize> {
        let may_be_asked = |(key, _): &(K, Ticket)| !barred.contains(key);
        match self {
            Self::RoundRobin | Self::Sticky => ring.iter().position(may_be_asked),
            Self::Random => {
                let len = u64::try_from(ring.len()).unwrap_or(u64::MAX);
                let first = usize::try_from(draw.checked_rem(len)?).unwrap_or_default();
                let mut places = (first..ring.len()).chain(0..first);
                places.find(|place| ring.get(*place).is_some_and(may_be_asked))
            }
            Self::Affine => {
                let weight = |(key, ticket): &(K, Ticket)| {
                    number(key, *ticket).map(|number| mix(draw ^ mix(number)))
                };
                let ring = ring.iter().enumerate().filter(|(_, place)| may_be_asked(place));
                Some(ring.max_by_key(|(_, place)| weight(place))?.0)
            }
        }
    }

    /// Returns whether the order in the ring decides who is asked.
    pub(super) const fn needs_order(self) -> bool {
        match self {
            Self::RoundRobin | Self::Sticky => true,
            Self::Random | Self::Affine => false,
        }
    }
}

/// Scatters a number, so that neighbours are far apart (the finaliser of splitmix64).
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
