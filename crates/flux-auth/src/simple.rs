//! The authenticator of a broker under development.

use crate::{Authentication, Authenticator, Credentials, Identity};

/// Accepts everyone, and believes the name they give. For development only.
///
/// A client is known by the user name it sent, without any proof; the password is not looked at. (So no session
/// [belongs](Identity::owner) to it and [rules](crate::Rules) take it for no user, unless its certificate named it.) As
/// it [admits anyone](Authenticator::admits_anyone), a broker with this authenticator stays on
/// loopback unless it is told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimpleAuthenticator;

impl SimpleAuthenticator {
    /// Returns the authenticator that accepts everyone.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Authenticator for SimpleAuthenticator {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        Authentication::Accepted(match &credentials.username {
            Some(username) if credentials.is_named_by_certificate => {
                Identity::user(username.clone())
            }
            Some(username) => Identity::claimed(username.clone()),
            None => Identity::anonymous(),
        })
    }

    fn admits_anyone(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_is_accepted_under_the_name_they_give() {
        let mut credentials = Credentials::new("meter");
        let stranger = SimpleAuthenticator::new().authenticate(&credentials).await;
        assert_eq!(stranger, Authentication::Accepted(Identity::anonymous()));

        credentials.username = Some("alice".into());
        credentials.password = Some("not hers".into());
        let named = SimpleAuthenticator::new().authenticate(&credentials).await;
        assert_eq!(named, Authentication::Accepted(Identity::claimed("alice")));
        credentials.is_named_by_certificate = true;
        let proven = SimpleAuthenticator::new().authenticate(&credentials).await;
        assert_eq!(proven, Authentication::Accepted(Identity::user("alice")));
    }

    #[test]
    fn it_admits_anyone_and_says_so() {
        assert!(SimpleAuthenticator.admits_anyone());
    }
}
