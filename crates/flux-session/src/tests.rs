//! Scenarios: each names a rule of the session and plays it through the public interface.

mod acknowledgements;
mod inbound;
mod model;
mod queue;
mod resume;
mod subscriptions;
mod when_full;
mod window;

use crate::{
    Delivery, DropReason, Message, Offer, Outgoing, PacketId, QoS, Session, SessionLimits,
    SubscriptionIds, Timestamp,
};

/// A message that is only its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    name: &'static str,
    size: usize,
    expires_at: Option<Timestamp>,
}

impl Message for Note {
    fn size(&self) -> usize {
        self.size
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_000);
const QOS0: QoS = QoS::AtMostOnce;
const QOS1: QoS = QoS::AtLeastOnce;
const QOS2: QoS = QoS::ExactlyOnce;

/// Returns a session on its first connection.
fn attached(receive_maximum: u16) -> Session<Note> {
    let mut session = Session::new(SessionLimits::default());
    session.attach(NOW, receive_maximum);
    session
}

fn note(name: &'static str, qos: QoS) -> Delivery<Note> {
    let message = Note { name, size: name.len(), expires_at: None };
    Delivery { message, qos, retain: false, subscription_ids: SubscriptionIds::NONE }
}

fn note_until(name: &'static str, qos: QoS, expires_at: u64) -> Delivery<Note> {
    let mut delivery = note(name, qos);
    delivery.message.expires_at = Some(Timestamp::from_millis(expires_at));
    delivery
}

#[track_caller]
fn queue(session: &mut Session<Note>, deliveries: impl IntoIterator<Item = (&'static str, QoS)>) {
    for (name, qos) in deliveries {
        assert_eq!(session.offer(NOW, note(name, qos)), Offer::Queued, "{name}");
    }
}

/// Sends what can be sent and writes it down: `name/qos`, `id`, `dup`.
fn sent(session: &mut Session<Note>) -> Vec<String> {
    sent_at(session, NOW)
}

fn sent_at(session: &mut Session<Note>, now: Timestamp) -> Vec<String> {
    std::iter::from_fn(|| session.next(now))
        .map(|outgoing| match outgoing {
            Outgoing::Publish { packet_id, dup, delivery } => {
                let id = packet_id.map_or(String::new(), |id| format!(" id {id}"));
                let dup = if dup { " dup" } else { "" };
                format!("{}/{}{id}{dup}", delivery.message.name, delivery.qos.as_u8())
            }
            Outgoing::Release { packet_id } => format!("release id {packet_id}"),
        })
        .collect()
}

/// Takes what the queue lost, by name.
fn dropped(session: &mut Session<Note>) -> Vec<(&'static str, DropReason)> {
    let dropped = session.take_dropped().into_iter();
    dropped.map(|dropped| (dropped.delivery.message.name, dropped.reason)).collect()
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}
