//! The answer to "who are you?".

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::Attributes;

/// The answer of an [`Authenticator`](crate::Authenticator).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a client is neither admitted nor refused until the answer is acted on"]
pub enum Authentication {
    /// The client is who it says it is. Whether it may connect is still up to the
    /// [`Authorizer`](crate::Authorizer).
    Accepted(Identity),
    /// The client does not get in.
    Refused(Refusal),
}

/// Who a client turned out to be.
///
/// This is what rules are written for. It need not be what the client claimed: an authenticator
/// may take the name out of a certificate or a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Identity {
    /// The name the client is known by, or `None` for a client nobody knows. Rights belong to [`owner`](Self::owner), not to
    /// a name that nobody has checked.
    pub username: Option<Arc<str>>,
    /// Nobody has checked the name: the client merely gave it. See [`owner`](Self::owner).
    pub is_claimed: bool,
    /// Nobody can be a user where this client came in: whose its session is may turn out later.
    pub may_be_a_user: bool,
    /// Roles that the authenticator vouches for, as a token may carry them: the client has them besides those
    /// that [rules](crate::Rules) bind it to. Rules that know no such role take no notice.
    pub roles: Vec<Box<str>>,
    /// What else is known: `cert.cn`, `claim.site`.
    pub attributes: Attributes,
    /// When the client has to prove again who it is, as a token ends; `None` if it need not.
    ///
    /// The broker then ends the connection.
    pub expires_at: Option<SystemTime>,
}

impl Identity {
    /// Returns the identity of a client that nobody knows.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Returns the identity of the client known as `username`.
    pub fn user(username: impl Into<Arc<str>>) -> Self {
        Self { username: Some(username.into()), ..Self::default() }
    }

    /// Returns the identity of a client that calls itself `username`, without any proof.
    pub fn claimed(username: impl Into<Arc<str>>) -> Self {
        Self { is_claimed: true, ..Self::user(username) }
    }

    /// Returns the user whose session this client's is and whose rights it has: its name, if an authenticator vouches for it.
    ///
    /// Who has none shares its sessions with everybody who has none and uses the same client identifier.
    #[must_use]
    pub fn owner(&self) -> Option<&Arc<str>> {
        self.username.as_ref().filter(|_| !self.is_claimed)
    }
}

/// Why a client does not get in.
///
/// The broker answers with CONNACK and closes the connection. Each reason names the code it
/// becomes, first in MQTT 3.1.1 (section 3.2.2.3), then in MQTT 5.0 (section 3.2.2.2). The enum is
/// exhaustive on purpose: a new reason must choose its codes before the broker compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The user name or the password is wrong, or missing: 0x04, 0x86.
    ///
    /// Do not tell which of the two it was: that would tell a stranger which users there are.
    BadUserNameOrPassword,
    /// The client is known and may not connect, or may not be known: 0x05, 0x87.
    NotAuthorized,
    /// It cannot be found out now, as when a directory does not answer: 0x03, 0x88.
    ///
    /// The client may try again later. Failing this way keeps the door shut.
    ServerUnavailable,
    /// The client was banned by an administrator: 0x05, which is the nearest MQTT 3.1.1 has, 0x8A.
    Banned,
    /// The authentication method is not supported or not the one in use: 0x05, as MQTT 3.1.1 has no
    /// methods, 0x8C.
    BadAuthenticationMethod,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadUserNameOrPassword => "bad user name or password",
            Self::NotAuthorized => "not authorized",
            Self::ServerUnavailable => "server unavailable",
            Self::Banned => "banned",
            Self::BadAuthenticationMethod => "bad authentication method",
        })
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anonymous_client_has_no_name_and_a_user_has_the_one_given() {
        assert_eq!(Identity::anonymous().username, None);
        assert_eq!(Identity::user("alice").username.as_deref(), Some("alice"));
        assert_eq!(Identity::user(String::from("alice")), Identity::user("alice"));
        assert_eq!(Identity::default(), Identity::anonymous());
    }

    #[test]
    fn only_a_name_that_was_checked_owns_something() {
        assert_eq!(Identity::user("alice").owner().map(|owner| &**owner), Some("alice"));
        assert_eq!(Identity::claimed("alice").owner(), None);
        assert_eq!(Identity::claimed("alice").username.as_deref(), Some("alice"));
        assert_eq!(Identity::anonymous().owner(), None);
    }

    #[test]
    fn a_refusal_reads_as_the_standard_names_it() {
        #[track_caller]
        fn check(refusal: Refusal, expected: &str) {
            assert_eq!(refusal.to_string(), expected);
        }
        check(Refusal::BadUserNameOrPassword, "bad user name or password");
        check(Refusal::NotAuthorized, "not authorized");
        check(Refusal::ServerUnavailable, "server unavailable");
        check(Refusal::Banned, "banned");
        check(Refusal::BadAuthenticationMethod, "bad authentication method");
    }
}
