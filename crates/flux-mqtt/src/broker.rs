//! What all workers share: the directory, the routes, the retained messages, who may do what.

use std::sync::Arc;

use flux_auth::Authorizer;
use flux_session::{QoS, SubscriptionIds, SubscriptionOptions, Timestamp};
use flux_topic::TopicFilter;

use crate::RetainedStore;
use crate::clients::{Clients, Ended};
use crate::due_sessions::DueSessions;
use crate::message::{Delivery, Message};
use crate::routes::Routes;
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

    /// Offers the retained messages that match a new subscription [MQTT-3.3.1-9].
    ///
    /// The read lock of the retained store is held meanwhile: whoever publishes a newer value
    /// stores it first, hence after this, and offers it after that. So the retained value never
    /// follows a newer one.
    pub(crate) fn offer_retained(
        &self,
        now: Timestamp,
        session: &SharedSession,
        filter: &TopicFilter,
        options: &SubscriptionOptions,
    ) -> (Option<Attachment>, Vec<(Message, flux_session::DropReason)>) {
        let (mut wake, mut dropped) = (None, Vec::new());
        self.retained.with_tree(|tree| {
            tree.for_each_match(filter, |message| {
                if options.no_local && message.publisher() == Some(session.publisher) {
                    return;
                }
                let delivery = Delivery {
                    message: message.clone(),
                    qos: QoS::min(message.qos(), options.qos),
                    retain: true,
                    subscription_ids: SubscriptionIds::from(options.subscription_id),
                };
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
        self.routes.follow(&ended.session, &ended.filters);
        self.clients.remove(&ended.session);
        if let Some(id) = ended.timer {
            self.due.cancel(id);
        }
    }
}
