//! Tokens for one test, and whoever signs them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// Signs tokens.
pub(crate) enum Signer {
    Secret(hmac::Key),
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    /// Signs with HS256.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Signs with a key that nobody else has.
    pub(crate) fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    fn public(&self) -> &[u8] {
        let Self::EdDsa(pair) = self else { panic!("a secret is not public") };
        pair.public_key().as_ref()
    }

    /// Returns the public key in PEM.
    pub(crate) fn pem(&self) -> String {
        let spki = [ED25519_PREFIX, self.public()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki))
    }

    /// Returns the public key as a set.
    pub(crate) fn jwks(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.public());
        format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#)
    }

    /// The same under a name.
    pub(crate) fn jwks_named(&self, id: &str) -> String {
        self.jwks().replace("{\"kty", &format!("{{\"kid\":\"{id}\",\"kty"))
    }

    /// Returns a token with these claims, whose header names the key.
    pub(crate) fn token_named(&self, id: &str, claims: &str) -> String {
        let header = format!(r#"{{"alg":"{}","typ":"JWT","kid":"{id}"}}"#, self.algorithm());
        self.signed(&header, claims)
    }

    /// Returns a token with these claims, and with a header that says what it is signed with.
    pub(crate) fn token(&self, claims: &str) -> String {
        self.signed(&header(self.algorithm()), claims)
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => "HS256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    fn signed(&self, header: &str, claims: &str) -> String {
        let message = message(header, claims);
        let signature = match self {
            Self::Secret(key) => hmac::sign(key, message.as_bytes()).as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Returns a token without its last part.
pub(crate) fn unsigned(algorithm: &str, claims: &str) -> String {
    message(&header(algorithm), claims)
}

fn header(algorithm: &str) -> String {
    format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#)
}

fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// Returns the claims of a user whose token ends in so many seconds, or has ended before them.
pub(crate) fn claims(user: &str, ends_in: i64) -> String {
    #[expect(clippy::disallowed_methods, reason = "tokens end at a time of day")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let end = now.checked_add_signed(ends_in).unwrap();
    format!(
        r#"{{"sub":"{user}","iss":"https://id.example","aud":["flux"],"roles":["device"],"exp":{end}}}"#
    )
}

/// id-Ed25519, and the beginning of the bits (RFC 8410 section 4).
const ED25519_PREFIX: &[u8] =
    &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
