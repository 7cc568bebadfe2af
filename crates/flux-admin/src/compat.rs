//! Metrics under the names that another broker gives them, where they mean the same.

use flux_eventbus::{Denial, DisconnectReason, DropReason};
use flux_mqtt::{Count, PacketType, Permission, QoS, Version};

use crate::Snapshot;
use crate::families::read::{number, whole};
use crate::snapshot::{all_received, all_sent};

/// Another broker whose names are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// EMQX 5 and 6.
    Emqx,
}

/// A number under the name that another broker gives it.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// Without what stands before all names of that broker.
    pub name: &'static str,
    /// What it means, for people.
    pub help: &'static str,
    /// Returns the number.
    pub read: fn(&Snapshot) -> i64,
}

/// EMQX's names. What they mean is from its documentation of statistics and metrics, and where that leaves a doubt, from how it counts.
pub const EMQX: &[Alias] = &[
    alias(
        "connections_count",
        "Clients with a session, connected or not: there a connection lasts as long as its session",
        |it| whole(it.sessions),
    ),
    alias("live_connections_count", "Clients connected", |it| whole(it.census.online)),
    alias("sessions_count", "Sessions", |it| whole(it.sessions)),
    alias("channels_count", "The same", |it| whole(it.sessions)),
    alias("retained_count", "Retained messages, those of `$SYS` included", |it| whole(it.retained)),
    alias("bytes_received", "Bytes of packets that came", |it| of(it, Count::BytesReceived)),
    alias("bytes_sent", "Bytes of packets that were sent", |it| of(it, Count::BytesSent)),
    alias("packets_received", "Packets that came", |it| number(all_received(&it.counters))),
    alias("packets_sent", "Packets that were sent", |it| number(all_sent(&it.counters))),
    alias("packets_connect", "CONNECTs", |it| received(it, PacketType::Connect)),
    alias("packets_connack_sent", "CONNACKs", |it| sent(it, PacketType::ConnAck)),
    alias("packets_publish_received", "PUBLISHes that came", |it| {
        received(it, PacketType::Publish)
    }),
    alias("packets_publish_sent", "PUBLISHes that were sent", |it| sent(it, PacketType::Publish)),
    alias("packets_publish_auth_error", "PUBLISHes that were denied, at whatever QoS", |it| {
        of(it, Count::Denied(Denial::Publish))
    }),
    alias("packets_puback_received", "PUBACKs that came", |it| received(it, PacketType::PubAck)),
    alias("packets_puback_sent", "PUBACKs that were sent", |it| sent(it, PacketType::PubAck)),
    alias("packets_pubrec_received", "PUBRECs that came", |it| received(it, PacketType::PubRec)),
    alias("packets_pubrec_sent", "PUBRECs that were sent", |it| sent(it, PacketType::PubRec)),
    alias("packets_pubrel_received", "PUBRELs that came", |it| received(it, PacketType::PubRel)),
    alias("packets_pubrel_sent", "PUBRELs that were sent", |it| sent(it, PacketType::PubRel)),
    alias("packets_pubcomp_received", "PUBCOMPs that came", |it| received(it, PacketType::PubComp)),
    alias("packets_pubcomp_sent", "PUBCOMPs that were sent", |it| sent(it, PacketType::PubComp)),
    alias("packets_subscribe_received", "SUBSCRIBEs", |it| received(it, PacketType::Subscribe)),
    alias("packets_suback_sent", "SUBACKs", |it| sent(it, PacketType::SubAck)),
    alias("packets_unsubscribe_received", "UNSUBSCRIBEs", |it| {
        received(it, PacketType::Unsubscribe)
    }),
    alias("packets_unsuback_sent", "UNSUBACKs", |it| sent(it, PacketType::UnsubAck)),
    alias("packets_pingreq_received", "PINGREQs", |it| received(it, PacketType::PingReq)),
    alias("packets_pingresp_sent", "PINGRESPs", |it| sent(it, PacketType::PingResp)),
    alias("packets_disconnect_received", "DISCONNECTs that came", |it| {
        received(it, PacketType::Disconnect)
    }),
    alias("packets_disconnect_sent", "DISCONNECTs that were sent", |it| {
        sent(it, PacketType::Disconnect)
    }),
    alias("packets_auth_received", "AUTHs that came", |it| received(it, PacketType::Auth)),
    alias("packets_auth_sent", "AUTHs that were sent", |it| sent(it, PacketType::Auth)),
    alias("messages_received", "Messages that came from clients", |it| {
        sum(it, Count::MessageReceived, QOS)
    }),
    alias("messages_sent", "Messages that were sent to clients", |it| {
        sum(it, Count::MessageSent, QOS)
    }),
    alias("messages_qos0_received", "Those that came at QoS 0", |it| {
        of(it, Count::MessageReceived(QoS::AtMostOnce))
    }),
    alias("messages_qos1_received", "At QoS 1", |it| {
        of(it, Count::MessageReceived(QoS::AtLeastOnce))
    }),
    alias("messages_qos2_received", "At QoS 2", |it| {
        of(it, Count::MessageReceived(QoS::ExactlyOnce))
    }),
    alias("messages_qos0_sent", "Those that were sent at QoS 0", |it| {
        of(it, Count::MessageSent(QoS::AtMostOnce))
    }),
    alias("messages_qos1_sent", "At QoS 1", |it| of(it, Count::MessageSent(QoS::AtLeastOnce))),
    alias("messages_qos2_sent", "At QoS 2", |it| of(it, Count::MessageSent(QoS::ExactlyOnce))),
    alias("delivery_dropped_too_large", "Messages larger than their subscriber takes", |it| {
        of(it, Count::Dropped(DropReason::PacketTooLarge))
    }),
    alias("delivery_dropped_expired", "Messages that expired before they were sent", |it| {
        of(it, Count::Dropped(DropReason::Expired))
    }),
    alias("client_connect", "CONNECTs, whatever came of them", |it| {
        received(it, PacketType::Connect)
    }),
    alias("client_connected", "Clients that were admitted", |it| {
        sum(it, Count::Connected, Version::ALL)
    }),
    alias("client_disconnected", "Clients that are gone, for whatever reason", |it| {
        sum(it, Count::Disconnected, DisconnectReason::ALL)
    }),
    alias("authentication_success", "Clients that proved who they are, or need not", |it| {
        of(it, Count::Authenticated)
    }),
    alias("authentication_failure", "Clients that did not", |it| of(it, Count::NotAuthenticated)),
    alias("authorization_allow", "PUBLISHes and filters that were allowed", |it| {
        sum(it, Count::Allowed, [Permission::Publish, Permission::Subscribe])
    }),
    alias("authorization_deny", "PUBLISHes and filters that were denied", |it| {
        sum(it, Count::Denied, [Denial::Publish, Denial::Subscribe])
    }),
];

const fn alias(name: &'static str, help: &'static str, read: fn(&Snapshot) -> i64) -> Alias {
    Alias { name, help, read }
}

fn of(snapshot: &Snapshot, what: Count) -> i64 {
    number(snapshot.counters.of(what))
}

fn received(snapshot: &Snapshot, packet: PacketType) -> i64 {
    of(snapshot, Count::Received(packet))
}

fn sent(snapshot: &Snapshot, packet: PacketType) -> i64 {
    of(snapshot, Count::Sent(packet))
}

fn sum<T>(snapshot: &Snapshot, what: fn(T) -> Count, of: impl IntoIterator<Item = T>) -> i64 {
    of.into_iter().map(|it| number(snapshot.counters.of(what(it)))).sum()
}

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_there_twice() {
        let mut names: Vec<_> = EMQX.iter().map(|alias| alias.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EMQX.len());
    }
}
