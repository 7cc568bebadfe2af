//! Where what the broker wants stored would be: a disk that confirms late, and forgets in a crash.
//!
//! Nothing is stored so far. The place is here so that durability has only to send something into it: what
//! a crash leaves is exactly what was confirmed, and perhaps some of what was written after it.

use flux_mqtt::{Record, Sequence};

use crate::random::Random;

/// A disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    written: Vec<Written>,
    /// So many of the first are safe.
    confirmed: usize,
}

/// A record, and which worker is told that it is safe.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) worker: usize,
    pub(crate) sequence: Sequence,
    #[expect(dead_code, reason = "a broker that is started again does not read it yet")]
    pub(crate) record: Record,
}

impl Disk {
    /// Takes a record, which is not safe yet.
    pub(crate) fn write(&mut self, worker: usize, sequence: Sequence, record: Record) {
        self.written.push(Written { worker, sequence, record });
    }

    /// Makes safe what was written, and returns who is to be told of what.
    pub(crate) fn sync(&mut self) -> Vec<(usize, Sequence)> {
        let new = self.written.iter().skip(self.confirmed);
        let new = new.map(|written| (written.worker, written.sequence)).collect();
        self.confirmed = self.written.len();
        new
    }

    /// The machine stops: what was not safe is there or not, in the order in which it was written.
    /// Returns what is left.
    pub(crate) fn crash(&mut self, random: &mut Random) -> &[Written] {
        let not_safe = self.written.len() - self.confirmed;
        self.written.truncate(self.confirmed + random.index(not_safe + 1));
        self.confirmed = self.written.len();
        &self.written
    }
}

#[cfg(test)]
mod tests {
    use flux_mqtt::{Message, RetainedMessage};

    use super::*;

    fn write(disk: &mut Disk, sequences: std::ops::Range<u64>) {
        for sequence in sequences {
            let (topic, payload) = ("a".to_owned(), vec![1].into());
            let message = Message::from(RetainedMessage { topic, payload, qos: 1 });
            disk.write(0, Sequence(sequence), Record::Message { message, sessions: Vec::new() });
        }
    }

    #[test]
    fn a_crash_leaves_what_was_confirmed_and_a_beginning_of_the_rest() {
        let mut left = [false; 4];
        for seed in 0..100 {
            let mut disk = Disk::default();
            write(&mut disk, 0..2);
            assert_eq!(disk.sync(), [(0, Sequence(0)), (0, Sequence(1))]);
            assert_eq!(disk.sync(), [], "each is confirmed once");
            write(&mut disk, 2..5);
            let kept = disk.crash(&mut Random::new(seed, 0));
            assert!(kept.iter().map(|written| written.sequence.0).eq(0..kept.len() as u64));
            left[kept.len() - 2] = true;
        }
        assert_eq!(left, [true; 4], "any number of the others may be there");
    }
}
