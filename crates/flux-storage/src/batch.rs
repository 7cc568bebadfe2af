//! Records that go to the log together.

use thiserror::Error;

use crate::record::Record;

/// Encoded records, in their order. Encoding is the only copy of a message on its way to the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
}

/// A record that is too long for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the record is longer than 256 MiB, the most that the log takes")]
pub struct RecordTooLong;

impl Batch {
    /// Returns a batch without records.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// When it is too long; the batch stays as it was.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), RecordTooLong> {
        record.encode(&mut self.bytes).ok_or(RecordTooLong)
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

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
