//! A session may have many subscriptions: when rights change they are decided about a part each turn.

use std::sync::Arc;

use flux_auth::Decision::Deny;
use flux_auth::{Authentication, Identity};

use super::client::{self, Peer, connect, encode_v5, packet, subscribe};
use super::cluster::Cluster;
use super::rights::Rights;
use crate::input::{Command, Input};
use crate::settings::Settings;

/// So many subscriptions.
const MANY: usize = 1_000;
/// So many are decided about in a turn.
const PART: usize = 128;
const AUTH_AGAIN: u8 = 0x19;

fn filter(number: usize) -> String {
    format!("f/{number:04}")
}

/// A client with many subscriptions, under rights with a stamp or without.
fn scene(has_stamp: bool) -> (Cluster, Arc<Rights>, Peer) {
    let rights = Rights::new(&[]);
    if has_stamp {
        rights.be_remembered();
    }
    let mut c = Cluster::with(1, Settings::default(), rights.clone());
    c.nodes[0].fx.exchange = Some(Identity::anonymous());
    let mut packet = connect("many");
    packet.auth_method = Some("m".to_owned().into());
    let peer = c.dial(0, packet);
    let filters: Vec<_> = (0..MANY).map(filter).collect();
    for part in filters.chunks(100) {
        let part: Vec<_> = part.iter().map(|filter| (filter.as_str(), 1)).collect();
        c.send(peer, &subscribe(peer.version, 9, &part));
    }
    assert_eq!(c.heard(peer).len(), 1 + MANY / 100);
    rights.take_subscriptions();
    (c, rights, peer)
}

/// Counts the decisions of each turn until nothing is left to be done.
#[track_caller]
fn turns(c: &mut Cluster, rights: &Rights) -> Vec<usize> {
    let node = &mut c.nodes[0];
    let mut turns = vec![rights.take_subscriptions()];
    while node.worker.has_dirty() {
        node.worker.finish_turn(c.now, &mut node.fx);
        turns.push(rights.take_subscriptions());
    }
    turns
}

/// All are decided about, each once, and not more in a turn than one may take.
#[track_caller]
fn check(turns: &[usize]) {
    assert_eq!(turns.iter().sum::<usize>(), MANY);
    assert!(turns.iter().all(|decided| *decided <= PART), "{turns:?}");
    assert!(turns.len() >= MANY / PART);
}

#[test]
fn a_reload_decides_about_a_part_each_turn() {
    let (mut c, rights, peer) = scene(false);
    c.command_for_one_turn(0, Command::RecheckRights(Arc::default()));
    check(&turns(&mut c, &rights));
    assert!(!c.is_closed(peer));
    // The last of them is lost.
    rights.set(&format!("resume {}", filter(MANY - 1)), Deny);
    c.command_for_one_turn(0, Command::RecheckRights(Arc::default()));
    assert_eq!(c.heard(peer), [""; 0]);
    check(&turns(&mut c, &rights));
    assert_eq!(c.heard(peer), ["DISCONNECT 87"]);
    assert_eq!(c.broker.routes.len(), MANY - 1);
}

/// The client comes back, and it is known who it is; the worker has had no turn since.
fn come_in(c: &mut Cluster, peer: Peer) -> Peer {
    let again = c.open(0, peer.version);
    c.send_for_one_turn(again, &encode_v5(connect("many").into()));
    let node = &mut c.nodes[0];
    for (connection, _) in std::mem::take(&mut node.fx.authenticate) {
        let authentication = Authentication::Accepted(Identity::anonymous());
        node.handle(c.now, Input::Authenticated { connection, authentication, valid_for: None });
    }
    again
}

/// Whom it had been is not looked at any more, and nobody waits for that.
#[test]
fn a_client_that_comes_back_before_it_was_looked_at_gets_its_messages() {
    for has_stamp in [true, false] {
        let (mut c, _, peer) = scene(has_stamp);
        let publisher = c.connect(0, "publisher");
        // They have the turns in which it comes back.
        for other in ["other", "another"].map(|other| c.connect(0, other)) {
            for number in 0..2 * PART {
                c.subscribe(other, &filter(number), 0);
            }
        }
        c.command_for_one_turn(0, Command::RecheckRights(Arc::default()));
        let again = come_in(&mut c, peer);
        let publish = client::publish(publisher.version, 0, 0, &filter(3), "x");
        c.send_for_one_turn(publisher, &publish);
        c.settle();
        c.turn(0);
        assert_eq!(c.heard(again), ["CONNACK 00 present".to_owned(), format!("{}=x", filter(3))]);
        c.send(publisher, &publish);
        assert_eq!(c.heard(again), [format!("{}=x", filter(3))]);
    }
}

/// However often it does so in a turn.
#[test]
fn a_client_that_proves_anew_who_it_is_is_decided_about_a_part_each_turn() {
    let (mut c, rights, peer) = scene(false);
    let again = packet(0xF0, &[&[AUTH_AGAIN, 4, 0x15, 0, 1, b'm']]);
    c.send_for_one_turn(peer, &again.repeat(50));
    let turns = turns(&mut c, &rights);
    assert!(turns[0] <= 2 * PART && turns.iter().skip(1).all(|it| *it <= PART), "{turns:?}");
    assert!((MANY..=MANY + 2 * PART).contains(&turns.iter().sum()), "{turns:?}");
    rights.set(&format!("resume {}", filter(MANY - 1)), Deny);
    c.socket(peer).sent.clear();
    c.send(peer, &again);
    assert!(c.is_closed(peer));
    assert_eq!(c.broker.routes.len(), MANY - 1);
}

/// Before it is decided about it is held against the rules, or back.
#[test]
fn nothing_is_delivered_meanwhile_that_may_not_be_had() {
    for has_stamp in [true, false] {
        let (mut c, rights, peer) = scene(has_stamp);
        let publisher = c.connect(0, "publisher");
        let (denied, allowed) = (filter(MANY - 1), filter(MANY - 2));
        rights.set(&format!("resume {denied}"), Deny);
        c.command_for_one_turn(0, Command::RecheckRights(Arc::default()));
        for topic in [&denied, &allowed] {
            let publish = client::publish(publisher.version, 0, 0, topic, "x");
            c.send_for_one_turn(publisher, &publish);
        }
        let heard = c.heard(peer);
        let expected = [format!("{allowed}=x")];
        assert_eq!(heard, if has_stamp { &expected[..] } else { &[] });
        c.settle();
        c.turn(0);
        let heard = c.heard(peer);
        assert!(!heard.iter().any(|it| it.starts_with(&denied)), "{heard:?}");
        assert_eq!(heard.last().unwrap(), "DISCONNECT 87");
    }
    // Who keeps all has what was held back.
    let (mut c, _, peer) = scene(false);
    let publisher = c.connect(0, "publisher");
    c.command_for_one_turn(0, Command::RecheckRights(Arc::default()));
    let publish = client::publish(publisher.version, 0, 0, &filter(3), "x");
    c.send_for_one_turn(publisher, &publish);
    assert_eq!(c.heard(peer), [""; 0]);
    c.turn(0);
    assert_eq!(c.heard(peer), [format!("{}=x", filter(3))]);
}

/// Its rights are those of before; what came to be since is decided about again.
#[test]
fn rights_that_change_while_a_client_comes_in_hold_for_it() {
    let (mut c, rights, peer) = scene(false);
    c.lose(peer);
    let again = come_in(&mut c, peer);
    rights.set(&format!("resume {}", filter(0)), Deny);
    c.command(0, Command::RecheckRights(Arc::default()));
    assert_eq!(c.heard(again), ["CONNACK 00 present", "DISCONNECT 87"]);
    assert_eq!(c.broker.routes.len(), MANY - 1);
}
