//! Rights that change while clients are connected.

use std::sync::Arc;

use flux_auth::{Access, Client, Decision, Stamp};
use flux_eventbus::Denial;
use flux_session::Timestamp;
use flux_topic::TopicFilter;

use super::Worker;
use super::admit::subscriptions;
use super::end::End;
use crate::effects::Effects;
use crate::session::SharedSession;

impl Worker {
    /// Looks once more at what everybody here may do. Whoever may not be here any more, or has a subscription that it
    /// may not have, is disconnected with a word why (MQTT 5.0: 0x87, Not authorized); the subscription is gone.
    ///
    /// What the authorizer would have to be asked about stays as it is until the session is resumed.
    pub(super) fn recheck_rights(&mut self, now: Timestamp, fx: &mut impl Effects) {
        for id in self.connections.ids() {
            let Some(online) = self.connections.online(id) else { continue };
            let (client, session) = (online.client.clone(), online.session.clone());
            self.guard(now, Some(id), fx, |worker, fx| {
                if worker.has_lost_rights(now, &client, &session, fx) {
                    worker.cut(now, id, &End::Revoked, fx);
                }
            });
        }
    }

    /// Takes away the subscriptions that a client may not have any more. Returns whether there were some, or it may not
    /// even be here.
    pub(super) fn has_lost_rights(
        &mut self,
        now: Timestamp,
        client: &Arc<Client>,
        session: &Arc<SharedSession>,
        fx: &mut impl Effects,
    ) -> bool {
        let (stamp, mut denied) = (self.stamp(client), Vec::new());
        session.lock().is_decided(stamp, true);
        for (filter, qos) in subscriptions(session) {
            let access = Access::Resume { filter: filter.as_str(), qos: qos.as_u8() };
            if self.denies(client, access) {
                denied.push(filter);
            }
        }
        let is_out = self.denies(client, Access::Connect);
        if is_out {
            self.tell_denied(now, client, Denial::Connect, "", fx);
        }
        self.take_away(now, client, session, &denied, fx);
        self.look_again(now, session, fx);
        is_out || !denied.is_empty()
    }

    /// Has a client that may have other rights than before asked once more about what waits in the subscriptions that it shares.
    pub(super) fn look_again(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        fx: &mut impl Effects,
    ) {
        let filters: Vec<_> =
            subscriptions(session).into_iter().map(|(filter, _)| filter).collect();
        for share in self.broker.routes.shares(&filters) {
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
            state.is_suspect = true;
            if shares.is_empty() { Vec::new() } else { state.session.take_sent_shared(is_lost) }
        };
        self.leave(now, session, None, denied, fx);
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
