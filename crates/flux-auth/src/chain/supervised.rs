//! [`Supervised`]: an exchange of a link, under what holds for all links.

use std::net::IpAddr;
use std::sync::Arc;

use super::bound;
use crate::{Bouncer, ClientIdRules, Credentials, Exchange, Refusal, Step};

/// An exchange of a link, under what holds for all links.
pub(super) struct Supervised {
    exchange: Box<dyn Exchange>,
    credentials: Credentials,
    bouncer: Option<Arc<Bouncer>>,
    client_ids: Arc<ClientIdRules>,
    /// Once the client has said who it is.
    unproven: Option<Unproven>,
}

impl Supervised {
    pub(super) fn new(
        exchange: Box<dyn Exchange>,
        credentials: Credentials,
        bouncer: Option<Arc<Bouncer>>,
        client_ids: Arc<ClientIdRules>,
    ) -> Self {
        Self { exchange, credentials, bouncer, client_ids, unproven: None }
    }
}

/// A client that said who it is, and is asked to prove it. Whoever leaves it at that, by hanging up or by not
/// answering in time, has failed as one with a wrong password has: it may have seen enough to go on guessing.
struct Unproven {
    /// Who notes that, and whose it is; `None` once it is over.
    noted: Option<(Arc<Bouncer>, IpAddr)>,
}

impl Unproven {
    /// It is over, and did not fail.
    fn forgive(mut self) {
        self.noted = None;
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        if let Some((bouncer, peer)) = self.noted.take() {
            bouncer.note_failure(peer);
        }
    }
}

impl Exchange for Supervised {
    fn step(self: Box<Self>, data: &[u8]) -> Step {
        let Self { exchange, credentials, bouncer, client_ids, unproven } = *self;
        let noted = bouncer.clone().zip(credentials.peer.map(|peer| peer.ip()));
        let is_banned = noted.as_ref().is_some_and(|(bouncer, peer)| bouncer.turns_away(*peer));
        let unproven = unproven.unwrap_or_else(|| Unproven { noted });
        if is_banned {
            unproven.forgive();
            return Step::Refused(Refusal::Banned);
        }
        match exchange.step(data) {
            Step::Continue { data, next: exchange } => {
                let unproven = Some(unproven);
                let next = Self { exchange, credentials, bouncer, client_ids, unproven };
                Step::Continue { data, next: Box::new(next) }
            }
            Step::Accepted { identity, data } => {
                unproven.forgive();
                match bound(&client_ids, &credentials, identity) {
                    Ok(identity) => Step::Accepted { identity, data },
                    Err(refusal) => Step::Refused(refusal),
                }
            }
            Step::Refused(refusal) => {
                if refusal != Refusal::BadUserNameOrPassword {
                    unproven.forgive();
                }
                Step::Refused(refusal)
            }
        }
    }

    fn held_bytes(&self) -> usize {
        self.exchange.held_bytes()
    }
}

#[cfg(test)]
mod tests {
    use flux_time::Timestamp;

    use super::*;
    use crate::chain::{Chain, Link, LinkFuture, Opinion};
    use crate::{Authenticator, BanSettings, Identity};

    /// Refuses the first step as if the password were wrong, or accepts it.
    struct OneStep(bool);

    impl Link for OneStep {
        fn consider<'a>(&'a self, _: &'a Credentials) -> LinkFuture<'a> {
            Box::pin(std::future::ready(Opinion::PassesOn))
        }

        fn begin(&self, method: &str) -> Option<Box<dyn Exchange>> {
            (method == "one step").then(|| Box::new(Self(self.0)) as Box<dyn Exchange>)
        }
    }

    impl Exchange for OneStep {
        fn step(self: Box<Self>, _: &[u8]) -> Step {
            match self.0 {
                true => Step::Accepted { identity: Identity::user("meter-7"), data: "".into() },
                false => Step::Refused(Refusal::BadUserNameOrPassword),
            }
        }

        fn held_bytes(&self) -> usize {
            0
        }
    }

    fn refusal(chain: &Chain, credentials: &Credentials) -> Option<Refusal> {
        match chain.begin("one step", credentials).unwrap().step(b"") {
            Step::Refused(refusal) => Some(refusal),
            Step::Accepted { .. } => None,
            Step::Continue { .. } => panic!("there is one step"),
        }
    }

    #[test]
    fn what_holds_for_all_links_holds_for_exchanges() {
        let rules = ClientIdRules::compile(&[crate::ClientIdRule {
            user: "meter-*".into(),
            client_id: vec!["{username}".into()],
        }]);
        let chain = Chain::new(vec![Arc::new(OneStep(true))]).with_client_ids(rules.unwrap());
        assert!(chain.begin("another", &Credentials::new("c")).is_none());
        assert_eq!(refusal(&chain, &Credentials::new("meter-7")), None);
        assert_eq!(refusal(&chain, &Credentials::new("c")), Some(Refusal::NotAuthorized));

        let settings = BanSettings { failures: 2, ..BanSettings::default() };
        let bouncer = Bouncer::new(settings, Box::new(|| Timestamp::from_millis(0)));
        let chain = Chain::new(vec![Arc::new(OneStep(false))]).with_bans(Arc::new(bouncer));
        let mut credentials = Credentials::new("c");
        credentials.peer = Some("192.0.2.1:1".parse().unwrap());
        let expected =
            [Refusal::BadUserNameOrPassword, Refusal::BadUserNameOrPassword, Refusal::Banned];
        for expected in expected {
            assert_eq!(refusal(&chain, &credentials), Some(expected));
        }
    }

    /// Asks for one more step than it has, then comes to this.
    struct Further(u8, Option<Refusal>);

    impl Link for Further {
        fn consider<'a>(&'a self, _: &'a Credentials) -> LinkFuture<'a> {
            Box::pin(std::future::ready(Opinion::PassesOn))
        }

        fn begin(&self, _: &str) -> Option<Box<dyn Exchange>> {
            Some(Box::new(Self(self.0, self.1)))
        }
    }

    impl Exchange for Further {
        fn step(self: Box<Self>, _: &[u8]) -> Step {
            let data = bytes::Bytes::new();
            match (self.0.checked_sub(1), self.1) {
                (Some(left), end) => Step::Continue { data, next: Box::new(Self(left, end)) },
                (None, None) => Step::Accepted { identity: Identity::user("a"), data },
                (None, Some(refusal)) => Step::Refused(refusal),
            }
        }

        fn held_bytes(&self) -> usize {
            0
        }
    }

    #[test]
    fn whoever_leaves_once_it_has_said_who_it_is_has_failed_once() {
        /// Whether a client fails that goes so many steps, of three.
        #[track_caller]
        fn check(steps: usize, end: Option<Refusal>, has_failed: bool) {
            // Twice is too often, once is not.
            for (failures, is_banned) in [(1, has_failed), (2, false)] {
                let settings = BanSettings { failures, ..BanSettings::default() };
                let clock = Box::new(|| Timestamp::from_millis(0));
                let bouncer = Arc::new(Bouncer::new(settings, clock));
                let further = Arc::new(Further(2, end));
                let chain = Chain::new(vec![further]).with_bans(bouncer.clone());
                let mut credentials = Credentials::new("c");
                credentials.peer = Some("192.0.2.1:1".parse().unwrap());
                let mut exchange = chain.begin("any", &credentials);
                for _ in 0..steps {
                    exchange = match exchange.unwrap().step(b"") {
                        Step::Continue { next, .. } => Some(next),
                        Step::Accepted { .. } | Step::Refused(_) => None,
                    };
                }
                drop(exchange);
                assert_eq!(bouncer.turns_away("192.0.2.1".parse().unwrap()), is_banned);
            }
        }
        check(0, None, false);
        check(1, None, true);
        check(2, None, true);
        check(3, None, false);
        check(3, Some(Refusal::BadUserNameOrPassword), true);
        check(3, Some(Refusal::ServerUnavailable), false);
    }
}
