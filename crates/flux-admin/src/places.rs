//! [`Places`]: how many connections there may be, so that nobody keeps others from asking.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ntex::io::Io;

/// At once, from all who ask.
pub(crate) const CONNECTIONS: usize = 256;

/// Of these, for the host itself: who looks after its health comes from there.
const OWN: usize = 64;

/// From one address elsewhere.
const EACH: usize = 32;

/// Who has how many connections; the host itself is not counted.
#[derive(Clone, Default)]
pub(crate) struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection that is counted until this is dropped.
struct Place {
    places: Places,
    of: IpAddr,
}

impl Places {
    /// Lets a connection in for as long as it lasts, if there is a place for it.
    pub(crate) fn admit(&self, io: Io, peer: Option<SocketAddr>) -> io::Result<Io> {
        let peer = peer.map(|peer| peer.ip().to_canonical());
        if let Some(peer) = peer.filter(|peer| !is_own(*peer)) {
            let place = self.take(peer).ok_or_else(|| {
                io::Error::other(
                    "it has too many connections to the admin listener, or others have",
                )
            })?;
            let gone = io.on_disconnect();
            ntex::rt::spawn(async move {
                gone.await;
                drop(place);
            });
        }
        Ok(io)
    }

    fn take(&self, of: IpAddr) -> Option<Place> {
        let mut taken = self.lock();
        let all: usize = taken.values().sum();
        let its = taken.get(&of).copied().unwrap_or_default();
        if all >= CONNECTIONS - OWN || its >= EACH {
            return None;
        }
        taken.insert(of, its + 1);
        Some(Place { places: self.clone(), of })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut its) = self.places.lock().entry(self.of) {
            *its.get_mut() -= 1;
            if *its.get() == 0 {
                its.remove();
            }
        }
    }
}

fn is_own(peer: IpAddr) -> bool {
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(number))
    }

    #[test]
    fn one_address_has_so_many_and_all_leave_some_to_the_host() {
        let places = Places::default();
        let mut taken = Vec::new();
        for number in 1..=6 {
            taken.extend((0..EACH).map(|_| places.take(address(number)).unwrap()));
            assert!(places.take(address(number)).is_none());
        }
        assert_eq!(taken.len(), CONNECTIONS - OWN);
        assert!(places.take(address(7)).is_none());
        taken.pop();
        assert!(places.take(address(7)).is_some());
        taken.clear();
        assert!(places.lock().is_empty());
    }
}
