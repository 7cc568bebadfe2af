//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (sections 3.8 to 3.11).

use super::violation::{FILTER_INVALID, PROTOCOL_ERROR, ends_the_connection, form};
use crate::case::Trial;
use crate::{Publish, puback, pubcomp, pubrec};

cases! {
    both {
        subscribe_is_answered_with_suback,
        suback_has_a_code_for_each_filter_in_their_order,
        several_filters_in_one_packet_are_several_subscriptions,
        a_subscribe_without_filters_ends_the_connection,
        options_that_are_reserved_end_the_connection,
        a_subscription_is_replaced_by_the_next_to_its_filter,
        no_message_is_lost_while_a_subscription_is_replaced,
        deliveries_have_the_lower_of_both_qos,
        unsubscribe_is_answered_with_unsuback,
        unsubscribe_of_nothing_is_answered,
        an_unsubscribe_without_filters_ends_the_connection,
        unsubscribe_compares_character_by_character,
        after_unsuback_nothing_new_comes,
        unsubscribe_completes_what_was_sent,
        one_unsubscribe_ends_several_subscriptions,
        unsubscribe_before_subscribe_in_one_stream_takes_effect_in_order,
    }
    v5 {
        unsuback_has_a_code_for_each_filter_in_their_order,
        no_local_keeps_own_messages_back,
        all_options_of_a_subscription_are_replaced,
        no_local_is_about_the_client_and_not_the_connection,
        no_local_is_about_its_own_subscription,
        no_local_on_a_shared_subscription_ends_the_connection,
        a_subscription_identifier_of_0_ends_the_connection,
    }
}

const CODES_OF_V5: [u8; 12] =
    [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];

fn subscribe_is_answered_with_suback(trial: &Trial) {
    let mut client = trial.client("a");
    for id in [1, 0x1234, 0xFFFF] {
        client.send(&trial.version.subscribe(id, &[(&trial.topic("a"), 1)]));
        let codes = client.answer(0x90, id).codes;
        assert_eq!(codes.len(), 1);
        let codes_of_v3 = [0x00, 0x01, 0x02, 0x80];
        let table = if trial.is_v5() { &CODES_OF_V5[..] } else { &codes_of_v3 };
        assert!(table.contains(&codes[0]), "SUBACK with {:#04x}", codes[0]);
        assert!(codes[0] <= 1 || codes[0] >= 0x80, "more than was asked for");
    }
}

fn suback_has_a_code_for_each_filter_in_their_order(trial: &Trial) {
    let mut client = trial.client("a");
    let names = ["a", "b/+", "c/#", "d", "e"].map(|name| trial.topic(name));
    for codes in [[0, 1, 2, 1, 0], [2, 2, 0, 0, 1]] {
        let filters: Vec<_> = names.iter().map(String::as_str).zip(codes).collect();
        let granted = client.ask(&filters);
        // A server may grant less. Where it grants QoS 2 at all, the order shows.
        let highest = granted.iter().copied().max().unwrap();
        let expected = codes.map(|code| code.min(highest));
        assert_eq!(granted, expected);
        assert!(highest > 0, "all codes are alike: {granted:?}");
    }
    // One refused among others has its own place.
    let deep = trial.topic(&"a/".repeat(150));
    let granted = client.ask(&[(&names[0], 1), (&deep, 0), (&names[1], 1)]);
    assert_eq!((granted[0], granted[2]), (1, 1), "{granted:02x?}");
}

fn several_filters_in_one_packet_are_several_subscriptions(trial: &Trial) {
    let mut client = trial.client("sub");
    let (a, b) = (trial.topic("a"), trial.topic("b"));
    // The last of the same filter counts, as in a sequence of packets.
    assert_eq!(client.ask(&[(&a, 0), (&b, 0), (&a, 1)]), [0, 0, 1]);
    let mut publisher = trial.client("pub");
    publisher.publish(&a, "a", 1);
    publisher.publish(&b, "b", 1);
    let found = client.deliveries();
    let told: Vec<_> = found.iter().map(|received| (received.text(), received.qos)).collect();
    assert_eq!(told, [("a", 1), ("b", 0)]);
    client.leave(&[&a]);
    publisher.publish(&a, "a", 1);
    publisher.publish(&b, "b", 1);
    client.expect_texts(&["b"]);
}

fn a_subscribe_without_filters_ends_the_connection(trial: &Trial) {
    let bytes = trial.version.subscribe(1, &[]);
    ends_the_connection(trial, vec![form("no filter", bytes, PROTOCOL_ERROR)]);
}

fn options_that_are_reserved_end_the_connection(trial: &Trial) {
    let subscribe = |options| trial.version.subscribe(1, &[(&trial.topic("a"), options)]);
    let mut forms: Vec<_> =
        [0x40, 0x80, 0xC0, 3].map(|options| form("options", subscribe(options), &[0x81])).into();
    if !trial.is_v5() {
        forms.extend([0x04, 0x08, 0x10].map(|bit| form("options", subscribe(bit), &[0x81])));
    }
    ends_the_connection(trial, forms);
}

fn a_subscription_is_replaced_by_the_next_to_its_filter(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("sub");
    let mut publisher = trial.client("pub");
    publisher.publish_packet(&Publish::new(&topic, "kept").qos(2, 1).retain(), 2);
    for qos in [0, 2, 1, 0] {
        client.follow(&topic, qos);
        let kept = client.receive_and_acknowledge();
        assert_eq!((kept.text(), kept.qos, kept.retain), ("kept", qos, true));
        publisher.publish(&topic, "live", 2);
        let live = client.receive_and_acknowledge();
        assert_eq!((live.text(), live.qos), ("live", qos));
        client.expect_silence();
    }
    publisher.publish_packet(&Publish::new(&topic, "").retain(), 0);
}

fn no_message_is_lost_while_a_subscription_is_replaced(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("sub");
    client.follow(&topic, 1);
    let mut publisher = trial.client("pub");
    for number in 0..100_u32 {
        // Both are on their way at once.
        let id = u16::try_from(number + 1).unwrap();
        publisher.send(&Publish::new(&topic, number.to_string()).qos(1, id).bytes(trial.version));
        client.send(&trial.version.subscribe(9, &[(&topic, 1)]));
        client.answer_among_publishes(0x90, 9);
        publisher.answer(0x40, id);
        assert_eq!(client.receive_and_acknowledge().number(), number);
    }
}

fn deliveries_have_the_lower_of_both_qos(trial: &Trial) {
    let topic = trial.topic("a");
    let mut publisher = trial.client("pub");
    for asked in 0..=2 {
        let mut client = trial.client("sub");
        let granted = client.ask(&[(&topic, asked)])[0];
        for published in 0..=2 {
            publisher.publish(&topic, "x", published);
            assert_eq!(client.receive_and_acknowledge().qos, granted.min(published));
        }
    }
}

fn unsubscribe_is_answered_with_unsuback(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    for id in [1, 0x1234, 0xFFFF] {
        client.follow(&topic, 0);
        client.send(&trial.version.unsubscribe(id, &[&topic]));
        let codes = client.answer(0xB0, id).codes;
        assert_eq!(codes, if trial.is_v5() { vec![0] } else { vec![] });
    }
}

fn unsubscribe_of_nothing_is_answered(trial: &Trial) {
    let mut client = trial.client("a");
    let codes = client.leave(&[&trial.topic("never"), &trial.topic("nor/#")]);
    assert_eq!(codes, if trial.is_v5() { vec![0x11, 0x11] } else { vec![] });
}

fn an_unsubscribe_without_filters_ends_the_connection(trial: &Trial) {
    let bytes = trial.version.unsubscribe(1, &[]);
    ends_the_connection(trial, vec![form("no filter", bytes, PROTOCOL_ERROR)]);
}

fn unsubscribe_compares_character_by_character(trial: &Trial) {
    let mut client = trial.client("sub");
    let mut publisher = trial.client("pub");
    let filter = trial.topic("a/+");
    client.follow(&filter, 0);
    for other in ["a/b", "a/#", "+/+", "A/+", "a/+/", "a", "a/+/+"] {
        client.leave(&[&trial.topic(other)]);
        publisher.publish(&trial.topic("a/b"), other, 0);
        client.expect_text(other);
    }
    client.leave(&[&filter]);
    publisher.publish(&trial.topic("a/b"), "x", 0);
    client.expect_silence();
}

fn after_unsuback_nothing_new_comes(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.begin(&trial.persistent("sub"));
    let mut publisher = trial.client("pub");
    for _ in 0..3 {
        client.follow(&topic, 1);
        publisher.publish(&topic, "x", 1);
        client.receive_and_acknowledge();
        client.leave(&[&topic]);
        publisher.publish(&topic, "y", 1);
        client.expect_silence();
    }
    client.disconnect();
    publisher.publish(&topic, "z", 1);
    trial.resume(&trial.persistent("sub")).expect_silence();
}

fn unsubscribe_completes_what_was_sent(trial: &Trial) {
    let topic = trial.topic("a");
    let persistent = trial.persistent("sub");
    let mut client = trial.begin(&persistent);
    client.follow(&topic, 2);
    let mut publisher = trial.client("pub");
    publisher.publish(&topic, "one", 1);
    publisher.publish(&topic, "two", 2);
    let one = client.expect_text("one");
    let two = client.expect_text("two");
    client.leave(&[&topic]);
    client.send(&pubrec(two.id));
    client.answer(0x62, two.id);
    client.lose();
    let mut client = trial.resume(&persistent);
    let mut packets = [client.packet()[0], client.packet()[0]];
    packets.sort_unstable();
    assert_eq!(packets, [0x3A, 0x62], "PUBLISH again, and PUBREL");
    client.send(&puback(one.id));
    client.send(&pubcomp(two.id));
    client.expect_silence();
}

fn one_unsubscribe_ends_several_subscriptions(trial: &Trial) {
    let names = ["a", "b", "c"].map(|name| trial.topic(name));
    let mut client = trial.client("sub");
    client.ask(&names.each_ref().map(|name| (name.as_str(), 0)));
    client.leave(&[&names[0], &names[2]]);
    let mut publisher = trial.client("pub");
    for name in &names {
        publisher.publish(name, name, 0);
    }
    client.expect_texts(&[&names[1]]);
}

fn unsubscribe_before_subscribe_in_one_stream_takes_effect_in_order(trial: &Trial) {
    let topic = trial.topic("a");
    let version = trial.version;
    let mut client = trial.client("sub");
    let mut bytes = Vec::new();
    for id in 1..=20 {
        bytes.extend(version.subscribe(id, &[(&topic, 0)]));
        bytes.extend(version.unsubscribe(id + 100, &[&topic]));
    }
    bytes.extend(version.subscribe(50, &[(&topic, 0)]));
    client.send(&bytes);
    for id in 1..=20 {
        client.answer(0x90, id);
        client.answer(0xB0, id + 100);
    }
    client.answer(0x90, 50);
    trial.client("pub").publish(&topic, "x", 0);
    client.expect_texts(&["x"]);
}

fn unsuback_has_a_code_for_each_filter_in_their_order(trial: &Trial) {
    let mut client = trial.client("a");
    let names = ["a", "b", "c/#"].map(|name| trial.topic(name));
    client.ask(&[(&names[0], 0), (&names[2], 0)]);
    let codes = client.leave(&[&names[0], &names[1], &names[2], &names[0]]);
    assert_eq!(codes, [0x00, 0x11, 0x00, 0x11]);
}

const NO_LOCAL: u8 = 0x04;

fn no_local_keeps_own_messages_back(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    client.follow(&topic, 1 | NO_LOCAL);
    let mut other = trial.client("b");
    for qos in 0..=2 {
        client.publish(&topic, "own", qos);
    }
    other.publish(&topic, "other", 1);
    client.expect_texts(&["other"]);
}

fn all_options_of_a_subscription_are_replaced(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    // No Local, Retain As Published and the QoS, on and off.
    for options in [0x0D, 0x00, 0x09, 0x04, 0x02] {
        client.follow(&topic, options);
        client.deliveries();
        let is_local = options & NO_LOCAL == 0;
        client.send(&Publish::new(&topic, "own").retain().bytes(trial.version));
        let own: Vec<_> = client.deliveries().iter().map(|received| received.retain).collect();
        let expected = if is_local { vec![options & 0x08 != 0] } else { vec![] };
        assert_eq!(own, expected, "RETAIN of own messages with options {options:#04x}");
        trial.client("pub").publish(&topic, "x", 2);
        assert_eq!(client.receive_and_acknowledge().qos, options & 3);
    }
    trial.client("pub").publish_packet(&Publish::new(&topic, "").retain(), 0);
}

fn no_local_is_about_the_client_and_not_the_connection(trial: &Trial) {
    let topic = trial.topic("a");
    let persistent = trial.persistent("a");
    let mut client = trial.begin(&persistent);
    client.follow(&topic, 1 | NO_LOCAL);
    client.lose();
    let mut client = trial.resume(&persistent);
    client.publish(&topic, "own", 1);
    client.expect_silence();
    // Its will is its own as well.
    let will = crate::Will::new(&topic, "own will").qos(1);
    client.disconnect();
    trial.resume(&persistent.clone().will(will)).close_with_will();
    trial.resume(&persistent).expect_silence();
}

fn no_local_is_about_its_own_subscription(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    client.ask_with(&[0x0B, 1], &[(&topic, 1 | NO_LOCAL)]);
    client.ask_with(&[0x0B, 2], &[(&trial.topic("+"), 0)]);
    client.send(&Publish::new(&topic, "own").qos(1, 1).bytes(trial.version));
    client.answer_among_publishes(0x40, 1);
    let own = client.deliveries();
    let told: Vec<_> =
        own.iter().map(|received| (received.qos, received.properties.number(0x0B))).collect();
    assert_eq!(told, [(0, Some(2))], "QoS and identifier of the other subscription");
}

fn no_local_on_a_shared_subscription_ends_the_connection(trial: &Trial) {
    let filter = format!("$share/{}/{}", trial.mark(), trial.topic("a"));
    let bytes = trial.version.subscribe(1, &[(&filter, NO_LOCAL)]);
    ends_the_connection(trial, vec![form("No Local", bytes, PROTOCOL_ERROR)]);
}

fn a_subscription_identifier_of_0_ends_the_connection(trial: &Trial) {
    let bytes = trial.version.subscribe_with(1, &[0x0B, 0], &[(&trial.topic("a"), 0)]);
    ends_the_connection(trial, vec![form("identifier 0", bytes, FILTER_INVALID)]);
}
