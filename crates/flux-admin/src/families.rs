//! The metrics that there are: name, meaning, labels, and where the numbers come from.

pub(crate) mod read;

use std::borrow::Cow;
use std::time::Duration;

use flux_eventbus::{Denial, DisconnectReason, Limit, SessionEnd};
use flux_mqtt::{Count, Permission, Timestamp};

use self::read::{
    QOS, behind, both, certificates, clients, count, drop_reasons, each, exports_failed, failures,
    held, most_held, named, number, one, packets, sample, spans_dropped, store, versions, whole,
    workers,
};
use crate::Snapshot;

/// A metric, with a series for each combination of values of its labels.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Without the `flux_` before it, and the `_total` behind that of a counter.
    pub name: &'static str,
    /// What it means, for people.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
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

/// One series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The values of its labels, in their order.
    pub values: Vec<Cow<'static, str>>,
    /// Its number.
    pub number: i64,
}

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
        gauge("build_info", "The broker's version", &["version"], |_| {
            vec![sample(env!("CARGO_PKG_VERSION"), 1)]
        }),
        gauge("connections", "Network connections", &[], |it| one(it.connections)),
        gauge(
            "listener_connections",
            "Network connections, by the listener they came through",
            &["listener"],
            |it| it.listeners.iter().map(|(name, count)| named(name, *count)).collect(),
        ),
        gauge(
            "clients",
            "Clients connected, by the listener they came through and protocol version",
            &["listener", "version"],
            clients,
        ),
        gauge("sessions", "Sessions, with their clients connected or not", &["state"], |it| {
            both([("online", it.census.online), ("offline", it.census.offline)])
        }),
        gauge("subscriptions", "Subscriptions; a shared one counts once", &[], |it| {
            one(it.subscriptions)
        }),
        gauge("retained_messages", "Retained messages", &[], |it| one(it.retained)),
        gauge(
            "queued_messages",
            "Messages that wait to be sent for the first time",
            &["in"],
            |it| both([("sessions", it.census.queued), ("shared", it.census.shared_queued)]),
        ),
        gauge("queued_bytes", "Bytes of messages that wait in sessions", &[], |it| {
            one(it.census.queued_bytes)
        }),
        gauge("inflight_messages", "Messages sent and not acknowledged", &[], |it| {
            one(it.census.in_flight)
        }),
        gauge("inflight_bytes", "Bytes of these that are kept until then", &[], |it| {
            one(it.census.in_flight_bytes)
        }),
        gauge(
            "subscriber_behind_messages",
            "Messages that wait for a client that is connected: of the ten who are furthest behind, by `rank`, 1 the furthest. \
             `flux-broker clients list --behind` and the log say who they are",
            &["rank"],
            |it| behind(it, |session| whole(session.queued)),
        ),
        gauge(
            "subscriber_behind_seconds",
            "For how long something has been waiting for them all the time",
            &["rank"],
            |it| {
                let taken_at = it.census.taken_at;
                let waits = |since: Timestamp| taken_at.saturating_since(since).as_secs();
                behind(it, |session| session.waits_since.map_or(0, |since| number(waits(since))))
            },
        ),
        gauge("held_bytes", "Bytes held for clients", &["kind"], held),
        gauge(
            "held_bytes_limit",
            "Bytes that may be held for clients: `all` kinds together, and those that have a limit of their own",
            &["kind"],
            most_held,
        ),
        counter(
            "authentications",
            "Clients whose identity was asked for, by what came of it",
            &["result"],
            |it| {
                let results =
                    [(Count::Authenticated, "accepted"), (Count::NotAuthenticated, "refused")];
                each(it, results, std::convert::identity)
            },
        ),
        counter("connects", "Clients admitted, by protocol version", &["version"], |it| {
            each(it, versions(), Count::Connected)
        }),
        counter("connects_refused", "CONNECTs refused, by reason code", &["reason"], |it| {
            each(it, failures(), Count::ConnectRefused)
        }),
        counter("disconnects", "Connections of admitted clients that ended", &["reason"], |it| {
            let reasons = DisconnectReason::ALL.map(|reason| (reason, reason.name()));
            each(it, reasons, Count::Disconnected)
        }),
        counter("sessions_ended", "Sessions that are over", &["reason"], |it| {
            each(it, SessionEnd::ALL.map(|end| (end, end.name())), Count::SessionEnded)
        }),
        counter("packets_received", "Whole packets that came", &["type"], |it| {
            each(it, packets(), Count::Received)
        }),
        counter("packets_sent", "Packets that were sent", &["type"], |it| {
            each(it, packets(), Count::Sent)
        }),
        counter("messages_received", "PUBLISH packets that came", &["qos"], |it| {
            each(it, QOS, Count::MessageReceived)
        }),
        counter("messages_sent", "PUBLISH packets that were sent", &["qos"], |it| {
            each(it, QOS, Count::MessageSent)
        }),
        counter("messages_received_bytes", "Bytes of PUBLISH packets that came", &[], |it| {
            count(it, Count::MessageBytesReceived)
        }),
        counter("messages_sent_bytes", "Bytes of PUBLISH packets that were sent", &[], |it| {
            count(it, Count::MessageBytesSent)
        }),
        counter("received_bytes", "Bytes of whole packets that came", &[], |it| {
            count(it, Count::BytesReceived)
        }),
        counter("sent_bytes", "Bytes of packets that were sent", &[], |it| {
            count(it, Count::BytesSent)
        }),
        counter(
            "messages_dropped",
            "Messages dropped: for one client each, or, where they were not accepted, from one",
            &["reason"],
            |it| each(it, drop_reasons(false), Count::Dropped),
        ),
        counter(
            "retained_messages_dropped",
            "Messages that are not retained, or are no longer: those who were subscribed are none the poorer",
            &["reason"],
            |it| each(it, drop_reasons(true), Count::Dropped),
        ),
        counter(
            "retained_messages_replayed",
            "Retained messages that were for a client that subscribed: it gets them, or they are dropped as others are",
            &[],
            |it| count(it, Count::Replayed),
        ),
        counter("requests_refused", "PUBLISHes and filters refused", &["reason"], |it| {
            each(it, failures(), Count::Refused)
        }),
        counter("denials", "What clients wanted to do and may not", &["access"], |it| {
            each(it, Denial::ALL.map(|denial| (denial, denial.name())), Count::Denied)
        }),
        counter("permissions", "What clients wanted to do and may", &["access"], |it| {
            each(it, Permission::ALL.map(|it| (it, it.name())), Count::Allowed)
        }),
        counter(
            "limits_reached",
            "How often a limit was reached; of a rate, how often somebody had to wait for it",
            &["limit"],
            |it| each(it, Limit::ALL.map(|limit| (limit, limit.name())), Count::Reached),
        ),
        counter("connections_accepted", "Network connections that were accepted", &[], |it| {
            count(it, Count::Accepted)
        }),
        counter("accept_errors", "Network connections that could not be accepted", &[], |it| {
            count(it, Count::AcceptError)
        }),
        counter("tls_handshakes", "TLS handshakes that succeeded", &[], |it| {
            count(it, Count::HandshakeDone)
        }),
        counter("websocket_requests_failed", "Requests for WebSocket that failed", &[], |it| {
            count(it, Count::UpgradeFailed)
        }),
        counter("tls_handshakes_failed", "TLS handshakes that failed", &[], |it| {
            count(it, Count::HandshakeFailed)
        }),
        counter("proxy_headers_failed", "PROXY headers missing or malformed", &[], |it| {
            count(it, Count::ProxyFailed)
        }),
        counter("panics", "Panics, each of which cost one connection at most", &[], |it| {
            count(it, Count::Panicked)
        }),
        Self {
            kind: Kind::Seconds,
            ..gauge(
                "worker_busy_seconds",
                "For how long each worker was awake",
                &["worker"],
                |it| {
                    let busy =
                        |awake: Duration| i64::try_from(awake.as_nanos()).unwrap_or(i64::MAX);
                    workers(it, |worker| busy(worker.awake))
                },
            )
        },
        gauge("worker_mailbox_letters", "What waits in each worker's mailbox", &["worker"], |it| {
            workers(it, |worker| whole(worker.letters))
        }),
        gauge(
            "certificate_expiry_timestamp_seconds",
            "When a certificate, or what links it to an authority, expires, in seconds since 1970; by its file",
            &["path", "subject"],
            |it| certificates(&it.certificates),
        ),
        gauge("store_failing", "1 while the store makes nothing durable", &[], |it| {
            store(it, |store| usize::from(store.failure.is_some() || !store.is_running))
        }),
        gauge(
            "store_waiting_seconds",
            "For how long the store has been waiting for the disk by now, in whole seconds: a disk that hangs fails at nothing",
            &[],
            |it| {
                store(it, |store| {
                    let seconds = store.waiting_for.unwrap_or_default().as_secs();
                    usize::try_from(seconds).unwrap_or(usize::MAX)
                })
            },
        ),
        gauge("store_unsynced_bytes", "Bytes that wait to be durable", &[], |it| {
            store(it, |store| store.unsynced)
        }),
        gauge("store_disk_bytes", "Bytes that the store takes on the disk", &[], |it| {
            store(it, |store| usize::try_from(store.bytes_on_disk).unwrap_or(usize::MAX))
        }),
        counter("store_records", "Records handed over to the store", &[], |it| {
            store(it, |store| usize::try_from(store.records).unwrap_or(usize::MAX))
        }),
        counter(
            "otlp_exports_failed",
            "Requests that a collector did not take, or not all of; what metrics lose the next make good",
            &["signal"],
            exports_failed,
        ),
        counter(
            "otlp_spans_dropped",
            "Spans that never reach the collector: there was no room, it refused them, or failed to take them thirty times or until the end",
            &[],
            spans_dropped,
        ),
    ];
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    read: fn(&Snapshot) -> Vec<Sample>,
) -> Family {
    Family { name, help, labels, kind: Kind::Gauge, read }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    read: fn(&Snapshot) -> Vec<Sample>,
) -> Family {
    Family { name, help, labels, kind: Kind::Counter, read }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Times;

    /// As Prometheus wants names: base units, `_total` behind counters and only there.
    #[test]
    fn names_say_the_unit_and_what_only_grows() {
        let times = Times::ALL.iter().map(|times| (times.name, times.help));
        let families = Family::ALL.iter().map(|family| (family.name, family.help));
        for (name, help) in families.chain(times) {
            let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(is_plain && !name.ends_with("_total"), "{name}");
            let other_units =
                ["ms", "millis", "micros", "nanos", "minutes", "hours", "days", "kib", "mb"];
            assert!(!name.split('_').any(|word| other_units.contains(&word)), "{name}");
            let first = help.chars().next().unwrap();
            assert!(first.is_ascii_uppercase() || first.is_ascii_digit(), "{name}: {help}");
            assert!(!help.ends_with('.'), "{name}: {help}");
        }
        for family in Family::ALL {
            let is_total = family.full_name().ends_with("_total");
            assert_eq!(is_total, family.kind != Kind::Gauge, "{}", family.name);
            let in_seconds = family.name.ends_with("_seconds");
            assert!(in_seconds || family.kind != Kind::Seconds, "{}", family.name);
        }
        assert!(Times::ALL.iter().all(|times| times.name.ends_with("_seconds")));
    }

    #[test]
    fn no_name_stands_there_twice() {
        let mut names: Vec<_> = Family::ALL.iter().map(|family| family.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Family::ALL.len());
    }
}
