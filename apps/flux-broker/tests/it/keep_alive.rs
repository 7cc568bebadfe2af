//! Keep Alive: who is silent for one and a half times as long is gone (section 3.1.2.10).

use std::time::Duration;

use crate::support::{Broker, Client, Connect, Publish, Stopwatch, Version, Will, let_pass};

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
