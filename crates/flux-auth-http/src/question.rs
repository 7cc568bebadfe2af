//! What an address is asked about a client, and what it answers, in JSON.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flux_auth::{Attributes, Credentials, Identity, Opinion, Refusal};
use serde::{Deserialize, Serialize};

/// What is asked: all that a client shows. It has no `Debug`, for it has the password.
#[derive(Serialize)]
pub(crate) struct Question<'a> {
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    /// As it is, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    /// In hexadecimal, if it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hex: Option<String>,
    /// Without the port, which is another one each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<&'a str>,
    protocol: u8,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    certificate: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Question<'a> {
    pub(crate) fn about(credentials: &'a Credentials) -> Self {
        let password = credentials.password.as_deref();
        let text = password.and_then(|password| str::from_utf8(password).ok());
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut certificate: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, value) in credentials.certificate.iter().flat_map(Attributes::iter) {
            certificate.entry(name).or_default().push(value);
        }
        Self {
            client_id: &credentials.client_id,
            username: credentials.username.as_deref(),
            password: text,
            password_hex: if text.is_none() { password.map(hex) } else { None },
            peer: credentials.peer.map(|peer| peer.ip().to_canonical().to_string()),
            listener: credentials.listener.as_deref(),
            protocol: credentials.protocol_level,
            certificate,
        }
    }
}

/// Returns what an answer means, or `None` if it is none.
pub(crate) fn opinion(status: u16, body: &[u8], username: Option<&str>) -> Option<Opinion> {
    match status {
        200 => {
            let answer: Answer = serde_json::from_slice(body).ok()?;
            Some(match answer.result {
                Verdict::Allow => Opinion::Accepts(answer.identity(username)?),
                Verdict::Deny => Opinion::Refuses(Refusal::BadUserNameOrPassword),
                Verdict::Ignore => Opinion::PassesOn,
            })
        }
        204 => Some(Opinion::Accepts(named(username))),
        401 | 403 => Some(Opinion::Refuses(Refusal::BadUserNameOrPassword)),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Answer {
    result: Verdict,
    /// Who it is, if that is somebody else than CONNECT says.
    username: Option<String>,
    #[serde(default)]
    roles: Vec<Box<str>>,
    #[serde(default)]
    attributes: BTreeMap<String, Values>,
    /// When it has to be asked again, in seconds since 1970.
    expire_at: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Allow,
    Deny,
    Ignore,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    More(Vec<String>),
}

impl Answer {
    fn identity(self, username: Option<&str>) -> Option<Identity> {
        let mut identity = named(self.username.as_deref().or(username));
        identity.roles = self.roles;
        for (name, values) in self.attributes {
            let values = match values {
                Values::One(value) => vec![value],
                Values::More(values) => values,
            };
            for value in values {
                identity.attributes.insert(&format!("claim.{name}"), &value);
            }
        }
        if let Some(seconds) = self.expire_at {
            identity.expires_at = Some(moment(seconds)?);
        }
        Some(identity)
    }
}

fn named(username: Option<&str>) -> Identity {
    username.map_or_else(Identity::anonymous, Identity::user)
}

fn moment(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn asks(credentials: &Credentials, expected: &str) {
        assert_eq!(serde_json::to_string(&Question::about(credentials)).unwrap(), expected);
    }

    #[test]
    fn all_that_a_client_shows_is_asked_about() {
        let mut credentials = Credentials::new("c");
        asks(&credentials, r#"{"client_id":"c","protocol":5}"#);
        credentials.username = Some("a\"b".into());
        credentials.password = Some("pw".into());
        credentials.peer = Some("[::ffff:192.0.2.1]:77".parse().unwrap());
        credentials.listener = Some("public".into());
        credentials.certificate =
            Some([("cert.cn", "x"), ("cert.dns", "y"), ("cert.dns", "z")].into_iter().collect());
        asks(
            &credentials,
            r#"{"client_id":"c","username":"a\"b","password":"pw","peer":"192.0.2.1","listener":"public","protocol":5,"certificate":{"cert.cn":["x"],"cert.dns":["y","z"]}}"#,
        );
        let mut bytes = Credentials::new("c");
        bytes.password = Some(bytes::Bytes::from_static(&[0xFF, 0x00]));
        asks(&bytes, r#"{"client_id":"c","password_hex":"ff00","protocol":5}"#);
    }

    #[test]
    fn an_answer_allows_denies_or_passes_on_and_anything_else_is_none() {
        #[track_caller]
        fn check(status: u16, body: &str, expected: Option<&Opinion>) {
            assert_eq!(
                opinion(status, body.as_bytes(), Some("alice")).as_ref(),
                expected,
                "{status} {body}"
            );
        }
        let alice = Opinion::Accepts(Identity::user("alice"));
        let alice = Some(&alice);
        let denied = Opinion::Refuses(Refusal::BadUserNameOrPassword);
        let denied = Some(&denied);
        check(200, r#"{"result":"allow"}"#, alice);
        check(200, r#"{"result":"allow","is_superuser":true}"#, alice);
        check(204, "", alice);
        check(200, r#"{"result":"deny"}"#, denied);
        check(401, "", denied);
        check(403, "anything", denied);
        check(200, r#"{"result":"ignore"}"#, Some(&Opinion::PassesOn));
        for body in [
            "",
            "{}",
            "allow",
            r#"{"result":"Allow"}"#,
            r#"{"result":"allow","roles":7}"#,
            r#"{"result":"allow","expire_at":18446744073709551615}"#,
            r#"{"result":"allow","expire_at":-1}"#,
        ] {
            check(200, body, None);
        }
        for status in [100, 201, 301, 302, 400, 404, 429, 500, 503] {
            check(status, r#"{"result":"allow"}"#, None);
        }
        let mut identity = Identity::user("meter-7");
        identity.roles = vec!["device".into()];
        identity.attributes =
            [("claim.site", "b"), ("claim.tag", "x"), ("claim.tag", "y")].into_iter().collect();
        identity.expires_at = Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        check(
            200,
            r#"{"result":"allow","username":"meter-7","roles":["device"],"attributes":{"site":"b","tag":["x","y"]},"expire_at":1700000000}"#,
            Some(&Opinion::Accepts(identity)),
        );
        assert_eq!(opinion(204, b"", None), Some(Opinion::Accepts(Identity::anonymous())));
    }
}
