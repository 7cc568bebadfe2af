//! A session belongs to a user: who gets it, and what becomes of who does not.

use flux_auth::Identity;
use flux_eventbus::{Denial, DisconnectReason, Event, SessionEnd};
use ntex_mqtt::{v3, v5};

use super::client::{Peer, ack, connect, connect_with_will, packet};
use super::cluster::Cluster;
use super::commands::done;
use crate::consumer::Attach;
use crate::input::Command;

const NOBODY: Option<&str> = None;
const ALICE: Option<&str> = Some("alice");
const BOB: Option<&str> = Some("bob");

/// A CONNECT with this user name, which is believed, for the session of `meter`.
fn of(user: Option<&str>, clean_start: bool) -> v5::codec::Connect {
    let username = user.map(|user| user.to_owned().into());
    v5::codec::Connect { username, clean_start, ..connect("meter") }
}

/// The session of `owner`, with a subscription and a message that waits, and its connection.
fn session_of(c: &mut Cluster, owner: Option<&str>) -> Peer {
    let peer = c.dial(0, of(owner, false));
    c.subscribe_after_connack(peer, "t", 1);
    let publisher = c.connect(0, "publisher");
    c.publish(publisher, 1, 1, "t", "1");
    assert_eq!(c.heard(peer), ["t=1 q1 #1"]);
    peer
}

fn owner(c: &Cluster) -> Option<String> {
    let session = c.broker.clients.get("meter")?;
    session.lock().owner.user().map(ToString::to_string)
}

/// Who is told that the session is another's.
fn denied(c: &mut Cluster) -> Vec<(String, Option<String>)> {
    let events = c.events().into_iter();
    let denied = events.filter_map(|event| match event {
        Event::Denied { client_id, username, denial: Denial::Session, topic } => {
            assert_eq!((&*client_id, &*topic), ("meter", ""));
            Some((client_id.to_string(), username.map(|name| name.to_string())))
        }
        _ => None,
    });
    denied.collect()
}

enum Gets {
    /// The session, unless it has a Clean Start.
    It,
    /// A new one in its place.
    Another,
    Nothing,
}

/// Who comes for whose session, what it gets, and whose it is then.
#[track_caller]
fn check(before: Option<&str>, comes: Option<&str>, gets: &Gets, after: Option<&str>) {
    for is_online in [true, false] {
        for clean_start in [true, false] {
            let mut c = Cluster::new(2);
            let first = session_of(&mut c, before);
            if !is_online {
                c.lose(first);
            }
            denied(&mut c);
            let second = c.dial(1, of(comes, clean_start));
            c.settle();
            let heard = c.heard(second);
            let case = format!("online {is_online}, clean start {clean_start}: {heard:?}");
            assert_eq!(owner(&c).as_deref(), after, "{case}");
            let expected: &[&str] = match gets {
                Gets::Nothing => &["CONNACK 85"],
                Gets::It if !clean_start => &["CONNACK 00 present", "t=1 q1 #1 dup"],
                Gets::It | Gets::Another => &["CONNACK 00"],
            };
            assert_eq!(heard, expected, "{case}");
            if !matches!(gets, Gets::Nothing) {
                assert!(c.is_closed(first), "{case}");
                assert_eq!(denied(&mut c), [], "{case}");
                continue;
            }
            assert!(c.is_closed(second), "{case}");
            let told = ("meter".to_owned(), comes.map(str::to_owned));
            assert_eq!(denied(&mut c), [told], "{case}");
            // What it has is there, and goes on.
            let publisher = c.connect(0, "publisher");
            c.publish(publisher, 1, 1, "t", "2");
            c.settle();
            let (again, expected) = if is_online {
                c.send(first, &ack(0x40, 1));
                (first, vec!["t=2 q1 #2"])
            } else {
                let again = c.dial(0, of(before, false));
                (again, vec!["CONNACK 00 present", "t=1 q1 #1 dup", "t=2 q1 #2"])
            };
            assert_eq!(c.heard(again), expected, "{case}");
            assert!(!c.is_closed(again), "{case}");
        }
    }
}

#[test]
fn a_session_is_given_to_its_own_user_and_to_nobody_else() {
    check(ALICE, ALICE, &Gets::It, ALICE);
    check(ALICE, BOB, &Gets::Nothing, ALICE);
    check(ALICE, NOBODY, &Gets::Nothing, ALICE);
    check(NOBODY, NOBODY, &Gets::It, NOBODY);
    // Who is somebody has nothing of what nobody left for it.
    check(NOBODY, ALICE, &Gets::Another, ALICE);
}

#[test]
fn a_name_that_nobody_vouches_for_owns_nothing() {
    let mut c = Cluster::new(1);
    c.believes = Identity::claimed;
    session_of(&mut c, ALICE);
    assert_eq!(owner(&c), None);
    let second = c.dial(0, of(BOB, false));
    assert_eq!(c.heard(second)[0], "CONNACK 00 present");
}

/// What a fleet has while nobody is asked who it is, it has when each has a user; what it may not have any more is held back.
#[test]
fn a_session_from_before_there_were_users_goes_on_with_the_first_who_comes() {
    for name in [ALICE, BOB] {
        let mut c = Cluster::new(1);
        c.believes = |name| {
            let mut identity = Identity::claimed(name);
            identity.may_be_a_user = true;
            identity
        };
        let first = session_of(&mut c, name);
        c.lose(first);
        c.believes = Identity::user;
        let second = c.dial(0, of(ALICE, false));
        assert_eq!(c.heard(second), ["CONNACK 00 present", "t=1 q1 #1 dup"]);
        assert_eq!(owner(&c).as_deref(), ALICE);
        assert!(c.broker.clients.get("meter").unwrap().lock().is_suspect);
        let third = c.dial(0, of(BOB, false));
        assert_eq!(c.heard(third), ["CONNACK 85"]);
    }
}

#[test]
fn in_mqtt_3_the_client_identifier_is_rejected() {
    let mut c = Cluster::new(1);
    let first = session_of(&mut c, ALICE);
    for clean_session in [true, false] {
        let connect = v3::codec::Connect {
            clean_session,
            client_id: "meter".into(),
            username: Some("bob".into()),
            ..v3::codec::Connect::default()
        };
        let second = c.dial_v3(0, connect);
        assert_eq!(c.heard(second), ["CONNACK 02"]);
    }
    assert!(!c.is_closed(first));
}

/// A session that ends with its connection is there as long as that.
#[test]
fn the_session_of_a_visitor_is_its_own_while_it_is_connected() {
    let mut c = Cluster::new(1);
    let visit = |user, clean_start| v5::codec::Connect {
        session_expiry_interval_secs: 0,
        ..of(user, clean_start)
    };
    let first = c.dial(0, visit(ALICE, true));
    for clean_start in [true, false] {
        let second = c.dial(0, visit(BOB, clean_start));
        assert_eq!(c.heard(second), ["CONNACK 85"]);
    }
    c.lose(first);
    let second = c.dial(0, visit(BOB, true));
    assert_eq!(c.heard(second), ["CONNACK 00"]);
    assert_eq!(owner(&c).as_deref(), BOB);
}

#[test]
fn an_expired_session_bars_nobody_even_before_somebody_looked() {
    let mut c = Cluster::new(1);
    let first = session_of(&mut c, ALICE);
    c.lose(first);
    c.now = c.now + std::time::Duration::from_secs(3_599);
    let early = c.dial(0, of(BOB, false));
    assert_eq!(c.heard(early), ["CONNACK 85"]);
    c.now = c.now + std::time::Duration::from_secs(1);
    let second = c.dial(0, of(BOB, false));
    assert_eq!(c.heard(second), ["CONNACK 00"]);
    assert_eq!(owner(&c).as_deref(), BOB);
}

#[test]
fn a_will_is_neither_sent_nor_cancelled_for_another_user() {
    let mut c = Cluster::new(1);
    let watcher = c.connect(0, "watcher");
    c.subscribe(watcher, "w", 0);
    let username = Some("alice".to_owned().into());
    let with_will = |delay| connect_with_will("meter", "w", "gone", delay);
    for clean_start in [true, false] {
        let first =
            c.dial(0, v5::codec::Connect { username: username.clone(), ..with_will(Some(10)) });
        c.lose(first);
        let second = c.dial(0, of(BOB, clean_start));
        assert_eq!(c.heard(second), ["CONNACK 85"]);
        assert_eq!(c.heard(watcher), [""; 0]);
        c.sleep(10_000);
        assert_eq!(c.heard(watcher), ["w=gone"]);
    }
}

#[test]
fn who_proves_anew_that_it_is_another_is_disconnected_and_the_session_stays_whose_it_was() {
    let mut c = Cluster::new(1);
    c.nodes[0].fx.exchange = Some(Identity::user("alice"));
    let mut packet_with_method = of(NOBODY, false);
    packet_with_method.auth_method = Some("m".to_owned().into());
    let again = packet(0xF0, &[&[0x19, 4, 0x15, 0, 1, b'm']]);
    for other in [Identity::user("bob"), Identity::claimed("alice"), Identity::anonymous()] {
        c.nodes[0].fx.exchange = Some(Identity::user("alice"));
        let peer = c.dial(0, packet_with_method.clone());
        assert!(c.heard(peer)[0].starts_with("CONNACK 00"));
        c.send(peer, &again);
        assert_eq!(c.socket(peer).sent[..3], [0xF0, 6, 0]);
        c.socket(peer).sent.clear();
        c.nodes[0].fx.exchange = Some(other);
        c.send(peer, &again);
        assert_eq!(c.heard(peer), ["DISCONNECT 87"]);
        assert_eq!(owner(&c).as_deref(), ALICE);
    }
    c.nodes[0].fx.exchange = Some(Identity::user("bob"));
    let peer = c.dial(0, packet_with_method);
    assert_eq!(c.heard(peer), ["CONNACK 85"]);
}

/// Consumers are of the broker itself: they may have any session, and may keep theirs from clients.
#[test]
fn a_consumer_has_what_it_wants_and_keeps_what_it_owns() {
    let mut c = Cluster::new(1);
    let attach = |c: &mut Cluster, owner: Option<&str>| {
        let attach = Attach {
            client_id: Some("meter".into()),
            owner: owner.map(Into::into),
            clean_start: false,
            expiry: flux_session::SessionExpiry::NEVER,
            receive_maximum: 10,
            limits: None,
            subscriptions: Vec::new(),
        };
        let (done, answer) = done();
        c.command(0, Command::Attach { attach: Box::new(attach), done });
        answer.try_recv().unwrap().unwrap()
    };
    let first = session_of(&mut c, ALICE);
    let held = attach(&mut c, NOBODY);
    assert!(held.session_present && c.is_closed(first));
    assert_eq!(owner(&c).as_deref(), ALICE);
    let held = attach(&mut c, Some("platform"));
    assert!(held.session_present);
    for user in [ALICE, NOBODY] {
        let second = c.dial(0, of(user, true));
        assert_eq!(c.heard(second), ["CONNACK 85"]);
    }
    assert_eq!(held.end(), None);
    c.command(0, Command::Detach(held));
}

#[test]
fn whoever_administers_the_broker_ends_a_session_and_its_client_identifier_is_free() {
    for is_online in [true, false] {
        let mut c = Cluster::new(2);
        let watcher = c.connect(0, "watcher");
        c.subscribe(watcher, "w", 0);
        let with_will = connect_with_will("meter", "w", "gone", Some(10));
        let first =
            c.dial(1, v5::codec::Connect { username: of(ALICE, true).username, ..with_will });
        assert_eq!(c.heard(first), ["CONNACK 00"]);
        if !is_online {
            c.lose(first);
        }
        c.events();
        let end = |c: &mut Cluster| {
            let (done, answer) = done();
            c.command(0, Command::EndSession { client_id: "meter".into(), done });
            c.settle();
            answer.try_recv().unwrap()
        };
        assert!(end(&mut c));
        let expected: &[&str] = if is_online { &["DISCONNECT 98"] } else { &[] };
        assert_eq!(c.heard(first), expected);
        assert_eq!(c.heard(watcher), ["w=gone"]);
        let events = c.events();
        let ended = Event::SessionEnded { client_id: "meter".into(), reason: SessionEnd::Removed };
        assert_eq!(events.iter().filter(|event| **event == ended).count(), 1);
        let kicked = |event: &&Event| {
            matches!(event, Event::Disconnected { reason: DisconnectReason::Kicked, .. })
        };
        assert_eq!(events.iter().filter(kicked).count(), usize::from(is_online));
        assert!(!end(&mut c), "there is none any more");
        let second = c.dial(1, of(BOB, false));
        assert_eq!(c.heard(second), ["CONNACK 00"]);
        assert_eq!(owner(&c).as_deref(), BOB);
    }
}
