//! Topic aliases in both directions (MQTT 5.0 section 3.3.2.3.4).

use std::collections::HashMap;

use super::violation::{PROTOCOL_ERROR, ends_the_connection, form};
use crate::case::{Trial, not_testable};
use crate::{Client, Publish, Received};

cases! {
    v5 {
        without_a_maximum_the_server_sends_no_alias,
        the_server_sends_no_alias_above_the_maximum,
        aliases_of_the_server_mean_what_it_said,
        every_alias_up_to_the_maximum_is_accepted,
        an_alias_can_be_given_to_another_topic,
        an_alias_ends_with_its_connection,
        an_alias_that_was_never_given_ends_the_connection,
        an_alias_above_the_maximum_ends_the_connection,
        an_alias_of_0_ends_the_connection,
        what_is_sent_again_names_its_topic,
        an_alias_of_the_publisher_is_not_one_of_the_subscriber,
    }
}

/// Publishes to some topics again and again, and returns what comes.
fn traffic(trial: &Trial, client: &mut Client) -> Vec<(String, Received)> {
    client.follow(&trial.topic("+"), 1);
    let mut publisher = trial.client("pub");
    let mut found = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let topic = trial.topic(&format!("topic{number}"));
            publisher.publish(&topic, format!("{number} {round}"), number % 2);
            found.push((topic, client.receive_and_acknowledge()));
        }
    }
    found
}

fn without_a_maximum_the_server_sends_no_alias(trial: &Trial) {
    for connect in [trial.connect("sub"), trial.connect("sub").topic_alias_maximum(0)] {
        let mut client = trial.join(&connect);
        for (topic, received) in traffic(trial, &mut client) {
            assert_eq!(received.properties.get(0x23), None, "Topic Alias");
            assert_eq!(received.topic, topic);
        }
    }
}

fn the_server_sends_no_alias_above_the_maximum(trial: &Trial) {
    for maximum in [1, 2, 5] {
        let mut client = trial.join(&trial.connect("sub").topic_alias_maximum(maximum));
        for (_, received) in traffic(trial, &mut client) {
            if let Some(alias) = received.properties.number(0x23) {
                assert!(alias > 0 && alias <= maximum.into(), "alias {alias} of {maximum}");
            }
        }
    }
}

fn aliases_of_the_server_mean_what_it_said(trial: &Trial) {
    let connect = trial.persistent("sub").topic_alias_maximum(3);
    for _ in 0..2 {
        // On each connection anew.
        let mut client = trial.join(&connect);
        let mut names = HashMap::new();
        for (topic, received) in traffic(trial, &mut client) {
            let alias = received.properties.number(0x23);
            let name = if received.topic.is_empty() {
                let alias = alias.expect("a topic name or a topic alias");
                names.get(&alias).cloned().expect("an alias that was given before")
            } else {
                received.topic
            };
            assert_eq!(name, topic);
            if let Some(alias) = alias {
                names.insert(alias, name);
            }
        }
        client.disconnect();
    }
}

/// How many aliases the server takes.
fn maximum(client: &Client) -> u16 {
    let maximum = client.connack.number(0x22).unwrap_or(0);
    if maximum == 0 {
        not_testable("it takes no topic aliases");
    }
    u16::try_from(maximum).unwrap()
}

fn every_alias_up_to_the_maximum_is_accepted(trial: &Trial) {
    let mut subscriber = trial.client("sub");
    subscriber.follow(&trial.topic("+"), 0);
    let mut client = trial.client("pub");
    let maximum = maximum(&client);
    let aliases: Vec<u16> =
        if maximum > 100 { vec![1, 2, maximum / 2, maximum] } else { (1..=maximum).collect() };
    for is_first in [true, false] {
        for alias in &aliases {
            let name = trial.topic(&format!("topic{alias}"));
            let topic = if is_first { name.as_str() } else { "" };
            client.send(&Publish::new(topic, "x").alias(*alias).bytes(trial.version));
            client.ping();
            assert_eq!(subscriber.expect_text("x").topic, name, "alias {alias}");
        }
    }
}

fn an_alias_can_be_given_to_another_topic(trial: &Trial) {
    let mut subscriber = trial.client("sub");
    subscriber.follow(&trial.topic("+"), 0);
    let mut client = trial.client("pub");
    maximum(&client);
    for name in ["one", "two", "one"] {
        let name = trial.topic(name);
        for topic in [name.as_str(), "", ""] {
            client.send(&Publish::new(topic, "x").alias(1).bytes(trial.version));
            assert_eq!(subscriber.expect_text("x").topic, name);
        }
    }
}

fn an_alias_ends_with_its_connection(trial: &Trial) {
    let topic = trial.topic("a");
    let mut subscriber = trial.client("sub");
    subscriber.follow(&topic, 0);
    let persistent = trial.persistent("pub");
    let mut client = trial.begin(&persistent);
    maximum(&client);
    client.send(&Publish::new(&topic, "x").alias(1).bytes(trial.version));
    client.ping();
    client.lose();
    let mut client = trial.resume(&persistent);
    client.send(&Publish::new("", "y").alias(1).bytes(trial.version));
    client.expect_end();
    subscriber.expect_texts(&["x"]);
}

fn an_alias_that_was_never_given_ends_the_connection(trial: &Trial) {
    maximum(&trial.client("a"));
    let bytes = Publish::new("", "x").alias(1).bytes(trial.version);
    ends_the_connection(trial, vec![form("alias 1", bytes, PROTOCOL_ERROR)]);
}

fn an_alias_above_the_maximum_ends_the_connection(trial: &Trial) {
    let maximum = trial.client("a").connack.number(0x22).unwrap_or(0);
    let Ok(above) = u16::try_from(maximum + 1) else { not_testable("it takes every alias") };
    let publish = |alias| Publish::new(&trial.topic("a"), "x").alias(alias).bytes(trial.version);
    let forms = vec![
        form("one above the maximum", publish(above), &[0x94]),
        form("the highest", publish(u16::MAX), &[0x94]),
    ];
    ends_the_connection(trial, forms);
}

fn an_alias_of_0_ends_the_connection(trial: &Trial) {
    let publish = |topic: &str| Publish::new(topic, "x").alias(0).bytes(trial.version);
    let forms = vec![
        form("with a topic name", publish(&trial.topic("a")), &[0x94]),
        form("without", publish(""), &[0x94]),
    ];
    ends_the_connection(trial, forms);
}

fn what_is_sent_again_names_its_topic(trial: &Trial) {
    let topic = trial.topic("a");
    let connect = trial.persistent("sub").topic_alias_maximum(5);
    let mut client = trial.begin(&connect);
    client.follow(&topic, 1);
    let mut publisher = trial.client("pub");
    for payload in ["one", "two", "three"] {
        publisher.publish(&topic, payload, 1);
        client.expect_text(payload);
    }
    client.lose();
    let mut client = trial.resume(&connect);
    let first = client.expect_text("one");
    assert_eq!(first.topic, topic, "an alias of the connection before means nothing");
    let alias = first.properties.number(0x23);
    for payload in ["two", "three"] {
        let next = client.expect_text(payload);
        let is_named = next.topic == topic
            || (next.topic.is_empty() && alias.is_some() && next.properties.number(0x23) == alias);
        assert!(is_named, "{next:?}");
    }
}

fn an_alias_of_the_publisher_is_not_one_of_the_subscriber(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("pub");
    maximum(&client);
    let mut subscriber = trial.client("sub");
    subscriber.follow(&topic, 0);
    for name in [topic.as_str(), ""] {
        client.send(&Publish::new(name, "x").alias(1).bytes(trial.version));
        let received = subscriber.expect_text("x");
        assert_eq!(
            (received.topic.as_str(), received.properties.get(0x23)),
            (topic.as_str(), None)
        );
    }
}
