//! Maximum Packet Size in both directions, and words where they are not wanted (MQTT 5.0 sections
//! 3.1.2.11.4, 3.1.2.11.7 and 3.2.2.3.6).

use crate::case::{Trial, not_testable};
use crate::client::reason_code;
use crate::property::split_integer;
use crate::{
    Client, Connect, PINGREQ, Properties, Publish, integer, packet, pubrec, pubrel, string,
};

cases! {
    v5 {
        a_message_larger_than_the_client_takes_is_not_sent,
        a_message_that_was_not_sent_needs_no_acknowledgement,
        no_acknowledgement_is_larger_than_the_client_takes,
        no_suback_or_unsuback_is_larger_than_the_client_takes,
        no_connack_is_larger_than_the_client_takes,
        no_disconnect_is_larger_than_the_client_takes,
        who_wants_no_words_gets_none_but_in_connack_and_disconnect,
    }
    v5_should {
        words_that_do_not_fit_are_left_out,
    }
    both {
        a_packet_larger_than_the_server_takes_ends_the_connection,
    }
}

fn a_message_larger_than_the_client_takes_is_not_sent(trial: &Trial) {
    let topic = trial.topic("a");
    let mut publisher = trial.client("pub");
    let mut client = trial.join(&trial.connect("sub").maximum_packet_size(200));
    client.follow(&topic, 2);
    let send = |publisher: &mut Client, client: &mut Client, qos: u8, room: usize, fits: bool| {
        publisher.publish(&topic, "x".repeat(room), qos);
        publisher.publish(&topic, "next", qos);
        if fits {
            assert_eq!(client.receive_and_acknowledge().payload.len(), room);
        }
        assert_eq!(client.receive_and_acknowledge().text(), "next", "{room} bytes at QoS {qos}");
    };
    for qos in 0..=2 {
        // Fixed header 3, topic 2 and its bytes, identifier 2, property length 1.
        let rest = 200 - 3 - 2 - topic.len() - 1 - if qos == 0 { 0 } else { 2 };
        send(&mut publisher, &mut client, qos, rest, true);
        send(&mut publisher, &mut client, qos, rest + 1, false);
        send(&mut publisher, &mut client, qos, 5000, false);
    }
    client.expect_silence();
}

/// It counts as sent: the window is free for the next, and the session does not keep it.
fn a_message_that_was_not_sent_needs_no_acknowledgement(trial: &Trial) {
    let topic = trial.topic("a");
    let persistent = trial.persistent("sub");
    let mut publisher = trial.client("pub");
    let small = persistent.clone().maximum_packet_size(200).receive_maximum(1);
    let mut client = trial.begin(&small);
    client.follow(&topic, 2);
    for qos in [1, 2] {
        for _ in 0..3 {
            publisher.publish(&topic, "x".repeat(500), qos);
        }
        publisher.publish(&topic, "small", qos);
        assert_eq!(client.receive_and_acknowledge().text(), "small");
    }
    client.disconnect();
    trial.resume(&persistent).expect_silence();
}

/// Sends what may be refused with words, and returns all packets up to PINGRESP.
fn answers(client: &mut Client, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    client.try_send(&packets.concat());
    client.try_send(&PINGREQ);
    // A broker may also end the connection.
    while let Some(packet) = client.try_packet().filter(|packet| packet[0] != 0xD0) {
        answers.push(packet);
    }
    answers
}

/// PUBLISH, PUBREC and PUBREL that brokers refuse, each for a reason of its own.
fn refused(trial: &Trial) -> Vec<Vec<u8>> {
    let deep = trial.topic(&"a/".repeat(150));
    let version = trial.version;
    vec![
        Publish::new("$SYS/a", "x").qos(1, 1).bytes(version),
        Publish::new("$SYS/a", "x").qos(2, 2).bytes(version),
        Publish::new(&deep, "x").qos(1, 3).bytes(version),
        pubrec(40),
        pubrel(41),
    ]
}

fn refused_filters(trial: &Trial) -> Vec<Vec<u8>> {
    let deep = trial.topic(&"a/".repeat(150));
    let version = trial.version;
    vec![version.subscribe(7, &[(&deep, 0)]), version.unsubscribe(8, &[&deep, "never"])]
}

/// Every answer comes, and none is too large: what does not fit is left out.
#[track_caller]
fn are_small(trial: &Trial, packets: &[Vec<u8>]) {
    let identity = |answer: &Vec<u8>| {
        let (_, body) = split_integer(&answer[1..]);
        (answer[0], body.get(..2).map(<[u8]>::to_vec))
    };
    let all: Vec<_> = answers(&mut trial.client("a"), packets).iter().map(identity).collect();
    // CONNACK has to fit as well.
    let smallest = trial.send(&trial.connect("a").bytes()).packet().len();
    for size in [smallest, smallest + 1, 20, 25, 30, 40, 60, 80].map(|size| size.max(smallest)) {
        let connect = trial.connect("a").maximum_packet_size(u32::try_from(size).unwrap());
        let answers = answers(&mut trial.join(&connect), packets);
        for answer in &answers {
            let is_small = answer.len() <= size;
            assert!(is_small, "{} bytes, the client takes {size}: {answer:02x?}", answer.len());
        }
        let told: Vec<_> = answers.iter().map(identity).collect();
        assert_eq!(told, all, "the answers where the client takes {size} bytes");
    }
}

fn no_acknowledgement_is_larger_than_the_client_takes(trial: &Trial) {
    are_small(trial, &refused(trial));
}

fn no_suback_or_unsuback_is_larger_than_the_client_takes(trial: &Trial) {
    are_small(trial, &refused_filters(trial));
}

fn no_connack_is_larger_than_the_client_takes(trial: &Trial) {
    let method = [&[0x15][..], &string("no-such-method")].concat();
    for size in [1, 5, 6, 8, 10, 15, 20, 30] {
        for connect in [trial.connect("a"), trial.connect("a").property(&method)] {
            let mut client = trial.send(&connect.maximum_packet_size(size).bytes());
            if let Some(packet) = client.try_packet() {
                let is_small = packet.len() <= usize::try_from(size).unwrap();
                assert!(is_small, "{} bytes, the client takes {size}: {packet:02x?}", packet.len());
            }
        }
    }
}

fn no_disconnect_is_larger_than_the_client_takes(trial: &Trial) {
    let smallest = trial.send(&trial.connect("a").bytes()).packet().len();
    for size in [smallest, smallest + 2, smallest + 10] {
        for wrong in [vec![0, 0], trial.version.subscribe(1, &[("a/#/b", 0)]), packet(0x30, &[])] {
            let connect = trial.connect("a").maximum_packet_size(u32::try_from(size).unwrap());
            let mut client = trial.join(&connect);
            client.send(&wrong);
            while let Some(packet) = client.try_packet() {
                assert!(packet.len() <= size, "the client takes {size}: {packet:02x?}");
            }
        }
    }
}

/// What ends a connection is said without words where only those do not fit.
fn words_that_do_not_fit_are_left_out(trial: &Trial) {
    let method = [&[0x15][..], &string("no-such-method")].concat();
    let refused = |connect: Connect| trial.send(&connect.property(&method).bytes()).try_packet();
    let ended = |connect: Connect| {
        let mut client = trial.join(&connect);
        client.send(&[0, 0]);
        client.try_packet()
    };
    for goodbye in [&refused as &dyn Fn(Connect) -> Option<Vec<u8>>, &ended] {
        let whole = goodbye(trial.connect("a")).expect("a code that says why");
        let smallest = trial.send(&trial.connect("a").bytes()).packet().len();
        for size in smallest..whole.len() {
            let size = u32::try_from(size).unwrap();
            let cut = goodbye(trial.connect("a").maximum_packet_size(size));
            let cut = cut.expect("a code without words");
            assert_eq!((cut[0], reason_code(&cut)), (whole[0], reason_code(&whole)));
        }
    }
}

/// The properties of an answer; none where it leaves them out.
fn properties(answer: &[u8]) -> Properties {
    let (_, body) = split_integer(&answer[1..]);
    match (answer[0], body.len()) {
        (0x90 | 0xB0, _) => Properties::split(&body[2..]).0,
        (_, 4..) => Properties::split(&body[3..]).0,
        _ => Properties::default(),
    }
}

fn who_wants_no_words_gets_none_but_in_connack_and_disconnect(trial: &Trial) {
    let connect: Connect = trial.connect("a").property(&[0x17, 0]);
    let mut client = trial.join(&connect);
    let packets = [refused(trial), refused_filters(trial)].concat();
    for answer in answers(&mut client, &packets) {
        let words = properties(&answer);
        let has_words = words.get(0x1F).is_some() || words.all(0x26).next().is_some();
        assert!(!has_words, "words where none are wanted: {answer:02x?}");
    }
}

fn a_packet_larger_than_the_server_takes_ends_the_connection(trial: &Trial) {
    let mut probe = Client::connect(trial, &Connect::new(crate::Version::V5, &trial.id("probe")));
    probe.ping();
    let Some(limit) = probe.connack.number(0x27) else {
        not_testable("it takes packets of every size");
    };
    let limit = usize::try_from(limit).unwrap();
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    let head = [&[0x30][..], &integer(limit), &string(&topic)].concat();
    client.send(&head);
    client.try_send(&vec![0; 1000]);
    let code = client.expect_end();
    assert!(code.is_none_or(|code| code == 0x95), "DISCONNECT with {code:02x?}");
    // One of half the size is welcome.
    let mut client = trial.client("a");
    client.send(&Publish::new(&topic, vec![0; limit / 2]).bytes(trial.version));
    client.expect_alive();
}
