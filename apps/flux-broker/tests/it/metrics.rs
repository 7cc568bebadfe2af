//! Metrics that do not move by a number that can be said beforehand.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use flux_admin::{AdminSettings, ExportSignal, Exported, start_admin};
use flux_auth::{Authentication, Authenticator, Credentials, Identity};

use crate::admin::{admin_of, get, scrape, scrape_all};
use crate::support::Version::V5;
use crate::support::{Broker, Certificates, Client, Connect, Publish, only_tls, tls_listener};

#[test]
pub(crate) fn the_version_is_the_one_that_runs() {
    let broker = Broker::start(1, |_| {});
    let name = format!("flux_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(scrape(&admin_of(&broker))[&name], 1);
}

#[test]
pub(crate) fn a_certificate_says_when_it_expires() {
    let certificates = Certificates::new();
    let broker = Broker::start(1, |settings| only_tls(settings, certificates.settings()));
    let admin = admin_of(&broker);
    let (in_use, days) = broker.handle.certificates().days_left().remove(0);
    assert_eq!(in_use.subject, "CN=server");
    let name = expiry_of(&certificates);
    let expiry = scrape(&admin)[&name];
    assert_eq!(expiry, in_use.not_after);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let left = (expiry - i64::try_from(now).unwrap()).div_euclid(24 * 60 * 60);
    assert!((days - 1..=days).contains(&left), "{left} of {days} days");
}

#[test]
fn certificates_of_the_same_subject_are_told_apart_by_their_files() {
    let (one, other) = (Certificates::new(), Certificates::new());
    let broker = Broker::start(1, |settings| {
        // The last is read from the same file as the first, for a listener of its own.
        let all = [one.settings(), other.settings(), one.settings()];
        settings.listeners = all.map(tls_listener).into();
    });
    let numbers = scrape(&admin_of(&broker));
    let expiries = numbers.keys().filter(|name| name.starts_with("flux_certificate_expiry"));
    let mut expected = [expiry_of(&one), expiry_of(&other)];
    expected.sort();
    assert!(expiries.eq(&expected), "{expected:?}");
}

fn expiry_of(certificates: &Certificates) -> String {
    let path = certificates.path("server.crt");
    let path = path.display();
    format!("flux_certificate_expiry_timestamp_seconds{{path=\"{path}\",subject=\"CN=server\"}}")
}

#[test]
pub(crate) fn workers_say_how_long_they_were_awake() {
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
}

/// Keeps a worker from all it has to do: says when it begins, and ends when it is told.
struct Sleeper(SyncSender<()>, Mutex<Receiver<()>>);

impl Authenticator for Sleeper {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        if credentials.username.as_deref() == Some("sleeper") {
            self.0.send(()).unwrap();
            let _told = self.1.lock().unwrap().recv();
        }
        Authentication::Accepted(Identity::anonymous())
    }
}

#[test]
pub(crate) fn what_waits_for_a_worker_that_does_not_answer_is_seen() {
    let ((sleeps, asleep), (wake, waits)) = (sync_channel(1), sync_channel(0));
    let broker = Broker::start_with(2, Sleeper(sleeps, Mutex::new(waits)), |_| {});
    let admin = admin_of(&broker);
    // Goes before the broker, which waits for its workers, also where this test fails.
    let wake = wake;
    // Some are on the worker that will sleep, and some on the other.
    let connect = |_| Client::connect(&broker, &Connect::new(V5, ""));
    let mut subscribers: Vec<_> = (0..4).map(connect).collect();
    let mut publishers: Vec<_> = (0..4).map(connect).collect();
    subscribers.iter_mut().for_each(|it| it.subscribe("t", 0));
    let connect = Connect::new(V5, "").login("sleeper", "").bytes();
    let mut sleeper = Client::open_with(&broker, V5, &connect);
    let letters = || {
        [0, 1].map(|it| scrape(&admin)[&format!("flux_worker_mailbox_letters{{worker=\"{it}\"}}")])
    };
    // What its own publishers had for its subscribers before would wait there without a letter.
    asleep.recv().unwrap();
    publishers.iter_mut().for_each(|it| it.send(&Publish::new("t", "x").bytes(V5)));
    while letters().iter().filter(|it| **it > 0).count() != 1 {}
    let (status, _, why) = get(admin.address(), "/readyz", "");
    assert_eq!((status, why.as_str()), (503, "a worker does not answer within 2s\n"));
    wake.send(()).unwrap();
    sleeper.expect_connack();
    while letters() != [0, 0] {}
    assert_eq!(get(admin.address(), "/readyz", "").0, 200);
}

#[test]
pub(crate) fn the_limits_of_bytes_are_those_that_hold() {
    let broker = Broker::start(1, |settings| {
        settings.limits.bytes = 100 << 20;
        settings.retained.bytes = 60 << 20;
    });
    let numbers = scrape(&admin_of(&broker));
    assert_eq!(numbers["flux_held_bytes_limit{kind=\"all\"}"], 100 << 20);
    // Of the whole they have one half at most.
    assert_eq!(numbers["flux_held_bytes_limit{kind=\"retained\"}"], 50 << 20);
}

/// What one kind holds is never near what another one does.
#[test]
fn bytes_are_held_under_their_kinds() {
    let broker = Broker::start(1, |_| {});
    let admin = admin_of(&broker);
    let mut away = Client::connect(&broker, &Connect::persistent(V5, "away"));
    away.subscribe("queued", 1);
    away.subscribe("$share/g/shared", 1);
    away.disconnect();
    let mut stuck = Client::connect(&broker, &Connect::new(V5, "stuck"));
    stuck.subscribe("unsent", 0);
    let mut publisher = Client::connect(&broker, &Connect::new(V5, "publisher"));
    publisher.publish("queued", "x".repeat(100_000), 1);
    publisher.publish("shared", "x".repeat(200_000), 1);
    publisher.publish_packet(&Publish::new("kept", "x".repeat(400_000)).retain(), 0);
    // Half of a packet.
    let packet = Publish::new("half", "x".repeat(100_000)).bytes(V5);
    publisher.send(&packet[..50_000]);
    let held = |kind: &str| scrape(&admin)[&format!("flux_held_bytes{{kind=\"{kind}\"}}")];
    for (kind, bytes) in
        [("sessions", 100_000), ("shared", 200_000), ("retained", 400_000), ("unread", 50_000)]
    {
        while !(bytes..bytes + 20_000).contains(&held(kind)) {}
    }
    assert_eq!(held("unsent"), 0);
    // More than sockets take, for a client that reads none of it.
    let mut other = Client::connect(&broker, &Connect::new(V5, "other"));
    while held("unsent") < 1_000_000 {
        other.publish("unsent", "x".repeat(1_000_000), 0);
    }
    assert!(held("unread") < 70_000 && held("shared") < 220_000);
}

#[test]
pub(crate) fn what_a_collector_does_not_get_is_scraped() {
    let broker = Broker::start(1, |_| {});
    let exported = Arc::new(Exported::default());
    let mut settings = AdminSettings::new("127.0.0.1:0".parse().unwrap());
    settings.exported = Some(exported.clone());
    let admin = start_admin(settings, broker.handle.clone()).unwrap();
    let lost = || {
        let numbers = scrape(&admin);
        [
            numbers["flux_otlp_spans_dropped_total"],
            numbers["flux_otlp_exports_failed_total{signal=\"metrics\"}"],
            numbers["flux_otlp_exports_failed_total{signal=\"traces\"}"],
        ]
    };
    assert_eq!(lost(), [0, 0, 0]);
    exported.drop_spans(5);
    exported.fail(ExportSignal::Metrics);
    (0..2).for_each(|_| exported.fail(ExportSignal::Traces));
    assert_eq!(lost(), [5, 1, 2]);
}
