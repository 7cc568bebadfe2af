//! Who answers "who are you?".

use std::future::Future;
use std::sync::Arc;

use crate::{Authentication, BoxFuture, Credentials, Exchange};

/// Finds out who a client is.
///
/// Write `async fn authenticate`; the broker keeps the result as an `Arc<dyn DynAuthenticator>`.
///
/// ```
/// use flux_auth::{Authentication, Authenticator, Credentials, Identity, Refusal};
///
/// /// Admits clients that connect from this machine.
/// struct LocalOnly;
///
/// impl Authenticator for LocalOnly {
///     async fn authenticate(&self, credentials: &Credentials) -> Authentication {
///         match credentials.peer {
///             Some(peer) if peer.ip().is_loopback() => {
///                 Authentication::Accepted(Identity::anonymous())
///             }
///             _ => Authentication::Refused(Refusal::NotAuthorized),
///         }
///     }
/// }
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// Returns who the client is, or why it does not get in.
    ///
    /// Called once for each CONNECT packet, before any session is looked at (MQTT 5.0 section
    /// 3.1.4). The future may wait for other machines; many run at once. It is dropped, unfinished,
    /// when the client leaves or the broker's patience ends, so it must not leave anything half
    /// done. Work that keeps a processor busy, such as hashing a password, belongs on a thread
    /// made for it.
    fn authenticate(
        &self,
        credentials: &Credentials,
    ) -> impl Future<Output = Authentication> + Send;

    /// Begins an exchange by this authentication method (MQTT 5.0 section 4.12); `None` if there is no such method.
    ///
    /// Called in place of [`authenticate`](Self::authenticate) for a client that names a method, and again when it wants
    /// to authenticate once more. The first step gets the Authentication Data that came along. There is no method by
    /// default.
    fn begin(&self, method: &str, credentials: &Credentials) -> Option<Box<dyn Exchange>> {
        let _ = (method, credentials);
        None
    }

    /// Returns whether a client that proves nothing gets in.
    ///
    /// A broker refuses to listen beyond loopback with such an authenticator unless it is told to.
    /// The default is `false`.
    fn admits_anyone(&self) -> bool {
        false
    }
}

/// An [`Authenticator`] whose type has been forgotten: `Arc<dyn DynAuthenticator>`.
///
/// Every authenticator is one; there is nothing to implement. The methods have names of their own
/// so that a call stays unambiguous where both traits are in scope.
///
/// ```
/// use std::sync::Arc;
///
/// use flux_auth::{DynAuthenticator, SimpleAuthenticator};
///
/// let authenticator: Arc<dyn DynAuthenticator> = Arc::new(SimpleAuthenticator::new());
/// assert!(authenticator.dyn_admits_anyone());
/// ```
pub trait DynAuthenticator: Send + Sync + 'static {
    /// Returns the answer of [`Authenticator::authenticate`], which keeps all it needs alive.
    fn dyn_authenticate(self: Arc<Self>, credentials: Credentials) -> BoxFuture<Authentication>;

    /// Returns the answer of [`Authenticator::begin`].
    fn dyn_begin(&self, method: &str, credentials: &Credentials) -> Option<Box<dyn Exchange>>;

    /// Returns the answer of [`Authenticator::admits_anyone`].
    fn dyn_admits_anyone(&self) -> bool;
}

impl<A: Authenticator> DynAuthenticator for A {
    fn dyn_authenticate(self: Arc<Self>, credentials: Credentials) -> BoxFuture<Authentication> {
        Box::pin(async move { self.authenticate(&credentials).await })
    }

    fn dyn_begin(&self, method: &str, credentials: &Credentials) -> Option<Box<dyn Exchange>> {
        self.begin(method, credentials)
    }

    fn dyn_admits_anyone(&self) -> bool {
        self.admits_anyone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, Refusal};

    /// Knows one user, after thinking about it.
    struct OnlyAlice;

    impl Authenticator for OnlyAlice {
        async fn authenticate(&self, credentials: &Credentials) -> Authentication {
            tokio::task::yield_now().await;
            match credentials.username.as_deref() {
                Some("alice") => Authentication::Accepted(Identity::user("alice")),
                _ => Authentication::Refused(Refusal::BadUserNameOrPassword),
            }
        }
    }

    fn credentials(username: &str) -> Credentials {
        Credentials { username: Some(username.into()), ..Credentials::new("meter") }
    }

    #[tokio::test]
    async fn the_forgotten_type_answers_as_the_known_one() {
        let authenticator = Arc::new(OnlyAlice);
        let forgotten: Arc<dyn DynAuthenticator> = authenticator.clone();

        for username in ["alice", "mallory"] {
            // Both traits are in scope: neither call is ambiguous.
            let known = authenticator.authenticate(&credentials(username)).await;
            let boxed = forgotten.clone().dyn_authenticate(credentials(username)).await;
            assert_eq!(known, boxed);
        }
        assert_eq!(forgotten.dyn_admits_anyone(), authenticator.admits_anyone());
    }

    #[test]
    fn an_authenticator_admits_nobody_unless_it_says_so() {
        assert!(!OnlyAlice.admits_anyone());
        assert!(!OnlyAlice.dyn_admits_anyone());
    }

    #[tokio::test]
    async fn the_answer_keeps_the_authenticator_alive_and_may_move_to_another_thread() {
        let authenticator: Arc<dyn DynAuthenticator> = Arc::new(OnlyAlice);
        let watch = Arc::downgrade(&authenticator);

        let answer = tokio::spawn(authenticator.dyn_authenticate(credentials("alice")));
        assert!(watch.upgrade().is_some(), "the future holds the authenticator");

        assert_eq!(answer.await.unwrap(), Authentication::Accepted(Identity::user("alice")));
        assert!(watch.upgrade().is_none(), "and lets it go when it is done");
    }

    #[test]
    fn dropping_the_answer_gives_the_question_up() {
        let authenticator: Arc<dyn DynAuthenticator> = Arc::new(OnlyAlice);
        let watch = Arc::downgrade(&authenticator);
        drop(authenticator.dyn_authenticate(credentials("alice")));
        assert!(watch.upgrade().is_none());
    }
}
