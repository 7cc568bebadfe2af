//! Shared subscriptions: each message goes to one of the members (section 4.8.2).
//!
//! A message is a member's only once its session took it. Whether the client may have it is asked in that moment, as
//! whether it has room is, so handing a message past somebody is asking the next, and nothing else.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::sync::Arc;

use flux_eventbus::DropReason;
use flux_session::{Ask, QoS, Sequence, ShareId, Step, SubscriptionIds, Timestamp};

use super::Worker;
use super::tell::{tell_dropped, tell_no_member, tell_not_got};
use crate::effects::Effects;
use crate::message::{Delivery, Message};
use crate::names::SessionKey;
use crate::reason::{drop_reason, not_taken};
use crate::session::ForAnother;
use crate::share::{Member, Share, Waiting};

/// What a group wants next.
type Next = Step<SessionKey, Member, Waiting>;

/// What became of a message that was published to a shared subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A member has it, or it waits for one.
    Taken,
    /// There is no room for it.
    Full,
}

impl Worker {
    /// Hands a message to one member of a shared subscription, or has it wait there.
    pub(super) fn publish_shared(
        &mut self,
        now: Timestamp,
        share: &Arc<Share>,
        message: &Message,
        sequence: Option<Sequence>,
        fx: &mut impl Effects,
    ) -> Fate {
        let draw = share.draw(message, || self.random());
        let waiting = Waiting { message: message.clone(), sequence };
        let next = share.lock().publish(now, waiting, draw);
        self.ask_members(now, share, next, 0, fx)
    }

    /// Members that said that they have room are given what waits, once a turn: what they make room
    /// for by that is of the next. So is what is left of a part of those that may not have all that waits.
    pub(super) fn serve_ready(&mut self, now: Timestamp, fx: &mut impl Effects) {
        for (share, member) in mem::take(&mut self.ready) {
            self.guard(now, None, fx, |worker, fx| worker.serve(now, &share, member, fx));
        }
        if !self.unfinished.is_empty() {
            // The others have their turn after it, and it comes behind them if there is more.
            let share = self.unfinished.remove(0);
            share.lock().release_rest();
            self.guard(now, None, fx, |worker, fx| {
                worker.ask_members(now, &share, Step::Idle, STEPS_PER_TURN, fx);
            });
        }
    }

    /// Whether members of a shared subscription are to be asked about what waits there, or what was granted is to be decided
    /// about: a little of it is of each turn.
    pub(crate) fn has_unfinished(&self) -> bool {
        !self.unfinished.is_empty() || !self.decisions.is_empty()
    }

    /// Has members asked that were not asked about all that waits, in turns that come.
    pub(super) fn see_to_rest(
        &mut self,
        now: Timestamp,
        share: &Arc<Share>,
        fx: &mut impl Effects,
    ) {
        self.ask_members(now, share, Step::Idle, 0, fx);
    }

    /// Gives a member that has room what waits for somebody.
    pub(super) fn serve(
        &mut self,
        now: Timestamp,
        share: &Arc<Share>,
        member: SessionKey,
        fx: &mut impl Effects,
    ) {
        let next = share.lock().ready(now, &member);
        self.ask_members(now, share, next, 0, fx);
    }

    /// Hands what a session was given and did not send to other members.
    pub(super) fn hand_on(
        &mut self,
        now: Timestamp,
        deliveries: Vec<Delivery>,
        fx: &mut impl Effects,
    ) {
        let mut by_share = BTreeMap::<ShareId, Vec<Waiting>>::new();
        for delivery in deliveries {
            if let Some(share) = delivery.share {
                let Delivery { message, sequence, .. } = delivery;
                by_share.entry(share).or_default().push(Waiting { message, sequence });
            }
        }
        for (id, messages) in by_share {
            // Without members there is nobody whom they were for.
            let Some(share) = self.broker.routes.share(id) else {
                tell_no_member(&[messages.into()], fx);
                continue;
            };
            let next = share.lock().give_back(now, messages);
            self.ask_members(now, &share, next, 0, fx);
        }
    }

    /// Asks whom the group wants asked, until it wants nothing more, or has had its part of this
    /// turn: then the member that took the last message goes on in the next. Takes so many `steps` with those who were not
    /// asked about all that waits; the others are of the next turn too, of one worker.
    fn ask_members(
        &mut self,
        now: Timestamp,
        share: &Arc<Share>,
        mut next: Next,
        mut steps: usize,
        fx: &mut impl Effects,
    ) -> Fate {
        let mut fate = Fate::Taken;
        let mut asked = 0;
        loop {
            next = match next {
                Step::Ask(ask) => {
                    asked += 1;
                    self.ask(now, share, ask, asked >= ASKED_PER_TURN, fx)
                }
                Step::Full(waiting) => {
                    fate = Fate::Full;
                    share.write_done(&waiting);
                    tell_dropped(None, &waiting.message, DropReason::QueueFull, fx);
                    Step::Idle
                }
                Step::Queued | Step::Idle if steps > 0 && asked < ASKED_PER_TURN => {
                    steps -= 1;
                    let Some(next) = share.lock().go_on(now) else { break };
                    next
                }
                Step::Queued | Step::Idle => break,
            };
        }
        let (dropped, over, is_unfinished) = {
            let mut members = share.lock();
            // Whoever found the share before its last member left put this here after that.
            let over = members.is_empty().then(|| members.take_queued());
            (members.take_dropped(), over, members.claim_rest())
        };
        if is_unfinished {
            self.unfinished.push(share.clone());
        }
        for (waiting, reason) in dropped {
            share.write_done(&waiting);
            tell_dropped(None, &waiting.message, drop_reason(reason), fx);
        }
        if let Some(waited) = over {
            tell_no_member(&[waited], fx);
        }
        fate
    }

    /// Asks one member, and tells the group: if it `is_last` not before the next turn, should the
    /// member take the message.
    fn ask(
        &mut self,
        now: Timestamp,
        share: &Arc<Share>,
        mut ask: Ask<SessionKey, Member, Waiting>,
        is_last: bool,
        fx: &mut impl Effects,
    ) -> Next {
        share.write_asked(&mut ask.message);
        match self.offer(now, share, &ask.member, &ask.message, fx) {
            Ok(()) if is_last => {
                share.lock().took(&ask);
                self.ready.push((share.clone(), ask.key));
                Step::Idle
            }
            Ok(()) => share.lock().accepted(now, &ask),
            Err(ForAnother::NoRoom) => share.lock().declined(now, ask),
            Err(ForAnother::Barred) => share.lock().barred(now, ask),
        }
    }

    /// Offers a message to a member, which takes it or loses it; or says why it is for another.
    fn offer(
        &mut self,
        now: Timestamp,
        share: &Arc<Share>,
        member: &Member,
        waiting: &Waiting,
        fx: &mut impl Effects,
    ) -> Result<(), ForAnother> {
        let Member { session, options } = member;
        let Waiting { message, sequence } = waiting;
        let delivery = Delivery {
            message: message.clone(),
            qos: QoS::min(message.qos(), options.qos),
            retain: options.retain_as_published && message.retain(),
            subscription_ids: SubscriptionIds::from(options.subscription_id),
            share: Some(share.id),
            sequence: *sequence,
        };
        let offered = session.offer_shared(now, share, delivery, &*self.broker.authorizer)?;
        if let Some(attachment) = offered.wake {
            self.wake(attachment, fx);
        }
        if let Some(reason) = not_taken(offered.offer) {
            share.write_done(waiting);
            tell_not_got(session, message, reason, fx);
        }
        Ok(())
    }

    /// A number that differs each time and that nobody can foresee who does not know the seed.
    fn random(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.id.0, "draw", self.drawn).hash(&mut hasher);
        hasher.finish()
    }
}

/// How many messages of a shared subscription are handed out at once: what waits there may be a
/// million, and a member takes any number at QoS 0.
const ASKED_PER_TURN: usize = 1024;

/// How many members of shared subscriptions that may not have all that waits there are asked on in a turn: those who
/// are asked in vain cost the others no more than that.
const STEPS_PER_TURN: usize = 64;
