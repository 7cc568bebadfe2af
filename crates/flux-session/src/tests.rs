//! Scenarios: each names a rule of the session and plays it through the public interface.

mod acknowledgements;
mod inbound;
mod lifetime;
mod model;
mod queue;
mod resume;
mod shared;
mod stored;
mod subscriptions;
mod when_full;
mod window;

use crate::{
    Connection, Delivery, Departure, DropReason, Message, Offer, Outgoing, PacketId, QoS, Session,
    SessionExpiry, SessionLimits, SubscriptionIds, Timestamp,
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
    let _ = session.attach(NOW, connection(receive_maximum));
    session
}

/// Returns a connection whose session goes on after it.
fn connection(receive_maximum: u16) -> Connection<Note> {
    Connection { receive_maximum, expiry: SessionExpiry::NEVER, will: None }
}

/// Begins a connection after one without a will.
#[track_caller]
fn attach(session: &mut Session<Note>, now: Timestamp, receive_maximum: u16) {
    assert_eq!(session.attach(now, connection(receive_maximum)), None);
}

/// Breaks the connection of a session without shared deliveries.
#[track_caller]
fn detach(session: &mut Session<Note>, now: Timestamp) {
    assert_eq!(session.detach(now, Departure::default()), []);
}

fn note(name: &'static str, qos: QoS) -> Delivery<Note> {
    let message = Note { name, size: name.len(), expires_at: None };
    Delivery {
        message,
        qos,
        retain: false,
        subscription_ids: SubscriptionIds::NONE,
        share: None,
        sequence: None,
    }
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

/// The README names it.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_session_with_nothing_in_it_is_480_bytes() {
    assert_eq!(size_of::<Session<u64>>(), 480);
}
