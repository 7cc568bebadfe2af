//! Who may do what: everybody everything, except below two topics.

use std::future;
use std::sync::Arc;

use flux_auth::{Access, AccessRequest, Authorizer, BoxFuture, Client, Decision, Verdict};

/// Nobody may publish or subscribe below `denied/`; about `asked/` it says so after it was asked.
pub(super) struct Rights;

impl Authorizer for Rights {
    fn decide(&self, _client: &Client, access: Access<'_>) -> Decision {
        match access {
            Access::Connect => Decision::Allow,
            Access::Will { topic, .. } | Access::Publish { topic, .. } => decide(topic),
            Access::Subscribe { filter, .. } | Access::Resume { filter, .. } => decide(filter),
        }
    }

    fn ask(
        self: Arc<Self>,
        _client: Arc<Client>,
        requests: Vec<AccessRequest>,
    ) -> BoxFuture<Vec<Verdict>> {
        Box::pin(future::ready(vec![Verdict::Allow; requests.len()]))
    }
}

fn decide(topic: &str) -> Decision {
    match topic.split('/').next() {
        Some("denied") => Decision::Deny,
        Some("asked") => Decision::Ask,
        _ => Decision::Allow,
    }
}
