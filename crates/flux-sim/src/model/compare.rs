//! Numbers that the broker shows, and what must be left when everything is over.

use flux_eventbus::DropReason;
use flux_mqtt::{SessionView, ShareView, WhenFull};

use super::{Deliveries, Judgement, Model};

impl Model {
    /// Compares what a broker holds with what the model thinks, after a unit.
    ///
    /// # Errors
    ///
    /// What differs.
    pub(crate) fn compare(&mut self, views: &[SessionView], shares: &[ShareView]) -> Judgement {
        let limits = self.settings.session;
        for view in views {
            let Some(client) = self.client(&view.client_id) else { continue };
            let name = &view.client_id;
            if view.queued > limits.queued_messages || view.queued_bytes > limits.queued_bytes {
                return Err(format!("{name} has {} messages waiting, and too many", view.queued));
            }
            if self.is_cheater(client) {
                continue;
            }
            let Some(session) = self.sessions.get_mut(&client) else {
                return Err(format!("{name} has a session, and is to have none"));
            };
            if view.is_over && limits.when_full == WhenFull::EndSession {
                // Where others chose what waits, only the broker knows that there was no room.
                session.is_over |= !session.is_exact || session.has_choices();
                session.unsent.clear();
                session.replays.clear();
            }
            if session.is_over != view.is_over {
                return Err(format!("the session of {name} is over: {}", view.is_over));
            }
            let unsent = session.unsent.len();
            if view.queued == 0 && !session.has_choices() {
                session.is_exact = true;
                session.unsent.retain(|promise| !promise.may_be_lost);
            }
            let known = (session.unsent.len(), session.unsent_bytes());
            let is_exact = session.is_exact && !session.has_choices();
            if is_exact && !session.is_over && known != (view.queued, view.queued_bytes) {
                let (messages, bytes) = (view.queued, view.queued_bytes);
                return Err(format!(
                    "{messages} messages ({bytes} bytes) wait for {name}, and {unsent} ({}) are to",
                    known.1
                ));
            }
            if session.is_over {
                continue;
            }
            let same = [
                ("in flight", view.in_flight, session.in_flight.len()),
                ("open receipts", view.open_receipts, session.receipts.len()),
                ("subscriptions", view.subscriptions, session.subscriptions.len()),
                (
                    "connections",
                    usize::from(view.is_attached),
                    usize::from(session.holder.is_some()),
                ),
            ];
            for (what, is, should) in same {
                if is != should {
                    return Err(format!("{name} has {is} {what}, and is to have {should}"));
                }
            }
        }
        for (client, session) in &self.sessions {
            let name = &self.clients[*client].name;
            let is_known = !session.is_over && !self.is_cheater(*client);
            if is_known && !views.iter().any(|view| *view.client_id == **name) {
                return Err(format!("the session of {name} is gone"));
            }
        }
        let limits = self.settings.shared.limits;
        for view in shares {
            // What those who break the rules share is not followed.
            let is_known = self.shares.contains_key(&*view.filter);
            if is_known && view.queued > limits.queued_messages && !self.gives_back {
                return Err(format!("{} messages wait in {}", view.queued, view.filter));
            }
        }
        Ok(())
    }

    /// Judges that nothing is left to do for anybody.
    ///
    /// # Errors
    ///
    /// What was promised and did not come.
    pub(crate) fn nothing_is_owed(&self) -> Judgement {
        for (client, session) in &self.sessions {
            if self.is_cheater(*client) || session.is_over {
                continue;
            }
            let name = &self.clients[*client].name;
            if session.holder.is_none() {
                return Err(format!("{name} could not come back"));
            }
            let mut unsent = session.unsent.iter().filter(|promise| !promise.may_be_lost);
            if let Some(promise) = unsent.next() {
                return Err(format!("{name} never got {:?}", promise.publication.message));
            }
            if let Some(replay) = session.replays.iter().find(|replay| {
                !replay.is_optional && !replay.promise.publication.is_expired(self.now)
            }) {
                let message = &replay.promise.publication.message;
                return Err(format!("{name} never got the retained {message:?}"));
            }
            if let Some(exchange) = session.in_flight.first() {
                return Err(format!("{name} still has {} in flight", exchange.id));
            }
        }
        for (filter, share) in &self.shares {
            let is_served = share.members.keys().any(|client| !self.is_cheater(*client));
            let mut waiting = share.pool.iter().filter(|pooled| {
                let message = &pooled.publication.message;
                let is_doubtful = self.doubtful(&message.topic, &message.payload).is_some();
                !pooled.may_be_lost && !pooled.publication.is_expired(self.now) && !is_doubtful
            });
            if is_served && let Some(pooled) = waiting.next() {
                let message = &pooled.publication.message;
                return Err(format!("nobody of {filter} got {message:?}"));
            }
        }
        Ok(())
    }

    /// Returns how often each message was sent to a client.
    #[must_use]
    pub(crate) fn deliveries(&self, client: usize, payload: &[u8]) -> Deliveries {
        self.ledgers[client].get(payload).copied().unwrap_or_default()
    }

    /// Returns how often each message was sent to a client.
    pub(crate) fn all_deliveries(
        &self,
        client: usize,
    ) -> impl Iterator<Item = (&Vec<u8>, &Deliveries)> {
        self.ledgers[client].iter()
    }

    /// Whether a client has, or had, something other than subscriptions of its own alone.
    #[must_use]
    pub(crate) fn is_simple(&self, client: usize) -> bool {
        self.sessions.get(&client).is_some_and(|session| !session.has_choices())
    }

    /// A message of a shared subscription was lost, and no member is to blame.
    pub(super) fn dropped_shared(&mut self, topic: &str, reason: DropReason) -> Judgement {
        self.judged.dropped += 1;
        let limits = self.settings.shared.limits;
        let is_lost = match reason {
            DropReason::NotRetained => true,
            DropReason::RetainedExpired => self.expired_on_arrival(topic),
            DropReason::Expired => self.lose_old_shared(topic) || self.expired_on_arrival(topic),
            // A member that is there would miss it, and say so in the end.
            DropReason::NoMember => true,
            DropReason::QueueFull => {
                self.may_be_refused();
                limits.queued_messages < 1_000 && self.may_be_lost_in_pool(topic)
            }
            _ => false,
        };
        if is_lost || topic.starts_with('$') {
            Ok(())
        } else {
            Err(format!("a message to {topic} was lost for nobody: {reason:?}"))
        }
    }

    /// Whether something with this topic expires at all: a retained message may have been old already.
    pub(super) fn expired_on_arrival(&self, topic: &str) -> bool {
        self.retained.get(topic).is_some_and(|publication| publication.is_expired(self.now))
    }
}
