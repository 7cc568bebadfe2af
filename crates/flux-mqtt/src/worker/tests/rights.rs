//! An authorizer that says what a test wants.

use std::collections::HashMap;
use std::sync::Arc;

use flux_auth::{Access, AccessRequest, Authorizer, Client, Decision};
use flux_topic::TopicName;
use parking_lot::Mutex;

/// Decides by what is done to which topic: `connect`, `publish a/b`, `subscribe a/#`, `will a`,
/// `resume a/#`, `receive a`. What has no rule is allowed.
#[derive(Default)]
pub(super) struct Rights {
    rules: Mutex<HashMap<String, Decision>>,
}

impl Rights {
    pub(super) fn new(rules: &[(&str, Decision)]) -> Arc<Self> {
        let rights = Self::default();
        for (access, decision) in rules {
            rights.set(access, *decision);
        }
        Arc::new(rights)
    }

    pub(super) fn set(&self, access: &str, decision: Decision) {
        self.rules.lock().insert(access.to_owned(), decision);
    }
}

impl Authorizer for Rights {
    fn decide(&self, _client: &Client, access: Access<'_>) -> Decision {
        self.rules.lock().get(&name(access)).copied().unwrap_or(Decision::Allow)
    }

    fn filters_deliveries(&self) -> bool {
        self.rules.lock().keys().any(|rule| rule.starts_with("receive"))
    }

    fn may_receive(&self, _client: &Client, topic: TopicName<'_>) -> bool {
        self.rules.lock().get(&format!("receive {}", topic.as_str())) != Some(&Decision::Deny)
    }
}

pub(super) fn name(access: Access<'_>) -> String {
    match access {
        Access::Connect => "connect".to_owned(),
        Access::Publish { topic, .. } => format!("publish {topic}"),
        Access::Will { topic, .. } => format!("will {topic}"),
        Access::Subscribe { filter, .. } => format!("subscribe {filter}"),
        Access::Resume { filter, .. } => format!("resume {filter}"),
    }
}

pub(super) fn names(requests: &[AccessRequest]) -> Vec<String> {
    requests.iter().map(|request| name(request.as_access())).collect()
}
