//! [`Chain`]: several authenticators, asked one after the other.

#[cfg(test)]
mod alike;
mod links;
mod supervised;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::{
    Attributes, Authentication, Authenticator, Bouncer, ClientIdRules, Credentials, Exchange,
    Identity, Refusal,
};

pub use self::links::{Anonymous, ClientCertificate};
use self::supervised::Supervised;

/// An authenticator that may leave the question to the next one.
pub trait Link: Send + Sync + 'static {
    /// Returns what it thinks of a client. What [`Authenticator::authenticate`] says holds here too.
    fn consider<'a>(&'a self, credentials: &'a Credentials) -> LinkFuture<'a>;

    /// Begins an exchange by this authentication method, if it knows that. What [`Authenticator::begin`] says holds here too.
    fn begin(&self, method: &str) -> Option<Box<dyn Exchange>> {
        let _ = method;
        None
    }

    /// Returns whether this is a user of whom this link alone says who it is: a link behind it accepts nobody under the name.
    fn knows(&self, username: &str) -> bool {
        let _ = username;
        false
    }

    /// Returns whether a client that proves nothing gets in.
    fn admits_anyone(&self) -> bool {
        false
    }
}

/// The answer of a [`Link`] that is still being worked out.
pub type LinkFuture<'a> = Pin<Box<dyn Future<Output = Opinion> + Send + 'a>>;

/// What a [`Link`] thinks of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an opinion changes nothing until it is acted on"]
pub enum Opinion {
    /// The client is who it says it is; no further link is asked.
    Accepts(Identity),
    /// The client does not get in; no further link is asked.
    Refuses(Refusal),
    /// What the client shows was looked at, and proves nothing. The next link is asked, also about a user whom this one
    /// knows: who does not get in could tell names that are there from others, by how long it takes to say so.
    NotProven {
        /// Whether the name is that of a user who has shown something else, so that nobody gets in by it, whatever other links
        /// say.
        is_known: bool,
    },
    /// It cannot say: the next link is asked. Whom all pass on does not get in.
    PassesOn,
}

/// An [`Authenticator`] made of links, with what holds for all of them: bans, and who may use which client
/// identifier.
///
/// Who is banned is refused before anybody is asked. An accepted client has what its certificate says among its
/// attributes, whoever accepted it.
pub struct Chain {
    links: Vec<Arc<dyn Link>>,
    bouncer: Option<Arc<Bouncer>>,
    client_ids: Arc<ClientIdRules>,
}

impl Chain {
    /// Returns an authenticator that asks `links` in this order.
    #[must_use]
    pub fn new(links: Vec<Arc<dyn Link>>) -> Self {
        Self { links, bouncer: None, client_ids: Arc::default() }
    }

    /// Bans addresses that fail again and again.
    #[must_use]
    pub fn with_bans(mut self, bouncer: Arc<Bouncer>) -> Self {
        self.bouncer = Some(bouncer);
        self
    }

    /// Ties users to client identifiers.
    #[must_use]
    pub fn with_client_ids(mut self, rules: ClientIdRules) -> Self {
        self.client_ids = Arc::new(rules);
        self
    }

    /// Asks the links. `was_wrong` becomes true when the password was held against something and is not right, and stays so unless
    /// a link behind accepts the client: who waits for those in vain may have guessed wrong all the same.
    async fn ask(&self, credentials: &Credentials, was_wrong: &mut bool) -> Authentication {
        let mut is_somebody_else = false;
        for (at, link) in self.links.iter().enumerate() {
            match link.consider(credentials).await {
                Opinion::Accepts(_) if is_somebody_else => break,
                Opinion::Accepts(identity) if self.is_known_before(at, &identity) => break,
                Opinion::Accepts(identity) => {
                    *was_wrong = false;
                    return self.accept(credentials, identity);
                }
                Opinion::Refuses(refusal) => return Authentication::Refused(refusal),
                Opinion::NotProven { is_known } => {
                    is_somebody_else |= is_known;
                    *was_wrong |= credentials.password.is_some();
                }
                Opinion::PassesOn => {}
            }
        }
        // The same for an unknown user and for a wrong password.
        let shows_something = credentials.username.is_some() || credentials.password.is_some();
        Authentication::Refused(match shows_something {
            true => Refusal::BadUserNameOrPassword,
            false => Refusal::NotAuthorized,
        })
    }

    /// Returns whether this is the name of a user of a link before this one, which accepted somebody else as it.
    fn is_known_before(&self, at: usize, identity: &Identity) -> bool {
        let knows = |name: &str| self.links.iter().take(at).any(|link| link.knows(name));
        identity.username.as_deref().is_some_and(knows)
    }

    fn accept(&self, credentials: &Credentials, identity: Identity) -> Authentication {
        match bound(&self.client_ids, credentials, identity) {
            Ok(identity) => Authentication::Accepted(identity),
            Err(refusal) => Authentication::Refused(refusal),
        }
    }
}

/// A password that is not right as far as anybody can say. That is noted where it is left at that, by a link that cannot say more or by
/// the broker, whose patience ends: whether the name is known does not matter, for a ban would tell it.
struct Doubt<'a> {
    bouncer: &'a Bouncer,
    peer: IpAddr,
    credentials: &'a Credentials,
    is_one: bool,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if self.is_one {
            self.bouncer.note_unanswered(self.peer, self.credentials);
        }
    }
}

/// Returns an identity with what the client's certificate says, if it may have the client identifier.
fn bound(
    client_ids: &ClientIdRules,
    credentials: &Credentials,
    mut identity: Identity,
) -> Result<Identity, Refusal> {
    if !client_ids.allow(identity.username.as_deref(), &credentials.client_id) {
        return Err(Refusal::NotAuthorized);
    }
    for (name, value) in credentials.certificate.iter().flat_map(Attributes::iter) {
        identity.attributes.insert(name, value);
    }
    Ok(identity)
}

impl Authenticator for Chain {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        let (Some(bouncer), Some(peer)) = (&self.bouncer, credentials.peer) else {
            return self.ask(credentials, &mut false).await;
        };
        if bouncer.turns_away(peer.ip()) {
            return Authentication::Refused(Refusal::Banned);
        }
        let mut doubt = Doubt { bouncer, peer: peer.ip(), credentials, is_one: false };
        let answer = self.ask(credentials, &mut doubt.is_one).await;
        if answer == Authentication::Refused(Refusal::BadUserNameOrPassword) {
            doubt.is_one = false;
            bouncer.note_failure(peer.ip());
        }
        answer
    }

    fn begin(&self, method: &str, credentials: &Credentials) -> Option<Box<dyn Exchange>> {
        let exchange = self.links.iter().find_map(|link| link.begin(method))?;
        let (bouncer, client_ids) = (self.bouncer.clone(), self.client_ids.clone());
        let credentials = credentials.clone();
        Some(Box::new(Supervised::new(exchange, credentials, bouncer, client_ids)))
    }

    fn admits_anyone(&self) -> bool {
        self.links.iter().any(|link| link.admits_anyone())
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("links", &self.links.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::task::{Context, Waker};

    use flux_time::Timestamp;

    use super::*;
    use crate::BanSettings;

    /// Always of one opinion, and counts how often it is asked.
    pub(super) struct Opinionated(Opinion, AtomicUsize);

    impl Link for Opinionated {
        fn consider<'a>(&'a self, _: &'a Credentials) -> LinkFuture<'a> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::ready(self.0.clone()))
        }
    }

    pub(super) fn link(opinion: Opinion) -> Arc<Opinionated> {
        Arc::new(Opinionated(opinion, AtomicUsize::new(0)))
    }

    /// Returns how often a link was asked.
    pub(super) fn asked(link: &Opinionated) -> usize {
        link.1.load(Ordering::Relaxed)
    }

    pub(super) fn named(username: &str) -> Credentials {
        Credentials { username: Some(username.into()), ..Credentials::new("c") }
    }

    #[tokio::test]
    async fn the_first_that_has_an_opinion_decides() {
        let accepted = Authentication::Accepted(Identity::user("alice"));
        let (passes, accepts) =
            (link(Opinion::PassesOn), link(Opinion::Accepts(Identity::user("alice"))));
        let refuses = link(Opinion::Refuses(Refusal::ServerUnavailable));
        let chain = Chain::new(vec![passes.clone(), accepts.clone(), refuses.clone()]);
        assert_eq!(chain.authenticate(&named("alice")).await, accepted);
        assert_eq!(refuses.1.load(Ordering::Relaxed), 0);

        let chain = Chain::new(vec![passes.clone(), refuses, accepts]);
        let refused = Authentication::Refused(Refusal::ServerUnavailable);
        assert_eq!(chain.authenticate(&named("alice")).await, refused);
        assert!(!chain.admits_anyone());

        let chain = Chain::new(vec![passes]);
        let refused = Authentication::Refused(Refusal::BadUserNameOrPassword);
        assert_eq!(chain.authenticate(&named("alice")).await, refused);
        let refused = Authentication::Refused(Refusal::NotAuthorized);
        assert_eq!(chain.authenticate(&Credentials::new("c")).await, refused);
        assert_eq!(Chain::new(vec![]).authenticate(&Credentials::new("c")).await, refused);
    }

    #[tokio::test]
    async fn whoever_is_known_and_proves_nothing_is_asked_about_like_a_stranger() {
        let refused = |refusal| Authentication::Refused(refusal);
        let bad = refused(Refusal::BadUserNameOrPassword);
        let accepted = Authentication::Accepted(Identity::user("alice"));
        let accepts = Opinion::Accepts(Identity::user("alice"));
        for (later, of_stranger, of_known) in [
            (accepts, accepted, bad.clone()),
            (Opinion::PassesOn, bad.clone(), bad.clone()),
            (Opinion::Refuses(Refusal::BadUserNameOrPassword), bad.clone(), bad),
            (
                Opinion::Refuses(Refusal::ServerUnavailable),
                refused(Refusal::ServerUnavailable),
                refused(Refusal::ServerUnavailable),
            ),
        ] {
            for (is_known, expected) in [(false, of_stranger), (true, of_known)] {
                let later = link(later.clone());
                let chain = Chain::new(vec![link(Opinion::NotProven { is_known }), later.clone()]);
                assert_eq!(chain.authenticate(&named("alice")).await, expected, "{is_known}");
                assert_eq!(later.1.load(Ordering::Relaxed), 1);
            }
        }
    }

    /// Knows one user, of whom it proves nothing.
    struct Knows(&'static str);

    impl Link for Knows {
        fn consider<'a>(&'a self, _: &'a Credentials) -> LinkFuture<'a> {
            Box::pin(std::future::ready(Opinion::PassesOn))
        }

        fn knows(&self, username: &str) -> bool {
            username == self.0
        }
    }

    #[tokio::test]
    async fn nobody_is_accepted_under_the_name_of_a_user_of_a_link_before() {
        let of_alice = || link(Opinion::Accepts(Identity::user("alice")));
        let accepted = Authentication::Accepted(Identity::user("alice"));
        let refused = Authentication::Refused(Refusal::BadUserNameOrPassword);
        let eve = named("eve");
        let chain = Chain::new(vec![Arc::new(Knows("alice")), of_alice()]);
        assert_eq!(chain.authenticate(&eve).await, refused);
        let chain = Chain::new(vec![Arc::new(Knows("bob")), of_alice()]);
        assert_eq!(chain.authenticate(&eve).await, accepted);
        let chain = Chain::new(vec![of_alice(), Arc::new(Knows("alice"))]);
        assert_eq!(chain.authenticate(&eve).await, accepted);
    }

    #[tokio::test]
    async fn who_takes_the_client_identifier_of_another_is_refused() {
        let rules = ClientIdRules::compile(&[crate::ClientIdRule {
            user: "meter-*".into(),
            client_id: vec!["{username}".into()],
        }]);
        let accepts = link(Opinion::Accepts(Identity::user("meter-7")));
        let chain = Chain::new(vec![accepts]).with_client_ids(rules.unwrap());
        let with_id = |client_id| Credentials { username: None, ..Credentials::new(client_id) };
        let accepted = Authentication::Accepted(Identity::user("meter-7"));
        assert_eq!(chain.authenticate(&with_id("meter-7")).await, accepted);
        let refused = Authentication::Refused(Refusal::NotAuthorized);
        assert_eq!(chain.authenticate(&with_id("meter-8")).await, refused);
    }

    #[tokio::test]
    async fn an_address_that_fails_again_and_again_is_banned_for_a_while() {
        let settings = BanSettings { failures: 2, ..BanSettings::default() };
        let ban_for = settings.ban_for;
        let now = Arc::new(AtomicU64::new(0));
        let clock = {
            let now = now.clone();
            Box::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed)))
        };
        let refuses = link(Opinion::Refuses(Refusal::BadUserNameOrPassword));
        let bouncer = Arc::new(Bouncer::new(settings, clock));
        let chain = Chain::new(vec![refuses.clone()]).with_bans(bouncer);
        let from = |peer: &str| Credentials { peer: Some(peer.parse().unwrap()), ..named("a") };
        let (bad, banned) = (
            Authentication::Refused(Refusal::BadUserNameOrPassword),
            Authentication::Refused(Refusal::Banned),
        );
        assert_eq!(chain.authenticate(&from("192.0.2.1:1")).await, bad);
        assert_eq!(chain.authenticate(&from("192.0.2.1:2")).await, bad);
        assert_eq!(chain.authenticate(&from("192.0.2.1:3")).await, banned);
        assert_eq!(chain.authenticate(&from("192.0.2.2:1")).await, bad);
        assert_eq!(refuses.1.load(Ordering::Relaxed), 3);

        now.store(u64::try_from(ban_for.as_millis()).unwrap(), Ordering::Relaxed);
        assert_eq!(chain.authenticate(&from("192.0.2.1:4")).await, bad);
    }

    /// Never comes to a conclusion.
    pub(super) struct Silent;

    impl Link for Silent {
        fn consider<'a>(&'a self, _: &'a Credentials) -> LinkFuture<'a> {
            Box::pin(std::future::pending())
        }
    }

    /// Only the broker drops a question, when its patience ends or it needs the place: whoever hangs up has it answered.
    #[test]
    fn whom_the_broker_does_not_wait_for_has_not_failed_by_what_nobody_looked_at() {
        let settings = BanSettings { failures: 1, ..BanSettings::default() };
        let bouncer = Arc::new(Bouncer::new(settings, Box::new(|| Timestamp::from_millis(0))));
        let links: Vec<Arc<dyn Link>> = vec![link(Opinion::PassesOn), Arc::new(Silent)];
        let chain = Chain::new(links).with_bans(bouncer.clone());
        let peer = "192.0.2.1:1".parse().unwrap();
        for number in 0..200 {
            let password = Some(number.to_string().into());
            let credentials = Credentials { peer: Some(peer), password, ..named("alice") };
            let mut answer = Box::pin(chain.authenticate(&credentials));
            assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert!(!bouncer.turns_away(peer.ip()));
    }
}
