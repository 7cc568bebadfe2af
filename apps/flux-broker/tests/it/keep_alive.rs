//! Keep Alive: who is silent for one and a half times as long is gone (section 3.1.2.10).

use std::num::NonZeroU16;
use std::time::Duration;

use flux_mqtt::Settings;

use crate::support::Version::{V5, V31, V311};
use crate::support::{Broker, Client, Connect, Publish, Stopwatch, Version, Will, let_pass};

scenarios! {
    v5_gets_at_most_the_maximum with at_most_1_second,
    v3_keeps_its_own with at_most_1_second,
    without_a_maximum_everybody_keeps_their_own,
}

scenarios_of_all_versions! {
    a_silent_client_is_closed_and_its_will_sent,
    a_ping_keeps_a_connection_alive_and_so_does_no_keep_alive,
}

fn a_silent_client_is_closed_and_its_will_sent(broker: &Broker, version: Version) {
    let mut observer = Client::connect(broker, &Connect::new(version, "observer"));
    observer.subscribe("will", 0);
    let will = Will::new("will", "fell silent");
    let silence = Stopwatch::start();
    let mut client =
        Client::connect(broker, &Connect::new(version, "silent").keep_alive(1).will(will));
    client.expect_disconnect(0x8D);
    // The broker counts whole milliseconds.
    assert!(silence.elapsed() >= Duration::from_millis(1499), "too early");
    observer.expect_publish(&Publish::new("will", "fell silent"));
}

fn a_ping_keeps_a_connection_alive_and_so_does_no_keep_alive(broker: &Broker, version: Version) {
    let mut unlimited = Client::connect(broker, &Connect::new(version, "unlimited"));
    let mut lively = Client::connect(broker, &Connect::new(version, "lively").keep_alive(2));
    let mut silent = Client::connect(broker, &Connect::new(version, "silent").keep_alive(2));
    let_pass(broker, 1);
    lively.ping();
    silent.expect_disconnect(0x8D);
    lively.ping();
    unlimited.ping();
}

fn at_most_1_second(settings: &mut Settings) {
    settings.max_keep_alive = NonZeroU16::new(1);
}

fn v5_gets_at_most_the_maximum(broker: &Broker) {
    let silence = Stopwatch::start();
    let mut silent = [0, 2, u16::MAX].map(|asked| {
        let name = format!("asked for {asked}");
        let client = Client::connect(broker, &Connect::new(V5, &name).keep_alive(asked));
        assert_eq!(client.connack.number(0x13), Some(1), "{name}");
        client
    });
    let client = Client::connect(broker, &Connect::new(V5, "asked for 1").keep_alive(1));
    assert_eq!(client.connack.get(0x13), None);
    for client in &mut silent {
        client.expect_disconnect(0x8D);
    }
    // The broker counts whole milliseconds.
    assert!(silence.elapsed() >= Duration::from_millis(1499), "too early");
}

fn v3_keeps_its_own(broker: &Broker) {
    let mut clients = [V31, V311].map(|version| {
        Client::connect(broker, &Connect::new(version, version.protocol_name()).keep_alive(0))
    });
    Client::connect(broker, &Connect::new(V5, "a")).expect_disconnect(0x8D);
    for client in &mut clients {
        client.ping();
    }
}

fn without_a_maximum_everybody_keeps_their_own(broker: &Broker) {
    for asked in [0, 1, u16::MAX] {
        let client = Client::connect(broker, &Connect::new(V5, "a").keep_alive(asked));
        assert_eq!(client.connack.get(0x13), None);
    }
}
