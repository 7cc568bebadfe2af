//! [`Scope`]: which topic names a subscription, when it comes or goes, can concern.

#[cfg(test)]
mod tests;

use crate::filter::TopicFilter;
use crate::name::TopicName;

/// The topic names that begin with the same levels: what a cache of matches is told to forget.
///
/// A subscription that comes or goes has one scope, the literal levels that its filter begins with
/// (at most [`DEPTH`](Self::DEPTH) of them). A topic name lies in several: one for each number of
/// its own leading levels, from none to `DEPTH`. **What a filter matches lies in the filter's
/// scope.** So a cache that counts the changes of each scope keeps what it found for a topic while
/// the sum over the topic's scopes is what it was; the counts only grow, so an equal sum means that
/// nothing changed:
///
/// ```
/// use flux_topic::{TopicFilter, TopicName};
///
/// let mut changes = [0; 1024];
/// let version = |changes: &[u64], topic: &str| -> u64 {
///     let scopes = TopicName::parse(topic).unwrap().scopes();
///     scopes.iter().map(|scope| changes[scope.index(changes.len())]).sum()
/// };
/// let (device_17, device_18) =
///     (version(&changes, "fleet/17/cmd"), version(&changes, "fleet/18/cmd"));
///
/// let filter = TopicFilter::parse("fleet/17/cmd").unwrap();
/// changes[filter.scope().index(changes.len())] += 1;
/// assert_ne!(version(&changes, "fleet/17/cmd"), device_17);
/// assert_eq!(version(&changes, "fleet/18/cmd"), device_18);
///
/// let filter = TopicFilter::parse("fleet/+/cmd").unwrap();
/// changes[filter.scope().index(changes.len())] += 1;
/// assert_ne!(version(&changes, "fleet/18/cmd"), device_18);
/// ```
///
/// It is a hash of the levels, so two scopes may be one by chance, all the more after
/// [`index`](Self::index); then more is forgotten than need be, never less. The hash is public and
/// the same everywhere. A peer may thus aim at the scopes of others: it makes them be found again,
/// which a subscription to `fleet/#` does as well, and can do nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope(u32);

impl Scope {
    /// How many leading levels are told apart: `site/line/machine/sensor`, say. Filters that differ
    /// behind them share a scope.
    pub const DEPTH: usize = 4;

    /// The scope of a filter that begins with a wildcard: every topic name lies in it.
    pub const ALL: Self = Self::of(SEED);

    /// Returns which of `counters` counts the changes of this scope: a number below `counters`, or 0
    /// when there are none.
    #[must_use]
    pub const fn index(self, counters: usize) -> usize {
        match (self.0 as usize).checked_rem(counters) {
            Some(index) => index,
            None => 0,
        }
    }

    const fn of(hash: u64) -> Self {
        Self((hash >> 32) as u32)
    }
}

impl TopicFilter {
    /// Returns the scope that a change of a subscription with this filter concerns: the smallest
    /// with every topic name that the filter matches.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let literal = self.levels().take_while(|level| !matches!(*level, "+" | "#"));
        Scope::of(literal.take(Scope::DEPTH).fold(SEED, below))
    }
}

impl TopicName<'_> {
    /// Returns the scopes that the name lies in, from [`Scope::ALL`] to the smallest. A name of few
    /// levels repeats the smallest, which a sum may count again.
    ///
    /// It depends on the name alone: who keeps something for a topic can keep its scopes beside it.
    #[must_use]
    pub fn scopes(self) -> [Scope; Scope::DEPTH + 1] {
        let mut scopes = [Scope::ALL; Scope::DEPTH + 1];
        let mut levels = self.levels();
        let mut hash = SEED;
        for scope in scopes.iter_mut().skip(1) {
            hash = levels.next().map_or(hash, |level| below(hash, level));
            *scope = Scope::of(hash);
        }
        scopes
    }
}

/// Returns the hash of the levels that `hash` is of, and one more.
///
/// What remains behind the last eight bytes, nothing perhaps, has a 1 in front: so the end of a level
/// counts, and an empty one too.
fn below(hash: u64, level: &str) -> u64 {
    let (words, rest) = level.as_bytes().as_chunks();
    let hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_be_bytes(*word)));
    mix(hash, rest.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)))
}

/// Multiplies to twice the width and folds, so that every bit of both reaches every bit of the
/// result.
fn mix(hash: u64, word: u64) -> u64 {
    let (low, high) = (hash ^ word).carrying_mul(FACTOR, 0);
    low ^ high
}

/// The first 128 bits of the fraction of pi: numbers with nothing up their sleeve.
const SEED: u64 = 0x243F_6A88_85A3_08D3;
const FACTOR: u64 = 0x1319_8A2E_0370_7345;
