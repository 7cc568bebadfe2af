//! Links that need no file.

use super::{Link, LinkFuture, Opinion};
use crate::{Credentials, Identity, Refusal};

/// Accepts clients that show neither name nor password, under no name; passes on the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anonymous;

impl Link for Anonymous {
    fn consider<'a>(&'a self, credentials: &'a Credentials) -> LinkFuture<'a> {
        let shows_nothing = credentials.username.is_none() && credentials.password.is_none();
        Box::pin(std::future::ready(match shows_nothing {
            true => Opinion::Accepts(Identity::anonymous()),
            false => Opinion::PassesOn,
        }))
    }

    fn admits_anyone(&self) -> bool {
        true
    }
}

/// Accepts clients with a verified certificate, under a name that is in it; passes on the others.
///
/// A user name in the credentials must be the same one, if there is any. (The broker puts that of the certificate there where a
/// listener has its `username_from`.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The field with the user name: `cert.cn` or `cert.san`, say. A certificate that does not have
    /// exactly one is passed on.
    pub username_from: String,
}

impl Link for ClientCertificate {
    fn consider<'a>(&'a self, credentials: &'a Credentials) -> LinkFuture<'a> {
        let certificate = credentials.certificate.as_ref();
        let name = certificate.and_then(|it| it.single(&self.username_from));
        Box::pin(std::future::ready(match (name, credentials.username.as_deref()) {
            (None, _) => Opinion::PassesOn,
            (Some(name), Some(claimed)) if name != claimed => {
                Opinion::Refuses(Refusal::BadUserNameOrPassword)
            }
            (Some(name), _) => Opinion::Accepts(Identity::user(name)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chain::Chain;
    use crate::chain::tests::{link, named};
    use crate::{Authentication, Authenticator};

    #[tokio::test]
    async fn anonymous_is_who_shows_nothing() {
        let chain = Chain::new(vec![Arc::new(Anonymous)]);
        assert!(chain.admits_anyone());
        let accepted = Authentication::Accepted(Identity::anonymous());
        assert_eq!(chain.authenticate(&Credentials::new("c")).await, accepted);
        let refused = Authentication::Refused(Refusal::BadUserNameOrPassword);
        assert_eq!(chain.authenticate(&named("alice")).await, refused);
    }

    #[tokio::test]
    async fn a_certificate_names_its_client_and_its_fields_go_along() {
        let chain = Chain::new(vec![
            Arc::new(ClientCertificate { username_from: "cert.cn".into() }),
            link(Opinion::Accepts(Identity::user("by password"))),
        ]);
        let mut credentials = Credentials::new("c");
        credentials.certificate =
            Some([("cert.cn", "meter-7"), ("cert.san", "x")].into_iter().collect());
        let mut identity = Identity::user("meter-7");
        identity.attributes = credentials.certificate.clone().unwrap();
        assert_eq!(
            chain.authenticate(&credentials).await,
            Authentication::Accepted(identity.clone())
        );
        credentials.username = Some("meter-7".into());
        assert_eq!(chain.authenticate(&credentials).await, Authentication::Accepted(identity));
        credentials.username = Some("meter-8".into());
        let refused = Authentication::Refused(Refusal::BadUserNameOrPassword);
        assert_eq!(chain.authenticate(&credentials).await, refused);

        credentials.certificate =
            Some([("cert.san", "x"), ("cert.san", "y")].into_iter().collect());
        let Authentication::Accepted(identity) = chain.authenticate(&credentials).await else {
            panic!("the next link accepts it");
        };
        assert_eq!(identity.username.as_deref(), Some("by password"));
        assert!(identity.attributes.contains("cert.san", "y"));
    }
}
