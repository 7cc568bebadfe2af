//! Two threads in one place, held at the moment that matters.

use std::sync::Arc;
use std::thread;

use flux_eventbus::SessionEnd;
use flux_session::{Connection, PacketId, SessionLimits};
use flux_storage::Owner;
use flux_topic::TopicFilter;

use super::client;
use super::cluster::Cluster;
use crate::clients::{self, Claim};
use crate::names::WorkerId;
use crate::session::{Attachment, SharedSession};

/// Worker 0 enters a subscription of `sub` into the session, and waits for the routes; then
/// `meanwhile` happens, then worker 0 goes on. Returns how many routes are left.
fn subscribe_and(meanwhile: impl FnOnce(&Arc<SharedSession>, &TopicFilter)) -> usize {
    let mut c = Cluster::new(2);
    let peer = c.connect(0, "sub");
    let filter = TopicFilter::parse("t/#").unwrap();
    let (broker, session) = (c.broker.clone(), c.broker.clients.get("sub").unwrap());
    let held = broker.routes.hold();
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            c.send(peer, &client::subscribe(peer.version, 1, &[("t/#", 1)]));
        });
        while session.lock().session.subscriptions().len() == 0 {
            thread::yield_now();
        }
        // It will look at the session once more before it waits; let it.
        for _ in 0..2_000 {
            thread::yield_now();
        }
        meanwhile(&session, &filter);
        drop(held);
        worker.join().unwrap();
    });
    broker.routes.len()
}

/// Whoever ends a session clears its routes, which these are not among yet.
#[test]
fn a_session_that_ends_while_it_subscribes_leaves_no_route() {
    let left = subscribe_and(|session, _| {
        let ended = clients::end(session, &mut session.lock(), SessionEnd::CleanStart);
        assert_eq!(ended.remains.filters().len(), 1);
    });
    assert_eq!(left, 0);
}

/// The same with an UNSUBSCRIBE, over the connection that took over or through the facade: it
/// removes the subscription from the session, then the route, which is not there yet.
#[test]
fn an_unsubscribe_while_another_worker_subscribes_leaves_no_route() {
    let left = subscribe_and(|session, filter| {
        assert!(session.lock().session.unsubscribe(filter).is_some());
    });
    assert_eq!(left, 0, "routed, although the session does not know of it, and never removed");
}

/// A message of the old connection that is half handled is offered before the new connection has the
/// session, hence before anything that comes over it.
#[test]
fn a_takeover_waits_for_the_packet_that_is_being_handled() {
    let mut c = Cluster::new(2);
    let (observer, peer) = (c.connect(0, "observer"), c.connect(0, "sub"));
    c.subscribe(observer, "t", 0);
    let broker = c.broker.clone();
    let [watched, session] = ["observer", "sub"].map(|id| broker.clients.get(id).unwrap());
    let generation = session.lock().generation;
    // The offer to the observer waits for this.
    let held = watched.lock();
    let (now, limits) = (c.now, SessionLimits::default());
    let claim = Claim {
        attachment: Attachment::Connection { worker: WorkerId(1), connection: observer.id },
        clean_start: false,
        connection: Connection::default(),
        owner: Owner::Nobody,
        client: None,
    };
    thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            c.send(peer, &client::publish(peer.version, 4, 7, "t", "x"));
        });
        while !session.lock().session.is_receiving(PacketId::new(7).unwrap()) {
            thread::yield_now();
        }
        let claiming =
            scope.spawn(|| broker.clients.claim(now, &session.client_id, &claim, limits, 2));
        for _ in 0..2_000 {
            thread::yield_now();
        }
        assert_eq!(session.lock().generation, generation, "taken over in the middle");
        drop(held);
        publishing.join().unwrap();
        assert!(claiming.join().unwrap().unwrap().present);
    });
    assert_eq!(session.lock().generation, generation + 1);
}

/// However many threads want the last places, each place is taken and none is taken twice.
#[test]
fn threads_make_as_many_sessions_as_there_may_be() {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    const MOST: usize = 100;
    let c = Cluster::new(1);
    let (clients, now, limits) = (&c.broker.clients, c.now, SessionLimits::default());
    let claim = |name: String, clean_start| {
        let attachment = Attachment::Consumer(Arc::default());
        let connection = Connection::default();
        let claim =
            Claim { attachment, clean_start, connection, owner: Owner::Nobody, client: None };
        clients.claim(now, &name.into(), &claim, limits, MOST)
    };
    let made: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let names = (0..EACH).map(|number| format!("{thread}-{number}"));
                    let makes = |name: &String| claim(name.clone(), false).is_ok();
                    names.filter(makes).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((made.len(), clients.count()), (MOST, MOST));
    // All of them may begin anew, and then nobody else has found a place.
    for name in &made {
        let claimed = claim(name.clone(), true).unwrap();
        assert_eq!((claimed.present, claimed.ended.len()), (false, 1));
    }
    assert!(claim("another".to_owned(), true).is_err());
    assert_eq!(clients.count(), MOST);
}
