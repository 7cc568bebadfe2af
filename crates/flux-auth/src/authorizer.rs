//! Who answers "may you do this?".

use std::future;
use std::net::SocketAddr;
use std::sync::Arc;

use flux_topic::TopicName;

use crate::rules::KeptRights;
use crate::{Access, AccessRequest, BoxFuture, Identity, Stamp};

/// Decides what clients may do. Kept by the broker as an `Arc<dyn Authorizer>`.
///
/// The broker may remember an answer, so it must depend on the client and the access only, until
/// the rules change.
pub trait Authorizer: Send + Sync + 'static {
    /// Returns whether the client may do this, or that it cannot be said at once.
    ///
    /// Called on the path of every message, by every worker: it must not wait, for a lock held over
    /// I/O or for anything else.
    ///
    /// What waits for a client when it loses the right to a subscription, or when its [`stamp`](Self::stamp) is another, is
    /// decided about once more, as if it were to resume a subscription to that topic alone; so is what is delivered between
    /// a change of rules and the moment in which the broker has looked at its subscriptions again. Nobody can be asked there: only [`Decision::Deny`] holds it back, and what
    /// an authorizer would have to be asked about is sent, for it may be what other subscriptions brought.
    fn decide(&self, client: &Client, access: Access<'_>) -> Decision;

    /// Works out, where waiting is allowed, what [`decide`](Self::decide) answered with
    /// [`Decision::Ask`], and nothing else: what was decided is not asked, and not changed by the answer.
    ///
    /// The answer has one verdict for each request, in order. What a shorter answer leaves out is
    /// denied, and what a longer one adds is ignored: see [`Verdict::one_for_each`]. The future is
    /// dropped, unfinished, when the client leaves or the broker's patience ends.
    ///
    /// The default denies everything, which suits an authorizer that never says `Ask`.
    fn ask(
        self: Arc<Self>,
        client: Arc<Client>,
        requests: Vec<AccessRequest>,
    ) -> BoxFuture<Vec<Verdict>> {
        let _ = client;
        Box::pin(future::ready(vec![Verdict::Deny; requests.len()]))
    }

    /// Returns whether [`may_receive`](Self::may_receive) is to be asked at all. The default is `false`.
    fn filters_deliveries(&self) -> bool {
        false
    }

    /// Returns whether a message with this topic may be sent to a client that has a subscription for it.
    ///
    /// Called on the path of every delivery, if [`filters_deliveries`](Self::filters_deliveries) says so; it must not
    /// wait either. The default is `true`.
    fn may_receive(&self, client: &Client, topic: TopicName<'_>) -> bool {
        let _ = (client, topic);
        true
    }

    /// Returns what stands for all that the answers about this client depend on, or `None` if they must not be
    /// remembered.
    ///
    /// While it is the same, the answer to the same access is the same. The default remembers nothing.
    fn stamp(&self, client: &Client) -> Option<Stamp> {
        let _ = client;
        None
    }
}

/// A client that has been admitted, as rules see it.
///
/// An authorizer may keep with it what it found out, so do not change it once it has been asked about: make
/// another, or a clone, which begins with nothing kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Client {
    /// The client identifier of its session (MQTT 5.0 section 3.1.3.1), which proves nothing:
    /// anyone may choose it unless the authenticator ties it to the identity.
    pub client_id: Arc<str>,
    /// Who the authenticator found it to be.
    pub identity: Identity,
    /// Where its connection comes from, or `None` where that has no meaning.
    pub peer: Option<SocketAddr>,
    /// The name of the listener it came in by, or `None` where listeners have no names.
    pub listener: Option<Arc<str>>,
    /// What rules say about it, once they were asked.
    pub(crate) rights: KeptRights,
}

impl Client {
    /// Returns a client that comes from nowhere in particular.
    ///
    /// The other fields are public: set what is known.
    pub fn new(client_id: impl Into<Arc<str>>, identity: Identity) -> Self {
        let rights = KeptRights::default();
        Self { client_id: client_id.into(), identity, peer: None, listener: None, rights }
    }
}

/// What an [`Authorizer`] answers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a decision changes nothing until it is acted on"]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not.
    Deny,
    /// It cannot be said at once: [ask](Authorizer::ask) where waiting is allowed.
    Ask,
}

impl Decision {
    /// Returns the verdict, or `None` where it must be asked for.
    #[must_use]
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Allow => Some(Verdict::Allow),
            Self::Deny => Some(Verdict::Deny),
            Self::Ask => None,
        }
    }
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Deny => Self::Deny,
        }
    }
}

/// What an [`Authorizer`] answers in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a verdict changes nothing until it is acted on"]
pub enum Verdict {
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

impl Verdict {
    /// Returns exactly one verdict for each of `requests`, from what [`Authorizer::ask`] answered:
    /// what is missing is denied, what is too much is ignored.
    #[must_use]
    pub fn one_for_each(requests: usize, mut answer: Vec<Self>) -> Vec<Self> {
        answer.resize(requests, Self::Deny);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always has to ask, and never overrides how.
    struct Undecided;

    impl Authorizer for Undecided {
        fn decide(&self, _: &Client, _: Access<'_>) -> Decision {
            Decision::Ask
        }
    }

    /// Knows the rules of one user, but has to look them up.
    struct LooksUp;

    impl Authorizer for LooksUp {
        fn decide(&self, _: &Client, access: Access<'_>) -> Decision {
            match access {
                Access::Connect => Decision::Allow,
                Access::Publish { .. }
                | Access::Will { .. }
                | Access::Subscribe { .. }
                | Access::Resume { .. } => Decision::Ask,
            }
        }

        fn ask(
            self: Arc<Self>,
            client: Arc<Client>,
            requests: Vec<AccessRequest>,
        ) -> BoxFuture<Vec<Verdict>> {
            Box::pin(async move {
                tokio::task::yield_now().await;
                let known = client.identity == Identity::user("alice");
                let verdict = |request: &AccessRequest| match request.as_access() {
                    Access::Publish { topic: "a", .. } if known => Verdict::Allow,
                    _ => Verdict::Deny,
                };
                requests.iter().map(verdict).collect()
            })
        }
    }

    fn alice() -> Arc<Client> {
        Arc::new(Client::new("meter", Identity::user("alice")))
    }

    fn publish(topic: &str) -> AccessRequest {
        Access::Publish { topic, qos: 0, retain: false }.into()
    }

    #[tokio::test]
    async fn asking_denies_each_request_by_default() {
        let authorizer: Arc<dyn Authorizer> = Arc::new(Undecided);
        assert_eq!(authorizer.decide(&alice(), Access::Connect), Decision::Ask);

        let verdicts = authorizer.clone().ask(alice(), vec![publish("a"), publish("b")]).await;
        assert_eq!(verdicts, [Verdict::Deny, Verdict::Deny]);
        assert_eq!(authorizer.ask(alice(), vec![]).await, []);
    }

    #[tokio::test]
    async fn verdicts_come_in_the_order_of_the_requests() {
        let authorizer: Arc<dyn Authorizer> = Arc::new(LooksUp);
        assert_eq!(authorizer.decide(&alice(), Access::Connect), Decision::Allow);
        assert_eq!(authorizer.decide(&alice(), publish("a").as_access()), Decision::Ask);

        let requests = vec![publish("b"), publish("a"), publish("c")];
        // On a task of its own: the answer borrows nothing and may move between threads.
        let verdicts = tokio::spawn(authorizer.ask(alice(), requests)).await.unwrap();
        assert_eq!(verdicts, [Verdict::Deny, Verdict::Allow, Verdict::Deny]);
    }

    #[test]
    fn a_short_answer_denies_the_rest_and_a_long_one_adds_nothing() {
        use Verdict::{Allow, Deny};

        #[track_caller]
        fn check(requests: usize, answer: &[Verdict], expected: &[Verdict]) {
            assert_eq!(Verdict::one_for_each(requests, answer.to_vec()), expected);
        }
        check(0, &[], &[]);
        check(2, &[Allow, Deny], &[Allow, Deny]);
        check(3, &[Allow], &[Allow, Deny, Deny]);
        check(2, &[], &[Deny, Deny]);
        check(1, &[Deny, Allow], &[Deny]);
    }

    #[test]
    fn a_verdict_is_a_decision() {
        assert_eq!(Decision::from(Verdict::Allow), Decision::Allow);
        assert_eq!(Decision::from(Verdict::Deny), Decision::Deny);
    }
}
