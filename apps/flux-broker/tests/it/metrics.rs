//! Each metric that is not about messages moves when it should, by as much as it should.

use std::io::Write as _;
use std::net::TcpStream;

use flux_auth::{Authentication, Authenticator, Credentials, Identity, Refusal};
use flux_storage::{Durability, Log, LogSettings, SimulatedDisk};

use crate::admin::{admin_of, scrape, scrape_all};
use crate::support::Version::{V5, V311};
use crate::support::{
    Broker, Certificates, Client, Connect, Publish, Will, only_tls, open_tls, packet,
};

/// Nobody named eve gets in.
#[derive(Debug)]
struct NoEve;

impl Authenticator for NoEve {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        match credentials.username.as_deref() {
            Some("eve") => Authentication::Refused(Refusal::BadUserNameOrPassword),
            _ => Authentication::Accepted(Identity::anonymous()),
        }
    }
}

#[test]
fn who_is_refused_and_what_is_denied_is_counted() {
    let broker = Broker::start_with(2, NoEve, |_| {});
    let admin = admin_of(&broker);
    let mut eve = Client::open_with(&broker, V5, &Connect::new(V5, "e").login("eve", "x").bytes());
    eve.expect_refusal(0x86);
    let will = Connect::new(V5, "w").will(Will::new("denied/w", "x"));
    Client::open_with(&broker, V5, &will.bytes()).expect_refusal(0x87);
    let mut client = Client::connect(&broker, &Connect::new(V5, "c"));
    client.send(&V5.subscribe(1, &[("denied/a", 0), ("yes", 0), ("denied/b", 0)]));
    client.expect_codes(0x90, 1, &[0x87, 0, 0x87]);
    for topic in ["denied/a", "denied/b", "denied/c", "yes"] {
        client.send(&Publish::new(topic, "x").bytes(V5));
    }
    client.receive();
    let numbers = scrape(&admin);
    assert_eq!(numbers["flux_authentications_total{result=\"refused\"}"], 1);
    assert_eq!(numbers["flux_authentications_total{result=\"accepted\"}"], 2);
    assert_eq!(numbers["flux_denials_total{access=\"will\"}"], 1);
    assert_eq!(numbers["flux_denials_total{access=\"subscribe\"}"], 2);
    assert_eq!(numbers["flux_denials_total{access=\"publish\"}"], 3);
}

#[test]
fn clients_are_counted_by_version_and_listener_until_they_are_gone() {
    let broker = Broker::start(2, |_| {});
    let admin = admin_of(&broker);
    let one = Client::connect(&broker, &Connect::new(V5, "a"));
    let other = Client::connect(&broker, &Connect::new(V311, "b"));
    let silent = Client::open(broker.address(), V5);
    let here = |version: &str| scrape(&admin)[&format!("flux_clients{{version=\"{version}\"}}")];
    let through = || scrape(&admin)["flux_listener_connections{listener=\"mqtt\"}"];
    while through() < 3 {}
    assert_eq!((here("5.0"), here("3.1.1"), here("3.1")), (1, 1, 0));
    one.lose();
    other.disconnect();
    silent.lose();
    while through() > 0 {}
    assert_eq!((here("5.0"), here("3.1.1")), (0, 0));
}

#[test]
fn tls_handshakes_are_counted_by_how_they_end() {
    let certificates = Certificates::new();
    let broker = Broker::start(1, |settings| only_tls(settings, certificates.settings()));
    let admin = admin_of(&broker);
    let config = certificates.client();
    for name in ["a", "b"] {
        open_tls(broker.address(), V5, &config).connected(&Connect::new(V5, name)).ping();
    }
    let mut plain = TcpStream::connect(broker.address()).unwrap();
    plain.write_all(&packet(0xC0, &[])).unwrap();
    while scrape(&admin)["flux_tls_handshakes_failed_total"] < 1 {}
    assert_eq!(scrape(&admin)["flux_tls_handshakes_total"], 2);
    assert_eq!(scrape(&admin)["flux_websocket_requests_failed_total"], 0);
}

#[test]
fn workers_say_how_long_they_were_awake_and_what_waits_for_them() {
    let broker = Broker::start(2, |_| {});
    let admin = admin_of(&broker);
    let busy = |worker: usize| -> f64 {
        let name = format!("flux_worker_busy_seconds_total{{worker=\"{worker}\"}}");
        scrape_all(&admin)[&name].parse().unwrap()
    };
    let before = busy(0) + busy(1);
    let mut client = Client::connect(&broker, &Connect::new(V5, "a"));
    for _ in 0..100 {
        client.ping();
    }
    assert!(busy(0) + busy(1) > before);
    for worker in [0, 1] {
        let name = format!("flux_worker_mailbox_letters{{worker=\"{worker}\"}}");
        while scrape(&admin)[&name] > 0 {}
    }
}

#[test]
fn the_store_says_what_it_takes() {
    let settings =
        LogSettings { segment_bytes: 1 << 20, new_log_id: 7, durability: Durability::Disk };
    let (log, _) = Log::open(SimulatedDisk::default(), settings).unwrap();
    let broker = Broker::over(log, 1, |_| {});
    let admin = admin_of(&broker);
    let before = scrape(&admin);
    let mut client = Client::connect(&broker, &Connect::new(V5, "a"));
    let large = "x".repeat(10_000);
    client.publish_packet(&Publish::new("t", &large).qos(1, 1).retain(), 1);
    let after = scrape(&admin);
    let moved = |name: &str| after[name] - before[name];
    assert_eq!(moved("flux_store_records_total"), 1);
    assert!((10_000..11_000).contains(&moved("flux_store_disk_bytes")), "{after:?}");
}

#[test]
fn the_limit_of_bytes_is_the_one_that_holds() {
    let broker = Broker::start(1, |settings| settings.limits.bytes = 123 << 20);
    assert_eq!(scrape(&admin_of(&broker))["flux_held_bytes_limit"], 123 << 20);
}
