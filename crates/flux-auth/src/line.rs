//! [`Line`]: who waits for a turn, so that whoever sends many keeps out nobody who sends one.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use crate::party_of;

/// A line of bounded length in which each network has its turn after the others, and in a network each address, however many
/// it sends.
///
/// An IPv4 address is a network of its own; of an IPv6 address the first 48 bits are one, which is what one customer is given,
/// and the first 64 count as the address, as for [`Bans`](crate::Bans). So whoever has 65,536 of those has one turn among others.
///
/// When the line is full, whoever comes takes the place of the oldest of the network that has most in it, and there of the address
/// that has most, unless that is its own. Of one address the newest has its turn first: what came before may not be waited for
/// much longer, so that under a flood everything would be done for those who have given up.
#[derive(Debug)]
pub struct Line<J> {
    networks: Turns<Turns<VecDeque<J>>>,
    len: usize,
    most: usize,
}

impl<J> Line<J> {
    /// Returns a line for so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { networks: Turns::default(), len: 0, most }
    }

    /// Enters a job of somebody at this address; returns what found no place, which may be that or another.
    pub fn enter(&mut self, address: Option<IpAddr>, job: J) -> Option<J> {
        let out = match self.len < self.most {
            true => None,
            false => match self.make_room(address) {
                Some(out) => Some(out),
                None => return Some(job),
            },
        };
        let parties = self.networks.member(address.map(network_of));
        parties.member(address.map(party_of)).push_back(job);
        self.len += 1;
        out
    }

    /// Takes out the job whose turn it is.
    pub fn serve(&mut self) -> Option<J> {
        let job = self.networks.turn(|parties| parties.turn(VecDeque::pop_back))?;
        self.len -= 1;
        Some(job)
    }

    /// Takes the oldest of the network that has most, if that has more than the one that comes would have; else of that one
    /// itself, by the same rule for its addresses.
    fn make_room(&mut self, comes: Option<IpAddr>) -> Option<J> {
        let (network, party) = (comes.map(network_of), comes.map(party_of));
        let from = self.networks.most_after(Some(network))?;
        let out = self.networks.take(from, |parties| {
            let party = parties.most_after((from == network).then_some(party))?;
            parties.take(party, VecDeque::pop_front)
        })?;
        self.len -= 1;
        Some(out)
    }
}

/// Members that have something, each in its turn.
#[derive(Debug)]
struct Turns<M> {
    /// By address; none has nothing.
    members: HashMap<Option<IpAddr>, M>,
    /// The same addresses, whose turn is next first.
    order: VecDeque<Option<IpAddr>>,
}

impl<M: Member> Turns<M> {
    /// Returns a member, to which something is given.
    fn member(&mut self, address: Option<IpAddr>) -> &mut M {
        self.members.entry(address).or_insert_with(|| {
            self.order.push_back(address);
            M::default()
        })
    }

    /// Takes from the member whose turn it is.
    fn turn<J>(&mut self, take: impl FnOnce(&mut M) -> Option<J>) -> Option<J> {
        let address = self.order.pop_front()?;
        let member = self.members.get_mut(&address)?;
        let job = take(member);
        match member.is_empty() {
            true => drop(self.members.remove(&address)),
            false => self.order.push_back(address),
        }
        job
    }

    /// Takes from a member out of its turn.
    fn take<J>(
        &mut self,
        address: Option<IpAddr>,
        take: impl FnOnce(&mut M) -> Option<J>,
    ) -> Option<J> {
        let member = self.members.get_mut(&address)?;
        let job = take(member);
        if member.is_empty() {
            self.members.remove(&address);
            self.order.retain(|other| *other != address);
        }
        job
    }

    /// Returns who has most, if that is more than the one that comes, if it is one of these, would have; else that one.
    fn most_after(&self, comes: Option<Option<IpAddr>>) -> Option<Option<IpAddr>> {
        let most = self.members.iter().max_by_key(|(_, member)| member.len());
        let Some(comes) = comes else { return most.map(|(address, _)| *address) };
        let would_have = self.members.get(&comes).map_or(0, Member::len) + 1;
        let most = most.filter(|(_, member)| member.len() > would_have);
        Some(most.map_or(comes, |(address, _)| *address))
    }
}

impl<M> Default for Turns<M> {
    fn default() -> Self {
        Self { members: HashMap::new(), order: VecDeque::new() }
    }
}

/// What has so many jobs.
trait Member: Default {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool;
}

impl<J> Member for VecDeque<J> {
    fn len(&self) -> usize {
        self.len()
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<M: Member> Member for Turns<M> {
    fn len(&self) -> usize {
        self.members.values().map(Member::len).sum()
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// Returns what stands for all addresses that one customer may have.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// Returns what is in the line, in the order of its turns.
    fn rest(mut line: Line<u32>) -> Vec<u32> {
        let jobs = std::iter::from_fn(|| line.serve()).collect();
        assert_eq!((line.len, line.networks.members.len(), line.networks.order.len()), (0, 0, 0));
        jobs
    }

    #[test]
    fn each_address_has_its_turn_and_its_newest_first() {
        let mut line = Line::new(8);
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
        assert_eq!(rest(line), [3, 8, 5, 7, 2, 4, 6, 1]);
    }

    #[test]
    fn whoever_has_most_makes_room_in_a_full_line() {
        let mut line = Line::new(4);
        for job in 1..=4 {
            assert_eq!(line.enter(ip("192.0.2.1"), job), None);
        }
        assert_eq!(line.enter(ip("192.0.2.2"), 5), Some(1));
        assert_eq!(line.enter(ip("192.0.2.1"), 6), Some(2), "of its own");
        assert_eq!(line.enter(ip("192.0.2.2"), 7), Some(3));
        // There are two of each: only whoever comes anew has fewer.
        assert_eq!(line.enter(ip("192.0.2.2"), 8), Some(5));
        assert!(matches!(line.enter(ip("192.0.2.3"), 9), Some(4 | 7)));
        assert_eq!(rest(line).len(), 4);
    }

    #[test]
    fn whoever_comes_last_finds_no_place_where_nobody_has_two() {
        let mut line = Line::new(2);
        assert_eq!(line.enter(ip("192.0.2.1"), 1), None);
        assert_eq!(line.enter(ip("192.0.2.2"), 2), None);
        assert_eq!(line.enter(ip("192.0.2.3"), 3), Some(3));
        assert_eq!(line.enter(ip("192.0.2.1"), 4), Some(1), "its own");
        assert_eq!(rest(line), [2, 4]);
        assert_eq!(Line::new(0).enter(None, 1), Some(1));
    }

    #[test]
    fn whoever_has_many_ipv6_networks_of_64_bits_has_one_turn() {
        let mut line = Line::new(1_024);
        let of_one = |number: u32| ip(&format!("2001:db8:1:{number:x}::1"));
        for number in 0..1_024 {
            assert_eq!(line.enter(of_one(number), number), None);
        }
        // There is no place, but for who comes from elsewhere, and has its turn after one of those.
        assert_eq!(line.enter(of_one(1_024), 1_024), Some(1_024));
        assert!(line.enter(ip("2001:db8:2::1"), 2_000).is_some_and(|out| out < 1_024));
        assert!(line.enter(ip("192.0.2.1"), 2_001).is_some_and(|out| out < 1_024));
        assert!(line.enter(of_one(1_025), 1_025).is_some_and(|out| out == 1_025));
        assert!(line.serve().is_some_and(|job| job < 1_024));
        assert_eq!((line.serve(), line.serve()), (Some(2_000), Some(2_001)));
        assert_eq!(rest(line).len(), 1_021);
    }

    #[test]
    fn in_a_network_each_address_has_its_turn() {
        let mut line = Line::new(6);
        for (address, job) in [
            ("2001:db8:1:1::1", 1),
            ("2001:db8:1:1::2", 2),
            ("2001:db8:1:1::3", 3),
            ("2001:db8:1:1::1", 4),
            ("2001:db8:1:2::1", 5),
            ("2001:db8:2:1::1", 6),
        ] {
            assert_eq!(line.enter(ip(address), job), None);
        }
        assert_eq!(line.enter(ip("2001:db8:1:2::1"), 7), Some(1), "of who has most in its network");
        assert_eq!(line.enter(ip("192.0.2.1"), 8), Some(2), "of the network that has most");
        assert_eq!(rest(line), [4, 6, 8, 7, 3, 5]);
    }
}
