//! Rights that change while clients are connected.

use std::sync::Arc;

use flux_auth::{Access, Client, Decision};
use flux_session::Timestamp;

use super::Worker;
use super::admit::subscriptions;
use super::end::End;
use crate::effects::Effects;

impl Worker {
    /// Looks once more at what everybody here may do. Whoever may not be here any more, or has a subscription that it
    /// may not have, is disconnected with a word why (MQTT 5.0: 0x87, Not authorized); the subscription is gone.
    ///
    /// What the authorizer would have to be asked about stays as it is until the session is resumed.
    pub(super) fn recheck_rights(&mut self, now: Timestamp, fx: &mut impl Effects) {
        for id in self.connections.ids() {
            let Some(online) = self.connections.online(id) else { continue };
            let (client, session) = (online.client.clone(), online.session.clone());
            let mut denied = Vec::new();
            for (filter, qos) in subscriptions(&session) {
                let access = Access::Resume { filter: filter.as_str(), qos: qos.as_u8() };
                if self.denies(&client, access) {
                    denied.push(filter);
                }
            }
            if denied.is_empty() && !self.denies(&client, Access::Connect) {
                continue;
            }
            self.guard(now, Some(id), fx, |worker, fx| {
                worker.leave(now, &session, None, &denied, fx);
                worker.cut(now, id, &End::Revoked, fx);
            });
        }
    }

    fn denies(&self, client: &Arc<Client>, access: Access<'_>) -> bool {
        self.broker.authorizer.decide(client, access) == Decision::Deny
    }
}
