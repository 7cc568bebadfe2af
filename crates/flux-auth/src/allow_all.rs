//! The authorizer of a broker without rules.

use std::future;
use std::sync::Arc;

use crate::{Access, AccessRequest, Authorizer, BoxFuture, Client, Decision, Verdict};

/// Allows every client everything.
///
/// Right for development, and where all that are let in trust each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn decide(&self, _: &Client, _: Access<'_>) -> Decision {
        Decision::Allow
    }

    /// Allows each request too, although [`decide`](Self::decide) never sends anyone here.
    fn ask(
        self: Arc<Self>,
        _: Arc<Client>,
        requests: Vec<AccessRequest>,
    ) -> BoxFuture<Vec<Verdict>> {
        Box::pin(future::ready(vec![Verdict::Allow; requests.len()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[tokio::test]
    async fn everything_is_allowed() {
        let client = Client::new("x", Identity::anonymous());
        let accesses = [
            Access::Connect,
            Access::Publish { topic: "a", qos: 2, retain: true },
            Access::Will { topic: "a", qos: 2, retain: true },
            Access::Subscribe { filter: "#", qos: 2 },
            Access::Resume { filter: "$share/g/#", qos: 2 },
        ];
        for access in accesses {
            assert_eq!(AllowAll.decide(&client, access), Decision::Allow);
        }

        let requests = accesses.map(AccessRequest::from).to_vec();
        let verdicts = Arc::new(AllowAll).ask(Arc::new(client), requests).await;
        assert_eq!(verdicts, [Verdict::Allow; 5]);
    }
}
