//! Which topic has which number.

use flux_eventbus::{DropReason, SessionEnd};
use flux_mqtt::{Count, PacketType};

use crate::Snapshot;
use crate::snapshot::{all_received, all_sent};

/// A topic whose payload is a whole number.
#[derive(Clone, Copy, Debug)]
pub struct SysTopic {
    /// Below `$SYS/broker/`.
    pub name: &'static str,
    /// What it means, for people.
    pub help: &'static str,
    /// Returns the number.
    pub read: fn(&Snapshot) -> u64,
}

impl SysTopic {
    /// All of them, with the meanings of mosquitto(8).
    pub const ALL: &[Self] = &[
        topic("clients/total", "clients with a session", |it| number(it.sessions)),
        topic("clients/connected", "those that are connected", |it| number(it.census.online)),
        topic("clients/active", "the same", |it| number(it.census.online)),
        topic("clients/disconnected", "those that are not", |it| number(it.census.offline)),
        topic("clients/inactive", "the same", |it| number(it.census.offline)),
        topic("clients/expired", "sessions that expired", |it| {
            it.counters.of(Count::SessionEnded(SessionEnd::Expired))
        }),
        topic("messages/received", "packets of all types that came", |it| {
            all_received(&it.counters)
        }),
        topic("messages/sent", "packets of all types that were sent", |it| all_sent(&it.counters)),
        topic("messages/stored", "messages that wait, are in flight or retained", stored),
        topic("store/messages/count", "the same", stored),
        topic("store/messages/bytes", "bytes that these take", |it| {
            let sessions = number(it.census.queued_bytes + it.census.in_flight_bytes);
            sessions + it.holdings.shared + it.holdings.retained
        }),
        topic("bytes/received", "bytes of whole packets that came", |it| {
            it.counters.of(Count::BytesReceived)
        }),
        topic("bytes/sent", "bytes of packets that were sent", |it| {
            it.counters.of(Count::BytesSent)
        }),
        topic("publish/messages/received", "PUBLISH packets that came", |it| {
            it.counters.of(Count::Received(PacketType::Publish))
        }),
        topic("publish/messages/sent", "PUBLISH packets that were sent", |it| {
            it.counters.of(Count::Sent(PacketType::Publish))
        }),
        topic(
            "publish/messages/dropped",
            "messages dropped because a queue was full, for one client each",
            |it| it.counters.dropped(DropReason::QueueFull),
        ),
        topic("publish/bytes/received", "bytes of PUBLISH packets that came", |it| {
            it.counters.of(Count::MessageBytesReceived)
        }),
        topic("publish/bytes/sent", "bytes of PUBLISH packets that were sent", |it| {
            it.counters.of(Count::MessageBytesSent)
        }),
        topic("retained messages/count", "retained messages, these included", |it| {
            number(it.retained)
        }),
        topic("subscriptions/count", "subscriptions; a shared one counts once", |it| {
            number(it.subscriptions)
        }),
        topic("shared_subscriptions/count", "shared subscriptions", |it| number(it.census.shares)),
        topic("connections/socket/count", "network connections that were accepted", |it| {
            it.counters.of(Count::Accepted)
        }),
    ];
}

const fn topic(name: &'static str, help: &'static str, read: fn(&Snapshot) -> u64) -> SysTopic {
    SysTopic { name, help, read }
}

/// Messages that are kept.
fn stored(snapshot: &Snapshot) -> u64 {
    let census = &snapshot.census;
    number(census.queued + census.in_flight + census.shared_queued + snapshot.retained)
}

fn number(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
