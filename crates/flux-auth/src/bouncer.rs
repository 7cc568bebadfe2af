//! [`Bouncer`]: the bans of a broker that runs, with the time and with whom to tell.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use flux_time::Timestamp;
use parking_lot::Mutex;

use crate::guesses::{Guess, Guesses};
use crate::{BanSettings, Bans, Credentials};

/// Turns away whoever failed again and again: [`Bans`] that know what time it is.
///
/// It is shared: a [`Chain`](crate::Chain) notes failures, administrators look at the list and lift bans.
pub struct Bouncer {
    bans: Bans,
    guesses: Mutex<Guesses>,
    clock: Clock,
    tell: Option<Tell>,
}

/// Tells the time since a start that does not change.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Is told which address is banned from now on, and for how long.
pub type Tell = Box<dyn Fn(IpAddr, Duration) + Send + Sync>;

impl Bouncer {
    /// Returns one who has banned nobody yet.
    #[must_use]
    pub fn new(settings: BanSettings, clock: Clock) -> Self {
        Self {
            bans: Bans::new(settings),
            guesses: Mutex::new(Guesses::new(NAMES)),
            clock,
            tell: None,
        }
    }

    /// Has somebody told of each ban when it begins; it is told once for a ban, however often the address comes again.
    #[must_use]
    pub fn telling(mut self, tell: Tell) -> Self {
        self.tell = Some(tell);
        self
    }

    /// Bans by other settings from now on. See [`Bans::set`].
    pub fn set(&self, settings: BanSettings) {
        self.bans.set(settings);
    }

    /// Returns whether an address is banned.
    #[must_use]
    pub fn turns_away(&self, address: IpAddr) -> bool {
        self.bans.banned_until((self.clock)(), address).is_some()
    }

    /// Notes that a client from this address failed to prove who it is.
    pub fn note_failure(&self, address: IpAddr) {
        let now = (self.clock)();
        self.tell(address, now, self.bans.note_failure(now, address));
    }

    /// Notes that a client from this address showed a password that is not right as far as anybody could say, and that somebody
    /// who could not be asked might have known better.
    ///
    /// A device that comes again and again while others are down shows the same each time, and has not failed. Another password
    /// for the same name is a failure like others, and the first for a name a [hundredth](Bans::DOUBTS) of one: many devices may
    /// be behind one address.
    pub fn note_unanswered(&self, address: IpAddr, credentials: &Credentials) {
        let password = credentials.password.as_deref().unwrap_or_default();
        let name = credentials.username.as_deref();
        let guess = self.guesses.lock().note(address, name, password);
        let now = (self.clock)();
        let until = match guess {
            Guess::Same => None,
            Guess::First => self.bans.note_doubt(now, address),
            Guess::Other => self.bans.note_failure(now, address),
        };
        self.tell(address, now, until);
    }

    fn tell(&self, address: IpAddr, now: Timestamp, until: Option<Timestamp>) {
        if let (Some(tell), Some(until)) = (&self.tell, until) {
            tell(address.to_canonical(), until.saturating_since(now));
        }
    }

    /// Lifts the ban of an address and forgets what it did, and returns whether it was banned.
    pub fn lift(&self, address: IpAddr) -> bool {
        self.bans.lift((self.clock)(), address)
    }

    /// Returns who is banned and for how long yet, in the order of the addresses.
    #[must_use]
    pub fn list(&self) -> Vec<(IpAddr, Duration)> {
        let now = (self.clock)();
        let bans = self.bans.list(now).into_iter();
        bans.map(|ban| (ban.address, ban.until.saturating_since(now))).collect()
    }
}

impl fmt::Debug for Bouncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bouncer").field("bans", &self.bans).finish_non_exhaustive()
    }
}

/// Of so many names it is remembered what was shown in vain.
const NAMES: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_ban_is_told_once_and_is_seen_until_it_is_over_or_lifted() {
        let (now, told) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let clock = {
            let now = now.clone();
            Box::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed)))
        };
        let tell = {
            let told = told.clone();
            Box::new(move |address, length| told.lock().push((address, length)))
        };
        let minute = Duration::from_secs(60);
        let settings = BanSettings { failures: 2, ban_for: minute, ..BanSettings::default() };
        let bouncer = Bouncer::new(settings, clock).telling(tell);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        // Two that were let in together may fail one after the other.
        for _ in 0..4 {
            bouncer.note_failure(address);
        }
        assert_eq!(*told.lock(), [(address, minute)]);
        assert!(bouncer.turns_away(address));
        now.store(59_000, Ordering::Relaxed);
        assert_eq!(bouncer.list(), [(address, Duration::from_secs(1))]);
        now.store(60_000, Ordering::Relaxed);
        assert_eq!((bouncer.turns_away(address), bouncer.list()), (false, vec![]));
        bouncer.note_failure(address);
        bouncer.note_failure(address);
        assert_eq!(told.lock().len(), 2);
        assert_eq!((bouncer.lift(address), bouncer.lift(address)), (true, false));
        assert!(!bouncer.turns_away(address));
    }
}
