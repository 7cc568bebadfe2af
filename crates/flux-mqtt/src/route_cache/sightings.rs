//! Which topics came lately, by their hashes.

/// A table of as many topics as a cache remembers, in 128 KiB that do not grow. Of those that meet in one
/// place it knows the last.
#[derive(Debug)]
pub(super) struct Sightings(Box<[u16]>);

impl Sightings {
    /// Notes a topic with this hash. `false` when it came before, mostly: it may have been forgotten
    /// meanwhile, and one in 65,536 is taken for another.
    pub(super) fn is_first(&mut self, hash: u64) -> bool {
        let [a, b, c, d, ..] = hash.to_le_bytes();
        let (place, mark) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        let noted = self.0.get_mut(usize::from(place));
        noted.is_some_and(|noted| std::mem::replace(noted, mark) != mark)
    }
}

impl Default for Sightings {
    fn default() -> Self {
        Self(vec![0; 1 << u16::BITS].into())
    }
}
