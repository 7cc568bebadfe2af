//! What happened in the broker, as typed events, for the rest of the platform.
//!
//! The broker publishes an [`Event`] on an [`EventBus`] when something has happened; audit logs,
//! metrics, dashboards and bridges [subscribe](EventBus::subscribe) to the [`EventKinds`] they
//! want. Each subscriber has a bounded queue of its own. The broker never waits for one: what does
//! not fit is dropped for that subscriber and [counted](EventSubscriber::missed).
//!
//! The crate deliberately has no clock, writes nothing down and hands nothing back: events carry no
//! time, are lost with the process, and nobody can veto one. Who may do what is decided elsewhere,
//! before it happens.
//!
//! # Example
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use flux_eventbus::{Event, EventBus, EventKind, EventKinds};
//!
//! let bus = EventBus::new();
//! let kinds = EventKinds::of(&[EventKind::Published, EventKind::Stopped]);
//! let mut subscriber = bus.subscribe(kinds, NonZeroUsize::MIN);
//!
//! // On the hot path, build the event only when somebody listens.
//! if bus.wants(EventKind::Published) {
//!     bus.publish(Event::Published {
//!         client_id: Some("meter".into()),
//!         topic: "meter/power".into(),
//!         payload: "230".into(),
//!         qos: 0,
//!         retain: false,
//!     });
//! }
//! bus.publish(Event::Stopped);
//!
//! let Some(Event::Published { topic, .. }) = subscriber.try_recv() else {
//!     panic!("the message was published");
//! };
//! assert_eq!(&*topic, "meter/power");
//! assert_eq!(subscriber.missed(), 1, "the queue had room for one event");
//! ```

mod denial;
mod event;
mod excerpt;
mod handshake;
mod kind;
mod limit;
mod reason;
mod source;

mod bus;
mod registry;
mod subscriber;

pub use bus::EventBus;
pub use denial::Denial;
pub use event::Event;
pub use excerpt::excerpt;
pub use handshake::Handshake;
pub use kind::{EventKind, EventKinds};
pub use limit::Limit;
pub use reason::{DisconnectReason, DropReason, SessionEnd};
pub use source::{Source, Sourced};
pub use subscriber::EventSubscriber;
