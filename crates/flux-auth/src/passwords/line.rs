//! [`Line`]: who waits for a thread, so that whoever sends many keeps out nobody who sends one.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use parking_lot::{Condvar, Mutex};

use crate::party_of;

/// A line of bounded length in which each address has its turn after the others, however many it sends.
///
/// When it is full, whoever comes takes the place of the oldest of the address that has most in it, unless that is its own. Of
/// one address the newest has its turn first: what came before may not be waited for much longer, so that under a flood
/// everything would be done for those who have given up. Of an IPv6 address the first 64 bits count, as for [`Bans`](crate::Bans).
pub(super) struct Line<J> {
    waiting: Mutex<Waiting<J>>,
    /// Somebody came, or nobody will any more.
    change: Condvar,
    most: usize,
}

struct Waiting<J> {
    /// What waits for each address, the oldest first; never nothing.
    jobs: HashMap<Option<IpAddr>, VecDeque<J>>,
    /// The same addresses, whose turn is next first.
    turns: VecDeque<Option<IpAddr>>,
    len: usize,
    is_closed: bool,
}

impl<J> Line<J> {
    /// Returns a line for so many.
    pub(super) fn new(most: usize) -> Self {
        let waiting =
            Waiting { jobs: HashMap::new(), turns: VecDeque::new(), len: 0, is_closed: false };
        Self { waiting: Mutex::new(waiting), change: Condvar::new(), most }
    }

    /// Enters a job of somebody at this address; returns what found no place, which may be that or another.
    pub(super) fn enter(&self, address: Option<IpAddr>, job: J) -> Option<J> {
        let address = address.map(party_of);
        let mut waiting = self.waiting.lock();
        let out = match waiting.len < self.most {
            true => None,
            false => match waiting.make_room(address) {
                Some(out) => Some(out),
                None => return Some(job),
            },
        };
        waiting.push(address, job);
        drop(waiting);
        self.change.notify_one();
        out
    }

    /// Waits for the next; `None` when the line is closed.
    pub(super) fn next(&self) -> Option<J> {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            if let Some(job) = waiting.pop() {
                return Some(job);
            }
            self.change.wait(&mut waiting);
        }
    }

    /// Sends all away who wait for the next.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.change.notify_all();
    }
}

impl<J> Waiting<J> {
    fn push(&mut self, address: Option<IpAddr>, job: J) {
        let jobs = self.jobs.entry(address).or_default();
        if jobs.is_empty() {
            self.turns.push_back(address);
        }
        jobs.push_back(job);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<J> {
        let address = self.turns.pop_front()?;
        let jobs = self.jobs.get_mut(&address)?;
        let job = jobs.pop_back()?;
        match jobs.is_empty() {
            true => drop(self.jobs.remove(&address)),
            false => self.turns.push_back(address),
        }
        self.len -= 1;
        Some(job)
    }

    /// Takes the oldest of the address that has most, if that has more than the one that comes would have; else the oldest
    /// of that one itself, if it has any.
    fn make_room(&mut self, comes: Option<IpAddr>) -> Option<J> {
        let has = self.jobs.get(&comes).map_or(0, VecDeque::len);
        let (most, len) =
            self.jobs.iter().map(|(it, jobs)| (*it, jobs.len())).max_by_key(|it| it.1)?;
        let from = if len > has + 1 { most } else { comes };
        let jobs = self.jobs.get_mut(&from)?;
        let out = jobs.pop_front()?;
        self.len -= 1;
        if jobs.is_empty() {
            self.jobs.remove(&from);
            self.turns.retain(|address| *address != from);
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// Returns what is in the line, in the order of its turns.
    fn rest(line: &Line<u32>) -> Vec<u32> {
        let mut waiting = line.waiting.lock();
        let jobs = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!((waiting.len, waiting.jobs.len(), waiting.turns.len()), (0, 0, 0));
        jobs
    }

    #[test]
    fn each_address_has_its_turn_and_its_newest_first() {
        let line = Line::new(8);
        for (address, job) in [
            (ip("192.0.2.1"), 1),
            (ip("192.0.2.1"), 2),
            (ip("192.0.2.1"), 3),
            (ip("192.0.2.2"), 4),
            (None, 5),
            (ip("2001:db8::1"), 6),
            (ip("2001:db8::2"), 7),
            (ip("::ffff:192.0.2.2"), 8),
        ] {
            assert_eq!(line.enter(address, job), None);
        }
        assert_eq!(rest(&line), [3, 8, 5, 7, 2, 4, 6, 1]);
    }

    #[test]
    fn whoever_has_most_makes_room_in_a_full_line() {
        let line = Line::new(4);
        for job in 1..=4 {
            assert_eq!(line.enter(ip("192.0.2.1"), job), None);
        }
        assert_eq!(line.enter(ip("192.0.2.2"), 5), Some(1));
        assert_eq!(line.enter(ip("192.0.2.1"), 6), Some(2), "of its own");
        assert_eq!(line.enter(ip("192.0.2.2"), 7), Some(3));
        // There are two of each: only whoever comes anew has fewer.
        assert_eq!(line.enter(ip("192.0.2.2"), 8), Some(5));
        assert!(matches!(line.enter(ip("192.0.2.3"), 9), Some(4 | 7)));
        assert_eq!(rest(&line).len(), 4);
    }

    #[test]
    fn whoever_comes_last_finds_no_place_where_nobody_has_two() {
        let line = Line::new(2);
        assert_eq!(line.enter(ip("192.0.2.1"), 1), None);
        assert_eq!(line.enter(ip("192.0.2.2"), 2), None);
        assert_eq!(line.enter(ip("192.0.2.3"), 3), Some(3));
        assert_eq!(line.enter(ip("192.0.2.1"), 4), Some(1), "its own");
        assert_eq!(rest(&line), [2, 4]);
        assert_eq!(Line::new(0).enter(None, 1), Some(1));
    }

    #[test]
    fn a_closed_line_has_no_next() {
        let line = Line::new(2);
        line.enter(None, 1);
        line.enter(None, 2);
        assert_eq!(line.next(), Some(2));
        line.close();
        assert_eq!(line.next(), None);
    }
}
