//! One MQTT client's session as a state machine: QoS 0, 1 and 2 in both directions.
//!
//! A [`Session`] knows what a client subscribed to, what waits for it, what is in flight, what must
//! be sent again after a reconnect, when it ends and when its will is due. It enforces the window
//! (Receive Maximum), the limits of the queue, message expiry and the order of delivery, for MQTT
//! 3.1.1 and 5.0 alike.
//!
//! It deliberately does not know sockets, packets on the wire, threads, clocks or what a message
//! contains: time is an argument ([`Timestamp`]), a message is a type of yours ([`Message`]), and
//! which topics match is decided before a delivery is offered.
//!
//! A [`Group`] is the other half of a shared subscription: whom of its members to ask, and what waits
//! while none can take it.
//!
//! # How it is driven
//!
//! - A connection begins and ends: [`Session::continues`], [`Session::attach`],
//!   [`Session::detach`].
//! - A message for the client arrives: [`Session::offer`]; by a shared subscription:
//!   [`Session::offer_shared`].
//! - The connection can write: [`Session::next`] until it returns `None`.
//! - The client acknowledges: [`Session::puback`], [`Session::pubrec`], [`Session::pubcomp`].
//! - The client publishes at QoS 2: [`Session::receive_qos2`], [`Session::release`].
//! - Time passes without a connection: [`Session::deadline`], [`Session::due`], [`Session::end`].
//! - After any of these: [`Session::take_dropped`] says what was lost, and [`Session::take_finished`]
//!   which stored messages are not needed any more.
//! - After a restart: [`Session::restored`] and what is beside it.
//!
//! ```
//! use flux_session::{
//!     Connection, Delivery, Departure, Message, Offer, Outgoing, QoS, Session, SessionExpiry,
//!     SessionLimits, SubscriptionIds, SubscriptionOptions, Timestamp,
//! };
//! use flux_topic::TopicFilter;
//!
//! #[derive(Clone)]
//! struct Text(&'static str);
//!
//! impl Message for Text {
//!     fn size(&self) -> usize {
//!         self.0.len()
//!     }
//!     fn expires_at(&self) -> Option<Timestamp> {
//!         None
//!     }
//! }
//!
//! let mut session = Session::new(SessionLimits::default());
//! let filter = TopicFilter::parse("rooms/+/temperature")?;
//! session.subscribe(filter, SubscriptionOptions::new(QoS::AtLeastOnce));
//!
//! // The client connects, and something it subscribed to is published.
//! let now = Timestamp::from_millis(0);
//! let connect = Connection {
//!     receive_maximum: 10,
//!     expiry: SessionExpiry::from_secs(3600),
//!     ..Connection::default()
//! };
//! let _no_will = session.attach(now, connect.clone());
//! let delivery = Delivery {
//!     message: Text("21.5"),
//!     qos: QoS::AtLeastOnce,
//!     retain: false,
//!     subscription_ids: SubscriptionIds::NONE,
//!     share: None,
//!     sequence: None,
//! };
//! assert_eq!(session.offer(now, delivery), Offer::Queued);
//!
//! // The connection can write: send PUBLISH.
//! let Some(Outgoing::Publish { packet_id: Some(packet_id), dup: false, .. }) = session.next(now)
//! else {
//!     panic!("a QoS 1 message has a packet identifier");
//! };
//!
//! // The connection breaks before PUBACK: on the next one the message goes again, marked so.
//! let unsent_shared = session.detach(now, Departure::default());
//! assert!(unsent_shared.is_empty(), "nothing came by a shared subscription");
//! assert!(session.take_dropped().is_empty(), "QoS 0 would be lost");
//! assert!(session.continues(now, false));
//! let _no_will = session.attach(now, connect);
//! assert!(matches!(session.next(now), Some(Outgoing::Publish { dup: true, .. })));
//!
//! // PUBACK ends it.
//! session.puback(packet_id)?;
//! assert_eq!(session.in_flight(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use flux_time::Timestamp;

mod session;

mod connection;
mod expiry;
mod remains;
mod will;

mod delivery;
mod limits;
mod subscription;

mod group;

mod ack;
mod in_flight;
mod inbound;
mod outgoing;
mod queue;

mod packet_id;
mod qos;

#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use self::ack::{AckError, Received};
pub use self::connection::{Connection, Departure};
pub use self::delivery::{Delivery, Finished, Message, Sequence, ShareId, SubscriptionIds};
pub use self::expiry::SessionExpiry;
pub use self::group::{Ask, Group, GroupFull, GroupLimits, Step, Strategy};
pub use self::inbound::{Inbound, ReceiveMaximumExceeded};
pub use self::limits::{
    FILTER_LEVEL_OVERHEAD, QUEUED_OVERHEAD, SESSION_OVERHEAD, SUBSCRIPTION_OVERHEAD, SessionLimits,
    WhenFull,
};
pub use self::outgoing::{DropReason, Dropped, Offer, Outgoing};
pub use self::packet_id::PacketId;
pub use self::qos::{InvalidQoS, QoS};
pub use self::remains::{Due, Remains};
pub use self::session::Session;
pub use self::subscription::{RetainHandling, SubscriptionOptions};
pub use self::will::Will;
