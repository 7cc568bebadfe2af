//! Keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::RsaPublicKeyComponents;
use serde::Deserialize;
use serde_json::Value;

use super::keys::{Key, ParseKeyError, TokenKey};

/// Returns the keys of a set that tokens are verified with, without those that are damaged: so RFC 7517 section 5 has it. If no
/// other is left, the first of them is the error.
pub(super) fn keys(json: &[u8]) -> Result<Vec<TokenKey>, ParseKeyError> {
    let set: Set = serde_json::from_slice(json).map_err(|_| ParseKeyError::NoKeySet)?;
    let (mut keys, mut damaged) = (Vec::new(), None);
    for (number, value) in (1..).zip(set.keys) {
        // A key of another kind may have anything anywhere.
        let Ok(jwk) = serde_json::from_value::<Jwk>(value) else { continue };
        match jwk.key(number) {
            Ok(Some(key)) => keys.push(TokenKey { id: jwk.kid, key }),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    %error,
                    help = "mend it where auth.jwt.jwks_file or jwks_url has it from: tokens that it signed are refused",
                    "a key for tokens is left out"
                );
                damaged.get_or_insert(error);
            }
        }
    }
    match damaged {
        Some(error) if keys.is_empty() => Err(error),
        _ => Ok(keys),
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    k: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    /// Returns the key, or `None` if it is of another kind or for another use.
    fn key(&self, number: usize) -> Result<Option<Key>, ParseKeyError> {
        let damaged = ParseKeyError::DamagedKey { number };
        let bytes = |text: &Option<String>| {
            let text = text.as_ref().ok_or(damaged)?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_| damaged)
        };
        if self.usage.as_ref().is_some_and(|usage| usage != "sig") {
            return Ok(None);
        }
        let (algorithm, read): (_, &dyn Fn() -> Result<Key, ParseKeyError>) =
            match (self.kty.as_str(), self.crv.as_deref()) {
                ("oct", _) => ("HS256", &|| Key::hs256(&bytes(&self.k)?)),
                ("RSA", _) => ("RS256", &|| {
                    let (n, e) = (bytes(&self.n)?, bytes(&self.e)?);
                    Ok(Key::Rs256(RsaPublicKeyComponents { n, e }))
                }),
                ("EC", Some("P-256")) => ("ES256", &|| {
                    let point = [vec![UNCOMPRESSED], bytes(&self.x)?, bytes(&self.y)?].concat();
                    if point.len() == 65 { Ok(Key::Es256(point)) } else { Err(damaged) }
                }),
                ("OKP", Some("Ed25519")) => ("EdDSA", &|| {
                    let point = bytes(&self.x)?;
                    if point.len() == 32 { Ok(Key::EdDsa(point)) } else { Err(damaged) }
                }),
                _ => return Ok(None),
            };
        match self.alg.as_deref() {
            Some(other) if other != algorithm => Ok(None),
            _ => read().map(Some),
        }
    }
}

/// What a point begins with that has both coordinates (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;
