//! Whom a message is for, found slowly.

use std::rc::Rc;

use super::Model;
use super::session::{Origin, Pooled, Promise, Publication, Replay, Subscription};
use crate::plan::PublishPlan;
use crate::rules;

impl Model {
    /// Owes a message to everybody it matches, and returns whether it matches anybody. `gap` bytes are kept
    /// with it that are neither topic nor payload.
    pub(super) fn route(&mut self, publisher: usize, message: &PublishPlan, gap: usize) -> bool {
        self.judged.publications += 1;
        let number = self.number();
        let is_5 = self.clients[publisher].version.is_5();
        let expiry = message.expiry.filter(|_| is_5);
        let publication = Rc::new(Publication {
            message: message.clone(),
            publisher,
            expires_at: expiry.map(|secs| self.now + u64::from(secs) * 1_000),
            number,
            gap,
        });
        if message.retain {
            self.retain(&publication);
        }
        let mut matched = false;
        for (client, session) in &mut self.sessions {
            let all = session.subscriptions.iter();
            let all = all.filter(|(filter, _)| rules::matches(filter, &message.topic));
            let all: Vec<Subscription> = all.map(|(_, subscription)| *subscription).collect();
            matched |= !all.is_empty();
            if session.is_over {
                continue;
            }
            let is_own = *client == publisher;
            let all: Vec<_> = all.into_iter().filter(|s| !(is_own && s.options.no_local)).collect();
            let Some(promise) = promise(&publication, &all) else { continue };
            let is_away = promise.qos == 0 && session.holder.is_none();
            if !is_away && !publication.is_expired(self.now) {
                session.unsent.push_back(promise);
            }
        }
        for (filter, share) in &mut self.shares {
            if rules::shared(filter).is_some_and(|filter| rules::matches(filter, &message.topic)) {
                matched = true;
                let publication = publication.clone();
                share.pool.push(Pooled { publication, may_be_lost: false });
            }
        }
        matched
    }

    /// Keeps a message for later subscribers, or forgets the topic's.
    fn retain(&mut self, publication: &Rc<Publication>) {
        let topic = &publication.message.topic;
        self.touched.push(topic.clone());
        if publication.message.payload.is_empty() {
            self.retained.remove(topic);
        } else {
            self.retained.insert(topic.clone(), publication.clone());
        }
        // What is on its way may be seen first, and need not.
        for session in self.sessions.values_mut() {
            for replay in &mut session.replays {
                replay.is_optional |= replay.promise.publication.message.topic == *topic;
            }
        }
    }

    /// A subscription brings what is retained.
    pub(super) fn begin_replay(&mut self, client: usize, filter: &str, by: Subscription) {
        let Some(session) = self.sessions.get_mut(&client) else { return };
        for (topic, publication) in &self.retained {
            let is_own = by.options.no_local && publication.publisher == client;
            let is_for_it = rules::matches(filter, topic) && !is_own;
            if !is_for_it || publication.is_expired(self.now) {
                continue;
            }
            session.is_exact = false;
            session.replays.push(Replay {
                filter: filter.to_owned(),
                promise: Promise {
                    publication: publication.clone(),
                    qos: publication.message.qos.min(by.options.qos),
                    retain: true,
                    identifiers: by.identifier.into_iter().collect(),
                    origin: Origin::Retained,
                    may_be_lost: false,
                },
                is_optional: false,
            });
        }
    }

    /// What waits for a topic, or nothing; for whoever compares it with the broker.
    #[must_use]
    pub(crate) fn retained(&self, topic: &str) -> Option<(&[u8], bool)> {
        let publication = self.retained.get(topic)?;
        Some((&publication.message.payload, publication.is_expired(self.now)))
    }
}

/// What all the matching subscriptions of a client make of a message (MQTT 5.0 section 3.3.4).
fn promise(publication: &Rc<Publication>, all: &[Subscription]) -> Option<Promise> {
    let granted = all.iter().map(|subscription| subscription.options.qos).max()?;
    let mut identifiers: Vec<u32> = all.iter().filter_map(|s| s.identifier).collect();
    identifiers.sort_unstable();
    let message = &publication.message;
    Some(Promise {
        publication: publication.clone(),
        qos: message.qos.min(granted),
        retain: message.retain && all.iter().any(|s| s.options.as_published),
        identifiers,
        origin: Origin::Own,
        may_be_lost: false,
    })
}
