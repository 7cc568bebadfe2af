//! What is checked with the mosquitto clients; each check uses topics of its own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::programs::Clients;
use super::sys;
use crate::clock;

type Check = fn(&Clients) -> Result<()>;

/// Every check that is not part of the QoS matrix, by name.
pub(super) const ALL: [(&str, Check); 10] = [
    ("retained message: set, replace, delete", retained_set_replace_delete),
    ("retained message is live to those subscribed", retained_is_live_without_flag),
    ("will message after an abrupt close", will_on_abrupt_close),
    ("no will message after DISCONNECT", no_will_on_disconnect),
    ("wildcards + and #", wildcards),
    ("$-topics are hidden from wildcards", dollar_topics_hidden),
    ("the broker's numbers under $SYS", sys::names),
    ("session keeps QoS 1 and 2 messages, once and in order", session_keeps_messages),
    ("clean start discards the session", clean_start_discards),
    ("shared subscription: each message to one", shared_subscription),
];

/// Messages arrive once, in order, with the lower QoS of the two.
pub(super) fn qos(clients: &Clients, published: u8, subscribed: u8) -> Result<()> {
    let topic = fresh("qos");
    let subscriber = clients.subscribe(&["-t", &topic, "-q", &subscribed.to_string()])?;
    let payloads: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    let payloads: Vec<_> = payloads.iter().map(String::as_str).chain(["last"]).collect();
    clients.publish(&topic, published, &payloads)?;
    let qos = published.min(subscribed);
    let wanted: Vec<_> = payloads.iter().map(|payload| message(&topic, qos, 0, payload)).collect();
    subscriber.expect(&wanted)
}

/// One publisher, two members that take turns, and an ordinary subscriber that gets everything.
fn shared_subscription(clients: &Clients) -> Result<()> {
    let topic = fresh("shared");
    let shared = format!("$share/group/{topic}");
    let members = [0, 1].map(|_| clients.subscribe(&["-t", &shared, "-q", "1"]));
    let [first, second] = members;
    let (first, second) = (first?, second?);
    let all = clients.subscribe(&["-t", &topic, "-q", "1"])?;
    clients.publish(&topic, 1, &["0", "1", "2", "3", "4", "5"])?;
    let messages = |numbers: [&str; 3]| numbers.map(|number| message(&topic, 1, 0, number));
    let [even, odd] = [messages(["0", "2", "4"]), messages(["1", "3", "5"])];
    first.expect(&even)?;
    second.expect(&odd)?;
    let mut wanted = [even, odd].concat();
    wanted.sort_unstable();
    all.expect(&wanted)
}

fn retained_set_replace_delete(clients: &Clients) -> Result<()> {
    let topic = fresh("retained");
    for payload in ["first", "second", ""] {
        clients.retain(&topic, payload)?;
        let subscriber = clients.subscribe(&["-t", &topic, "-q", "1"])?;
        clients.publish(&topic, 1, &["live"])?;
        let mut wanted = Vec::new();
        if !payload.is_empty() {
            wanted.push(message(&topic, 1, 1, payload));
        }
        wanted.push(message(&topic, 1, 0, "live"));
        subscriber.expect(&wanted)?;
    }
    Ok(())
}

fn retained_is_live_without_flag(clients: &Clients) -> Result<()> {
    let topic = fresh("retained-live");
    let subscriber = clients.subscribe(&["-t", &topic, "-q", "1"])?;
    clients.retain(&topic, "now")?;
    subscriber.expect(&[message(&topic, 1, 0, "now")])?;
    clients.retain(&topic, "")
}

fn will_on_abrupt_close(clients: &Clients) -> Result<()> {
    let topic = fresh("will");
    let subscriber = clients.subscribe(&["-t", &topic, "-q", "1"])?;
    let [will, idle] = [will_options(&topic), fresh("idle")];
    let will: Vec<_> = will.split(' ').collect();
    clients.subscribe(&[&will, ["-t", &idle].as_slice()].concat())?.kill();
    subscriber.expect(&[message(&topic, 1, 0, "gone")])
}

fn no_will_on_disconnect(clients: &Clients) -> Result<()> {
    let topic = fresh("no-will");
    let subscriber = clients.subscribe(&["-t", &topic, "-q", "1"])?;
    let [will, idle] = [will_options(&topic), fresh("idle")];
    let will: Vec<_> = will.split(' ').collect();
    clients.subscribe_and_leave(&[&will, ["-t", &idle].as_slice()].concat())?;
    clock::settle(SETTLE);
    clients.publish(&topic, 1, &["marker"])?;
    subscriber.expect(&[message(&topic, 1, 0, "marker")])
}

fn will_options(topic: &str) -> String {
    format!("--will-topic {topic} --will-payload gone --will-qos 1")
}

fn wildcards(clients: &Clients) -> Result<()> {
    let base = fresh("wild");
    let end = format!("{base}-end");
    let cases = [
        (format!("{base}/+"), vec!["/a", "/"]),
        (format!("{base}/#"), vec!["", "/a", "/a/b", "/"]),
        (format!("{base}/+/b"), vec!["/a/b"]),
        ("+/a/b".to_owned(), vec!["/a/b"]),
    ];
    for (filter, matching) in cases {
        let subscriber = clients.subscribe(&["-t", &filter, "-t", &end, "-q", "1"])?;
        // Separate connections: each has ended before the next, so the order is known.
        for level in ["", "/a", "/a/b", "/", "x/a"] {
            clients.publish(&format!("{base}{level}"), 1, &["m"])?;
        }
        clients.publish(&end, 1, &["m"])?;
        let mut wanted: Vec<_> =
            matching.iter().map(|level| message(&format!("{base}{level}"), 1, 0, "m")).collect();
        wanted.push(message(&end, 1, 0, "m"));
        subscriber.expect_by_topic(&wanted)?;
    }
    Ok(())
}

/// `[MQTT-4.7.2-1]`; the publisher may be refused, a subscriber to `#` must see nothing.
fn dollar_topics_hidden(clients: &Clients) -> Result<()> {
    let marker = fresh("marker");
    let subscriber = clients.subscribe(&["-t", "#", "-t", "+/dollar"])?;
    // Whether a client may publish there is for the broker to decide.
    let _ = clients.publish("$interop/dollar", 0, &["hidden"]);
    clock::settle(SETTLE);
    clients.publish(&marker, 1, &["end"])?;
    let seen = subscriber.wait_for(|seen| seen.iter().any(|m| m.starts_with(&marker)))?;
    ensure!(!seen.iter().any(|message| message.starts_with('$')), "saw {seen:?}");
    Ok(())
}

fn session_keeps_messages(clients: &Clients) -> Result<()> {
    let [client, base] = [fresh("session"), fresh("away")];
    let filter = format!("{base}/#");
    let own = ["-i", &client, "-q", "2", "-t", &filter];
    let options = [clients.session_options(), &own].concat();
    clients.subscribe_and_leave(&options)?;
    let mut wanted = Vec::new();
    for qos in [1, 2] {
        let topic = format!("{base}/{qos}");
        clients.publish(&topic, qos, &["0", "1", "2", "3", "4"])?;
        wanted.extend((0..5).map(|number| message(&topic, qos, 0, &number.to_string())));
    }
    let back = clients.subscribe(&options)?;
    back.expect_by_topic(&wanted)?;
    back.kill();
    clients.subscribe_and_leave(&["-i", &client, "-t", "none"])
}

fn clean_start_discards(clients: &Clients) -> Result<()> {
    let [client, topic] = [fresh("session"), fresh("discard")];
    let own = ["-i", &client, "-q", "1", "-t", &topic];
    clients.subscribe_and_leave(&[clients.session_options(), &own].concat())?;
    clients.publish(&topic, 1, &["lost"])?;
    let back = clients.subscribe(&own)?;
    clients.publish(&topic, 1, &["live"])?;
    back.expect(&[message(&topic, 1, 0, "live")])
}

/// What the rules allow to the name in the certificate.
pub(super) fn own_topic(clients: &Clients) -> Result<()> {
    let topic = format!("own/client/{}", fresh("name"));
    let subscriber = clients.subscribe(&["-t", &topic, "-q", "1"])?;
    clients.publish(&topic, 1, &["m"])?;
    subscriber.expect(&[message(&topic, 1, 0, "m")])
}

/// What they allow to another name, which the client gives as its user name.
pub(super) fn topic_of_another(clients: &Clients) -> Result<()> {
    let topic = format!("own/another/{}", fresh("name"));
    clients.subscribe_in_vain(&["-u", "another", "-t", &topic])
}

fn message(topic: &str, qos: u8, retain: u8, payload: &str) -> String {
    format!("{topic}|{qos}|{retain}|{payload}")
}

/// Returns a topic or client identifier that no other check and no other run uses.
fn fresh(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

const SETTLE: Duration = Duration::from_millis(300);
