//! An authorizer that says what a test wants.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flux_auth::{Access, AccessRequest, Authorizer, Client, Decision, Stamp};
use flux_topic::TopicName;
use parking_lot::Mutex;

/// Decides by what is done to which topic: `connect`, `publish a/b`, `subscribe a/#`, `will a`,
/// `resume a/#`, `receive a`, `receive a by client`. What has no rule is allowed.
#[derive(Default)]
pub(super) struct Rights {
    rules: Mutex<HashMap<String, Decision>>,
    /// What stands for the rules, if answers may be remembered.
    stamp: Mutex<Option<Stamp>>,
    /// How often somebody wanted to publish and was decided about.
    decided: AtomicUsize,
    /// How often somebody wanted to subscribe, or to keep a subscription, and was decided about.
    subscriptions: AtomicUsize,
    /// How often it was asked who may receive something.
    judged: AtomicUsize,
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
        if let Some(stamp) = &mut *self.stamp.lock() {
            *stamp = Stamp::next();
        }
    }

    /// Has answers remembered from now on.
    pub(super) fn be_remembered(&self) {
        *self.stamp.lock() = Some(Stamp::next());
    }

    /// How often somebody wanted to publish and was decided about, since this was asked last.
    pub(super) fn take_decided(&self) -> usize {
        self.decided.swap(0, Ordering::Relaxed)
    }

    /// How often somebody wanted to subscribe, or to keep a subscription, and was decided about, since this was asked last.
    pub(super) fn take_subscriptions(&self) -> usize {
        self.subscriptions.swap(0, Ordering::Relaxed)
    }

    /// How often it was asked who may receive something, since this was asked last.
    pub(super) fn take_judged(&self) -> usize {
        self.judged.swap(0, Ordering::Relaxed)
    }
}

impl Authorizer for Rights {
    fn decide(&self, _client: &Client, access: Access<'_>) -> Decision {
        if matches!(access, Access::Publish { .. }) {
            self.decided.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(access, Access::Subscribe { .. } | Access::Resume { .. }) {
            self.subscriptions.fetch_add(1, Ordering::Relaxed);
        }
        self.rules.lock().get(&name(access)).copied().unwrap_or(Decision::Allow)
    }

    fn stamp(&self, _client: &Client) -> Option<Stamp> {
        *self.stamp.lock()
    }

    fn filters_deliveries(&self) -> bool {
        self.rules.lock().keys().any(|rule| rule.starts_with("receive"))
    }

    fn may_receive(&self, client: &Client, topic: TopicName<'_>) -> bool {
        self.judged.fetch_add(1, Ordering::Relaxed);
        let anybody = format!("receive {}", topic.as_str());
        let this_one = format!("{anybody} by {}", client.client_id);
        let rules = self.rules.lock();
        ![anybody, this_one].iter().any(|rule| rules.get(rule) == Some(&Decision::Deny))
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
