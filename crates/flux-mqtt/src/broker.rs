//! What all workers share: the directory, the routes, the retained messages, who may do what.

use std::sync::Arc;

use flux_auth::Authorizer;
use flux_eventbus::DropReason;
use flux_session::{QoS, SubscriptionIds, SubscriptionOptions, Timestamp};
use flux_topic::TopicFilter;

use crate::RetainedStore;
use crate::clients::{Clients, Ended};
use crate::due_sessions::DueSessions;
use crate::message::{Delivery, Message};
use crate::reason::{lost, not_taken};
use crate::routes::Routes;
use crate::session::{Attachment, SharedSession};
use crate::settings::Settings;

/// The shared state of a broker. Each part has its own lock; none is held while another is
/// taken, except that retained messages are read while they are offered (see `offer_retained`).
pub(crate) struct Broker {
    pub(crate) clients: Clients,
    pub(crate) routes: Routes,
    pub(crate) retained: RetainedStore,
    pub(crate) due: DueSessions,
    pub(crate) authorizer: Arc<dyn Authorizer>,
}

/// What became of the retained messages that a subscription brought.
pub(crate) struct RetainedOffered {
    /// The connection that must be told, if it does not know yet.
    pub(crate) wake: Option<Attachment>,
    /// What the session did not take, or lost to take another.
    pub(crate) lost: Vec<(Message, DropReason)>,
    /// The session, if it had no room and ends for that.
    pub(crate) ended: Option<Box<Ended>>,
}

impl Broker {
    pub(crate) fn new(settings: &Settings, authorizer: Arc<dyn Authorizer>) -> Self {
        Self {
            clients: Clients::new(),
            routes: Routes::new(settings.shared),
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
        session: &Arc<SharedSession>,
        filter: &TopicFilter,
        options: &SubscriptionOptions,
    ) -> RetainedOffered {
        let mut all = RetainedOffered { wake: None, lost: Vec::new(), ended: None };
        self.retained.with_tree(|tree| {
            tree.for_each_match(now, filter, |message| {
                if options.no_local && message.publisher() == Some(session.publisher) {
                    return;
                }
                let delivery = Delivery {
                    message: message.clone(),
                    qos: QoS::min(message.qos(), options.qos),
                    retain: true,
                    subscription_ids: SubscriptionIds::from(options.subscription_id),
                    share: None,
                };
                let Some(offered) = session.offer(now, delivery) else { return };
                all.wake = all.wake.or(offered.wake);
                all.ended = all.ended.take().or(offered.ended);
                all.lost.extend(offered.dropped.into_iter().map(lost));
                if let Some(reason) = not_taken(offered.offer) {
                    all.lost.push((message.clone(), reason));
                }
            });
        });
        all
    }

    /// Clears away what an ended session left in the shared state.
    pub(crate) fn clear(&self, ended: &Ended) {
        let filters: Vec<TopicFilter> = ended.remains.filters().cloned().collect();
        self.routes.follow(&ended.session, &filters);
        self.clients.remove(&ended.session);
        if let Some(id) = ended.timer {
            self.due.cancel(id);
        }
    }
}
