//! What all workers share: the directory, the routes, the retained messages, who may do what.

use std::sync::Arc;

use flux_auth::Authorizer;
use flux_session::{QoS, Timestamp};
use flux_topic::TopicFilter;

use crate::RetainedStore;
use crate::clients::{Clients, Ended};
use crate::due_sessions::DueSessions;
use crate::message::{Delivery, Message};
use crate::routes::{Grant, Route, Routes};
use crate::session::{Attachment, SharedSession};

/// The shared state of a broker. Each part has its own lock; none is held while another is
/// taken, except that retained messages are read while they are offered (see `offer_retained`).
pub(crate) struct Broker {
    pub(crate) clients: Clients,
    pub(crate) routes: Routes,
    pub(crate) retained: RetainedStore,
    pub(crate) due: DueSessions,
    pub(crate) authorizer: Arc<dyn Authorizer>,
}

/// A message that a session did not take.
pub(crate) struct Refused<'a> {
    pub(crate) session: &'a SharedSession,
    pub(crate) reason: flux_session::DropReason,
}

impl Broker {
    pub(crate) fn new(authorizer: Arc<dyn Authorizer>) -> Self {
        Self {
            clients: Clients::new(),
            routes: Routes::new(),
            retained: RetainedStore::new(),
            due: DueSessions::new(),
            authorizer,
        }
    }

    /// Offers a message to one session; the connection to wake, if any, goes to `wake`.
    pub(crate) fn offer<'a>(
        now: Timestamp,
        route: &'a Route,
        message: &Message,
        wake: impl FnOnce(Attachment),
    ) -> Option<Refused<'a>> {
        let is_own = message.publisher() == Some(route.session.key);
        let grant = if is_own { route.own.as_ref()? } else { &route.grant };
        let offered = route.session.offer(now, delivery(message, grant))?;
        if let Some(attachment) = offered.wake {
            wake(attachment);
        }
        match offered.offer {
            flux_session::Offer::Queued => None,
            flux_session::Offer::Dropped(reason) => {
                Some(Refused { session: &route.session, reason })
            }
        }
    }

    /// Offers the retained messages that match a new subscription [MQTT-3.3.1-9].
    ///
    /// The read lock of the retained store is held meanwhile: whoever publishes a newer value
    /// stores it first, hence after this, and offers it after that. So nobody gets an old
    /// value after a newer one.
    pub(crate) fn offer_retained(
        &self,
        now: Timestamp,
        session: &SharedSession,
        filter: &TopicFilter,
        grant: &Grant,
        no_local: bool,
    ) -> (Option<Attachment>, Vec<(Message, flux_session::DropReason)>) {
        let (mut wake, mut dropped) = (None, Vec::new());
        self.retained.with_tree(|tree| {
            tree.for_each_match(filter, |message| {
                if no_local && message.publisher() == Some(session.key) {
                    return;
                }
                let delivery = Delivery { retain: true, ..delivery(message, grant) };
                let Some(offered) = session.offer(now, delivery) else { return };
                wake = wake.or(offered.wake);
                if let flux_session::Offer::Dropped(reason) = offered.offer {
                    dropped.push((message.clone(), reason));
                }
            });
        });
        (wake, dropped)
    }

    /// Clears away what an ended session left in the shared state.
    pub(crate) fn clear(&self, ended: &Ended) {
        self.routes.remove(&ended.session, &ended.filters);
        self.clients.remove(&ended.session);
        if let Some(moment) = ended.timer {
            self.due.cancel(moment, ended.session.key);
        }
    }
}

/// A message as a subscription gets it: at the lower of both QoS [MQTT-3.8.4-8], with RETAIN
/// only where the subscription wants it as published [MQTT-3.3.1-12].
fn delivery(message: &Message, grant: &Grant) -> Delivery {
    Delivery {
        message: message.clone(),
        qos: QoS::min(message.qos(), grant.qos),
        retain: grant.retain_as_published && message.retain(),
        subscription_ids: grant.subscription_ids.clone(),
    }
}
