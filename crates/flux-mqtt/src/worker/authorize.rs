//! What a client may do is decided at once, or its frame is parked until somebody has answered.

use flux_auth::{Access, Verdict};
use flux_session::Timestamp;

use super::Worker;
use super::connection::{Online, Parked, Stage};
use super::decided::Decided;
use crate::effects::Effects;
use crate::names::ConnectionId;
use crate::wire::{self, Frame, Publish};

impl Worker {
    /// Decides a list of accesses, or asks and returns `None`: then the answer comes as
    /// [`Input::Authorized`] and the same frame is handled again with it.
    pub(super) fn decide<'a>(
        &self,
        id: ConnectionId,
        online: &mut Online,
        accesses: impl Iterator<Item = Access<'a>> + Clone,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Option<Vec<Verdict>> {
        if let Some(verdicts) = online.verdicts.take() {
            return Some(Verdict::one_for_each(accesses.count(), verdicts));
        }
        let authorizer = &self.broker.authorizer;
        let decide = |access| authorizer.decide(&online.client, access);
        let decided = Decided::new(accesses.clone().map(decide));
        Self::decided_or_parked(id, online, decided, accesses, frame, fx)
    }

    /// Returns what is decided about a list of accesses, or asks about the others and parks the frame.
    pub(super) fn decided_or_parked<'a>(
        id: ConnectionId,
        online: &mut Online,
        decided: Decided,
        accesses: impl Iterator<Item = Access<'a>>,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Option<Vec<Verdict>> {
        let verdicts = decided.all();
        if verdicts.is_none() {
            fx.pause(id);
            fx.authorize(id, online.client.clone(), decided.open(accesses));
            online.parked = Some(Parked { bytes: frame.bytes.to_vec(), decided });
        }
        verdicts
    }

    /// Returns what is decided at once. Where it may be remembered, what is allowed stands beside the routes of the topic, and what
    /// was denied by itself: whoever may not publish takes no room from others.
    pub(super) fn known_or_decided(
        &mut self,
        online: &Online,
        publish: &Publish<'_>,
        access: Access<'_>,
    ) -> Option<Verdict> {
        let (authorizer, client) = (&*self.broker.authorizer, &online.client);
        let Some(stamp) = authorizer.stamp(client) else {
            return authorizer.decide(client, access).verdict();
        };
        let flags = publish.qos.as_u8() << 1 | u8::from(publish.retain);
        if let Some(verdict) = self.cache.verdict(publish.topic, stamp, flags) {
            return Some(verdict);
        }
        let asked = self.denied.of(stamp, flags, publish.topic.as_str());
        if self.denied.contain(asked) {
            return Some(Verdict::Deny);
        }
        let verdict = authorizer.decide(client, access).verdict()?;
        if verdict == Verdict::Deny {
            self.denied.note(asked);
        }
        self.cache.note_verdict(stamp, flags, verdict);
        Some(verdict)
    }

    /// The authorizer answered: a connection waits with a parked frame, or to be admitted.
    pub(super) fn authorized(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        verdicts: Vec<Verdict>,
        fx: &mut impl Effects,
    ) {
        let Some(stage) = self.connections.take(id) else { return };
        let stage = match stage {
            Stage::Authorizing(admission, decided) => {
                self.admit(now, id, *admission, &decided.with(verdicts), fx)
            }
            Stage::Online(mut online) => match online.parked.take() {
                Some(Parked { bytes, decided }) => {
                    online.verdicts = Some(decided.with(verdicts));
                    if online.reads() {
                        fx.resume(id);
                    }
                    self.parked(now, id, Stage::Online(online), &bytes, fx)
                }
                None => Stage::Online(online),
            },
            other @ (Stage::Fresh | Stage::Authenticating(_) | Stage::Closing) => other,
        };
        self.send_answers(id, fx);
        self.connections.put(id, stage);
    }

    fn parked(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        stage: Stage,
        bytes: &[u8],
        fx: &mut impl Effects,
    ) -> Stage {
        let session = stage.session();
        let _reading = session.as_ref().map(|session| session.read());
        match wire::split(bytes, u32::MAX, stage.version()) {
            Ok(Some(frame)) => self.frame(now, id, stage, &frame, fx),
            Ok(None) => stage,
            Err(error) => self.unreadable(now, id, stage, error, fx),
        }
    }
}
