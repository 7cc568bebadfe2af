//! What a client may do is decided at once, or its frame is parked until somebody has answered.

use flux_auth::{Access, AccessRequest, Verdict};
use flux_session::Timestamp;

use super::Worker;
use super::connection::{Online, Stage};
use crate::effects::Effects;
use crate::names::ConnectionId;
use crate::wire::{self, Frame};

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
        let decisions =
            accesses.clone().map(|access| authorizer.decide(&online.client, access).verdict());
        let verdicts = decisions.collect::<Option<Vec<_>>>();
        if verdicts.is_none() {
            online.parked = Some(frame.bytes.to_vec());
            fx.pause(id);
            fx.authorize(id, online.client.clone(), accesses.map(AccessRequest::from).collect());
        }
        verdicts
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
            Stage::Authorizing(admission) => self.admit(now, id, *admission, &verdicts, fx),
            Stage::Online(mut online) => match online.parked.take() {
                Some(bytes) => {
                    online.verdicts = Some(verdicts);
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
