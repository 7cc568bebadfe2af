//! Who may do what: everybody everything, except below two topics.

use std::future::pending;
use std::sync::Arc;

use flux_auth::{Access, AccessRequest, Authorizer, BoxFuture, Client, Decision, Verdict};

/// Nobody may publish or subscribe below `denied/`; about `asked/` it says so after it was asked.
/// Below `panic/` it panics, and about `asked/panic` it does when asked; about `asked/never` it never
/// answers.
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
        Box::pin(async move {
            assert!(!requests.iter().any(is_trap), "the trap of a test");
            if requests.iter().any(is_endless) {
                pending::<()>().await;
            }
            vec![Verdict::Allow; requests.len()]
        })
    }
}

fn is_trap(request: &AccessRequest) -> bool {
    matches!(request.as_access(), Access::Publish { topic: "asked/panic", .. })
}

fn is_endless(request: &AccessRequest) -> bool {
    matches!(request.as_access(), Access::Will { topic: "asked/never", .. })
}

fn decide(topic: &str) -> Decision {
    match topic.split('/').next() {
        Some("denied") => Decision::Deny,
        Some("asked") => Decision::Ask,
        Some("panic") => panic!("the trap of a test"),
        _ => Decision::Allow,
    }
}
