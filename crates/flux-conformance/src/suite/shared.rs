//! Shared subscriptions (MQTT 5.0 section 4.8.2).

use super::violation::{FILTER_INVALID, ends_the_connection, form};
use crate::case::{Trial, not_testable};
use crate::client::reason_code;
use crate::{Client, pubcomp, pubrec};

cases! {
    v5 {
        a_malformed_shared_filter_ends_the_connection,
        each_message_goes_to_one_member,
        a_group_is_its_name_and_its_filter,
        each_member_has_its_own_qos,
        a_message_sent_to_a_member_is_completed_when_it_comes_back,
        a_message_at_qos_2_sent_to_a_member_goes_to_no_other,
        a_message_that_a_member_refuses_goes_to_no_other,
        a_shared_subscription_adds_to_the_others,
        who_leaves_a_group_gets_nothing_more,
    }
}

fn filter(trial: &Trial, group: &str) -> String {
    format!("$share/{}{group}/{}", trial.mark(), trial.topic("a"))
}

/// Joins the group; a broker need not have any.
fn join_group(trial: &Trial, client: &mut Client, group: &str, qos: u8) {
    let codes = client.ask(&[(&filter(trial, group), qos)]);
    if codes[0] >= 0x80 {
        not_testable(format!("it refuses shared subscriptions with {:#04x}", codes[0]));
    }
}

fn member(trial: &Trial, role: &str, qos: u8) -> Client {
    let mut client = trial.begin(&trial.persistent(role));
    join_group(trial, &mut client, "", qos);
    client
}

fn publish(trial: &Trial, payload: &str, qos: u8) {
    trial.client("pub").publish(&trial.topic("a"), payload, qos);
}

fn a_malformed_shared_filter_ends_the_connection(trial: &Trial) {
    join_group(trial, &mut trial.client("probe"), "", 0);
    let topic = trial.topic("a");
    let filters = [
        "$share/group".to_owned(),
        "$share/".to_owned(),
        "$share/group/".to_owned(),
        format!("$share//{topic}"),
        format!("$share/gr+up/{topic}"),
        format!("$share/#/{topic}"),
        format!("$share/+/{topic}"),
        "$share/group/a#".to_owned(),
        "$share/group/#/a".to_owned(),
    ];
    for filter in &filters {
        let mut client = trial.client("violator");
        client.send(&trial.version.subscribe(1, &[(filter, 0)]));
        // It may also be refused in SUBACK.
        if let Some(packet) = client.try_packet() {
            assert!(reason_code(&packet) >= 0x80, "{filter}: {packet:02x?}");
        }
    }
    let options = trial.version.subscribe(1, &[(&filter(trial, ""), 3)]);
    ends_the_connection(trial, vec![form("QoS 3", options, FILTER_INVALID)]);
}

fn each_message_goes_to_one_member(trial: &Trial) {
    let mut members = ["m1", "m2", "m3"].map(|role| member(trial, role, 1));
    let mut publisher = trial.client("pub");
    for number in 0..30 {
        publisher.publish(&trial.topic("a"), number.to_string(), number % 3);
    }
    let mut found = Vec::new();
    for member in &mut members {
        loop {
            let messages = member.deliveries();
            if messages.is_empty() {
                break;
            }
            for message in messages {
                member.accept(&message);
                found.push(message.number());
            }
        }
    }
    found.sort_unstable();
    assert_eq!(found, (0..30).collect::<Vec<_>>());
}

fn a_group_is_its_name_and_its_filter(trial: &Trial) {
    let mut groups = ["x", "y", "z"].map(|group| {
        let mut client = trial.client(group);
        join_group(trial, &mut client, group, 1);
        client
    });
    publish(trial, "x", 1);
    for group in &mut groups {
        group.expect_texts(&["x"]);
    }
}

fn each_member_has_its_own_qos(trial: &Trial) {
    for qos in 0..=2 {
        let mut client = member(trial, "m", qos);
        for published in 0..=2 {
            publish(trial, "x", published);
            assert_eq!(client.receive_and_acknowledge().qos, qos.min(published));
        }
        client.leave(&[&filter(trial, "")]);
        client.disconnect();
        trial.begin(&trial.connect("m")).disconnect();
    }
}

fn a_message_sent_to_a_member_is_completed_when_it_comes_back(trial: &Trial) {
    let mut member = member(trial, "m", 2);
    publish(trial, "two", 2);
    let two = member.expect_text("two");
    member.send(&pubrec(two.id));
    member.answer(0x62, two.id);
    member.lose();
    let mut member = trial.resume(&trial.persistent("m"));
    member.answer(0x62, two.id);
    member.send(&pubcomp(two.id));
    // Still a member.
    publish(trial, "next", 1);
    assert_eq!(member.receive_and_acknowledge().text(), "next");
    publish(trial, "sent", 2);
    let sent = member.expect_text("sent");
    member.lose();
    let mut member = trial.resume(&trial.persistent("m"));
    let again = member.expect_text("sent");
    assert_eq!((again.id, again.dup), (sent.id, true));
}

fn a_message_at_qos_2_sent_to_a_member_goes_to_no_other(trial: &Trial) {
    let mut first = member(trial, "m1", 2);
    publish(trial, "x", 2);
    first.expect_text("x");
    let mut second = member(trial, "m2", 2);
    first.lose();
    second.expect_silence();
    // Its session ends before it comes back.
    trial.begin(&trial.connect("m1")).disconnect();
    second.expect_silence();
    publish(trial, "y", 1);
    second.expect_texts(&["y"]);
}

fn a_message_that_a_member_refuses_goes_to_no_other(trial: &Trial) {
    let mut first = member(trial, "m1", 2);
    for qos in [1, 2] {
        publish(trial, "x", qos);
        let received = first.expect_text("x");
        let mut second = member(trial, "m2", 2);
        first.refuse(&received, 0x83);
        first.expect_silence();
        second.expect_silence();
        second.leave(&[&filter(trial, "")]);
        second.disconnect();
        trial.begin(&trial.connect("m2")).disconnect();
    }
}

fn a_shared_subscription_adds_to_the_others(trial: &Trial) {
    let mut client = member(trial, "m", 1);
    client.ask_with(&[0x0B, 1], &[(&trial.topic("a"), 0)]);
    client.ask_with(&[0x0B, 2], &[(&filter(trial, ""), 1)]);
    publish(trial, "x", 1);
    let found = client.deliveries();
    let mut found: Vec<_> =
        found.iter().map(|received| (received.qos, received.properties.number(0x0B))).collect();
    found.sort_unstable();
    assert_eq!(found, [(0, Some(1)), (1, Some(2))], "one for each subscription");
}

fn who_leaves_a_group_gets_nothing_more(trial: &Trial) {
    let mut first = member(trial, "m1", 1);
    let mut second = member(trial, "m2", 1);
    let codes = first.leave(&[&filter(trial, "")]);
    assert_eq!(codes, [0]);
    for _ in 0..4 {
        publish(trial, "x", 0);
    }
    first.expect_silence();
    second.expect_texts(&["x"; 4]);
}
