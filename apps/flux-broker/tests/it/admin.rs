//! Metrics and health over HTTP.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flux_admin::{
    AdminServer, AdminSettings, ClientEntry, Family, Snapshot, StartAdminError, SysTopics, Times,
    start_admin,
};

use flux_mqtt::{Histogram, Latency, TlsConfig};
use rustls::StreamOwned;

use crate::support::Version::{V5, V311};
use crate::support::{Broker, Certificates, Client, Connect, DEADLINE, Publish, begin_tls};

/// What a GET is answered: status, and head and body as they came.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String, String) {
    get_of("localhost", address, path, headers)
}

/// The same of a host that has a name.
fn get_of(host: &str, address: SocketAddr, path: &str, headers: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

pub(crate) fn admin_of(broker: &Broker) -> AdminServer {
    let settings = AdminSettings::new("127.0.0.1:0".parse().unwrap());
    start_admin(settings, broker.handle.clone()).unwrap()
}

/// Every series and its number.
pub(crate) fn scrape(admin: &AdminServer) -> BTreeMap<String, i64> {
    let whole = |(name, number): (String, String)| Some((name, number.parse().ok()?));
    scrape_all(admin).into_iter().filter_map(whole).collect()
}

/// The same, as it is written.
pub(crate) fn scrape_all(admin: &AdminServer) -> BTreeMap<String, String> {
    let (status, _, body) = get(admin.address(), "/metrics", "");
    assert_eq!(status, 200);
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    let mut all = BTreeMap::new();
    for (name, number) in lines.map(|line| line.rsplit_once(' ').expect(line)) {
        let before = all.insert(name.to_owned(), number.to_owned());
        assert_eq!(before, None, "{name} is there twice");
    }
    all
}

#[test]
fn what_waits_and_what_is_under_way_is_counted() {
    let broker = Broker::start(2, |settings| settings.session.receive_maximum_cap = 2);
    let admin = admin_of(&broker);
    let mut away = Client::connect(&broker, &Connect::persistent(V5, "away"));
    away.subscribe("a", 1);
    away.disconnect();
    let mut slow = Client::connect(&broker, &Connect::new(V5, "slow"));
    slow.subscribe("a", 1);
    let mut publisher = Client::connect(&broker, &Connect::new(V5, "publisher"));
    for _ in 0..5 {
        publisher.publish("a", "x", 1);
    }
    let first = slow.receive();
    let second = slow.receive();
    let numbers = scrape(&admin);
    assert_eq!(numbers["flux_queued_messages{in=\"sessions\"}"], 5 + 3);
    assert_eq!(numbers["flux_queued_messages{in=\"shared\"}"], 0);
    assert_eq!(numbers["flux_inflight_messages"], 2);
    assert!(numbers["flux_queued_bytes"] > 0);
    // They are all alike.
    assert_eq!(numbers["flux_inflight_bytes"] * (5 + 3), numbers["flux_queued_bytes"] * 2);
    // Who is away is not behind.
    assert_eq!(numbers["flux_subscriber_behind_messages{rank=\"1\"}"], 3);
    assert!(!numbers.contains_key("flux_subscriber_behind_messages{rank=\"2\"}"));
    for received in [first, second] {
        slow.send(&[0x40, 2, 0, u8::try_from(received.id).unwrap()]);
    }
    slow.receive();
    slow.receive();
    assert_eq!(scrape(&admin)["flux_queued_messages{in=\"sessions\"}"], 5 + 1);
}

#[test]
fn who_is_behind_makes_no_series_of_its_own() {
    let broker = Broker::start(1, |_| {});
    let admin = admin_of(&broker);
    let mut publisher = Client::connect(&broker, &Connect::new(V5, "publisher"));
    let mut series = Vec::new();
    for (name, waits) in [("one", 3), ("other", 4)] {
        let mut slow = Client::connect(&broker, &Connect::new(V5, name).receive_maximum(1));
        slow.subscribe(name, 1);
        // The first is under way.
        (0..=waits).for_each(|_| publisher.publish(name, "x", 1));
        let numbers = scrape(&admin);
        assert_eq!(numbers["flux_subscriber_behind_messages{rank=\"1\"}"], waits);
        let (status, _, body) = get(admin.address(), "/api/v1/clients?behind=10", "");
        let entries: Vec<ClientEntry> = serde_json::from_str(&body).unwrap();
        let [entry] = &entries[..] else { panic!("{body}") };
        assert_eq!(
            (status, &*entry.client_id, i64::try_from(entry.queued).unwrap()),
            (200, name, waits)
        );
        drop(slow);
        while !broker.handle.census(1).behind.is_empty() {}
        let of_it = |series: &&String| series.starts_with("flux_subscriber_behind");
        series.push(numbers.keys().filter(of_it).cloned().collect::<Vec<_>>());
    }
    assert_eq!((series[0].len(), &series[0]), (2, &series[1]));
}

#[test]
fn both_formats_name_every_family() {
    let broker = Broker::start(1, |_| {});
    let admin = admin_of(&broker);
    let (_, head, text) = get(admin.address(), "/metrics", "");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let (_, head, open) = get(admin.address(), "/metrics", accept);
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(open.ends_with("# EOF\n"));
    let absent = [
        "flux_certificate_expiry_timestamp_seconds",
        "flux_store_failing",
        "flux_store_waiting_seconds",
        "flux_store_unsynced_bytes",
        "flux_store_disk_bytes",
        "flux_store_records_total",
        "flux_listener_connections",
        "flux_subscriber_behind_messages",
        "flux_subscriber_behind_seconds",
        "flux_clients",
        "flux_otlp_exports_failed_total",
        "flux_otlp_spans_dropped_total",
    ];
    for family in Family::ALL {
        let name = family.full_name();
        let is_there = !absent.contains(&&*name);
        for page in [&text, &open] {
            assert_eq!(page.lines().any(|line| line.starts_with(&name)), is_there, "{name}");
        }
    }
}

#[test]
fn buckets_end_with_one_for_all_in_both_formats() {
    let broker = Broker::start(1, |_| {});
    let admin = admin_of(&broker);
    for accept in ["", "Accept: application/openmetrics-text; version=1.0.0\r\n"] {
        let (_, _, page) = get(admin.address(), "/metrics", accept);
        for times in Times::ALL.iter().filter(|times| !times.name.starts_with("store_")) {
            let bucket = format!("flux_{}_bucket{{le=\"", times.name);
            let bounds =
                page.lines().filter_map(|line| line.strip_prefix(&bucket)?.split('"').next());
            let bounds: Vec<_> = bounds.collect();
            // Without the last no quantile can be told of them.
            assert_eq!(bounds.iter().filter(|bound| **bound == "+Inf").count(), 1, "{bounds:?}");
            assert_eq!((bounds.last(), bounds.len()), (Some(&"+Inf"), Histogram::BOUNDS.len() + 1));
        }
    }
}

#[test]
fn health_is_told_and_ends_with_the_broker() {
    let broker = Broker::start(2, |_| {});
    let admin = admin_of(&broker);
    for path in ["/healthz", "/readyz"] {
        let (status, _, body) = get(admin.address(), path, "");
        assert_eq!((status, &*body), (200, "ok\n"));
    }
    assert!(get(admin.address(), "/version", "").2.starts_with("flux-broker "));
    assert_eq!(get(admin.address(), "/nothing", "").0, 404);
    broker.handle.stop();
    broker.handle.wait();
    assert_eq!(get(admin.address(), "/healthz", "").0, 503);
    assert_eq!(get(admin.address(), "/readyz", "").0, 503);
}

#[test]
fn without_a_token_pages_of_other_names_are_not_answered() {
    let broker = Broker::start(1, |_| {});
    let admin = admin_of(&broker);
    let status = |host, path| get_of(host, admin.address(), path, "").0;
    for path in ["/metrics", "/version", "/api/v1/clients", "/api/v1/bans", "/api/v1/log", "/new"] {
        assert_eq!(status("evil.example", path), 421, "{path}");
        assert_ne!(status("127.0.0.1:9883", path), 421, "{path}");
    }
    assert_eq!(status("evil.example", "/healthz"), 200);
    let mut settings = AdminSettings::new("127.0.0.1:0".parse().unwrap());
    settings.token = Some("open sesame".to_owned());
    let admin = start_admin(settings, broker.handle.clone()).unwrap();
    let with_token = "Authorization: Bearer open sesame\r\n";
    assert_eq!(get_of("metrics.example", admin.address(), "/metrics", with_token).0, 200);
}

#[test]
fn who_is_revoked_is_not_answered_on_a_connection_that_stays() {
    let certificates = Certificates::new();
    certificates.revoke(&[]);
    let tls = TlsConfig::load(certificates.settings_with_crl()).unwrap();
    let mut settings = AdminSettings::new("0.0.0.0:0".parse().unwrap());
    settings.tls = Some(tls.clone());
    let broker = Broker::start(1, |_| {});
    let admin = start_admin(settings, broker.handle.clone()).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", admin.address().port())).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let session = begin_tls(&certificates.client_named("root", 7));
    let mut connection = StreamOwned::new(session, socket);
    let mut status = || {
        connection.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        while !answer.contains("flux-broker") && !answer.contains("is accepted") {
            let mut bytes = [0; 512];
            let read = connection.read(&mut bytes).unwrap();
            answer.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status(), "200");
    certificates.revoke(&[7]);
    assert!(tls.reload().unwrap().clients_changed);
    assert_eq!(status(), "403");
    // Others take the place of those that had to be shown: that opens the door to nobody.
    tls.succeed_by(&TlsConfig::load(certificates.settings()).unwrap());
    let socket = TcpStream::connect(("127.0.0.1", admin.address().port())).unwrap();
    let mut connection = StreamOwned::new(begin_tls(&certificates.client()), socket);
    connection.write_all(b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"HTTP/1.1 403");
}

#[test]
fn numbers_beyond_loopback_need_a_token() {
    let broker = Broker::start(1, |_| {});
    let mut settings = AdminSettings::new("0.0.0.0:0".parse().unwrap());
    let refused = start_admin(settings.clone(), broker.handle.clone()).unwrap_err();
    assert!(matches!(refused, StartAdminError::NoProof { .. }), "{refused}");
    settings.token = Some(String::new());
    let refused = start_admin(settings.clone(), broker.handle.clone()).unwrap_err();
    assert!(matches!(refused, StartAdminError::EmptyToken), "{refused}");
    settings.token = Some("open sesame".to_owned());
    let admin = start_admin(settings, broker.handle.clone()).unwrap();
    let address = SocketAddr::new("127.0.0.1".parse().unwrap(), admin.address().port());
    for path in ["/metrics", "/version"] {
        assert_eq!(get(address, path, "").0, 401);
        assert_eq!(get(address, path, "Authorization: Bearer open\r\n").0, 401);
        assert_eq!(get(address, path, "Authorization: Bearer open sesame\r\n").0, 200);
    }
    assert_eq!(get(address, "/healthz", "").0, 200);
}

#[test]
fn sys_topics_have_the_numbers_that_mosquitto_gives_them() {
    let broker = Broker::start(2, |settings| settings.session.queued_messages = 1);
    let mut topics = SysTopics::default();
    let all = topics.update(&Snapshot::of(&broker.handle), Duration::ZERO).len();
    let mut away = Client::connect(&broker, &Connect::persistent(V311, "away"));
    away.subscribe("a/#", 1);
    away.disconnect();
    let mut subscriber = Client::connect(&broker, &Connect::new(V5, "subscriber"));
    subscriber.subscribe("$share/s/b", 1);
    subscriber.publish("a/1", "x", 1);
    // Neither reaches who is away: there is no room for one, and the other would not be kept.
    subscriber.send(&Publish::new("a/2", "x").qos(1, 1).bytes(V5));
    subscriber.packet();
    subscriber.publish("a/3", "x", 0);
    subscriber.send(&Publish::new("r", "kept").retain().bytes(V5));
    subscriber.ping();
    let changed = topics.update(&Snapshot::of(&broker.handle), Duration::from_secs(60));
    let changed: BTreeMap<_, _> = changed.into_iter().collect();
    for (topic, number) in [
        ("uptime", "60 seconds"),
        ("clients/total", "2"),
        ("clients/maximum", "2"),
        ("clients/connected", "1"),
        ("clients/active", "1"),
        ("clients/disconnected", "1"),
        ("clients/inactive", "1"),
        // Two CONNECT, two SUBSCRIBE, one DISCONNECT, four PUBLISH, two PINGREQ.
        ("messages/received", "11"),
        ("messages/sent", "8"),
        ("publish/messages/received", "4"),
        ("publish/messages/dropped", "1"),
        ("publish/bytes/received", "41"),
        ("retained messages/count", "1"),
        ("messages/stored", "2"),
        ("store/messages/count", "2"),
        ("subscriptions/count", "2"),
        ("shared_subscriptions/count", "1"),
        ("connections/socket/count", "2"),
        ("load/publish/received/1min", "2.53"),
        ("load/publish/dropped/1min", "0.63"),
        ("load/sockets/15min", "0.13"),
        ("load/connections/5min", "0.36"),
    ] {
        assert_eq!(changed[&format!("$SYS/broker/{topic}")], number, "{topic}");
    }
    // What has not changed is not published again.
    assert!(!changed.contains_key("$SYS/broker/version") && changed.len() < all);
}

#[test]
fn what_is_timed_is_counted_in_buckets() {
    let broker = Broker::start(2, |_| {});
    let admin = admin_of(&broker);
    let mut subscriber = Client::connect(&broker, &Connect::new(V5, "subscriber"));
    subscriber.subscribe("a", 0);
    subscriber.subscribe("kept", 0);
    let mut second = Client::connect(&broker, &Connect::new(V5, "second"));
    second.subscribe("a", 0);
    let mut publisher = Client::connect(&broker, &Connect::new(V311, "publisher"));
    // One message in a while is timed, so the first is.
    publisher.publish("a", "x", 1);
    for receiver in [&mut subscriber, &mut second] {
        receiver.receive();
        receiver.ping();
    }
    let numbers = scrape_all(&admin);
    for (name, count) in [("connect", "3"), ("delivery", "2"), ("acknowledgement", "1")] {
        assert_eq!(numbers[&format!("flux_{name}_seconds_count")], count, "{name}");
        assert_eq!(numbers[&format!("flux_{name}_seconds_bucket{{le=\"+Inf\"}}")], count, "{name}");
        let sum: f64 = numbers[&format!("flux_{name}_seconds_sum")].parse().unwrap();
        assert!(sum > 0.0 && sum < DEADLINE.as_secs_f64(), "{name}: {sum}");
    }
    // Whoever comes later gets the retained message, which says nothing about how long it took.
    let before = broker.handle.latency(Latency::Delivery).count();
    publisher.send(&Publish::new("kept", "x").retain().bytes(V311));
    publisher.ping();
    subscriber.receive();
    subscriber.ping();
    assert_eq!(broker.handle.latency(Latency::Delivery).count(), before);
}

#[test]
fn each_message_is_sent_waits_or_is_dropped_once_for_each_subscription() {
    let broker = Broker::start(2, |settings| settings.session.queued_messages = 5);
    let admin = admin_of(&broker);
    for (name, qos) in [("away", 1), ("careless", 0)] {
        let mut client = Client::connect(&broker, &Connect::persistent(V5, name));
        client.subscribe("a", qos);
        client.disconnect();
    }
    let mut here = Client::connect(&broker, &Connect::new(V5, "here"));
    here.subscribe("a", 2);
    let mut publisher = Client::connect(&broker, &Connect::new(V311, "publisher"));
    for number in 0..20_u32 {
        publisher.publish("a", number.to_string(), 1);
        here.receive_and_acknowledge();
    }
    here.ping();
    let check = |sent, queued, full, offline| {
        let numbers = scrape(&admin);
        let sum = |name: &str| {
            let series = numbers.iter().filter(|(series, _)| series.starts_with(name));
            series.map(|(_, number)| number).sum::<i64>()
        };
        let dropped =
            |reason| numbers[&format!("flux_messages_dropped_total{{reason=\"{reason}\"}}")];
        assert_eq!(sum("flux_messages_sent_total"), sent);
        assert_eq!(sum("flux_queued_messages"), queued);
        assert_eq!((dropped("queue_full"), dropped("offline")), (full, offline));
        let all = sent + queued + sum("flux_messages_dropped_total");
        assert_eq!(all, 3 * sum("flux_messages_received_total"));
    };
    check(20, 5, 15, 20);
    // What waits is sent once its client is back, and counted once.
    let mut away = Client::resume(&broker, &Connect::persistent(V5, "away"));
    for _ in 0..5 {
        away.receive_and_acknowledge();
    }
    away.ping();
    check(25, 0, 15, 20);
    assert_eq!(scrape(&admin)["flux_inflight_messages"], 0);
}
