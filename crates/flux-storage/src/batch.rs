//! Records that go to the log together.

use std::ops::Range;

use thiserror::Error;

use crate::record::Record;

/// Encoded records, in their order. Encoding is the only copy of a message on its way to the disk.
#[derive(Clone, derive_more::Debug, Default, PartialEq, Eq)]
pub struct Batch {
    #[debug("{} bytes", bytes.len())]
    bytes: Vec<u8>,
    records: u32,
    /// Which parts are not to be divided, in their order.
    joined: Vec<Range<usize>>,
}

/// A record that is too long for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the record is longer than 256 MiB, the most that the log takes")]
pub struct RecordTooLong;

impl Batch {
    /// Returns a batch without records.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), records: 0, joined: Vec::new() }
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// When it is too long; the batch stays as it was.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), RecordTooLong> {
        record.encode(&mut self.bytes).ok_or(RecordTooLong)?;
        self.records = self.records.saturating_add(1);
        Ok(())
    }

    /// Joins the records that were added since the batch was `from` bytes [long](Self::len): after a crash all of them
    /// are there, or none.
    pub fn join(&mut self, from: usize) {
        if from < self.bytes.len() {
            self.joined.push(from..self.bytes.len());
        }
    }

    /// Returns whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns how many bytes its records take in the log.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns how many records it has.
    pub(crate) const fn records(&self) -> u32 {
        self.records
    }

    #[cfg(test)]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns its records in their order, and of each part whether it is not to be divided.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let ends = self.joined.iter().flat_map(|part| [(part.start, false), (part.end, true)]);
        let mut at = 0;
        ends.chain([(self.bytes.len(), false)]).filter_map(move |(end, is_joined)| {
            let part = self.bytes.get(at..end)?;
            at = end;
            (!part.is_empty()).then_some((part, is_joined))
        })
    }
}
