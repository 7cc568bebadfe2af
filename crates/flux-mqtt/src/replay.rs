//! The retained messages that a subscription brings, handed to its session as the client takes
//! them (section 3.3.1.3).
//!
//! Whoever subscribed is in the routes before the cursor is opened, and whoever publishes stores
//! before it looks there: so a value that is set later comes live, and the cursor skips it. What it
//! does visit is offered to the session under the store's lock: a newer value is stored after that,
//! and offered after that. So nobody sees an old value after a newer one, and nobody misses one.

use std::ops::ControlFlow;
use std::sync::Arc;

use flux_eventbus::DropReason;
use flux_retained::{Progress, RetainedCursor};
use flux_session::{QoS, SubscriptionIds, SubscriptionOptions, Timestamp};
use flux_topic::{TopicFilter, TopicName};

use crate::RetainedStore;
use crate::clients::Ended;
use crate::message::{Delivery, Message};
use crate::reason::{lost, not_taken};
use crate::session::{Attachment, SharedSession};

/// What is left of the retained messages of one subscription. Dropping it locks the store: not
/// while a session is locked.
#[derive(Debug)]
pub(crate) struct Replay {
    options: SubscriptionOptions,
    cursor: RetainedCursor<Message>,
}

/// What became of the retained messages that were offered.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// The connection that must be told, if it does not know yet.
    pub(crate) wake: Option<Attachment>,
    /// How many it were.
    pub(crate) count: u64,
    /// What the session did not take, or lost to take another.
    pub(crate) lost: Vec<(Message, DropReason)>,
    /// The session, if it had no room and ends for that.
    pub(crate) ended: Option<Ended>,
}

impl Replay {
    /// Begins to replay for a subscription that is in the routes.
    pub(crate) fn new(
        store: &RetainedStore,
        filter: &TopicFilter,
        options: SubscriptionOptions,
    ) -> Self {
        Self { options, cursor: store.cursor(filter) }
    }

    /// Offers the next few messages, as many as the session has room for, and returns whether there
    /// may be more.
    pub(crate) fn advance(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        replayed: &mut Replayed,
    ) -> Progress {
        let options = &self.options;
        self.cursor.advance_while(now, NODES, |message| {
            match offer(now, session, options, message, replayed) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })
    }

    /// Whether the session still has the subscription as it was.
    pub(crate) fn is_wanted(&self, current: Option<SubscriptionOptions>) -> bool {
        current == Some(self.options)
    }
}

/// Offers the retained message of exactly one topic: for that no cursor is needed. `None` when the
/// session has enough for now: then the message is for a [`Replay`].
pub(crate) fn replay_one(
    now: Timestamp,
    store: &RetainedStore,
    topic: TopicName<'_>,
    session: &Arc<SharedSession>,
    options: &SubscriptionOptions,
) -> Option<Replayed> {
    let mut replayed = Replayed::default();
    let is_done = store.with_tree(|tree| {
        let message = tree.get(now, topic);
        message.is_none_or(|message| offer(now, session, options, message, &mut replayed))
    });
    is_done.then_some(replayed)
}

/// Offers one message; `false` when the session has enough for now.
fn offer(
    now: Timestamp,
    session: &Arc<SharedSession>,
    options: &SubscriptionOptions,
    message: &Message,
    replayed: &mut Replayed,
) -> bool {
    if options.no_local && message.publisher() == Some(session.publisher) {
        return true;
    }
    let delivery = Delivery {
        message: message.clone(),
        qos: QoS::min(message.qos(), options.qos),
        retain: true,
        subscription_ids: SubscriptionIds::from(options.subscription_id),
        share: None,
        sequence: None,
    };
    let Some(offered) = session.offer_retained(now, delivery) else { return false };
    replayed.count += 1;
    replayed.wake = replayed.wake.take().or(offered.wake);
    if let Some(aftermath) = offered.aftermath {
        replayed.lost.extend(aftermath.dropped.into_iter().map(lost));
        replayed.ended = replayed.ended.take().or(aftermath.ended);
    }
    if let Some(reason) = not_taken(offered.offer) {
        replayed.lost.push((message.clone(), reason));
    }
    true
}

/// How many nodes of the store a replay looks at while it holds the lock: microseconds.
const NODES: usize = 64;
