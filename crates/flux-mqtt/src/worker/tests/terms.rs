//! What is agreed on with a client holds for as long as it says.

use std::sync::Arc;

use flux_auth::AllowAll;
use flux_eventbus::{Event, Limit};
use flux_session::SessionExpiry;
use ntex_mqtt::v3;

use super::client::{Peer, disconnect};
use super::cluster::Cluster;
use crate::settings::Settings;
use crate::wire::Version;

/// A session of ten minutes at most.
fn cluster() -> Cluster {
    let max_session_expiry = SessionExpiry::from_secs(600);
    let settings = Settings { max_session_expiry, ..Settings::default() };
    Cluster::with(1, settings, Arc::new(AllowAll))
}

fn sessions(c: &Cluster) -> usize {
    c.broker.clients.count()
}

#[track_caller]
fn expect_over_after_600_s(c: &mut Cluster) {
    c.sleep(599_999);
    assert_eq!(sessions(c), 1);
    c.sleep(1);
    assert_eq!(sessions(c), 0);
}

#[test]
fn a_session_outlives_its_connection_no_longer_than_the_longest() {
    let mut c = cluster();
    // It asks for an hour.
    let peer = c.connect(0, "a");
    let told =
        |event: &Event| matches!(event, Event::LimitReached { limit: Limit::SessionExpiry, .. });
    assert_eq!(c.events().iter().filter(|event| told(event)).count(), 1);
    c.lose(peer);
    expect_over_after_600_s(&mut c);
}

#[test]
fn nor_does_one_whose_client_asks_for_more_when_it_leaves() {
    let mut c = cluster();
    let peer = c.connect(0, "a");
    c.send(peer, &disconnect(0, Some(u32::MAX)));
    c.lose(peer);
    expect_over_after_600_s(&mut c);
    // Less is less.
    let peer = c.connect(0, "a");
    c.send(peer, &disconnect(0, Some(1)));
    c.lose(peer);
    c.sleep(1000);
    assert_eq!(sessions(&c), 0);
}

#[test]
fn nor_does_one_whose_client_cannot_be_told() {
    let mut c = cluster();
    let connect = v3::codec::Connect { client_id: "a".into(), ..v3::codec::Connect::default() };
    let peer: Peer = c.dial_v3(0, connect);
    assert_eq!((c.heard(peer), peer.version), (vec!["CONNACK 00".to_owned()], Version::V311));
    c.lose(peer);
    expect_over_after_600_s(&mut c);
}
