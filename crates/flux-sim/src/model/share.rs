//! Which of the shared subscriptions a message came by, and what may be lost there.

use std::rc::Rc;

use super::session::{Doubt, Origin, Promise, Publication};
use super::{Model, Share};
use crate::packet::Publish;

impl Model {
    /// Takes a message out of a shared subscription that the client is a member of.
    ///
    /// Where it stands in several, any will do, until a member of another has it: then it was that one.
    pub(super) fn take_pooled(&mut self, client: usize, publish: &Publish) -> Option<Promise> {
        let is_5 = self.clients[client].version.is_5();
        let now = self.now;
        let found = |share: &Share, is_lost: bool| {
            share.find(client, publish, is_5, (!is_lost).then_some(now))
        };
        let all = self.shares.iter();
        let mut sure: Vec<String> = all
            .filter(|(_, share)| found(share, false).is_some())
            .map(|(f, _)| f.clone())
            .collect();
        if sure.is_empty() {
            let all = self.shares.iter();
            let lost = all.filter(|(_, share)| found(share, true).is_some());
            sure = lost.map(|(filter, _)| filter.clone()).collect();
        }
        let Some((filter, others)) = sure.split_first() else {
            return self.take_doubtful(client, publish);
        };
        let share = self.shares.get_mut(filter)?;
        let place = share
            .find(client, publish, is_5, Some(now))
            .or_else(|| share.find(client, publish, is_5, None))?;
        let publication = share.pool.remove(place).publication;
        let number = share.number;
        for other in others {
            self.doubts.push(Doubt {
                client,
                publication: publication.clone(),
                taken: filter.clone(),
                other: other.clone(),
                is_gone: false,
            });
        }
        Some(promise(publication, publish, number))
    }

    /// Takes what was thought to have come to another client, which had it by another subscription.
    fn take_doubtful(&mut self, client: usize, publish: &Publish) -> Option<Promise> {
        let place = self.doubts.iter().position(|doubt| {
            let is_it = doubt.publication.message.payload == publish.payload
                && doubt.publication.message.topic == publish.topic;
            let is_member =
                self.shares.get(&doubt.taken).is_some_and(|s| s.members.contains_key(&client));
            let other = self.shares.get(&doubt.other);
            let is_there = other.is_some_and(|share| share.holds(&doubt.publication));
            is_it && is_member && (is_there || doubt.is_gone)
        })?;
        let doubt = self.doubts.remove(place);
        let publication = doubt.publication;
        let taken = self.shares.get(&doubt.taken)?.number;
        let mut other = 0;
        if let Some(share) = self.shares.get_mut(&doubt.other) {
            other = share.number;
            let place = share.pool.iter().position(|pooled| pooled.publication == publication);
            place.map(|place| share.pool.remove(place));
        }
        if let Some(session) = self.sessions.get_mut(&doubt.client) {
            for exchange in &mut session.in_flight {
                let origin = &mut exchange.promise.origin;
                if exchange.promise.publication == publication && *origin == Origin::Shared(taken) {
                    *origin = Origin::Shared(other);
                }
            }
        }
        Some(promise(publication, publish, taken))
    }

    /// One of the messages to this topic that wait somewhere may be lost.
    pub(super) fn may_be_lost_in_pool(&mut self, topic: &str) -> bool {
        let mut found = false;
        for pooled in self.shares.values_mut().flat_map(|share| &mut share.pool) {
            if pooled.publication.message.topic == topic {
                pooled.may_be_lost = true;
                found = true;
            }
        }
        found
    }

    /// Takes a message that expired out of what waits for any member, or was sent to one whose session
    /// ends now.
    pub(super) fn lose_old_shared(&mut self, topic: &str) -> bool {
        let now = self.now;
        let is_it = |publication: &Publication| {
            publication.message.topic == topic && publication.is_expired(now)
        };
        let mut found = false;
        for pooled in self.shares.values_mut().flat_map(|share| &mut share.pool) {
            found |= is_it(&pooled.publication);
            pooled.may_be_lost |= is_it(&pooled.publication);
        }
        let ending = self.ending.iter().map(|(_, session)| session);
        let mut sessions = ending.chain(self.sessions.values());
        found
            || sessions.any(|session| {
                let mut all = session.in_flight.iter().map(|exchange| &exchange.promise);
                all.any(|p| matches!(p.origin, Origin::Shared(_)) && is_it(&p.publication))
            })
    }
}

impl Share {
    /// Whether a message waits here.
    pub(super) fn holds(&self, publication: &Rc<Publication>) -> bool {
        self.pool.iter().any(|pooled| pooled.publication == *publication)
    }

    /// Returns the place of a message that this may be; with a moment, one that is sure to be there then.
    fn find(
        &self,
        client: usize,
        publish: &Publish,
        is_5: bool,
        sure: Option<u64>,
    ) -> Option<usize> {
        let by = self.members.get(&client)?;
        self.pool.iter().position(|pooled| {
            let message = &pooled.publication.message;
            message.topic == publish.topic
                && message.payload == publish.payload
                && sure.is_none_or(|now| !pooled.may_be_lost && !pooled.publication.is_expired(now))
                && by.iter().any(|by| {
                    message.qos.min(by.options.qos) == publish.qos
                        && (message.retain && by.options.as_published) == publish.retain
                        && (!is_5 || publish.subscriptions.iter().copied().eq(by.identifier))
                })
        })
    }
}

fn promise(publication: Rc<Publication>, publish: &Publish, share: u64) -> Promise {
    Promise {
        publication,
        qos: publish.qos,
        retain: publish.retain,
        identifiers: publish.subscriptions.clone(),
        origin: Origin::Shared(share),
        may_be_lost: false,
    }
}
