//! Topic names and filters: which are legal, and which match (section 4.7).

use crate::case::Trial;
use crate::client::reason_code;
use crate::{Client, Publish, Version};

cases! {
    both {
        filters_match_as_the_standard_says,
        a_wildcard_at_the_front_does_not_match_topics_that_begin_with_a_dollar,
        a_wildcard_at_the_front_brings_no_retained_message_of_such_a_topic,
        a_hash_anywhere_but_at_the_end_is_not_granted,
        a_plus_within_a_level_is_not_granted,
        an_empty_filter_is_not_granted,
        names_are_compared_byte_by_byte,
        names_of_65535_bytes_are_usable,
        an_empty_topic_name_ends_the_connection,
    }
}

/// Filters, and what they match of a list of names, all below the trial's topic.
fn filters_match_as_the_standard_says(trial: &Trial) {
    let names = [
        "sport",
        "sport/",
        "sport/tennis",
        "sport/tennis/player1",
        "sport/tennis/player1/ranking",
        "/finance",
        "finance",
        "a//b",
        "/",
    ];
    let table: [(&str, &[&str]); 14] = [
        ("sport/tennis/player1/#", &["sport/tennis/player1", "sport/tennis/player1/ranking"]),
        (
            "sport/#",
            &[
                "sport",
                "sport/",
                "sport/tennis",
                "sport/tennis/player1",
                "sport/tennis/player1/ranking",
            ],
        ),
        ("sport/tennis/+", &["sport/tennis/player1"]),
        ("sport/+", &["sport/", "sport/tennis"]),
        ("sport/", &["sport/"]),
        ("sport", &["sport"]),
        ("+", &["sport", "finance"]),
        ("+/+", &["sport/", "sport/tennis", "/finance", "/"]),
        ("/+", &["/finance", "/"]),
        ("+/tennis/#", &["sport/tennis", "sport/tennis/player1", "sport/tennis/player1/ranking"]),
        ("+/+/player1", &["sport/tennis/player1"]),
        ("a/+/b", &["a//b"]),
        ("a//b", &["a//b"]),
        ("#", &names),
    ];
    let mut publisher = trial.client("pub");
    for (filter, expected) in table {
        let mut client = trial.client("sub");
        client.follow(&trial.topic(filter), 0);
        for name in names {
            publisher.publish(&trial.topic(name), name, 0);
        }
        let found = client.deliveries();
        let texts: Vec<_> = found.iter().map(|received| received.text().to_owned()).collect();
        assert_eq!(texts, expected, "{filter}");
    }
}

fn a_wildcard_at_the_front_does_not_match_topics_that_begin_with_a_dollar(trial: &Trial) {
    let mark = trial.mark();
    let topic = format!("${mark}/a");
    let mut wild = trial.client("wild");
    for filter in ["#", "+/a", "+/#", "+/+"] {
        wild.follow(filter, 0);
    }
    let mut exact = trial.client("exact");
    let filter = format!("${mark}/+");
    exact.follow(&filter, 0);
    let mut publisher = trial.client("pub");
    publisher.publish(&topic, "x", 1);
    publisher.publish(&format!("{mark}/a"), "y", 1);
    let own: Vec<_> =
        wild.deliveries().into_iter().filter(|received| received.topic.contains(mark)).collect();
    assert!(!own.is_empty() && own.iter().all(|received| received.text() == "y"), "{own:?}");
    exact.expect_texts(&["x"]);
}

fn a_wildcard_at_the_front_brings_no_retained_message_of_such_a_topic(trial: &Trial) {
    let mark = trial.mark();
    let topic = format!("${mark}/a");
    let mut publisher = trial.client("pub");
    publisher.publish_packet(&Publish::new(&topic, "x").qos(1, 1).retain(), 1);
    let mut exact = trial.client("exact");
    exact.follow(&format!("${mark}/#"), 0);
    exact.expect_text("x");
    let mut wild = trial.client("wild");
    for filter in ["+/a", "+/#", "#"] {
        wild.follow(filter, 0);
    }
    let found = wild.deliveries();
    publisher.publish_packet(&Publish::new(&topic, "").qos(1, 1).retain(), 1);
    let own: Vec<_> = found.iter().filter(|received| received.topic == topic).collect();
    assert!(own.is_empty(), "{own:?}");
}

/// Such a filter ends the connection, or is refused in SUBACK; it is never granted.
#[track_caller]
fn is_not_granted(trial: &Trial, filter: &str) {
    let mut client = trial.client("sub");
    client.send(&trial.version.subscribe(1, &[(filter, 0)]));
    match client.try_packet() {
        Some(packet) if packet[0] == 0x90 => {
            assert!(reason_code(&packet) >= 0x80, "{filter} is granted: {packet:02x?}");
        }
        Some(packet) => {
            assert_eq!((packet[0], trial.version), (0xE0, Version::V5), "{filter}: {packet:02x?}");
            assert!(reason_code(&packet) >= 0x80, "{filter}: {packet:02x?}");
            client.expect_closed();
        }
        None => {}
    }
}

fn a_hash_anywhere_but_at_the_end_is_not_granted(trial: &Trial) {
    for filter in ["a#", "#a", "a/#/b", "#/a", "a/b#", "##", "a/##", "a/#b", "+#", "#/", "#/+"] {
        is_not_granted(trial, filter);
        is_not_granted(trial, &trial.topic(filter));
    }
}

fn a_plus_within_a_level_is_not_granted(trial: &Trial) {
    for filter in ["a+", "+a", "a+/b", "a/b+", "++", "+a/#", "a/+b/c"] {
        is_not_granted(trial, filter);
        is_not_granted(trial, &trial.topic(filter));
    }
}

fn an_empty_filter_is_not_granted(trial: &Trial) {
    is_not_granted(trial, "");
}

fn names_are_compared_byte_by_byte(trial: &Trial) {
    // Composed and decomposed, case, spaces, a byte order mark, empty levels, another script's letter.
    let names = [
        "\u{E9}",
        "e\u{301}",
        "A",
        "a",
        " a",
        "a ",
        "a\u{FEFF}",
        "a/",
        "/a",
        "//a",
        "\u{430}",
        "\u{212B}",
        "\u{C5}",
        "%61",
        "a\u{200D}",
        "\u{F0000}",
        "\u{FFFE}",
        "\u{1}",
    ];
    let mut publisher = trial.client("pub");
    for filter in names {
        let mut client = trial.client("sub");
        let codes = ask(&mut client, &trial.topic(filter));
        if codes.is_none() {
            // A broker may refuse control characters and non-characters, and then they match nothing.
            continue;
        }
        for name in names.iter().filter(|name| !is_optional(name)) {
            publisher.publish(&trial.topic(name), name, 0);
        }
        let found = client.deliveries();
        let texts: Vec<_> = found.iter().map(|received| received.text().to_owned()).collect();
        let expected: Vec<_> = [filter].into_iter().filter(|name| !is_optional(name)).collect();
        assert_eq!(texts, expected, "{filter:?}");
    }
}

/// Section 1.5.4 lets a receiver refuse control characters and non-characters.
fn is_optional(name: &str) -> bool {
    name.contains(['\u{1}', '\u{FFFE}'])
}

/// `None` if the broker ends the connection or refuses.
fn ask(client: &mut Client, filter: &str) -> Option<()> {
    client.send(&client.version.subscribe(1, &[(filter, 0)]));
    let packet = client.try_packet()?;
    (packet[0] == 0x90 && packet.last().is_some_and(|code| *code <= 2)).then_some(())
}

fn names_of_65535_bytes_are_usable(trial: &Trial) {
    let start = trial.topic("");
    let topic = format!("{start}{}", "x".repeat(65_535 - start.len()));
    let mut client = trial.client("a");
    client.follow(&topic, 0);
    client.send(&Publish::new(&topic, "x").bytes(trial.version));
    assert!(client.expect_text("x").topic == topic, "another topic");
    client.leave(&[&topic]);
    client.send(&Publish::new(&topic, "x").bytes(trial.version));
    client.expect_silence();
}

fn an_empty_topic_name_ends_the_connection(trial: &Trial) {
    let mut client = trial.client("a");
    client.send(&Publish::new("", "x").bytes(trial.version));
    let code = client.expect_end();
    assert!(code.is_none_or(|code| code >= 0x80), "DISCONNECT with {code:02x?}");
}
