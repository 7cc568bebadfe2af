//! What a client may have of what it is subscribed to.

use std::cell::RefCell;

use flux_auth::{Access, Authorizer, Client, Decision, Stamp};
use flux_topic::TopicName;

use crate::message::Message;

/// Holds back what a client has subscribed to and may not have.
pub(crate) struct Filter<'a> {
    authorizer: &'a dyn Authorizer,
    client: &'a Client,
    /// What waits may have come by a subscription that it may not have.
    is_suspect: bool,
    /// What was looked at last, and whether it may be had: much of what follows has the same topic.
    last: RefCell<Option<(Message, bool)>>,
}

impl<'a> Filter<'a> {
    /// Returns one if the rules want it, the session lost a right, or its subscriptions were `decided` about under other
    /// rules than those that hold now: whoever changed the rules has not asked to look at them again, or not everybody
    /// has had its turn.
    pub(crate) fn of(
        authorizer: &'a dyn Authorizer,
        client: &'a Client,
        is_suspect: bool,
        decided: Option<Stamp>,
    ) -> Option<Self> {
        // In this order: if rules that filter have just given way to others, the stamp tells.
        let filters = authorizer.filters_deliveries();
        let is_suspect = is_suspect || authorizer.stamp(client) != decided;
        let is_needed = is_suspect || filters;
        is_needed.then_some(Self { authorizer, client, is_suspect, last: RefCell::default() })
    }

    pub(crate) fn allows(&self, message: &Message) -> bool {
        if let Some((last, is_allowed)) = &*self.last.borrow()
            && last.topic_bytes() == message.topic_bytes()
        {
            return *is_allowed;
        }
        let is_allowed = self.judge(message.topic());
        self.last.replace(Some((message.clone(), is_allowed)));
        is_allowed
    }

    fn judge(&self, topic: &str) -> bool {
        let Ok(topic) = TopicName::parse(topic) else { return false };
        // A topic name is a filter that matches itself alone.
        let own = Access::Resume { filter: topic.as_str(), qos: 0 };
        self.authorizer.may_receive(self.client, topic)
            && !(self.is_suspect && self.authorizer.decide(self.client, own) == Decision::Deny)
    }
}
