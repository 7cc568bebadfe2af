//! Shared subscriptions: each message to one member of the group (MQTT 5.0 section 4.8.2), also
//! for clients of MQTT 3.1 and 3.1.1.

use std::collections::BTreeSet;

use flux_mqtt::{Settings, SharedStrategy};

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Publish, Version, puback, pubcomp, pubrec, pubrel};

scenarios! {
    a_full_window_passes_messages_to_other_members,
    an_acknowledgement_that_refuses_discards_the_message,
    a_member_has_its_own_options,
    a_full_group_tells_the_publisher with ten_messages_in_a_group,
    a_full_group_may_lose_the_oldest with ten_newest_messages_in_a_group,
    a_hash_of_the_client_keeps_publishers_together with hash_of_the_client,
}

scenarios_of_all_versions! {
    members_take_turns,
    groups_are_independent_of_each_other,
    a_member_that_leaves_gets_nothing_more,
    messages_wait_in_the_group_while_nobody_is_there,
    retained_messages_are_not_sent_to_a_shared_subscription,
    a_message_sent_at_qos_1_waits_for_its_member,
    a_message_sent_at_qos_1_goes_on_when_its_session_ends,
    a_message_sent_at_qos_1_goes_on_when_its_session_ends_with_its_connection,
    what_a_member_did_not_get_yet_goes_on_when_it_unsubscribes with few_unsent_bytes,
    a_message_sent_at_qos_2_completes_with_its_member,
    a_message_sent_at_qos_2_ends_with_its_session,
    what_was_not_sent_goes_to_another_at_once with few_unsent_bytes,
    a_slow_member_does_not_hold_the_others_up with few_unsent_bytes,
    one_member_may_take_all with sticky,
    any_member_may_be_chosen with random,
    a_hash_of_the_topic_keeps_topics_together with hash_of_the_topic,
}

fn ten_messages_in_a_group(settings: &mut Settings) {
    settings.shared.limits.queued_messages = 10;
}

fn ten_newest_messages_in_a_group(settings: &mut Settings) {
    settings.shared.limits.queued_messages = 10;
    settings.shared.limits.when_full = flux_mqtt::GroupFull::Oldest;
}

fn few_unsent_bytes(settings: &mut Settings) {
    settings.unsent_for_deliveries = 1000;
}

fn sticky(settings: &mut Settings) {
    settings.shared.strategy = SharedStrategy::Sticky;
}

fn random(settings: &mut Settings) {
    settings.shared.strategy = SharedStrategy::Random;
}

fn hash_of_the_client(settings: &mut Settings) {
    settings.shared.strategy = SharedStrategy::HashClient;
}

fn hash_of_the_topic(settings: &mut Settings) {
    settings.shared.strategy = SharedStrategy::HashTopic;
}

const FILTER: &str = "$share/g/t/+";

/// A member with a clean session.
fn member(broker: &Broker, version: Version, client_id: &str, qos: u8) -> Client {
    join(broker, &Connect::new(version, client_id), qos)
}

/// A member whose session outlives its connection.
fn staying(broker: &Broker, version: Version, client_id: &str, qos: u8) -> Client {
    join(broker, &Connect::persistent(version, client_id), qos)
}

fn join(broker: &Broker, connect: &Connect, qos: u8) -> Client {
    let mut client = Client::connect(broker, connect);
    client.subscribe(FILTER, qos);
    client
}

fn publisher(broker: &Broker, version: Version) -> Client {
    Client::connect(broker, &Connect::new(version, "publisher"))
}

/// The numbers of the next messages, which are acknowledged.
fn numbers(client: &mut Client, count: usize) -> Vec<u32> {
    (0..count).map(|_| client.receive_and_acknowledge().number()).collect()
}

fn members_take_turns(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let mut members = ["a", "b", "c"].map(|id| member(broker, version, id, 2));
    for number in 0..9 {
        publisher.publish("t/x", number.to_string(), u8::try_from(number % 3).unwrap());
    }
    for (first, member) in (0..).zip(&mut members) {
        assert_eq!(numbers(member, 3), [first, first + 3, first + 6]);
        member.expect_nothing();
    }
}

fn groups_are_independent_of_each_other(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    let filters = [("$share/g/t/+", 1), ("$share/h/t/+", 1), ("$share/g/t/#", 1), ("t/x", 1)];
    client.send(&version.subscribe(1, &filters));
    client.expect(&version.suback(1, &[1, 1, 1, 1]));
    publisher.publish("t/x", "1", 1);
    assert_eq!(numbers(&mut client, 4), [1; 4], "one for each group, and one of its own");
    client.expect_nothing();
}

fn a_member_that_leaves_gets_nothing_more(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let (mut a, mut b) = (member(broker, version, "a", 1), member(broker, version, "b", 1));
    a.send(&version.unsubscribe(1, &[FILTER]));
    a.expect(&version.unsuback(1, &[0]));
    for number in 0..4 {
        publisher.publish("t/x", number.to_string(), 1);
    }
    assert_eq!(numbers(&mut b, 4), [0, 1, 2, 3]);
    a.expect_nothing();
    b.send(&version.unsubscribe(1, &[FILTER]));
    b.expect(&version.unsuback(1, &[0]));
    publisher.send(&Publish::new("t/x", "nobody").qos(1, 9).bytes(version));
    publisher.expect(&version.puback_unmatched(9));
}

fn messages_wait_in_the_group_while_nobody_is_there(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    staying(broker, version, "a", 1).disconnect();
    staying(broker, version, "b", 1).disconnect();
    for number in 0..20 {
        publisher.publish("t/x", number.to_string(), 1);
    }
    let mut b = Client::resume(broker, &Connect::persistent(version, "b"));
    assert_eq!(numbers(&mut b, 20), (0..20).collect::<Vec<_>>());
    let mut a = Client::resume(broker, &Connect::persistent(version, "a"));
    a.expect_nothing();
}

/// Section 4.8.2, and Retain Handling in 3.8.3.1.
fn retained_messages_are_not_sent_to_a_shared_subscription(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    publisher.publish_packet(&Publish::new("t/x", "kept").qos(1, 1).retain(), 1);
    let mut a = member(broker, version, "a", 1);
    a.expect_nothing();
    publisher.publish_packet(&Publish::new("t/x", "live").qos(1, 1).retain(), 1);
    let received = a.receive_and_acknowledge();
    assert_eq!((received.text(), received.retain), ("live", false));
}

fn a_full_window_passes_messages_to_other_members(broker: &Broker) {
    let mut publisher = publisher(broker, V5);
    let narrow = |id| Connect::new(V5, id).receive_maximum(2);
    let (mut a, mut b) = (join(broker, &narrow("a"), 1), join(broker, &narrow("b"), 1));
    for number in 0..3 {
        publisher.publish("t/x", number.to_string(), 1);
    }
    let (zero, one, two) = (a.receive(), b.receive(), a.receive());
    assert_eq!([zero.number(), one.number(), two.number()], [0, 1, 2]);
    b.send(&puback(one.id));
    for number in 3..8 {
        publisher.publish("t/x", number.to_string(), 1);
    }
    let (three, four) = (b.receive(), b.receive());
    assert_eq!([three.number(), four.number()], [3, 4], "a has no place");
    // Nobody has a place: the first who gets one is served.
    a.send(&puback(two.id));
    assert_eq!(a.receive().number(), 5);
    b.send(&[puback(four.id), puback(three.id)].concat());
    assert_eq!([b.receive().number(), b.receive().number()], [6, 7]);
}

fn a_message_sent_at_qos_1_waits_for_its_member(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let mut a = staying(broker, version, "a", 1);
    let mut b = member(broker, version, "b", 1);
    publisher.publish("t/x", "0", 1);
    let first = a.receive();
    a.lose();
    let mut a = Client::resume(broker, &Connect::persistent(version, "a"));
    let again = a.receive_and_acknowledge();
    assert_eq!((again.number(), again.id, again.dup), (0, first.id, true));
    b.expect_nothing();
}

fn a_message_sent_at_qos_1_goes_on_when_its_session_ends(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let mut a = staying(broker, version, "a", 1);
    let mut b = member(broker, version, "b", 1);
    for number in 0..4 {
        publisher.publish("t/x", number.to_string(), 1);
    }
    assert_eq!([a.receive().number(), a.receive().number()], [0, 2]);
    assert_eq!(numbers(&mut b, 2), [1, 3]);
    a.lose();
    b.expect_nothing();
    // A clean start ends the session.
    let mut a = Client::connect(broker, &Connect::new(version, "a"));
    for number in [0, 2] {
        let received = b.receive_and_acknowledge();
        assert_eq!((received.number(), received.dup), (number, false));
    }
    a.expect_nothing();
}

fn a_message_sent_at_qos_1_goes_on_when_its_session_ends_with_its_connection(
    broker: &Broker,
    version: Version,
) {
    let mut publisher = publisher(broker, version);
    let (mut a, mut b) = (member(broker, version, "a", 1), member(broker, version, "b", 1));
    publisher.publish("t/x", "0", 1);
    assert_eq!(a.receive().number(), 0);
    a.lose();
    assert_eq!(numbers(&mut b, 1), [0]);
    if version == V5 {
        // At DISCONNECT, and by time.
        for (id, leave) in [("c", &[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0][..]), ("d", &[0xE0, 0])] {
            let mut other = join(broker, &Connect::new(V5, id).resume().expiry(1), 1);
            publisher.publish("t/x", "1", 1);
            assert_eq!(numbers(&mut b, 1), [1]);
            publisher.publish("t/x", "2", 1);
            assert_eq!(other.receive().number(), 2);
            other.send(leave);
            other.expect_closed();
            assert_eq!(numbers(&mut b, 1), [2]);
        }
    }
    b.expect_nothing();
}

fn what_a_member_did_not_get_yet_goes_on_when_it_unsubscribes(broker: &Broker, version: Version) {
    // 26 MB: more than sockets hold.
    const COUNT: u32 = 400;
    let mut publisher = publisher(broker, version);
    let mut a = staying(broker, version, "a", 1);
    for number in 0..COUNT {
        publisher.publish("t/x", large(number), 1);
    }
    let mut b = member(broker, version, "b", 1);
    b.expect_nothing();
    a.send(&version.unsubscribe(1, &[FILTER]));
    let first = b.receive_and_acknowledge().number();
    assert!(first > 0 && first < COUNT, "{first}");
    let rest = numbers(&mut b, usize::try_from(COUNT - first - 1).unwrap());
    assert_eq!(rest, (first + 1..COUNT).collect::<Vec<_>>());
    // What was sent before is the old member's.
    assert_eq!(numbers(&mut a, usize::try_from(first).unwrap()), (0..first).collect::<Vec<_>>());
    a.expect(&version.unsuback(1, &[0]));
}

fn a_message_sent_at_qos_2_completes_with_its_member(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let mut a = staying(broker, version, "a", 2);
    let mut b = member(broker, version, "b", 2);
    for number in 0..3 {
        publisher.publish("t/x", number.to_string(), 2);
    }
    let (zero, two) = (a.receive(), a.receive());
    assert_eq!(numbers(&mut b, 1), [1]);
    a.send(&pubrec(zero.id));
    a.expect(&pubrel(zero.id));
    a.lose();
    let mut a = Client::resume(broker, &Connect::persistent(version, "a"));
    a.expect(&pubrel(zero.id));
    let again = a.receive();
    assert_eq!((again.number(), again.id, again.dup), (2, two.id, true));
    a.send(&[pubcomp(zero.id), pubrec(two.id)].concat());
    a.expect(&pubrel(two.id));
    a.send(&pubcomp(two.id));
    b.expect_nothing();
    a.expect_nothing();
}

fn a_message_sent_at_qos_2_ends_with_its_session(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let mut a = staying(broker, version, "a", 2);
    let mut b = member(broker, version, "b", 2);
    publisher.publish("t/x", "0", 2);
    assert_eq!(a.receive().number(), 0);
    a.lose();
    let mut a = Client::connect(broker, &Connect::new(version, "a"));
    a.expect_nothing();
    b.expect_nothing();
    publisher.publish("t/x", "1", 2);
    assert_eq!(numbers(&mut b, 1), [1]);
}

fn an_acknowledgement_that_refuses_discards_the_message(broker: &Broker) {
    let mut publisher = publisher(broker, V5);
    let mut a = staying(broker, V5, "a", 2);
    let mut b = member(broker, V5, "b", 2);
    for (number, qos) in [(0, 1), (1, 1), (2, 2), (3, 2)] {
        publisher.publish("t/x", number.to_string(), qos);
    }
    let (zero, two) = (a.receive(), a.receive());
    a.send(&V5.ack(0x40, zero.id, 0x80));
    a.send(&V5.ack(0x50, two.id, 0x97));
    a.ping();
    a.lose();
    let mut a = Client::connect(broker, &Connect::new(V5, "a"));
    assert_eq!(numbers(&mut b, 2), [1, 3]);
    b.expect_nothing();
    a.expect_nothing();
}

fn a_member_has_its_own_options(broker: &Broker) {
    let mut publisher = publisher(broker, V5);
    let mut a = Client::connect(broker, &Connect::new(V5, "a"));
    let retain_as_published = 0b1000;
    a.send(&V5.subscribe_with(1, &[0x0B, 7], &[(FILTER, retain_as_published)]));
    a.expect(&V5.suback(1, &[0]));
    let mut b = member(broker, V5, "b", 1);
    for _ in 0..2 {
        publisher.publish_packet(&Publish::new("t/x", "0").qos(1, 1).retain(), 1);
    }
    let received = a.receive();
    assert_eq!((received.qos, received.retain), (0, true));
    assert_eq!(received.properties.number(0x0B), Some(7));
    let received = b.receive_and_acknowledge();
    assert_eq!((received.qos, received.retain), (1, false));
    assert_eq!(received.properties.number(0x0B), None);
}

/// Messages of 64 KiB: a client that does not read has a few of them in its socket.
fn large(number: u32) -> String {
    format!("{number:065000}")
}

fn what_was_not_sent_goes_to_another_at_once(broker: &Broker, version: Version) {
    // 52 MB: more than sockets hold, less than a session may.
    const COUNT: u32 = 800;
    let mut publisher = publisher(broker, version);
    let a = staying(broker, version, "a", 1);
    for number in 0..COUNT {
        publisher.publish("t/x", large(number), 1);
    }
    let mut b = member(broker, version, "b", 1);
    b.expect_nothing();
    a.lose();
    // What was sent to `a` waits for it, in its order; the rest is here, in its order.
    let first = b.receive_and_acknowledge().number();
    assert!(first > 0 && first < COUNT, "{first}");
    let rest = numbers(&mut b, usize::try_from(COUNT - first - 1).unwrap());
    assert_eq!(rest, (first + 1..COUNT).collect::<Vec<_>>());
    let mut a = Client::resume(broker, &Connect::persistent(version, "a"));
    for number in 0..first {
        let received = a.receive_and_acknowledge();
        assert_eq!((received.number(), received.dup), (number, true));
    }
    a.expect_nothing();
    b.expect_nothing();
}

fn a_slow_member_does_not_hold_the_others_up(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let slow = member(broker, version, "slow", 1);
    let mut quick = member(broker, version, "quick", 1);
    for number in 0..100 {
        publisher.publish("t/x", large(number), 1);
        if number % 2 == 1 {
            assert_eq!(numbers(&mut quick, 1), [number]);
        }
    }
    // The session of `slow` ends with its connection: nothing that it had is lost.
    slow.lose();
    let rest: BTreeSet<u32> = numbers(&mut quick, 50).into_iter().collect();
    assert_eq!(rest, (0..100).step_by(2).collect());
    quick.expect_nothing();
}

fn a_full_group_tells_the_publisher(broker: &Broker) {
    let mut publisher = publisher(broker, V5);
    staying(broker, V5, "a", 1).disconnect();
    for number in 0..12 {
        publisher.send(&Publish::new("t/x", number.to_string()).qos(1, 1).bytes(V5));
        let ack = publisher.packet();
        let code = ack.get(4).copied().unwrap_or_default();
        assert_eq!(code, if number < 10 { 0 } else { 0x97 }, "{ack:02x?}");
    }
    let mut a = Client::resume(broker, &Connect::persistent(V5, "a"));
    assert_eq!(numbers(&mut a, 10), (0..10).collect::<Vec<_>>());
    a.expect_nothing();
}

fn a_full_group_may_lose_the_oldest(broker: &Broker) {
    let mut publisher = publisher(broker, V5);
    staying(broker, V5, "a", 1).disconnect();
    for number in 0..12 {
        publisher.publish("t/x", number.to_string(), 1);
    }
    let mut a = Client::resume(broker, &Connect::persistent(V5, "a"));
    assert_eq!(numbers(&mut a, 10), (2..12).collect::<Vec<_>>());
    a.expect_nothing();
}

fn one_member_may_take_all(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let (mut a, mut b) = (member(broker, version, "a", 1), member(broker, version, "b", 1));
    for number in 0..6 {
        publisher.publish("t/x", number.to_string(), 1);
    }
    assert_eq!(numbers(&mut a, 6), (0..6).collect::<Vec<_>>());
    b.expect_nothing();
    a.disconnect();
    publisher.publish("t/x", "6", 1);
    assert_eq!(numbers(&mut b, 1), [6]);
}

/// 64 messages for two members: that one gets none happens once in 2^63 runs.
fn any_member_may_be_chosen(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let mut members = two_members(broker, version);
    for number in 0..64 {
        publisher.publish("t/x", number.to_string(), 1);
    }
    let counts = all_of_each(&mut publisher, &mut members).map(|numbers| numbers.len());
    assert_eq!(counts.iter().sum::<usize>(), 64);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

fn a_hash_of_the_topic_keeps_topics_together(broker: &Broker, version: Version) {
    let mut publisher = publisher(broker, version);
    let mut members = two_members(broker, version);
    for round in 0..3 {
        for number in 0..16 {
            publisher.publish(&format!("t/{number}"), (100 * round + number).to_string(), 1);
        }
    }
    together(&mut publisher, &mut members, 16);
}

fn a_hash_of_the_client_keeps_publishers_together(broker: &Broker) {
    let mut members = two_members(broker, V5);
    let mut publishers: Vec<Client> = (0..16)
        .map(|number| Client::connect(broker, &Connect::new(V5, &format!("publisher {number}"))))
        .collect();
    for round in 0..3 {
        for (number, publisher) in (0_u32..).zip(&mut publishers) {
            publisher.publish("t/x", (100 * round + number).to_string(), 1);
        }
    }
    together(&mut publishers[0], &mut members, 16);
}

/// The numbers that each of two members got by now.
fn all_of_each(publisher: &mut Client, members: &mut [Client; 2]) -> [Vec<u32>; 2] {
    publisher.publish(END, END_NUMBER.to_string(), 1);
    members.each_mut().map(|client| {
        let mut got = Vec::new();
        loop {
            match client.receive_and_acknowledge().number() {
                END_NUMBER => break got,
                number => got.push(number),
            }
        }
    })
}

/// What two members subscribe to beside their group, to learn that there is nothing more.
const END: &str = "end";
const END_NUMBER: u32 = 1000;

/// Two members that hear of the end.
fn two_members(broker: &Broker, version: Version) -> [Client; 2] {
    ["a", "b"].map(|id| {
        let mut client = member(broker, version, id, 1);
        client.subscribe(END, 1);
        client
    })
}

/// Of `kinds` numbers in three rounds, each member got all or nothing, and none got all.
fn together(publisher: &mut Client, members: &mut [Client; 2], kinds: usize) {
    let got = all_of_each(publisher, members);
    let of_round = |round: u32| {
        let in_round = |number: &&u32| **number / 100 == round;
        got.each_ref().map(|got| -> Vec<u32> {
            got.iter().filter(in_round).map(|number| number % 100).collect()
        })
    };
    assert_eq!(of_round(0), of_round(1));
    assert_eq!(of_round(0), of_round(2));
    let [a, b] = of_round(0).map(|numbers| numbers.len());
    assert_eq!(a + b, kinds);
    assert!(a > 0 && b > 0, "a fair hash gives each some: {a} and {b}");
}
