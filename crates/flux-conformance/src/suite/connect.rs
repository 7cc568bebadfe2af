//! CONNECT and CONNACK (sections 3.1 and 3.2).

use super::violation::{PROTOCOL_ERROR, connect, ends_the_connection, form};
use crate::case::{Trial, not_testable};
use crate::client::reason_code;
use crate::{Client, Connect, PINGREQ, Publish, Version, Will, packet, string};

cases! {
    both {
        a_second_connect_ends_the_connection,
        a_wrong_protocol_name_is_not_served,
        an_unknown_protocol_version_is_refused,
        the_first_packet_of_the_server_is_its_only_connack,
        a_good_connect_is_accepted,
        fields_of_connect_are_read_in_their_order,
        client_identifiers_of_letters_and_digits_are_accepted,
        a_client_without_identifier_gets_one_of_its_own,
        a_refused_connect_says_so_and_ends,
        what_follows_a_refused_connect_is_not_handled,
        a_second_connection_with_the_identifier_ends_the_first,
        flags_of_connack_but_session_present_are_0,
    }
    v3 {
        an_empty_client_identifier_needs_clean_session,
    }
    v5 {
        an_assigned_client_identifier_names_a_session,
        assigned_client_identifiers_differ,
        the_old_connection_is_told_of_a_takeover,
        response_information_is_sent_to_who_asks,
        the_keep_alive_of_connect_holds_unless_connack_says_other,
    }
    v5_should {
        a_refused_version_is_told,
    }
}

fn a_second_connect_ends_the_connection(trial: &Trial) {
    let other = trial.connect("other").bytes();
    let same = trial.connect("violator").bytes();
    ends_the_connection(
        trial,
        vec![
            form("another client", other, PROTOCOL_ERROR),
            form("the same client", same, PROTOCOL_ERROR),
        ],
    );
}

/// CONNECT with another protocol name or version.
fn named(trial: &Trial, name: &[u8], level: u8) -> Vec<u8> {
    let none = trial.version.properties(&[]);
    packet(0x10, &[&string(name), &[level, 2, 0, 60], &none, &string(trial.id("a"))])
}

fn a_wrong_protocol_name_is_not_served(trial: &Trial) {
    for name in [&b"mqtt"[..], b"MQTT ", b"MQT", b"MQTTX", b"", b"\xFF", b"HTTP"] {
        let mut client = trial.send(&named(trial, name, trial.version.level()));
        client.try_send(&PINGREQ);
        client.expect_end();
    }
}

/// The answer may be in the format of either version: the broker cannot know which one is spoken.
fn refused_version(trial: &Trial, level: u8) -> Option<Vec<u8>> {
    let mut client = trial.send(&named(trial, b"MQTT", level));
    let answer = client.try_packet();
    client.expect_closed();
    answer
}

fn an_unknown_protocol_version_is_refused(trial: &Trial) {
    for level in [0, 1, 2, 6, 7, 0x7F, 0xFF] {
        let answer = refused_version(trial, level);
        let is_told = match answer.as_deref() {
            Some([0x20, _, 0, code, ..]) => matches!(code, 0x01 | 0x84),
            // MQTT 5.0 leaves it open; 3.1.1 demands the answer.
            None => trial.is_v5(),
            Some(_) => false,
        };
        assert!(is_told, "version {level}: {answer:02x?}");
    }
}

fn a_refused_version_is_told(trial: &Trial) {
    for level in [0, 6, 0xFF] {
        let answer = refused_version(trial, level);
        let is_told = matches!(answer.as_deref(), Some([0x20, _, 0, 0x84 | 0x01, ..]));
        assert!(is_told, "version {level}: {answer:02x?}");
    }
}

fn the_first_packet_of_the_server_is_its_only_connack(trial: &Trial) {
    let topic = trial.topic("a");
    let version = trial.version;
    let mut bytes = trial.connect("a").bytes();
    bytes.extend(version.subscribe(1, &[(&topic, 0)]));
    bytes.extend(Publish::new(&topic, "x").bytes(version));
    bytes.extend(PINGREQ);
    let mut client = trial.send(&bytes);
    client.expect_connack();
    // The answers to the others come in any order.
    let mut others: Vec<u8> = (0..3).map(|_| client.packet()[0]).collect();
    others.sort_unstable();
    assert_eq!(others, [0x30, 0x90, 0xD0], "PUBLISH, SUBACK and PINGRESP");
    client.expect_silence();
}

fn a_good_connect_is_accepted(trial: &Trial) {
    let client = trial.join(&trial.connect("a"));
    assert!(!client.session_present);
    drop(client);
    trial.join(&trial.persistent("b").keep_alive(600)).ping();
}

/// All fields there are; were they read in another order, the will could not be this one.
fn fields_of_connect_are_read_in_their_order(trial: &Trial) {
    let topic = trial.topic("will");
    let mut observer = trial.client("observer");
    observer.follow(&topic, 0);
    let id = string(trial.id("mortal"));
    let payload =
        [id, trial.version.properties(&[]), string(&topic), string("gone"), string("name")];
    let payload: Vec<&[u8]> = payload.iter().map(Vec::as_slice).collect();
    let mut client = trial.send(&connect(trial, 0x86, &[], &payload));
    let connack = client.packet();
    let code = reason_code(&connack);
    if matches!(code, 0x04 | 0x05 | 0x86 | 0x87) {
        not_testable(format!("it does not know the user name: {code:#04x}"));
    }
    assert_eq!(code, 0, "CONNACK refuses: {connack:02x?}");
    client.lose();
    observer.expect_text("gone");
}

const LETTERS: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn client_identifiers_of_letters_and_digits_are_accepted(trial: &Trial) {
    // 12 characters make it unique; 11 more are the most that every server must take.
    let (mark, letters) = (trial.mark(), LETTERS.as_bytes());
    for chunk in letters.chunks(11) {
        let id = format!("{mark}{}", std::str::from_utf8(chunk).unwrap());
        assert!(id.len() <= 23);
        trial.join(&Connect::new(trial.version, &id)).ping();
    }
    // One letter is nobody's own; the other version takes the other.
    let shortest = if trial.is_v5() { "q" } else { "Q" };
    trial.join(&Connect::new(trial.version, shortest)).ping();
}

fn a_client_without_identifier_gets_one_of_its_own(trial: &Trial) {
    let connect = Connect::new(trial.version, "");
    let mut clients = [trial.join(&connect), trial.join(&connect), trial.join(&connect)];
    for client in &mut clients {
        assert!(!client.session_present, "an identifier that nobody has");
        client.ping();
    }
}

fn an_empty_client_identifier_needs_clean_session(trial: &Trial) {
    let mut client = trial.send(&Connect::new(trial.version, "").resume().bytes());
    client.expect(&[0x20, 2, 0, 2]);
    client.expect_closed();
}

/// Asks for what every broker refuses.
fn refused(trial: &Trial) -> Vec<u8> {
    if trial.is_v5() {
        let method = [&[0x15][..], &string("no-such-method")].concat();
        trial.persistent("refused").property(&method).bytes()
    } else {
        Connect::new(trial.version, "").resume().bytes()
    }
}

/// Table 3-1 of MQTT 5.0 and of 3.1.1.
fn is_code_of_connack(version: Version, code: u8) -> bool {
    match version {
        Version::V5 => matches!(
            code,
            0x00 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99 | 0x9A..=0x9D | 0x9F
        ),
        Version::V31 | Version::V311 => code <= 5,
    }
}

fn a_refused_connect_says_so_and_ends(trial: &Trial) {
    let mut client = trial.send(&refused(trial));
    let connack = client.packet();
    assert_eq!((connack[0], connack[2]), (0x20, 0), "CONNACK without session: {connack:02x?}");
    assert_ne!(connack[3], 0, "CONNACK accepts: {connack:02x?}");
    assert!(is_code_of_connack(trial.version, connack[3]), "the code of {connack:02x?}");
    client.expect_closed();
}

fn what_follows_a_refused_connect_is_not_handled(trial: &Trial) {
    let topic = trial.topic("a");
    let mut observer = trial.client("observer");
    observer.follow(&topic, 0);
    let mut bytes = refused(trial);
    for _ in 0..3 {
        bytes.extend(Publish::new(&topic, "x").bytes(trial.version));
    }
    bytes.extend(PINGREQ);
    let mut client = trial.send(&bytes);
    client.expect_end();
    observer.expect_silence();
}

fn a_second_connection_with_the_identifier_ends_the_first(trial: &Trial) {
    for connect in [trial.connect("a"), trial.persistent("b")] {
        let mut old = trial.join(&connect);
        let mut new = trial.join(&connect);
        old.expect_end();
        new.ping();
    }
    // Identifiers that differ in case are two.
    let mut lower = trial.client("case");
    let mut upper = trial.client("CASE");
    lower.ping();
    upper.ping();
}

fn the_old_connection_is_told_of_a_takeover(trial: &Trial) {
    let connect = trial.persistent("a");
    let mut old = trial.join(&connect);
    let _new = trial.join(&connect);
    assert_eq!(old.expect_end(), Some(0x8E), "the code of DISCONNECT");
}

fn flags_of_connack_but_session_present_are_0(trial: &Trial) {
    let flags = |connect: &Connect| {
        let connack = trial.send(&connect.bytes()).packet();
        assert_eq!(connack[3], 0, "CONNACK accepts: {connack:02x?}");
        connack[2]
    };
    assert_eq!(flags(&trial.persistent("a")), 0);
    assert_eq!(flags(&trial.persistent("a")), 1);
    assert_eq!(flags(&trial.connect("a")), 0);
}

fn assigned(trial: &Trial, connect: &Connect) -> (Client, String) {
    let client = trial.join(connect);
    let id = client.connack.text(0x12).expect("CONNACK with an Assigned Client Identifier");
    assert!(!id.is_empty(), "an identifier");
    (client, id)
}

fn an_assigned_client_identifier_names_a_session(trial: &Trial) {
    let topic = trial.topic("a");
    let (mut client, id) = assigned(trial, &Connect::new(trial.version, "").resume().expiry(60));
    client.follow(&topic, 1);
    client.disconnect();
    trial.client("pub").publish(&topic, "while away", 1);
    let connect = Connect::new(trial.version, &id).resume().expiry(60);
    let mut client = trial.resume(&connect);
    assert_eq!(client.connack.get(0x12), None, "an identifier that was not asked for");
    client.expect_text("while away");
    client.disconnect();
    trial.begin(&Connect::new(trial.version, &id)).disconnect();
}

fn assigned_client_identifiers_differ(trial: &Trial) {
    let connect = Connect::new(trial.version, "");
    let (mut one, first) = assigned(trial, &connect);
    let (mut two, second) = assigned(trial, &connect);
    assert_ne!(first, second);
    one.ping();
    two.ping();
}

fn response_information_is_sent_to_who_asks(trial: &Trial) {
    for connect in [trial.connect("a"), trial.connect("a").property(&[0x19, 0])] {
        let client = trial.join(&connect);
        assert_eq!(client.connack.get(0x1A), None, "Response Information without request");
    }
    if trial.join(&trial.connect("a").property(&[0x19, 1])).connack.get(0x1A).is_none() {
        not_testable("it has no Response Information");
    }
}

fn the_keep_alive_of_connect_holds_unless_connack_says_other(trial: &Trial) {
    let will = Will::new(&trial.topic("will"), "silent");
    let mut observer = trial.client("observer");
    observer.follow(&trial.topic("will"), 0);
    let connect = trial.connect("silent").keep_alive(1).will(will);
    let mut client = trial.join(&connect);
    if let Some(seconds) = client.connack.number(0x13).filter(|seconds| *seconds > 3) {
        not_testable(format!("its Server Keep Alive is {seconds} s"));
    }
    let code = client.expect_end();
    assert!(code.is_none_or(|code| code == 0x8D), "DISCONNECT with {code:02x?}");
    observer.expect_text("silent");
}
