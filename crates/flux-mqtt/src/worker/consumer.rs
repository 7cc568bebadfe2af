//! Consumers in this process: what only a worker can do for them.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use flux_eventbus::{Event, Limit};
use flux_session::{Connection, QoS, Timestamp};

use super::Worker;
use super::admit::NotClaimed;
use super::deliver::STEPS_PER_TURN;
use super::end::End;
use crate::clients::Claim;
use crate::consumer::{Attach, Consumer, Held};
use crate::effects::Effects;
use crate::input::{Command, Letter};
use crate::names::SessionKey;
use crate::session::{Attachment, SharedSession};
use crate::wire::{Disconnect, Version};

/// The sessions that a worker gave to consumers, by name and generation.
pub(super) type Consumers = BTreeMap<(SessionKey, u64), Arc<SharedSession>>;

impl Worker {
    /// Gives a session to a consumer, as CONNECT and SUBSCRIBE would, or says which limit is reached.
    /// `None` when the broker is stopping.
    pub(super) fn attach(
        &mut self,
        now: Timestamp,
        attach: Attach,
        fx: &mut impl Effects,
    ) -> Option<Result<Held, Limit>> {
        if self.is_shutting_down {
            return None;
        }
        let client_id = attach.client_id.unwrap_or_else(|| self.new_client_id());
        let consumer = Arc::new(Consumer::default());
        let claim = Claim {
            attachment: Attachment::Consumer(consumer.clone()),
            clean_start: attach.clean_start,
            connection: Connection {
                receive_maximum: attach.receive_maximum,
                expiry: attach.expiry,
                will: None,
            },
            owner: attach.owner.into(),
            client: None,
        };
        let limits = attach.limits.unwrap_or(self.settings.session);
        let claimed = match self.claim(now, &client_id, &claim, limits, fx) {
            Ok(claimed) => claimed,
            Err(NotClaimed::Limit(limit)) => return Some(Err(limit)),
            Err(NotClaimed::AnotherUsers) => {
                debug_assert!(false, "consumers are not barred from any session");
                return None;
            }
        };
        let held = Held {
            session: claimed.session.clone(),
            generation: claimed.generation,
            consumer,
            worker: self.id,
            session_present: claimed.present,
        };
        self.settle(now, claimed, fx);
        fx.event(Event::Connected {
            client_id,
            protocol_level: Version::V5.level(),
            username: None,
            peer: None,
            listener: None,
            session_present: held.session_present,
        });
        self.consumers.insert((held.session.key, held.generation), held.session.clone());
        let mut wanted = attach.subscriptions;
        for (_, options) in &mut wanted {
            options.qos = QoS::min(options.qos, self.settings.max_qos);
        }
        // Nothing is entered if it was taken over meanwhile; it hears of that by itself.
        if let Some(granted) = self.enter(now, &held.session, Some(held.generation), wanted, fx) {
            self.send_retained(now, &held.session, &granted, fx);
        }
        Some(Ok(held))
    }

    /// Takes a session back from a consumer, unless somebody else has it already.
    pub(super) fn release(
        &mut self,
        now: Timestamp,
        held: &Held,
        end: &End,
        fx: &mut impl Effects,
    ) {
        self.consumers.remove(&(held.session.key, held.generation));
        self.end_consumer(now, &held.session, held.generation, end, fx);
    }

    /// Ends a consumer that has a session; the session goes on or ends.
    pub(super) fn end_consumer(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        generation: u64,
        end: &End,
        fx: &mut impl Effects,
    ) {
        if let Some(attached) = self.detach(now, session, generation, end, fx) {
            self.dismiss(now, attached, &session.client_id, end, fx);
        }
    }

    /// The broker stops, and with it every consumer.
    pub(super) fn end_consumers(&mut self, now: Timestamp, fx: &mut impl Effects) {
        for ((_, generation), session) in mem::take(&mut self.consumers) {
            self.end_consumer(now, &session, generation, &End::Shutdown, fx);
        }
    }

    /// A consumer has room for what shared subscriptions kept, and for retained messages that its
    /// subscriptions still bring.
    pub(super) fn room(&mut self, now: Timestamp, held: &Held, fx: &mut impl Effects) {
        for _ in 0..STEPS_PER_TURN {
            let mut state = held.session.lock();
            held.consumer.forget_room();
            let key = held.session.key;
            self.ready.extend(state.take_declined().into_iter().map(|share| (share, key)));
            let wanted = state.session.wants_read();
            let replay = if state.can_replay() { state.replays.pop_first() } else { None };
            drop(state);
            self.read_more(&held.session, wanted, fx);
            let Some(replay) = replay else { return };
            self.replay(now, &held.session, held.generation, replay, fx);
        }
        // The others have their turn.
        if held.consumer.tells_room() {
            fx.letter(self.id, Letter::Command(Command::Room(held.clone())));
        }
    }
}

impl End {
    /// A consumer that is dropped takes its leave.
    pub(super) const GOODBYE: Self = Self::ByClient(Disconnect { reason: 0, session_expiry: None });
}
