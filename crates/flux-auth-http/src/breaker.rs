//! [`Breaker`]: whoever fails again and again is left alone for a while.

mod doors;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use flux_auth::{Credentials, party_of};
use flux_time::Timestamp;

use self::doors::Doors;

/// Says whether to ask somebody who may be down. Time is an argument.
///
/// A question may fail by what a client shows, and nobody else's would. So there are three doors: that of a client closes
/// after so many failures in a row, that of an address after failures of so many clients there, and that of all after so many
/// addresses found [nobody](Failure::NobodyThere), without an answer to anybody in between. A bad answer is one: by names that
/// have one come of them nobody shuts the door for others, from however many addresses it comes.
///
/// Behind a closed door nobody asks for a while; then one may try, and what comes of that decides. Whoever has failed waits one
/// pause longer for that than others: else whoever comes most often would try for all. The door of all is none for addresses
/// whose clients were let in lately, until they fail themselves: who can have questions go unanswered keeps out no more than those who are
/// new, and an answer to one of the others opens the door for these as well.
#[derive(Debug)]
pub(crate) struct Breaker {
    most_failures: u32,
    pause: Duration,
    all: Door,
    /// The addresses whose clients were let in lately, each once, and have not failed since.
    let_in: VecDeque<Key>,
    addresses: Doors,
    clients: Doors,
    /// Makes keys.
    hasher: RandomState,
}

/// Whom a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    address: Key,
    client: Key,
}

/// What came of a question in place of a yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Something else, that whoever asked can have brought about.
    BadAnswer,
    /// Nothing.
    NobodyThere,
}

/// Who is not asked about from now on, and was until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// This client at this address.
    Client,
    /// Everybody at this address.
    Address,
    /// Everybody.
    All,
}

/// Stands for an address, or for a client there.
type Key = u64;

#[derive(Debug, Default)]
struct Door {
    /// In a row.
    failures: u32,
    /// Who failed since there was an answer, the last ones, each once.
    failed: VecDeque<Key>,
    /// Until when nobody asks.
    closed_until: Option<Timestamp>,
}

impl Breaker {
    pub(crate) fn new(most_failures: u32, pause: Duration) -> Self {
        Self {
            most_failures: most_failures.max(1),
            pause,
            all: Door::default(),
            let_in: VecDeque::new(),
            addresses: Doors::default(),
            clients: Doors::default(),
            hasher: RandomState::new(),
        }
    }

    /// Returns who asks with these credentials: an address, where of IPv6 the first 64 bits count, and a name.
    pub(crate) fn asker(&self, credentials: &Credentials) -> Asker {
        let address: Option<IpAddr> = credentials.peer.map(|peer| party_of(peer.ip()));
        let name = credentials.username.as_ref().unwrap_or(&credentials.client_id);
        let (address, client) = (self.hasher.hash_one(address), (address, name));
        Asker { address, client: self.hasher.hash_one(client) }
    }

    /// Returns whether to ask now. Whoever may, says what came of it.
    pub(crate) fn may_ask(&mut self, now: Timestamp, asker: Asker) -> bool {
        let pause = self.pause;
        let may_ask = self.doors(asker).all(|(door, key)| {
            let wait = if door.failed.contains(&key) { pause } else { Duration::ZERO };
            door.closed_until.is_none_or(|until| until + wait <= now)
        });
        if may_ask {
            // One tries; the others wait for another pause, or until that one has succeeded.
            self.doors(asker).for_each(|(door, _)| {
                door.closed_until = door.closed_until.map(|_| now + pause);
            });
        }
        may_ask
    }

    /// There was an answer. Returns whether it is the first since this client was not asked about.
    pub(crate) fn succeeded(&mut self, asker: Asker) -> bool {
        let was_closed = self.all.closed_until.is_some()
            || self.doors(asker).any(|(door, _)| door.closed_until.is_some());
        self.all = Door::default();
        self.addresses.remove(asker.address);
        self.clients.remove(asker.client);
        was_closed
    }

    /// By the answer the client gets in.
    pub(crate) fn let_in(&mut self, asker: Asker) {
        self.let_in.retain(|known| *known != asker.address);
        self.let_in.push_back(asker.address);
        if self.let_in.len() > MOST_LET_IN {
            self.let_in.pop_front();
        }
    }

    /// Whoever asked had no turn: that says nothing, and another may try at once.
    pub(crate) fn abandoned(&mut self, now: Timestamp, asker: Asker) {
        self.doors(asker).for_each(|(door, _)| {
            door.closed_until = door.closed_until.map(|until| until.min(now));
        });
    }

    /// Whoever asked does not wait for it: another may try at once, and itself as late as if it had failed. Else whoever hangs up
    /// each time before there is an answer would have every try.
    pub(crate) fn gave_up(&mut self, now: Timestamp, asker: Asker) {
        let most = self.most_failures;
        self.doors(asker).filter(|(door, _)| door.closed_until.is_some()).for_each(
            |(door, key)| {
                door.note_failed(key, most);
            },
        );
        self.abandoned(now, asker);
    }

    /// There was none. Returns who is not asked about any more, if that begins now.
    pub(crate) fn failed(
        &mut self,
        now: Timestamp,
        asker: Asker,
        failure: Failure,
    ) -> Option<Closed> {
        let (most, until) = (self.most_failures, now + self.pause);
        let Asker { address, client } = asker;
        let closes_client = self.clients.fail(now, client, |door| door.failed(most, until));
        let closes_address =
            self.addresses.fail(now, address, |door| door.failed_by(client, most, until));
        match failure {
            // Somebody is there.
            Failure::BadAnswer => self.all = Door::default(),
            Failure::NobodyThere => {
                self.let_in.retain(|known| *known != address);
                if self.all.failed_by(address, most, until) {
                    return Some(Closed::All);
                }
            }
        }
        if closes_address {
            return Some(Closed::Address);
        }
        closes_client.then_some(Closed::Client)
    }

    /// Returns the doors before somebody, and under which key it is known to each.
    fn doors(&mut self, asker: Asker) -> impl Iterator<Item = (&mut Door, Key)> {
        let Asker { address, client } = asker;
        let is_known = self.let_in.contains(&address);
        let all = (!is_known).then_some((&mut self.all, address)).into_iter();
        let its = self.addresses.get_mut(address).into_iter().chain(self.clients.get_mut(client));
        all.chain(its.map(move |door| (door, client)))
    }
}

impl Door {
    /// Returns whether it closes by another failure.
    fn failed(&mut self, most: u32, until: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        // That it gave up before does not have it wait twice.
        self.failed.clear();
        self.failures >= most && self.closed_until.replace(until).is_none()
    }

    /// Returns whether it closes by a failure of one of those behind it.
    fn failed_by(&mut self, who: Key, most: u32, until: Timestamp) -> bool {
        self.note_failed(who, most) && self.closed_until.replace(until).is_none()
    }

    /// Notes who failed, and returns whether so many did.
    fn note_failed(&mut self, who: Key, most: u32) -> bool {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(MOST_FAILED);
        self.failed.retain(|known| *known != who);
        self.failed.push_back(who);
        if self.failed.len() > most {
            self.failed.pop_front();
        }
        self.failed.len() >= most
    }
}

/// So many addresses are remembered whose clients were let in.
const MOST_LET_IN: usize = 256;

/// So many different ones close a door, however many are asked for.
const MOST_FAILED: usize = 64;

#[cfg(test)]
mod tests {
    use super::Failure::{BadAnswer, NobodyThere};
    use super::doors::MOST_DOORS;
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    const fn asker(address: Key, client: Key) -> Asker {
        Asker { address, client }
    }

    #[test]
    fn whoever_fails_again_and_again_is_left_alone_until_one_has_tried() {
        let (mut breaker, it) = (Breaker::new(3, Duration::from_secs(5)), asker(1, 1));
        for _ in 0..2 {
            assert!(breaker.may_ask(at(0), it));
            assert_eq!(breaker.failed(at(0), it, NobodyThere), None);
        }
        assert!(!breaker.succeeded(it));
        // The fourth was asked before the third had failed.
        let closes = Some(Closed::Client);
        for (may_ask, closed) in [(true, None), (true, None), (true, closes), (false, None)] {
            assert_eq!(breaker.may_ask(at(1), it), may_ask);
            assert_eq!(breaker.failed(at(1), it, NobodyThere), closed);
        }
        assert!(!breaker.may_ask(at(5), it));
        assert!(breaker.may_ask(at(6), it));
        assert!(!breaker.may_ask(at(6), it), "one is enough");
        assert_eq!(breaker.failed(at(7), it, NobodyThere), None);
        assert!(!breaker.may_ask(at(11), it));
        assert!(breaker.may_ask(at(12), it));
        assert!(breaker.succeeded(it));
        assert!(breaker.may_ask(at(12), it) && breaker.may_ask(at(12), it));
    }

    #[test]
    fn a_client_that_fails_closes_no_door_but_its_own() {
        let mut breaker = Breaker::new(2, Duration::from_secs(5));
        assert_eq!(breaker.failed(at(0), asker(1, 1), NobodyThere), None);
        assert_eq!(breaker.failed(at(0), asker(1, 1), NobodyThere), Some(Closed::Client));
        for _ in 0..10 {
            assert_eq!(breaker.failed(at(0), asker(1, 1), NobodyThere), None);
        }
        assert!(!breaker.may_ask(at(1), asker(1, 1)));
        assert!(breaker.may_ask(at(1), asker(1, 2)) && breaker.may_ask(at(1), asker(2, 3)));
    }

    #[test]
    fn so_many_clients_close_the_door_of_an_address_and_so_many_addresses_that_of_all() {
        let mut breaker = Breaker::new(3, Duration::from_secs(5));
        for client in 1..=2 {
            assert_eq!(breaker.failed(at(0), asker(1, client), NobodyThere), None);
        }
        assert_eq!(breaker.failed(at(0), asker(1, 3), NobodyThere), Some(Closed::Address));
        assert!(!breaker.may_ask(at(0), asker(1, 4)) && breaker.may_ask(at(0), asker(2, 5)));
        assert_eq!(breaker.failed(at(0), asker(2, 5), NobodyThere), None);
        assert_eq!(breaker.failed(at(0), asker(3, 6), NobodyThere), Some(Closed::All));
        assert!(!breaker.may_ask(at(4), asker(4, 7)));

        // One address has an answer: all are asked about, but not those who are behind a closed door of their own.
        assert!(breaker.may_ask(at(5), asker(4, 7)));
        assert!(breaker.succeeded(asker(4, 7)));
        assert!(breaker.may_ask(at(5), asker(2, 5)) && breaker.may_ask(at(5), asker(4, 8)));
        assert_eq!(breaker.failed(at(5), asker(1, 3), NobodyThere), None, "the first again");
        assert!(!breaker.may_ask(at(6), asker(1, 4)) && breaker.may_ask(at(6), asker(3, 6)));
    }

    #[test]
    fn whoever_has_failed_does_not_try_for_all_if_another_can() {
        let mut breaker = Breaker::new(2, Duration::from_secs(5));
        for address in 1..=2 {
            breaker.failed(at(0), asker(address, address), NobodyThere);
        }
        for second in 0..10 {
            assert!(!breaker.may_ask(at(second), asker(2, 9)), "{second}");
        }
        assert!(breaker.may_ask(at(5), asker(3, 3)));
        breaker.abandoned(at(5), asker(3, 3));
        assert!(breaker.may_ask(at(10), asker(2, 9)), "nobody else came");
    }

    #[test]
    fn one_who_tries_and_never_says_what_came_of_it_keeps_nobody_out_for_ever() {
        let (mut breaker, it) = (Breaker::new(2, Duration::from_secs(5)), asker(1, 1));
        breaker.failed(at(0), it, NobodyThere);
        assert_eq!(breaker.failed(at(0), it, NobodyThere), Some(Closed::Client));
        assert!(breaker.may_ask(at(5), it));
        assert!(!breaker.may_ask(at(9), it));
        assert!(breaker.may_ask(at(10), it));
        breaker.abandoned(at(11), it);
        assert!(breaker.may_ask(at(11), it), "who gave up makes room for another");
        assert!(!breaker.may_ask(at(11), it));
    }

    /// Nobody else had a try, and nobody was there to be blamed for it.
    #[test]
    fn whoever_gives_up_each_time_does_not_have_every_try() {
        let mut breaker = Breaker::new(2, Duration::from_secs(5));
        let (eve, alice) = (asker(9, 9), asker(3, 3));
        for address in 1..=2 {
            breaker.failed(at(0), asker(address, address), NobodyThere);
        }
        assert!(breaker.may_ask(at(5), eve));
        assert!(!breaker.may_ask(at(6), alice), "one tries");
        breaker.gave_up(at(7), eve);
        assert!(!breaker.may_ask(at(7), eve), "at once it is for others");
        assert!(breaker.may_ask(at(8), alice));
        breaker.abandoned(at(9), alice);
        assert!(breaker.may_ask(at(9), alice), "who had no turn waits for nothing");
        breaker.gave_up(at(9), alice);
        assert!(breaker.may_ask(at(14), eve), "nobody else came");

        // Its own door, too: it waits one pause, then and each time that it fails.
        let mut breaker = Breaker::new(1, Duration::from_secs(5));
        breaker.failed(at(0), eve, BadAnswer);
        assert!(breaker.may_ask(at(10), eve));
        breaker.gave_up(at(11), eve);
        assert!(!breaker.may_ask(at(15), eve) && breaker.may_ask(at(16), eve));
    }

    /// Names of which the address says 500, from any number of places, shut it for all.
    #[test]
    fn bad_answers_close_no_door_but_those_of_a_client_and_its_address() {
        let mut breaker = Breaker::new(5, Duration::from_secs(5));
        for number in 0..1_000 {
            let asker = asker(number % 250, number);
            if breaker.may_ask(at(number), asker) {
                assert_ne!(breaker.failed(at(number), asker, BadAnswer), Some(Closed::All));
            }
            assert!(breaker.may_ask(at(number), self::asker(1_000, 1_000)), "{number}");
        }
        // From one place it is the door of that.
        for number in 0..4 {
            assert_eq!(breaker.failed(at(0), asker(2_000, 2_000 + number), BadAnswer), None);
        }
        assert_eq!(breaker.failed(at(0), asker(2_000, 2_004), BadAnswer), Some(Closed::Address));
        assert!(!breaker.may_ask(at(1), asker(2_000, 2_005)));
    }

    #[test]
    fn a_bad_answer_says_that_somebody_is_there() {
        let mut breaker = Breaker::new(2, Duration::from_secs(5));
        for address in 1..=4 {
            let failure = if address % 2 == 0 { BadAnswer } else { NobodyThere };
            assert_eq!(breaker.failed(at(0), asker(address, address), failure), None);
        }
        breaker.failed(at(0), asker(5, 5), NobodyThere);
        assert_eq!(breaker.failed(at(0), asker(6, 6), NobodyThere), Some(Closed::All));
        assert!(breaker.may_ask(at(5), asker(7, 7)) && !breaker.may_ask(at(5), asker(8, 8)));
        assert_eq!(breaker.failed(at(5), asker(7, 7), BadAnswer), None);
        assert!(breaker.may_ask(at(5), asker(8, 8)) && breaker.may_ask(at(5), asker(9, 9)));
    }

    /// Whoever has many addresses came first to nearly each try, and failed.
    #[test]
    fn those_who_were_let_in_lately_are_not_kept_out_by_others() {
        let mut breaker = Breaker::new(5, Duration::from_secs(5));
        let (alice, bob) = (asker(1_000, 1_000), asker(2_000, 2_000));
        breaker.let_in(alice);
        let mut times_closed = 0;
        for moment in 0..6_000 {
            let now = Timestamp::from_millis(moment * 50);
            let mallory = asker(moment % 250, moment);
            if breaker.may_ask(now, mallory) {
                let closed = breaker.failed(now, mallory, NobodyThere);
                times_closed += usize::from(closed == Some(Closed::All));
            }
            if moment % 10 == 9 {
                let was_closed = breaker.all.closed_until.is_some();
                assert!(breaker.may_ask(now, alice), "{moment}");
                assert_eq!(breaker.succeeded(alice), was_closed);
                assert!(breaker.may_ask(now, bob), "she opens the door");
            }
        }
        assert!(times_closed > 10, "{times_closed}");
    }

    #[test]
    fn who_was_let_in_and_fails_then_is_like_others() {
        let mut breaker = Breaker::new(2, Duration::from_secs(5));
        let (alice, bob) = (asker(1, 1), asker(2, 2));
        breaker.let_in(alice);
        breaker.let_in(bob);
        for address in 3..=4 {
            breaker.failed(at(0), asker(address, address), NobodyThere);
        }
        assert!(!breaker.may_ask(at(1), asker(5, 5)));
        assert!(breaker.may_ask(at(1), alice) && breaker.may_ask(at(1), alice), "no try is spent");
        breaker.failed(at(2), alice, NobodyThere);
        assert!(!breaker.may_ask(at(2), alice) && breaker.may_ask(at(2), bob));
        assert!(!breaker.may_ask(at(6), asker(5, 5)) && breaker.may_ask(at(7), asker(5, 5)));
        for number in 0..1_000 {
            breaker.let_in(asker(number, number));
        }
        assert_eq!(breaker.let_in.len(), MOST_LET_IN);
    }

    #[test]
    fn an_asker_is_an_address_and_a_name() {
        let breaker = Breaker::new(1, Duration::ZERO);
        let asker = |peer: &str, username: Option<&str>| {
            let mut credentials = Credentials::new("c");
            credentials.peer = peer.parse().ok();
            credentials.username = username.map(Into::into);
            breaker.asker(&credentials)
        };
        let alice = asker("192.0.2.1:1", Some("alice"));
        assert_eq!(alice, asker("192.0.2.1:2", Some("alice")));
        for (other, is_same_address) in [
            (asker("192.0.2.1:1", Some("eve")), true),
            (asker("192.0.2.1:1", None), true),
            (asker("192.0.2.2:1", Some("alice")), false),
            (asker("", Some("alice")), false),
        ] {
            assert_eq!(other.address == alice.address, is_same_address);
            assert_ne!(other.client, alice.client);
        }
        assert_eq!(asker("[2001:db8::1]:1", None), asker("[2001:db8::2]:1", None));
    }

    /// At the 4,096th address all doors were open again.
    #[test]
    fn no_flood_of_addresses_opens_a_door_that_is_shut() {
        let mut breaker = Breaker::new(2, Duration::from_secs(5));
        let shut = asker(1, 1);
        for client in 1..=2 {
            for _ in 0..2 {
                breaker.failed(at(1), asker(1, client), BadAnswer);
            }
        }
        for number in 10..30_000 {
            breaker.failed(at(2), asker(number, number), BadAnswer);
            assert!(breaker.addresses.len() <= MOST_DOORS && breaker.clients.len() <= MOST_DOORS);
            assert!(!breaker.may_ask(at(5), shut), "the door of the client: {number}");
            assert!(!breaker.may_ask(at(5), asker(1, 9)), "the door of the address: {number}");
        }
        // Once it may be tried anyway it goes before those who failed later.
        for number in 30_000..40_000 {
            breaker.failed(at(7), asker(number, number), BadAnswer);
        }
        assert!(breaker.may_ask(at(7), shut) && breaker.may_ask(at(7), shut));
    }

    #[test]
    fn doors_are_not_remembered_without_end_and_the_first_to_open_goes_first() {
        let mut breaker = Breaker::new(1, Duration::from_secs(5));
        for number in 0..10_000 {
            breaker.failed(at(number), asker(number, number), NobodyThere);
            assert!(breaker.addresses.len() <= MOST_DOORS && breaker.clients.len() <= MOST_DOORS);
            assert!(breaker.all.failed.len() <= MOST_FAILED);
        }
        for (number, is_there) in [(9_999, true), (10_000 - 4_096, true), (9_999 - 4_096, false)] {
            assert_eq!(breaker.clients.get_mut(number).is_some(), is_there, "{number}");
        }
    }
}
