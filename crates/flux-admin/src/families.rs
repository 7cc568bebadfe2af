//! The metrics that there are: name, meaning, label, and where the numbers come from.

use std::borrow::Cow;
use std::time::Duration;

use flux_eventbus::{Denial, DisconnectReason, DropReason, Limit, SessionEnd};
use flux_mqtt::{Count, PacketType, QoS, ReasonCode, StoreHealth, Version, WorkerView};

use crate::Snapshot;

/// A metric, with a series for each value of its label.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Without the `flux_` before it, and the `_total` behind that of a counter.
    pub name: &'static str,
    /// What it means, for people.
    pub help: &'static str,
    /// The name of its label, if it has one.
    pub label: Option<&'static str>,
    /// Whether it only grows.
    pub kind: Kind,
    /// Returns its series.
    pub read: fn(&Snapshot) -> Vec<Sample>,
}

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from 0 when the broker begins.
    Counter,
    /// The same in seconds; its numbers are nanoseconds.
    Seconds,
    /// It goes up and down.
    Gauge,
}

/// One series: the value of its label, which is empty where there is none, and its number.
pub type Sample = (Cow<'static, str>, i64);

impl Family {
    /// Returns the name under which it is scraped.
    #[must_use]
    pub fn full_name(&self) -> String {
        let suffix = match self.kind {
            Kind::Counter | Kind::Seconds => "_total",
            Kind::Gauge => "",
        };
        format!("flux_{}{suffix}", self.name)
    }

    /// All of them, in the order in which they are scraped.
    pub const ALL: &[Self] = &[
        gauge("build_info", "The broker's version", Some("version"), |_| {
            vec![(env!("CARGO_PKG_VERSION").into(), 1)]
        }),
        gauge("connections", "Network connections", None, |it| one(it.connections)),
        gauge(
            "listener_connections",
            "Network connections, by the listener they came through",
            Some("listener"),
            |it| it.listeners.iter().map(|(name, count)| named(name, *count)).collect(),
        ),
        gauge("clients", "Clients connected, by protocol version", Some("version"), clients),
        gauge("sessions", "Sessions, with their clients connected or not", Some("state"), |it| {
            both([("online", it.census.online), ("offline", it.census.offline)])
        }),
        gauge("subscriptions", "Subscriptions; a shared one counts once", None, |it| {
            one(it.subscriptions)
        }),
        gauge("retained_messages", "Retained messages", None, |it| one(it.retained)),
        gauge(
            "queued_messages",
            "Messages that wait to be sent for the first time",
            Some("in"),
            |it| both([("sessions", it.census.queued), ("shared", it.census.shared_queued)]),
        ),
        gauge("queued_bytes", "Bytes of messages that wait in sessions", None, |it| {
            one(it.census.queued_bytes)
        }),
        gauge("inflight_messages", "Messages sent and not acknowledged", None, |it| {
            one(it.census.in_flight)
        }),
        gauge(
            "subscriber_behind_messages",
            "Messages that wait for a client that is connected: of the ten who are furthest behind",
            Some("client_id"),
            |it| {
                let behind = it.census.behind.iter();
                behind.map(|it| ((*it.client_id).to_owned().into(), whole(it.queued))).collect()
            },
        ),
        gauge("held_bytes", "Bytes held for clients", Some("kind"), held),
        gauge("held_bytes_limit", "Bytes that may be held for clients, all together", None, |it| {
            vec![("".into(), number(it.limits.bytes))]
        }),
        counter(
            "authentications",
            "Clients whose identity was asked for, by what came of it",
            Some("result"),
            |it| {
                let results =
                    [(Count::Authenticated, "accepted"), (Count::NotAuthenticated, "refused")];
                each(it, results, std::convert::identity)
            },
        ),
        counter("connects", "Clients admitted, by protocol version", Some("version"), |it| {
            each(it, VERSIONS, Count::Connected)
        }),
        counter("connects_refused", "CONNECTs refused, by reason code", Some("reason"), |it| {
            each(it, failures(), Count::ConnectRefused)
        }),
        counter(
            "disconnects",
            "Connections of admitted clients that ended",
            Some("reason"),
            |it| {
                let reasons = DisconnectReason::ALL.map(|reason| (reason, reason.name()));
                each(it, reasons, Count::Disconnected)
            },
        ),
        counter("sessions_ended", "Sessions that are over", Some("reason"), |it| {
            each(it, SessionEnd::ALL.map(|end| (end, end.name())), Count::SessionEnded)
        }),
        counter("packets_received", "Whole packets that came", Some("type"), |it| {
            each(it, packets(), Count::Received)
        }),
        counter("packets_sent", "Packets that were sent", Some("type"), |it| {
            each(it, packets(), Count::Sent)
        }),
        counter("messages_received", "PUBLISH packets that came", Some("qos"), |it| {
            each(it, QOS, Count::MessageReceived)
        }),
        counter("messages_sent", "PUBLISH packets that were sent", Some("qos"), |it| {
            each(it, QOS, Count::MessageSent)
        }),
        counter("messages_received_bytes", "Bytes of PUBLISH packets that came", None, |it| {
            count(it, Count::MessageBytesReceived)
        }),
        counter("messages_sent_bytes", "Bytes of PUBLISH packets that were sent", None, |it| {
            count(it, Count::MessageBytesSent)
        }),
        counter("received_bytes", "Bytes of whole packets that came", None, |it| {
            count(it, Count::BytesReceived)
        }),
        counter("sent_bytes", "Bytes of packets that were sent", None, |it| {
            count(it, Count::BytesSent)
        }),
        counter(
            "messages_dropped",
            "Messages dropped, for one client each",
            Some("reason"),
            |it| {
                let reasons = DropReason::ALL.map(|reason| (reason, reason.name()));
                each(it, reasons, Count::Dropped)
            },
        ),
        counter("requests_refused", "PUBLISHes and filters refused", Some("reason"), |it| {
            each(it, failures(), Count::Refused)
        }),
        counter("denials", "What clients wanted to do and may not", Some("access"), |it| {
            each(it, Denial::ALL.map(|denial| (denial, denial.name())), Count::Denied)
        }),
        counter(
            "limits_reached",
            "How often a limit was reached; of a rate, how often somebody had to wait for it",
            Some("limit"),
            |it| each(it, Limit::ALL.map(|limit| (limit, limit.name())), Count::Reached),
        ),
        counter("connections_accepted", "Network connections that were accepted", None, |it| {
            count(it, Count::Accepted)
        }),
        counter("accept_errors", "Network connections that could not be accepted", None, |it| {
            count(it, Count::AcceptError)
        }),
        counter("tls_handshakes", "TLS handshakes that succeeded", None, |it| {
            count(it, Count::HandshakeDone)
        }),
        counter("websocket_requests_failed", "Requests for WebSocket that failed", None, |it| {
            count(it, Count::UpgradeFailed)
        }),
        counter("tls_handshakes_failed", "TLS handshakes that failed", None, |it| {
            count(it, Count::HandshakeFailed)
        }),
        counter("proxy_headers_failed", "PROXY headers missing or malformed", None, |it| {
            count(it, Count::ProxyFailed)
        }),
        counter("panics", "Panics, each of which cost one connection at most", None, |it| {
            count(it, Count::Panicked)
        }),
        Self {
            kind: Kind::Seconds,
            ..gauge(
                "worker_busy_seconds",
                "For how long each worker was awake",
                Some("worker"),
                |it| {
                    let busy =
                        |awake: Duration| i64::try_from(awake.as_nanos()).unwrap_or(i64::MAX);
                    workers(it, |worker| busy(worker.awake))
                },
            )
        },
        gauge(
            "worker_mailbox_letters",
            "What waits in each worker's mailbox",
            Some("worker"),
            |it| workers(it, |worker| whole(worker.letters)),
        ),
        gauge(
            "certificate_expiry_timestamp_seconds",
            "When a certificate expires, in seconds since 1970",
            Some("subject"),
            |it| it.certificates.iter().map(|(name, when)| (name.clone().into(), *when)).collect(),
        ),
        gauge("store_failing", "1 while the store makes nothing durable", None, |it| {
            store(it, |store| usize::from(store.failure.is_some() || !store.is_running))
        }),
        gauge("store_unsynced_bytes", "Bytes that wait to be durable", None, |it| {
            store(it, |store| store.unsynced)
        }),
        gauge("store_disk_bytes", "Bytes that the store takes on the disk", None, |it| {
            store(it, |store| usize::try_from(store.bytes_on_disk).unwrap_or(usize::MAX))
        }),
        counter("store_records", "Records handed over to the store", None, |it| {
            store(it, |store| usize::try_from(store.records).unwrap_or(usize::MAX))
        }),
    ];
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    label: Option<&'static str>,
    read: fn(&Snapshot) -> Vec<Sample>,
) -> Family {
    Family { name, help, label, kind: Kind::Gauge, read }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    label: Option<&'static str>,
    read: fn(&Snapshot) -> Vec<Sample>,
) -> Family {
    Family { name, help, label, kind: Kind::Counter, read }
}

fn one(number: usize) -> Vec<Sample> {
    vec![("".into(), whole(number))]
}

fn named(name: &str, number: usize) -> Sample {
    (name.to_owned().into(), whole(number))
}

fn workers(snapshot: &Snapshot, read: impl Fn(&WorkerView) -> i64) -> Vec<Sample> {
    let workers = snapshot.workers.iter().enumerate();
    workers.map(|(number, worker)| (number.to_string().into(), read(worker))).collect()
}

/// Those who came and did not leave.
fn clients(snapshot: &Snapshot) -> Vec<Sample> {
    let counters = &snapshot.counters;
    let here = |(version, name): (Version, &'static str)| {
        // The counts are not of exactly one moment.
        let came = counters.of(Count::Connected(version));
        (name.into(), number(came.saturating_sub(counters.of(Count::Left(version)))))
    };
    VERSIONS.map(here).to_vec()
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn both(numbers: [(&'static str, usize); 2]) -> Vec<Sample> {
    let sample = |(name, number): (&'static str, usize)| (Cow::Borrowed(name), whole(number));
    numbers.map(sample).to_vec()
}

fn count(snapshot: &Snapshot, what: Count) -> Vec<Sample> {
    vec![("".into(), number(snapshot.counters.of(what)))]
}

/// A series for each of these, whether or not it ever happened: what is missing cannot be told from what stopped.
fn each<T>(
    snapshot: &Snapshot,
    of: impl IntoIterator<Item = (T, &'static str)>,
    what: impl Fn(T) -> Count,
) -> Vec<Sample> {
    let sample = |(it, name): (T, &'static str)| {
        (Cow::Borrowed(name), number(snapshot.counters.of(what(it))))
    };
    of.into_iter().map(sample).collect()
}

/// Without a store there is no series.
fn store(snapshot: &Snapshot, read: impl Fn(&StoreHealth) -> usize) -> Vec<Sample> {
    snapshot.store.iter().flat_map(|store| one(read(store))).collect()
}

fn held(snapshot: &Snapshot) -> Vec<Sample> {
    let held = &snapshot.holdings;
    let kinds = [
        ("sessions", held.sessions),
        ("shared", held.shared),
        ("retained", held.retained),
        ("unsent", held.unsent),
        ("unread", held.unread),
    ];
    kinds.into_iter().map(|(kind, bytes)| (kind.into(), number(bytes))).collect()
}

fn packets() -> impl Iterator<Item = (PacketType, &'static str)> {
    PacketType::ALL.into_iter().map(|packet| (packet, packet.name()))
}

fn failures() -> impl Iterator<Item = (ReasonCode, &'static str)> {
    ReasonCode::FAILURES.into_iter().map(|code| (code, code.description()))
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const VERSIONS: [(Version, &str); 3] =
    [(Version::V31, "3.1"), (Version::V311, "3.1.1"), (Version::V5, "5.0")];

const QOS: [(QoS, &str); 3] =
    [(QoS::AtMostOnce, "0"), (QoS::AtLeastOnce, "1"), (QoS::ExactlyOnce, "2")];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::Times;

    /// The page about metrics.
    fn page() -> String {
        let mut page = String::from(
            "# Metrics\n\nWhat `flux-broker --admin` serves under `/metrics`. This page is written from the definitions in \
             `crates/flux-admin`.\n\n| metric | kind | label | meaning |\n|---|---|---|---|\n",
        );
        for family in Family::ALL {
            let kind = match family.kind {
                Kind::Counter | Kind::Seconds => "counter",
                Kind::Gauge => "gauge",
            };
            let label = family.label.map_or_else(String::new, |label| format!("`{label}`"));
            page += &format!("| `{}` | {kind} | {label} | {} |\n", family.full_name(), family.help);
        }
        for times in Times::ALL {
            page += &format!("| `flux_{}` | histogram |  | {} |\n", times.name, times.help);
        }
        page += SYS;
        for topic in crate::SysTopic::ALL {
            page += &format!("| `$SYS/broker/{}` | {} |\n", topic.name, topic.help);
        }
        page
    }

    const SYS: &str = "\n## `$SYS`\n\n\
        The same numbers are published for dashboards that know mosquitto, every 10 s (`--sys-interval SECONDS`, 0 for \
        never): what has changed since, with QoS 0, retained, and not stored. No client may publish there. With roles, \
        whoever is to read them needs the right to: `subscribe = [\"$SYS/#\"]`. Names and meanings are those of \
        mosquitto(8), but `publish/bytes` counts whole packets.\n\n\
        | topic | meaning |\n|---|---|\n\
        | `$SYS/broker/version` | `flux-broker version` and which |\n\
        | `$SYS/broker/uptime` | seconds since the broker began, and the word `seconds` |\n\
        | `$SYS/broker/clients/maximum` | the most that `clients/total` was |\n\
        | `$SYS/broker/load/#` | how many in a minute, on average over `1min`, `5min` and `15min`: `messages/received`, \
        `messages/sent`, `publish/received`, `publish/sent`, `publish/dropped`, `bytes/received`, `bytes/sent`, \
        `sockets`, `connections` |\n";

    /// With `FLUX_BLESS=1` the page is written anew.
    #[test]
    fn the_page_about_metrics_is_what_the_definitions_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/metrics.md");
        if std::env::var_os("FLUX_BLESS").is_some() {
            fs::write(&path, page()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), page(), "FLUX_BLESS=1 writes it");
    }

    #[test]
    fn no_name_stands_there_twice() {
        let mut names: Vec<_> = Family::ALL.iter().map(|family| family.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Family::ALL.len());
    }
}
