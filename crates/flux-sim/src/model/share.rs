//! Which of the shared subscriptions a message came by, and what may be lost there.

use std::rc::Rc;

use super::session::{Doubt, Origin, Pooled, Promise, Publication};
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
        let all: Vec<String> = self
            .shares
            .iter()
            .filter(|(_, share)| found(share, true).is_some())
            .map(|(filter, _)| filter.clone())
            .collect();
        let sure = all.iter().find(|filter| found(&self.shares[*filter], false).is_some());
        let Some(filter) = sure.or(all.first()) else {
            return self.take_doubtful(client, publish);
        };
        let others = all.iter().filter(|other| *other != filter);
        let share = self.shares.get_mut(filter)?;
        let place = share
            .find(client, publish, is_5, Some(now))
            .or_else(|| share.find(client, publish, is_5, None))?;
        let publication = share.pool.remove(place).publication;
        let number = share.number;
        if all.len() > 1 || publication.message.payload.is_empty() {
            self.doubted.push(publication.clone());
        }
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
        let found = self.doubts.iter().find_map(|doubt| {
            let message = &doubt.publication.message;
            let share = self.shares.get(&doubt.taken)?;
            let is_it = message.payload == publish.payload && message.topic == publish.topic;
            let is_its = is_it && share.members.contains_key(&client);
            let can = is_its && self.can_reclaim(&doubt.taken, &doubt.publication, DOUBTS);
            can.then(|| (doubt.taken.clone(), doubt.publication.clone(), share.number))
        });
        let (filter, publication, number) = found?;
        self.reclaim(&filter, &publication, DOUBTS);
        Some(promise(publication, publish, number))
    }

    /// Returns a message that several shared subscriptions had for the same client, if this is one: then
    /// it is open which of them each of its receivers had it by, and how many copies are left.
    pub(super) fn doubtful(&self, topic: &str, payload: &[u8]) -> Option<Rc<Publication>> {
        let is_it = |publication: &Publication| {
            publication.message.topic == topic && publication.message.payload == payload
        };
        self.doubted.iter().find(|one| is_it(one)).cloned()
    }

    /// Whether all who had a message by this subscription could have had it by others.
    fn can_reclaim(&self, filter: &str, publication: &Rc<Publication>, depth: usize) -> bool {
        self.doubts.iter().any(|doubt| {
            let other = self.shares.get(&doubt.other);
            doubt.taken == filter
                && doubt.publication == *publication
                && (doubt.is_gone
                    || other.is_some_and(|share| share.holds(publication))
                    || (depth > 0 && self.can_reclaim(&doubt.other, publication, depth - 1)))
        })
    }

    /// Has whoever had a message by this subscription have had it by another.
    fn reclaim(&mut self, filter: &str, publication: &Rc<Publication>, depth: usize) {
        let place = self.doubts.iter().position(|doubt| {
            let other = self.shares.get(&doubt.other);
            doubt.taken == filter
                && doubt.publication == *publication
                && (doubt.is_gone
                    || other.is_some_and(|share| share.holds(publication))
                    || (depth > 0 && self.can_reclaim(&doubt.other, publication, depth - 1)))
        });
        let Some(place) = place else { return };
        let doubt = self.doubts.remove(place);
        let taken = self.shares.get(&doubt.taken).map_or(0, |share| share.number);
        let mut other = 0;
        if let Some(share) = self.shares.get_mut(&doubt.other) {
            other = share.number;
            let place = share.pool.iter().position(|pooled| pooled.publication == *publication);
            let is_there = place.map(|place| share.pool.remove(place)).is_some();
            if !is_there && !doubt.is_gone {
                self.reclaim(&doubt.other, publication, depth.saturating_sub(1));
            }
        }
        let Some(session) = self.sessions.get_mut(&doubt.client) else { return };
        for exchange in &mut session.in_flight {
            let origin = &mut exchange.promise.origin;
            if exchange.promise.publication == *publication && *origin == Origin::Shared(taken) {
                *origin = Origin::Shared(other);
            }
        }
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
    /// Whether a message waits here, alike at least, that this client may be sent.
    pub(super) fn holds_for(&self, client: usize, publication: &Publication) -> bool {
        self.members.contains_key(&client)
            && self.pool.iter().any(|one| one.publication.message == publication.message)
    }

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
        let is_it = |pooled: &Pooled| {
            let message = &pooled.publication.message;
            message.topic == publish.topic
                && message.payload == publish.payload
                && sure.is_none_or(|now| !pooled.may_be_lost && !pooled.publication.is_expired(now))
                && by.iter().any(|by| {
                    message.qos.min(by.options.qos) == publish.qos
                        && (message.retain && by.options.as_published) == publish.retain
                        && (!is_5 || publish.subscriptions.iter().copied().eq(by.identifier))
                })
        };
        match sure {
            Some(now) => {
                let told = |pooled: &Pooled| pooled.publication.expires_in(now, publish.expiry);
                self.pool.iter().position(|pooled| is_it(pooled) && (!is_5 || told(pooled)))
            }
            // Of those that are alike, the last expires last.
            None => self.pool.iter().rposition(is_it),
        }
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

/// Through how many clients a doubt is followed.
const DOUBTS: usize = 3;
