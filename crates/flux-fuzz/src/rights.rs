//! Who may do what: the topic says it.

use flux_auth::{Access, Authorizer, Client, Decision};

/// `!` is denied, `?` must be asked about, and what is below `by` belongs to the bystander.
pub(crate) struct Rights {
    pub(crate) asks: bool,
}

/// The client that behaves.
pub(crate) const BYSTANDER: &str = "bystander";

impl Authorizer for Rights {
    fn decide(&self, client: &Client, access: Access<'_>) -> Decision {
        let text = match access {
            Access::Connect => &*client.client_id,
            Access::Publish { topic, .. } | Access::Will { topic, .. } => {
                if is_protected(topic) && &*client.client_id != BYSTANDER {
                    return Decision::Deny;
                }
                topic
            }
            Access::Subscribe { filter, .. } | Access::Resume { filter, .. } => filter,
        };
        match text {
            text if text.contains('!') => Decision::Deny,
            text if self.asks && text.contains('?') => Decision::Ask,
            _ => Decision::Allow,
        }
    }
}

fn is_protected(topic: &str) -> bool {
    topic == "by" || topic.starts_with("by/")
}

/// Whether somebody may have published to this topic.
pub(crate) fn may_arrive(topic: &str) -> bool {
    !topic.contains('!') && (!is_protected(topic) || topic == "by/stander")
}
