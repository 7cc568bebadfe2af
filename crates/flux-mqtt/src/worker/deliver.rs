//! Draining: what a session has for its client becomes bytes, as many as may wait unsent.

use flux_eventbus::DropReason;
use flux_session::{Outgoing, PacketId, Timestamp};

use super::Worker;
use super::publish::{tell_dropped, tell_lost};
use crate::effects::Effects;
use crate::message::Delivery;
use crate::names::ConnectionId;
use crate::reason::ReasonCode;
use crate::session::SessionState;
use crate::wire::{AckKind, LARGEST_PACKET, OutboundAliases, Version, write_ack, write_publish};

impl Worker {
    /// Sends what the window and the write buffer of a connection allow: its session is
    /// locked once, the bytes are sent once.
    pub(super) fn drain(&mut self, now: Timestamp, id: ConnectionId, fx: &mut impl Effects) {
        let Some(online) = self.connections.online(id) else { return };
        // What is not sent on a dead connection may be for another: it stays in the session.
        let Some(unsent) = fx.unsent(id) else { return };
        let room = self.settings.unsent_for_deliveries.max(1).saturating_sub(unsent);
        let mut state = online.session.lock();
        if state.generation != online.generation {
            return;
        }
        let out = &mut self.deliveries;
        out.clear();
        let mut too_large = Vec::new();
        let mut client = Client {
            version: online.version,
            maximum_packet_size: online.maximum_packet_size.min(LARGEST_PACKET),
            aliases: &mut online.outbound_aliases,
        };
        while out.len() < room {
            let Some(outgoing) = state.session.next(now) else { break };
            if let Some(delivery) = write(out, &mut state, &mut client, outgoing, now) {
                too_large.push(delivery);
            }
        }
        // While it waits to be writable it knows that there is more: nobody need wake it.
        let is_blocked = out.len() >= room && state.session.has_work();
        state.dirty = is_blocked;
        let dropped = state.session.take_dropped();
        for share in state.take_declined() {
            self.ready.push((share, online.session.key));
        }
        drop(state);
        if !out.is_empty() {
            fx.send(id, out);
        }
        if is_blocked {
            fx.notify_writable(id);
        }
        let session = online.session.clone();
        tell_lost(&session, dropped, fx);
        for delivery in too_large {
            tell_dropped(
                Some(&session.client_id),
                &delivery.message,
                DropReason::PacketTooLarge,
                fx,
            );
        }
    }
}

/// What must be known of a client to write packets for it.
struct Client<'a> {
    version: Version,
    maximum_packet_size: u32,
    aliases: &'a mut OutboundAliases,
}

/// Appends one packet; gives a message back that is too large for the client, after the
/// session has completed it as if it had been sent [MQTT-3.1.2-25].
fn write(
    out: &mut Vec<u8>,
    state: &mut SessionState,
    client: &mut Client<'_>,
    outgoing: Outgoing<crate::message::Message>,
    now: Timestamp,
) -> Option<Delivery> {
    match outgoing {
        Outgoing::Publish { packet_id, dup, delivery } => {
            let max = client.maximum_packet_size;
            let Some(form) = client.aliases.form(client.version, &delivery, max) else {
                skip(state, packet_id);
                return Some(delivery);
            };
            write_publish(out, client.version, &delivery, form, packet_id, dup, now);
            client.aliases.written(delivery.message.topic_bytes(), form);
        }
        Outgoing::Release { packet_id } => {
            write_ack(out, AckKind::PubRel, client.version, packet_id, ReasonCode::Success);
        }
    }
    None
}

fn skip(state: &mut SessionState, packet_id: Option<PacketId>) {
    if let Some(packet_id) = packet_id {
        let skipped = state.session.skip(packet_id);
        debug_assert!(skipped.is_ok(), "the session has just given this identifier out");
    }
}
