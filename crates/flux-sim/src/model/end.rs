//! Connections end, sessions end, messages are lost: what must follow, and what is allowed.

use flux_mqtt::WhenFull;

use super::session::{Origin, Pooled, Publication, Session, Will};
use super::{Judgement, Model};
use crate::hands::LinkId;
use crate::packet::Sent;
use crate::plan::{LONGEST_STALL, PublishPlan};

impl Model {
    /// A worker closed a connection, or was told that it is gone.
    pub(super) fn closed(&mut self, id: LinkId) -> Judgement {
        let mut goodbye = None;
        if self.subject == Some(id) {
            while let Some(frame) = self.frames.pop_front() {
                match frame {
                    Sent::Disconnect(code, expiry) => goodbye = Some((code, expiry)),
                    other => self.silent(other)?,
                }
            }
        }
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if !std::mem::take(&mut link.is_online) {
            return Ok(());
        }
        link.answers.clear();
        let client = link.client;
        let now = self.now;
        let is_5 = self.clients[client].version.is_5();
        let Some(session) = self.sessions.get_mut(&client) else { return Ok(()) };
        if session.holder != Some(id) {
            return Ok(());
        }
        self.gives_back |= session.has_choices();
        session.holder = None;
        session.detached_since = now;
        if session.is_over {
            return Ok(());
        }
        if let Some((code, expiry)) = goodbye {
            if code == 0 {
                session.will = None;
            }
            if let Some(secs) = expiry.filter(|_| is_5) {
                session.expiry = secs;
            }
        }
        session.unsent.retain(|promise| promise.qos > 0);
        for replay in session.replays.iter_mut().filter(|replay| replay.promise.qos == 0) {
            replay.is_optional = true;
        }
        Ok(())
    }

    /// Nothing is later than it may be: at once what needs no timer, soon what does.
    pub(super) fn nothing_is_late(&self) -> Judgement {
        let slack = 2 * LONGEST_STALL / 1_000 + 1_000;
        for (client, session) in &self.sessions {
            if self.is_cheater(*client) || session.holder.is_some() || session.is_over {
                continue;
            }
            let is_late = |moment: u64| {
                let at_once = moment == session.detached_since && moment < self.now;
                at_once || self.now > moment.max(self.grace) + slack
            };
            if session.will_moment().is_some_and(is_late) {
                return Err(format!("the will of c{client} is late"));
            }
            if session.end_moment().is_some_and(is_late) {
                return Err(format!("the session of c{client} does not end"));
            }
        }
        Ok(())
    }

    /// Takes the will that this is, if its time has come.
    pub(super) fn take_will(
        &mut self,
        client: usize,
        is_it: &impl Fn(&PublishPlan) -> bool,
    ) -> Option<PublishPlan> {
        let is_will = |will: &Will| is_it(&will.message);
        if let Some(place) =
            self.wills_due.iter().position(|(other, will)| *other == client && is_will(will))
        {
            return Some(self.wills_due.remove(place).1.message);
        }
        let ending = self.ending.iter_mut().filter(|(other, _)| *other == client);
        for (_, session) in ending {
            if let Some(will) = session.will.take_if(|will| is_will(will)) {
                return Some(will.message);
            }
        }
        let session = self.sessions.get_mut(&client)?;
        let is_due = session.is_over || session.will_moment().is_some_and(|at| at <= self.now);
        Some(session.will.take_if(|will| is_due && is_will(will))?.message)
    }

    /// A session is over: what came by shared subscriptions at QoS 1, or was not sent, is for other
    /// members.
    pub(super) fn hand_on(&mut self, client: usize, session: Session) {
        for exchange in session.in_flight {
            let Origin::Shared(number) = exchange.promise.origin else { continue };
            let share = self.shares.values_mut().find(|share| share.number == number);
            if let Some(share) = share.filter(|_| exchange.promise.qos == 1) {
                let publication = exchange.promise.publication;
                share.pool.push(Pooled { publication, may_be_lost: false });
            }
        }
        let filters: Vec<String> = session.subscriptions.into_keys().collect();
        let has_new = |filter: &str| {
            let new = self.sessions.get(&client);
            new.is_some_and(|session| session.subscriptions.contains_key(filter))
        };
        let left: Vec<_> = filters.into_iter().filter(|filter| !has_new(filter)).collect();
        for filter in left {
            self.leave_share(client, &filter);
        }
    }

    /// A session had no room. Only where it is told to have limits, and they are reached.
    pub(super) fn lost_for_room(&mut self, client: usize, topic: &str) -> Judgement {
        let limits = self.settings.session;
        self.may_be_refused();
        let Some(session) = self.sessions.get_mut(&client) else { return Ok(()) };
        let joins = self.frames.iter().any(|frame| matches!(frame, Sent::Subscribe(..)));
        let is_exact = session.is_exact && !session.has_choices() && !joins;
        let is_on_topic = |message: &PublishPlan| message.topic == topic;
        if !is_exact {
            session.is_exact = false;
            // One that never fits is dropped, and ends nothing.
            let fits = session.unsent.back().is_some_and(|newest| {
                newest.qos > 0 && newest.publication.cost() <= limits.queued_bytes
            });
            session.is_over |= fits && self.overflowed.contains(&client);
            let mut found = false;
            for promise in &mut session.unsent {
                if is_on_topic(&promise.publication.message) {
                    promise.may_be_lost = true;
                    found = true;
                }
            }
            for replay in &mut session.replays {
                if is_on_topic(&replay.promise.publication.message) {
                    replay.is_optional = true;
                    found = true;
                }
            }
            return if self.may_be_lost_in_pool(topic) || found {
                Ok(())
            } else {
                Err(format!("c{client} lost a message to {topic}, and was not to get one"))
            };
        }
        let Some(newest) = session.unsent.pop_back() else {
            return Err(format!("c{client} has no room for a message to {topic}, and none came"));
        };
        let (len, bytes) = (session.unsent.len(), session.unsent_bytes());
        let cost = newest.publication.cost();
        let is_full = len >= limits.queued_messages || bytes + cost > limits.queued_bytes;
        let kept = session.unsent.iter().filter(|promise| promise.qos > 0 && newest.qos == 0);
        let (kept, kept_bytes) = kept.fold((0, 0), |(n, b), p| (n + 1, b + p.publication.cost()));
        let could_fit = kept < limits.queued_messages && kept_bytes + cost <= limits.queued_bytes;
        let qos = newest.qos;
        match limits.when_full {
            WhenFull::DropOldest if could_fit => {
                let oldest = session.unsent.iter().position(|promise| promise.qos == 0);
                let oldest = oldest.or((qos > 0).then_some(0));
                let lost = oldest.and_then(|place| session.unsent.remove(place));
                session.unsent.push_back(newest);
                if lost.is_none_or(|lost| !is_on_topic(&lost.publication.message)) {
                    return Err(format!(
                        "c{client} lost another message than the oldest to {topic}"
                    ));
                }
            }
            WhenFull::EndSession if could_fit && qos > 0 => {
                session.is_over = true;
                session.unsent.clear();
            }
            _ if !is_on_topic(&newest.publication.message) => {
                return Err(format!("c{client} lost a message to {topic}, and another came last"));
            }
            WhenFull::DropNewest
            | WhenFull::DropOldest
            | WhenFull::Refuse
            | WhenFull::EndSession => {}
        }
        // One that was displaced for this one already made it look less full.
        if is_full || limits.when_full == WhenFull::DropOldest {
            Ok(())
        } else {
            Err(format!("c{client} has room and lost a message to {topic}"))
        }
    }

    /// A message goes with its session: that is over, and had it.
    pub(super) fn lost_with_session(&self, client: usize, topic: &str) -> Judgement {
        let now = self.now;
        let ending = self.ending.iter().filter(|(other, _)| *other == client);
        let current = self.sessions.get(&client).filter(|session| {
            session.is_over || session.end_moment().is_some_and(|moment| moment <= now)
        });
        let mut over = ending.map(|(_, session)| session).chain(current).peekable();
        if over.peek().is_none() {
            return Err(format!("c{client} lost a message to {topic} with a session that goes on"));
        }
        let had_it = over.any(|session| {
            let promises = session.unsent.iter();
            let mut all =
                promises.chain(session.in_flight.iter().map(|exchange| &exchange.promise));
            let is_known = session.is_exact && !session.is_over && !session.has_choices();
            !is_known || all.any(|promise| promise.publication.message.topic == topic)
        });
        if had_it {
            return Ok(());
        }
        Err(format!("c{client} lost a message to {topic} with a session that did not have it"))
    }

    /// A message waited for too long. Which of several is not told, and none of them may be sent.
    pub(super) fn lost_to_time(&mut self, client: usize, topic: &str) -> Judgement {
        let now = self.now;
        let is_it = |publication: &Publication| {
            publication.message.topic == topic && publication.is_expired(now)
        };
        let mut found = false;
        if let Some(session) = self.sessions.get_mut(&client) {
            found = session.lose(&is_it) || session.is_over;
        }
        if found || self.lose_old_shared(topic) || !self.sessions.contains_key(&client) {
            return Ok(());
        }
        // A retained message that was old when it was to be brought.
        if self.expired_on_arrival(topic) {
            return Ok(());
        }
        Err(format!("c{client} lost a message to {topic} that is not old"))
    }

    /// A message does not fit into what the client takes. Which of several is not told.
    pub(super) fn lost_for_size(&mut self, client: usize, topic: &str) -> Judgement {
        let max = self.clients[client].packet_size.unwrap_or(u32::MAX);
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let is_large = |publication: &Publication| {
            publication.message.topic == topic && publication.largest() > max
        };
        let found = match self.sessions.get_mut(&client) {
            Some(session) => session.lose(&is_large),
            None => true,
        };
        let mut is_shared = false;
        let shares = self.shares.values_mut();
        for share in shares.filter(|share| share.members.contains_key(&client)) {
            for pooled in share.pool.iter_mut().filter(|pooled| is_large(&pooled.publication)) {
                pooled.may_be_lost = true;
                is_shared = true;
            }
        }
        // Or it had come by a subscription by which another was thought to have had it.
        let doubts = self.doubts.iter().map(|doubt| doubt.publication.clone());
        let doubtful: Vec<_> = doubts.filter(|publication| is_large(publication)).collect();
        let is_doubtful = !doubtful.is_empty();
        if !found && !is_shared {
            self.doubted.extend(doubtful);
        }
        if found || is_shared || is_doubtful {
            return Ok(());
        }
        Err(format!("c{client} lost a message to {topic} for its size, and takes {max} bytes"))
    }
}
