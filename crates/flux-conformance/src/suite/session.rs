//! Sessions: when they begin, what they hold, when they end (sections 3.1.2 and 4.1).

use std::time::Duration;

use crate::case::{Trial, not_testable};
use crate::clock::let_pass;
use crate::{Connect, Publish, Version, packet, u32_property};

cases! {
    both {
        a_clean_start_discards_the_session,
        a_client_that_comes_back_finds_its_session,
        without_a_session_a_new_one_begins,
        a_session_without_expiry_ends_with_its_connection,
        a_session_belongs_to_its_client_identifier,
        messages_of_qos_1_and_2_wait_for_a_client_that_is_away,
        a_session_lasts_as_long_as_its_connection,
        retained_messages_outlive_the_session_of_their_publisher,
        a_takeover_keeps_the_session,
        a_takeover_ends_a_session_that_lasts_as_long_as_its_connection,
    }
    v5 {
        a_session_outlives_its_connection_by_its_expiry,
        an_expired_session_is_gone,
        a_session_without_end_stays,
        disconnect_shortens_the_expiry,
        disconnect_ends_the_session_with_an_expiry_of_0,
        disconnect_cannot_revive_a_session_without_expiry,
        the_expiry_is_the_one_of_the_last_connect,
        a_clean_start_with_expiry_makes_a_session_that_stays,
    }
}

fn a_clean_start_discards_the_session(trial: &Trial) {
    let topic = trial.topic("a");
    let persistent = trial.persistent("a");
    let mut publisher = trial.client("pub");
    let mut client = trial.begin(&persistent);
    client.follow(&topic, 1);
    publisher.publish(&topic, "in flight", 1);
    client.expect_text("in flight");
    client.lose();
    publisher.publish(&topic, "waits", 1);
    let mut client = trial.begin(&trial.connect("a"));
    publisher.publish(&topic, "x", 1);
    client.expect_silence();
    client.disconnect();
    // Nor does any of it come back.
    let mut client = trial.begin(&persistent);
    publisher.publish(&topic, "x", 1);
    client.expect_silence();
}

fn a_client_that_comes_back_finds_its_session(trial: &Trial) {
    let (one, two) = (trial.topic("one"), trial.topic("two/+"));
    let persistent = trial.persistent("a");
    let mut client = trial.begin(&persistent);
    client.follow(&one, 1);
    client.follow(&two, 0);
    client.leave(&[&one]);
    client.follow(&one, 2);
    client.disconnect();
    let mut client = trial.resume(&persistent);
    let mut publisher = trial.client("pub");
    publisher.publish(&one, "one", 2);
    assert_eq!(client.receive_and_acknowledge().qos, 2);
    publisher.publish(&trial.topic("two/a"), "two", 2);
    assert_eq!(client.receive().qos, 0);
    client.expect_silence();
}

fn without_a_session_a_new_one_begins(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.begin(&trial.persistent("a"));
    client.expect_silence();
    client.follow(&topic, 0);
    client.send(&Publish::new(&topic, "x").bytes(trial.version));
    client.expect_text("x");
}

fn a_session_without_expiry_ends_with_its_connection(trial: &Trial) {
    let topic = trial.topic("a");
    for is_lost in [true, false] {
        let mut client = trial.begin(&trial.connect("a"));
        client.follow(&topic, 1);
        if is_lost {
            client.lose();
        } else {
            client.disconnect();
        }
        trial.client("pub").publish(&topic, "x", 1);
        let mut client = trial.begin(&Connect::new(trial.version, &trial.id("a")).resume());
        client.expect_silence();
        client.disconnect();
        trial.begin(&trial.connect("a")).disconnect();
    }
}

fn a_session_belongs_to_its_client_identifier(trial: &Trial) {
    trial.begin(&trial.persistent("name")).disconnect();
    for other in ["Name", "nam", "names", "name1"] {
        trial.begin(&trial.persistent(other)).disconnect();
    }
    trial.resume(&trial.persistent("name")).disconnect();
}

fn messages_of_qos_1_and_2_wait_for_a_client_that_is_away(trial: &Trial) {
    let topic = trial.topic("a");
    let persistent = trial.persistent("a");
    let mut client = trial.begin(&persistent);
    client.follow(&topic, 2);
    client.disconnect();
    let mut publisher = trial.client("pub");
    for qos in [1, 2] {
        publisher.publish(&topic, format!("qos {qos}"), qos);
    }
    let mut client = trial.resume(&persistent);
    for qos in [1, 2] {
        let received = client.receive_and_acknowledge();
        assert_eq!((received.text(), received.qos), (format!("qos {qos}").as_str(), qos));
        assert!(!received.dup, "it was never sent before");
    }
    client.expect_silence();
}

/// Session state is not dropped while the connection is open, even if the session ends with it.
fn a_session_lasts_as_long_as_its_connection(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    client.follow(&topic, 1);
    let_pass(Duration::from_millis(1200));
    trial.client("pub").publish(&topic, "x", 1);
    client.expect_text("x");
}

fn retained_messages_outlive_the_session_of_their_publisher(trial: &Trial) {
    let topic = trial.topic("a");
    let mut publisher = trial.client("pub");
    publisher.publish_packet(&Publish::new(&topic, "stays").qos(1, 1).retain(), 1);
    publisher.disconnect();
    trial.begin(&trial.connect("pub")).disconnect();
    let mut client = trial.client("a");
    client.follow(&topic, 0);
    assert!(client.expect_text("stays").retain);
    remove(trial, &topic);
}

/// Leaves nothing behind on a broker that others use.
fn remove(trial: &Trial, topic: &str) {
    trial.client("cleaner").publish_packet(&Publish::new(topic, "").retain(), 0);
}

fn a_takeover_keeps_the_session(trial: &Trial) {
    let topic = trial.topic("a");
    let persistent = trial.persistent("a");
    let mut old = trial.begin(&persistent);
    old.follow(&topic, 1);
    let mut new = trial.resume(&persistent);
    old.expect_end();
    trial.client("pub").publish(&topic, "x", 1);
    new.expect_text("x");
}

/// Its connection closes, and so it ends, whoever closes it.
fn a_takeover_ends_a_session_that_lasts_as_long_as_its_connection(trial: &Trial) {
    let topic = trial.topic("a");
    let mut old = trial.client("a");
    old.follow(&topic, 1);
    let mut new = trial.begin(&trial.persistent("a"));
    old.expect_end();
    trial.client("pub").publish(&topic, "x", 1);
    new.expect_silence();
}

fn expiring(trial: &Trial, role: &str, seconds: u32) -> Connect {
    Connect::new(trial.version, &trial.id(role)).resume().expiry(seconds)
}

/// A broker may lower the expiry; then it says so.
#[track_caller]
fn demand_expiry(client: &crate::Client, seconds: u32) {
    if let Some(other) = client.connack.number(0x11).filter(|other| *other != seconds) {
        not_testable(format!("its Session Expiry Interval is {other} s, not {seconds} s"));
    }
}

fn a_session_outlives_its_connection_by_its_expiry(trial: &Trial) {
    let client = trial.begin(&expiring(trial, "a", 30));
    demand_expiry(&client, 30);
    client.disconnect();
    let_pass(Duration::from_millis(1500));
    trial.resume(&expiring(trial, "a", 30)).lose();
    let_pass(Duration::from_millis(1500));
    trial.resume(&expiring(trial, "a", 0)).disconnect();
}

fn an_expired_session_is_gone(trial: &Trial) {
    for role in ["a", "b"] {
        let client = trial.begin(&expiring(trial, role, 1));
        demand_expiry(&client, 1);
        client.disconnect();
    }
    let_pass(Duration::from_millis(2600));
    trial.begin(&expiring(trial, "a", 0)).disconnect();
    trial.begin(&trial.connect("b")).disconnect();
}

fn a_session_without_end_stays(trial: &Trial) {
    let client = trial.begin(&expiring(trial, "a", u32::MAX));
    demand_expiry(&client, u32::MAX);
    client.lose();
    let_pass(Duration::from_millis(1500));
    trial.resume(&expiring(trial, "a", 0)).disconnect();
}

/// DISCONNECT with a Session Expiry Interval.
fn leave_with(client: &mut crate::Client, seconds: u32) {
    let properties = Version::V5.properties(&u32_property(0x11, seconds));
    client.send(&packet(0xE0, &[&[0], &properties]));
    client.expect_closed();
}

fn disconnect_shortens_the_expiry(trial: &Trial) {
    let mut client = trial.begin(&expiring(trial, "a", 3600));
    demand_expiry(&client, 3600);
    leave_with(&mut client, 1);
    let_pass(Duration::from_millis(2600));
    trial.begin(&expiring(trial, "a", 0)).disconnect();
}

fn disconnect_ends_the_session_with_an_expiry_of_0(trial: &Trial) {
    let mut client = trial.begin(&expiring(trial, "a", 3600));
    leave_with(&mut client, 0);
    trial.begin(&expiring(trial, "a", 0)).disconnect();
}

fn disconnect_cannot_revive_a_session_without_expiry(trial: &Trial) {
    let mut client = trial.begin(&expiring(trial, "a", 0));
    let properties = Version::V5.properties(&u32_property(0x11, 60));
    client.send(&packet(0xE0, &[&[0], &properties]));
    let code = client.expect_end();
    assert!(code.is_none_or(|code| code == 0x82), "DISCONNECT with {code:02x?}");
    trial.begin(&expiring(trial, "a", 0)).disconnect();
}

fn the_expiry_is_the_one_of_the_last_connect(trial: &Trial) {
    trial.begin(&expiring(trial, "a", 3600)).disconnect();
    trial.resume(&expiring(trial, "a", 0)).disconnect();
    trial.begin(&expiring(trial, "a", 0)).disconnect();
}

fn a_clean_start_with_expiry_makes_a_session_that_stays(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.begin(&trial.connect("a").expiry(60));
    client.follow(&topic, 1);
    client.disconnect();
    trial.client("pub").publish(&topic, "x", 1);
    trial.resume(&expiring(trial, "a", 0)).expect_text("x");
}
