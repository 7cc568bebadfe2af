//! [`Bans`]: addresses that failed again and again.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use flux_time::Timestamp;
use ipnet::IpNet;
use parking_lot::Mutex;

/// Remembers who failed to prove who it is, and bans who does so again and again.
///
/// Of an IPv6 address the first 64 bits count: the rest costs nothing to change. The table has room for so many
/// addresses; when it is full, the one whose last failure is longest ago goes, if need be with its ban.
#[derive(Debug)]
pub struct Bans {
    table: Mutex<Table>,
}

/// When an address is banned, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanSettings {
    /// So many failures lead to a ban; 0 means that nobody is banned but by [`Bans::ban`].
    pub failures: u32,
    /// In this time so many are forgotten again, one after the other: whoever fails more often is banned, however the
    /// failures lie, and whoever fails less often never is.
    pub within: Duration,
    /// How long a ban lasts.
    pub ban_for: Duration,
    /// For how many addresses there is room.
    pub addresses: usize,
    /// Networks whose addresses are never banned, such as one behind which a whole fleet hides.
    pub exempt: Vec<IpNet>,
}

impl Default for BanSettings {
    fn default() -> Self {
        Self {
            failures: 10,
            within: Duration::from_secs(60),
            ban_for: Duration::from_secs(300),
            addresses: 65_536,
            exempt: Vec::new(),
        }
    }
}

/// A ban, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The address; of an IPv6 address the first 64 bits, and zeros.
    pub address: IpAddr,
    /// When it ends.
    pub until: Timestamp,
}

impl Bans {
    /// Returns an empty table.
    #[must_use]
    pub fn new(settings: BanSettings) -> Self {
        Self { table: Mutex::new(Table::new(settings)) }
    }

    /// Bans by these settings from now on. Who is banned stays so as long as it was told, but for those who are never to be
    /// banned now; and what others did is remembered, as far as there is room.
    pub fn set(&self, settings: BanSettings) {
        self.table.lock().set(settings);
    }

    /// Returns until when an address is banned, if it is.
    #[must_use]
    pub fn banned_until(&self, now: Timestamp, address: IpAddr) -> Option<Timestamp> {
        let table = self.table.lock();
        table.records.get(&party_of(address))?.banned_until.filter(|until| *until > now)
    }

    /// Notes that a client from this address failed, and returns until when it is banned, if that begins now.
    pub fn note_failure(&self, now: Timestamp, address: IpAddr) -> Option<Timestamp> {
        self.note(now, address, 1)
    }

    /// Notes what would be a failure if it were known: a [hundredth](Self::DOUBTS) of one. Returns as
    /// [`note_failure`](Self::note_failure).
    pub fn note_doubt(&self, now: Timestamp, address: IpAddr) -> Option<Timestamp> {
        self.note(now, address, Self::DOUBTS)
    }

    /// So many doubts are a failure.
    pub const DOUBTS: u32 = 100;

    /// Notes one of so many that are a failure.
    fn note(&self, now: Timestamp, address: IpAddr, part: u32) -> Option<Timestamp> {
        let mut table = self.table.lock();
        let settings = &table.settings;
        if settings.failures == 0 || settings.exempts(address) {
            return None;
        }
        let (failures, ban_for) = (settings.failures, settings.ban_for);
        // Each is remembered for a moment, so that many at once are not forgotten at once.
        let most = u64::from(failures).saturating_mul(Self::DOUBTS.into());
        let within = settings.within.max(Duration::from_nanos(most));
        let mut record = table.take(party_of(address)).unwrap_or_default();
        if record.banned_until.is_some_and(|until| until <= now) {
            record = Record::default();
        }
        // A leaking bucket: what is left of one takes up as much room as a whole one.
        let one = within.checked_div(failures).and_then(|it| it.checked_div(part));
        let one = one.unwrap_or_default();
        let rest = record.remembered.saturating_sub(now.saturating_since(record.last));
        record.remembered = rest.saturating_add(one);
        record.last = now;
        let was_banned = record.banned_until.is_some();
        if record.remembered > within.saturating_sub(one) {
            record.banned_until = Some(now + ban_for);
        }
        table.put(party_of(address), record);
        record.banned_until.filter(|_| !was_banned)
    }

    /// Bans an address until then, whatever it did.
    pub fn ban(&self, now: Timestamp, address: IpAddr, until: Timestamp) {
        let mut table = self.table.lock();
        let record = Record { last: now, banned_until: Some(until), ..Record::default() };
        table.take(party_of(address));
        table.put(party_of(address), record);
    }

    /// Forgets what an address did, and returns whether it was banned.
    pub fn lift(&self, now: Timestamp, address: IpAddr) -> bool {
        let record = self.table.lock().take(party_of(address));
        record.and_then(|record| record.banned_until).is_some_and(|until| until > now)
    }

    /// Returns all bans, in the order of the addresses.
    #[must_use]
    pub fn list(&self, now: Timestamp) -> Vec<Ban> {
        let table = self.table.lock();
        let ban = |(address, record): (&IpAddr, &Record)| {
            let until = record.banned_until.filter(|until| *until > now)?;
            Some(Ban { address: *address, until })
        };
        let mut bans: Vec<_> = table.records.iter().filter_map(ban).collect();
        bans.sort_by_key(|ban| ban.address);
        bans
    }
}

impl BanSettings {
    fn exempts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.exempt.iter().any(|network| network.contains(&address))
    }
}

#[derive(Debug)]
struct Table {
    settings: BanSettings,
    records: HashMap<IpAddr, Record>,
    /// The same addresses, by their last failure.
    by_age: BTreeSet<(Timestamp, IpAddr)>,
}

impl Table {
    fn new(settings: BanSettings) -> Self {
        Self { settings, records: HashMap::new(), by_age: BTreeSet::new() }
    }

    fn set(&mut self, settings: BanSettings) {
        self.settings = settings;
        let exempt: Vec<_> =
            self.records.keys().filter(|it| self.settings.exempts(**it)).copied().collect();
        for address in exempt {
            self.take(address);
        }
        self.make_room(self.settings.addresses);
    }

    fn take(&mut self, address: IpAddr) -> Option<Record> {
        let record = self.records.remove(&address)?;
        self.by_age.remove(&(record.last, address));
        Some(record)
    }

    /// Forgets the oldest until there are not more than `most`.
    fn make_room(&mut self, most: usize) {
        while self.records.len() > most
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.records.remove(&oldest);
        }
    }

    fn put(&mut self, address: IpAddr, record: Record) {
        self.make_room(self.settings.addresses.saturating_sub(1));
        self.records.insert(address, record);
        self.by_age.insert((record.last, address));
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// How long it takes after the last failure until all are forgotten.
    remembered: Duration,
    last: Timestamp,
    banned_until: Option<Timestamp>,
}

/// Returns what stands for an address wherever one party must not count as many: an IPv4 address itself, and of an IPv6
/// address the first 64 bits, for the rest costs nothing to change.
#[must_use]
pub fn party_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn bans(addresses: usize) -> Bans {
        let exempt = vec!["10.0.0.0/8".parse().unwrap()];
        Bans::new(BanSettings { failures: 3, addresses, exempt, ..BanSettings::default() })
    }

    #[test]
    fn enough_failures_in_time_are_a_ban() {
        let bans = bans(10);
        assert_eq!(bans.note_failure(at(0), ip("192.0.2.1")), None);
        assert_eq!(bans.note_failure(at(60), ip("192.0.2.1")), None);
        assert_eq!(bans.note_failure(at(70), ip("192.0.2.1")), None);
        assert_eq!(bans.banned_until(at(119), ip("192.0.2.1")), None);
        assert_eq!(bans.note_failure(at(79), ip("::ffff:192.0.2.1")), Some(at(379)));
        assert_eq!(bans.banned_until(at(378), ip("192.0.2.1")), Some(at(379)));
        assert_eq!(bans.banned_until(at(378), ip("192.0.2.2")), None);
        assert_eq!(bans.list(at(378)), [Ban { address: ip("192.0.2.1"), until: at(379) }]);
        assert_eq!(bans.banned_until(at(379), ip("192.0.2.1")), None);
        assert_eq!(bans.list(at(379)), []);
        assert_eq!(bans.note_failure(at(380), ip("192.0.2.1")), None);
    }

    #[test]
    fn failures_are_forgotten_as_fast_as_they_may_be_made() {
        let bans = bans(10);
        for number in 0..100 {
            assert_eq!(bans.note_failure(at(number * 20), ip("192.0.2.1")), None);
        }
        // Twice as fast, each makes up for half of the one before.
        let until = (1..=5)
            .find_map(|number| bans.note_failure(at(99 * 20 + number * 10), ip("192.0.2.1")));
        assert_eq!(until, Some(at(99 * 20 + 3 * 10 + 300)));
    }

    #[test]
    fn so_many_failures_at_once_are_a_ban_however_soon_they_are_forgotten() {
        for (failures, within) in [(3, Duration::ZERO), (2_000, Duration::from_micros(1))] {
            let bans = Bans::new(BanSettings { failures, within, ..BanSettings::default() });
            let banned =
                (1..=failures).find(|_| bans.note_failure(at(1), ip("192.0.2.1")).is_some());
            assert_eq!(banned, Some(failures), "{within:?}");
            assert_eq!(bans.note_failure(at(2), ip("192.0.2.2")), None);
            assert_eq!(bans.note_failure(at(3), ip("192.0.2.2")), None);
            assert_eq!(bans.note_failure(at(4), ip("192.0.2.2")), None);
        }
    }

    #[test]
    fn a_hundred_doubts_are_a_failure() {
        for failures in 1..=3 {
            let bans = Bans::new(BanSettings { failures, ..BanSettings::default() });
            let note = |_: &u32| bans.note_doubt(at(1), ip("192.0.2.1")).is_some();
            assert_eq!((1..=1_000).find(note), Some(100 * failures));
            for _ in 1..failures {
                assert_eq!(bans.note_failure(at(1), ip("192.0.2.2")), None);
            }
            let note = |_: &u32| bans.note_doubt(at(1), ip("192.0.2.2")).is_some();
            assert_eq!((1..=1_000).find(note), Some(100));
        }
    }

    #[test]
    fn a_ban_is_lifted_or_spoken_by_people() {
        let bans = bans(10);
        bans.ban(at(0), ip("192.0.2.1"), at(1_000));
        assert_eq!(bans.banned_until(at(999), ip("192.0.2.1")), Some(at(1_000)));
        assert!(bans.lift(at(999), ip("192.0.2.1")));
        assert!(!bans.lift(at(999), ip("192.0.2.1")));
        assert_eq!(bans.banned_until(at(999), ip("192.0.2.1")), None);
    }

    #[test]
    fn a_network_may_be_exempt_and_a_neighbour_in_ipv6_is_the_same() {
        let bans = bans(10);
        for _ in 0..10 {
            assert_eq!(bans.note_failure(at(0), ip("10.1.2.3")), None);
        }
        for address in ["2001:db8::1", "2001:db8::2", "2001:db8::3"] {
            bans.note_failure(at(0), ip(address));
        }
        assert!(bans.banned_until(at(1), ip("2001:db8::4")).is_some());
        assert!(bans.banned_until(at(1), ip("2001:db8:0:1::4")).is_none());
    }

    #[test]
    fn other_settings_keep_bans_but_for_those_who_are_exempt_now() {
        let bans = bans(10);
        for (second, address) in (0..).zip(["192.0.2.1", "192.0.2.2", "198.51.100.1"]) {
            bans.ban(at(second), ip(address), at(1_000));
        }
        bans.note_failure(at(3), ip("192.0.2.4"));
        let banned = |bans: &Bans| {
            bans.list(at(4)).iter().map(|ban| ban.address.to_string()).collect::<Vec<_>>()
        };
        let exempt = vec!["198.51.100.0/24".parse().unwrap()];
        bans.set(BanSettings { failures: 0, exempt, ..BanSettings::default() });
        assert_eq!(banned(&bans), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(bans.note_failure(at(4), ip("192.0.2.5")), None);
        // It has failed once before; and there is less room.
        let ban_for = Duration::from_secs(7);
        let settings = BanSettings { failures: 2, ban_for, addresses: 2, ..BanSettings::default() };
        bans.set(settings);
        assert_eq!(banned(&bans), ["192.0.2.2"]);
        assert_eq!(bans.note_failure(at(4), ip("192.0.2.4")), Some(at(11)));
        assert_eq!(banned(&bans), ["192.0.2.2", "192.0.2.4"]);
    }

    #[test]
    fn a_full_table_forgets_whose_failure_is_longest_ago() {
        let bans = bans(2);
        bans.ban(at(0), ip("192.0.2.1"), at(1_000));
        bans.ban(at(1), ip("192.0.2.2"), at(1_000));
        bans.note_failure(at(2), ip("192.0.2.3"));
        let banned: Vec<_> = bans.list(at(3)).iter().map(|ban| ban.address).collect();
        assert_eq!(banned, [ip("192.0.2.2")]);
        let table = bans.table.lock();
        assert_eq!((table.records.len(), table.by_age.len()), (2, 2));
    }
}
