//! Will messages, and keep alive, which is one way to come to them (sections 3.1.2.5 to 3.1.2.10).

use std::time::Duration;

use crate::case::{Trial, not_testable};
use crate::clock::let_pass;
use crate::{
    Client, Connect, PINGREQ, PINGRESP, Properties, Publish, Stopwatch, Version, Will, packet,
    puback, u32_property,
};

cases! {
    both {
        a_will_is_sent_when_the_connection_is_lost,
        a_will_is_sent_when_the_client_breaks_the_rules,
        a_will_is_sent_when_another_connection_takes_over,
        a_normal_disconnect_discards_the_will,
        a_will_is_sent_once,
        without_a_will_none_is_sent,
        a_will_has_its_qos,
        a_will_that_is_not_retained_is_gone_afterwards,
        a_retained_will_is_retained,
        an_empty_retained_will_removes_what_is_retained,
        a_client_silent_for_one_and_a_half_keep_alives_is_gone,
        a_client_that_pings_stays,
        every_packet_of_a_client_keeps_it_alive,
        what_a_client_is_sent_does_not_keep_it_alive,
    }
    v5 {
        a_disconnect_with_will_sends_it,
        a_will_waits_for_its_delay,
        a_will_is_sent_at_the_end_of_its_session_if_that_is_earlier,
        a_client_back_in_time_takes_its_will_back,
        a_delayed_will_of_a_normal_disconnect_is_never_sent,
        a_will_carries_its_properties_in_their_order,
        the_expiry_of_a_will_begins_when_it_is_sent,
    }
    v5_should {
        a_clean_start_sends_the_will_of_the_session_that_it_ends,
    }
}

fn observer(trial: &Trial) -> Client {
    let mut observer = trial.client("observer");
    observer.follow(&trial.topic("will"), 2);
    observer
}

fn will(trial: &Trial) -> Will {
    Will::new(&trial.topic("will"), "gone")
}

fn mortal(trial: &Trial) -> Client {
    trial.join(&trial.connect("mortal").will(will(trial)))
}

fn a_will_is_sent_when_the_connection_is_lost(trial: &Trial) {
    let mut observer = observer(trial);
    let client = mortal(trial);
    observer.expect_silence();
    client.lose();
    assert_eq!(observer.expect_text("gone").topic, trial.topic("will"));
}

fn a_will_is_sent_when_the_client_breaks_the_rules(trial: &Trial) {
    let mut observer = observer(trial);
    let mut client = mortal(trial);
    client.send(&[0x00, 0]);
    client.expect_end();
    observer.expect_text("gone");
}

fn a_will_is_sent_when_another_connection_takes_over(trial: &Trial) {
    let mut observer = observer(trial);
    let mut old = mortal(trial);
    let _new = trial.client("mortal");
    old.expect_end();
    observer.expect_text("gone");
}

fn a_normal_disconnect_discards_the_will(trial: &Trial) {
    let mut observer = observer(trial);
    mortal(trial).disconnect();
    // The end of the session does not send it either.
    trial.client("mortal").disconnect();
    let connect = trial.persistent("other").will(will(trial));
    trial.join(&connect).disconnect();
    trial.begin(&trial.connect("other")).lose();
    observer.expect_silence();
}

fn a_will_is_sent_once(trial: &Trial) {
    let mut observer = observer(trial);
    let persistent = trial.persistent("mortal");
    trial.begin(&persistent.clone().will(will(trial))).lose();
    observer.expect_text("gone");
    trial.resume(&persistent).lose();
    trial.resume(&persistent).disconnect();
    trial.begin(&trial.connect("mortal")).lose();
    trial.client("mortal").disconnect();
    observer.expect_silence();
}

fn without_a_will_none_is_sent(trial: &Trial) {
    let mut observer = observer(trial);
    let persistent = trial.persistent("mortal");
    trial.begin(&persistent.clone().will(will(trial))).disconnect();
    let mut client = trial.resume(&persistent);
    client.send(&[0x00, 0]);
    client.expect_end();
    trial.resume(&persistent).disconnect();
    observer.expect_silence();
}

fn a_will_has_its_qos(trial: &Trial) {
    let mut observer = observer(trial);
    for qos in 0..=2 {
        let connect = trial.connect("mortal").will(will(trial).qos(qos));
        trial.join(&connect).lose();
        assert_eq!(observer.receive_and_acknowledge().qos, qos);
    }
}

fn a_will_that_is_not_retained_is_gone_afterwards(trial: &Trial) {
    let mut observer = observer(trial);
    mortal(trial).lose();
    assert!(!observer.expect_text("gone").retain);
    let mut late = trial.client("late");
    late.follow(&trial.topic("will"), 0);
    late.expect_silence();
}

fn a_retained_will_is_retained(trial: &Trial) {
    let mut observer = observer(trial);
    trial.join(&trial.connect("mortal").will(will(trial).retain())).lose();
    observer.expect_text("gone");
    let mut late = trial.client("late");
    late.follow(&trial.topic("will"), 0);
    assert!(late.expect_text("gone").retain);
    let empty = Publish::new(&trial.topic("will"), "").retain();
    trial.client("cleaner").publish_packet(&empty, 0);
}

fn an_empty_retained_will_removes_what_is_retained(trial: &Trial) {
    let mut observer = observer(trial);
    let topic = trial.topic("will");
    let kept = Publish::new(&topic, "kept").qos(1, 1).retain();
    trial.client("pub").publish_packet(&kept, 1);
    observer.receive_and_acknowledge();
    trial.join(&trial.connect("mortal").will(will(trial).payload("").retain())).lose();
    observer.expect_text("");
    let mut late = trial.client("late");
    late.follow(&topic, 0);
    late.expect_silence();
}

fn a_client_silent_for_one_and_a_half_keep_alives_is_gone(trial: &Trial) {
    let mut observer = observer(trial);
    let silence = Stopwatch::start();
    let connect = trial.connect("mortal").keep_alive(1).will(will(trial));
    let mut client = trial.join(&connect);
    let seconds = client.connack.number(0x13).unwrap_or(1);
    if seconds > 4 {
        not_testable(format!("its Server Keep Alive is {seconds} s"));
    }
    client.expect_end();
    // Not before the keep alive itself: until then the client has kept it.
    let elapsed = silence.elapsed();
    assert!(elapsed >= Duration::from_millis(u64::from(seconds) * 1000 - 10), "after {elapsed:?}");
    observer.expect_text("gone");
}

fn a_client_that_pings_stays(trial: &Trial) {
    let mut client = trial.join(&trial.connect("lively").keep_alive(2));
    let mut idle = trial.client("idle");
    for _ in 0..6 {
        let_pass(Duration::from_millis(700));
        client.ping();
    }
    // A keep alive of 0 is none.
    idle.ping();
}

fn every_packet_of_a_client_keeps_it_alive(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.join(&trial.connect("lively").keep_alive(2));
    client.follow(&topic, 1);
    for round in 0..6 {
        let_pass(Duration::from_millis(700));
        match round % 3 {
            0 => client.send(&Publish::new(&topic, "x").bytes(trial.version)),
            1 => client.send(&trial.version.unsubscribe(1, &[&trial.topic("b")])),
            _ => client.send(&puback(9)),
        }
    }
    client.send(&PINGREQ);
    while client.packet() != PINGRESP {}
}

fn what_a_client_is_sent_does_not_keep_it_alive(trial: &Trial) {
    let topic = trial.topic("a");
    let mut publisher = trial.client("pub");
    let mut client = trial.join(&trial.connect("silent").keep_alive(1));
    if let Some(seconds) = client.connack.number(0x13).filter(|seconds| *seconds > 1) {
        not_testable(format!("its Server Keep Alive is {seconds} s"));
    }
    client.follow(&topic, 0);
    for _ in 0..8 {
        let_pass(Duration::from_millis(400));
        publisher.publish(&topic, "x", 0);
    }
    client.expect_end();
}

fn a_disconnect_with_will_sends_it(trial: &Trial) {
    let mut observer = observer(trial);
    mortal(trial).close_with_will();
    observer.expect_text("gone");
}

/// A client that leaves at once, with this session expiry and will delay.
fn leave(trial: &Trial, expiry: u32, delay: u32) -> Connect {
    let connect = Connect::new(Version::V5, &trial.id("mortal")).resume();
    let connect = if expiry > 0 { connect.expiry(expiry) } else { connect };
    let will = will(trial);
    let will = if delay > 0 { will.delay(delay) } else { will };
    let client = trial.join(&connect.clone().will(will));
    if let Some(other) = client.connack.number(0x11).filter(|other| *other != expiry) {
        not_testable(format!("its Session Expiry Interval is {other} s"));
    }
    client.close_with_will();
    connect
}

/// The will comes, and not before so many seconds.
#[track_caller]
fn comes_after(trial: &Trial, expiry: u32, delay: u32, seconds: u32) {
    let mut observer = observer(trial);
    let wait = Stopwatch::start();
    leave(trial, expiry, delay);
    observer.expect_text("gone");
    let elapsed = wait.elapsed();
    let earliest = Duration::from_secs(seconds.into()).saturating_sub(Duration::from_millis(10));
    assert!(elapsed >= earliest, "expiry {expiry}, delay {delay}: after {elapsed:?}");
}

fn a_will_waits_for_its_delay(trial: &Trial) {
    comes_after(trial, 60, 0, 0);
    comes_after(trial, 60, 1, 1);
    comes_after(trial, u32::MAX, 2, 2);
    comes_after(trial, 2, 1, 1);
}

fn a_will_is_sent_at_the_end_of_its_session_if_that_is_earlier(trial: &Trial) {
    comes_after(trial, 0, 60, 0);
    comes_after(trial, 1, 60, 1);
    comes_after(trial, 1, u32::MAX, 1);
    comes_after(trial, 1, 1, 1);
}

fn a_client_back_in_time_takes_its_will_back(trial: &Trial) {
    let mut observer = observer(trial);
    let connect = leave(trial, 60, 2);
    let mut client = trial.resume(&connect);
    let_pass(Duration::from_millis(3200));
    observer.expect_silence();
    client.ping();
    // On a connection that is still open as well.
    let old = trial.resume(&connect.clone().will(will(trial).delay(1)));
    let mut new = trial.resume(&connect);
    drop(old);
    let_pass(Duration::from_millis(2200));
    observer.expect_silence();
    new.ping();
}

/// The session ends, so its will is due; but there is a new connection for the client identifier,
/// and another sentence says that there is no will then. The takeover's notes settle it.
fn a_clean_start_sends_the_will_of_the_session_that_it_ends(trial: &Trial) {
    let mut observer = observer(trial);
    leave(trial, 60, 60);
    observer.expect_silence();
    let _new = trial.begin(&trial.connect("mortal"));
    observer.expect_text("gone");
}

fn a_delayed_will_of_a_normal_disconnect_is_never_sent(trial: &Trial) {
    let mut observer = observer(trial);
    let connect = Connect::new(Version::V5, &trial.id("mortal")).expiry(2);
    trial.join(&connect.will(will(trial).delay(1))).disconnect();
    let_pass(Duration::from_millis(3200));
    observer.expect_silence();
}

fn the_expiry_of_a_will_begins_when_it_is_sent(trial: &Trial) {
    let mut observer = observer(trial);
    let will = will(trial).delay(2).property(&u32_property(0x02, 1));
    let connect = trial.persistent("mortal").will(will);
    trial.join(&connect).close_with_will();
    let received = observer.expect_text("gone");
    assert_eq!(received.properties.number(0x02), Some(1), "the whole Message Expiry Interval");
}

fn a_will_carries_its_properties_in_their_order(trial: &Trial) {
    let mut observer = observer(trial);
    let properties = [
        &[0x01, 1][..],
        b"\x03\0\x04text",
        b"\x08\0\x05reply",
        b"\x09\0\x03\x00\xFF\x01",
        b"\x26\0\x01b\0\x011",
        b"\x26\0\x01a\0\x012",
        b"\x26\0\x01b\0\x011",
    ]
    .concat();
    let connect = trial.connect("mortal").will(will(trial).property(&properties));
    trial.join(&connect).lose();
    let received = observer.expect_text("gone");
    let (sent, _) = Properties::split(&packet(0, &[&properties])[1..]);
    for id in [0x01, 0x03, 0x08, 0x09, 0x26] {
        let values: Vec<_> = received.properties.all(id).collect();
        assert_eq!(values, sent.all(id).collect::<Vec<_>>(), "property {id:#04x}");
    }
}
