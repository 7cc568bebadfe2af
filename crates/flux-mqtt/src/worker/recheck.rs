//! Rights that change while clients are here, or away: what they were granted is held against them once more, a part
//! each turn.

use std::sync::Arc;

use flux_auth::{Access, Client, Decision, Stamp};
use flux_eventbus::Denial;
use flux_session::{QoS, Timestamp};
use flux_topic::TopicFilter;

use super::Worker;
use super::decisions::{Away, Look, PART};
use super::end::End;
use crate::effects::Effects;
use crate::names::ConnectionId;
use crate::session::SharedSession;

/// What came of a part of the subscriptions of a session.
#[derive(Default)]
pub(super) struct Looked {
    /// How many decisions it took.
    decided: usize,
    /// Its client may not have some of them, or not even be here.
    is_lost: bool,
    /// What is left to be looked at.
    rest: Option<Look>,
}

impl Worker {
    /// Has all that clients here may do looked at once more, and with the other workers what those may do who are away.
    /// Whoever may not be here any more, or has a subscription that it may not have, is disconnected with a word why
    /// (MQTT 5.0: 0x87, Not authorized); the subscription is gone.
    ///
    /// What the authorizer would have to be asked about stays as it is until the session is resumed.
    pub(super) fn recheck_rights(&mut self, away: Arc<Away>) {
        self.decisions.begin(away);
        for id in self.connections.ids() {
            let Some(online) = self.connections.online(id) else { continue };
            self.decisions.add(Look::of(online.session.clone(), online.generation, Some(id)));
        }
    }

    /// Looks at the next subscriptions whose rights may be others.
    #[cold]
    pub(super) fn recheck_part(&mut self, now: Timestamp, fx: &mut impl Effects) {
        let mut left = PART;
        while left > 0 {
            let looks = self.decisions.next_looks();
            if looks.iter().all(Option::is_none) {
                return;
            }
            for look in looks.into_iter().flatten() {
                let connection = look.connection;
                let looked = self
                    .guard(now, connection, fx, |worker, fx| worker.recheck(now, look, left, fx));
                let Looked { decided, is_lost, rest } = looked.unwrap_or_default();
                left = left.saturating_sub(decided.max(1));
                if let Some(id) = connection.filter(|_| is_lost) {
                    self.cut(now, id, &End::Revoked, fx);
                }
                self.go_on_with(rest, is_lost);
            }
        }
    }

    /// Looks at once at the subscriptions of a client that may have other rights than before, as far as that takes no
    /// longer than it may; the others have their turn. Returns whether it lost one, or may not even be here.
    pub(super) fn has_lost_rights(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        session: &Arc<SharedSession>,
        generation: u64,
        fx: &mut impl Effects,
    ) -> bool {
        let look = Look::of(session.clone(), generation, Some(id));
        // However often it does so in a turn.
        if self.decisions.waits(session.key, generation) {
            self.decisions.add(look);
            return false;
        }
        let Looked { is_lost, rest, .. } = self.recheck(now, look, PART, fx);
        self.go_on_with(rest, is_lost);
        is_lost
    }

    /// Who lost something is not here any more: the rest is that of somebody who is away.
    fn go_on_with(&mut self, rest: Option<Look>, is_lost: bool) {
        if let Some(mut rest) = rest {
            rest.connection = rest.connection.filter(|_| !is_lost);
            self.decisions.add(rest);
        }
    }

    /// Decides about so many subscriptions of a session, and takes away what its client may not have any more.
    fn recheck(
        &mut self,
        now: Timestamp,
        mut look: Look,
        most: usize,
        fx: &mut impl Effects,
    ) -> Looked {
        let Some((client, part)) = look.part(most) else {
            // If somebody was held back for it, that is over.
            self.dirty.extend(look.connection);
            return Looked::default();
        };
        let mut looked = Looked { decided: part.len(), ..Looked::default() };
        if look.after.is_none() {
            look.stamp = self.stamp(&client);
            if look.connection.is_some() && self.denies(&client, Access::Connect) {
                self.tell_denied(now, &client, Denial::Connect, "", fx);
                looked.is_lost = true;
            }
        }
        let is_last = part.len() < most;
        look.after = part.last().map(|(filter, _)| filter.clone()).or(look.after);
        let is_denied = |(filter, qos): &(TopicFilter, QoS)| {
            let access = Access::Resume { filter: filter.as_str(), qos: qos.as_u8() };
            self.denies(&client, access)
        };
        let (denied, kept): (Vec<_>, Vec<_>) = part.into_iter().partition(is_denied);
        let denied: Vec<_> = denied.into_iter().map(|(filter, _)| filter).collect();
        let kept: Vec<_> = kept.into_iter().map(|(filter, _)| filter).collect();
        looked.is_lost |= !denied.is_empty();
        self.take_away(now, &client, &look.session, look.generation, &denied, fx);
        self.look_again(now, &look.session, &kept, fx);
        if is_last {
            look.note_decided();
            // It was held back meanwhile.
            self.dirty.extend(look.connection);
        } else {
            looked.rest = Some(look);
        }
        looked
    }

    /// Has a client that may have other rights than before asked once more about what waits in the subscriptions that it
    /// shares.
    pub(super) fn look_again(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        filters: &[TopicFilter],
        fx: &mut impl Effects,
    ) {
        for share in self.broker.routes.shares(filters) {
            share.lock().look_again(&session.key);
            self.see_to_rest(now, &share, fx);
        }
    }

    /// Takes subscriptions away that a client may not have. What they brought and waits is looked at before it is sent; what
    /// shared ones brought is for other members, also what was sent at QoS 1 and is not acknowledged.
    pub(super) fn take_away(
        &mut self,
        now: Timestamp,
        client: &Client,
        session: &Arc<SharedSession>,
        generation: u64,
        denied: &[TopicFilter],
        fx: &mut impl Effects,
    ) {
        if denied.is_empty() {
            return;
        }
        for filter in denied {
            self.tell_denied(now, client, Denial::Resume, filter.as_str(), fx);
        }
        // In the order of their numbers; who shares with nobody keeps what it was sent.
        let mut shares = self.broker.routes.shares(denied);
        shares.retain(|share| share.lock().len() > 1);
        let is_lost = |id| shares.binary_search_by_key(&id, |share| share.id).is_ok();
        let unacknowledged = {
            let mut state = session.lock();
            // Whoever took it over was decided about then.
            if state.generation != generation {
                return;
            }
            state.is_suspect = true;
            if shares.is_empty() { Vec::new() } else { state.session.take_sent_shared(is_lost) }
        };
        self.leave(now, session, Some(generation), denied, fx);
        self.hand_on(now, unacknowledged, fx);
    }

    /// Returns what stands for the rights of a client.
    pub(super) fn stamp(&self, client: &Client) -> Option<Stamp> {
        self.broker.authorizer.stamp(client)
    }

    pub(super) fn denies(&self, client: &Client, access: Access<'_>) -> bool {
        self.broker.authorizer.decide(client, access) == Decision::Deny
    }
}
