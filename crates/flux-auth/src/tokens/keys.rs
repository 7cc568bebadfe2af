//! [`TokenKeys`]: whose signatures are believed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::claims::ClaimError;
use super::jwk;

/// Keys for tokens: HS256, RS256, ES256 and EdDSA (Ed25519).
#[derive(Clone, Debug, Default)]
pub struct TokenKeys {
    keys: Vec<TokenKey>,
}

impl TokenKeys {
    /// Returns the key of HS256 (RFC 7518 section 3.2), which whoever makes tokens has as well.
    ///
    /// # Errors
    ///
    /// When it has less than 32 bytes: shorter ones can be guessed from a single token.
    pub fn from_secret(secret: &[u8]) -> Result<Self, ParseKeyError> {
        Ok(Self { keys: vec![TokenKey { id: None, key: Key::hs256(secret)? }] })
    }

    /// Returns the public keys (`-----BEGIN PUBLIC KEY-----`) of a PEM file: RSA for RS256, P-256 for ES256, Ed25519
    /// for EdDSA.
    ///
    /// # Errors
    ///
    /// When there is none, or one of another kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ParseKeyError> {
        let mut keys = Vec::new();
        for key in SubjectPublicKeyInfoDer::pem_slice_iter(pem) {
            let key = key.map_err(|_| ParseKeyError::Pem)?;
            keys.push(TokenKey { id: None, key: Key::from_spki(&key)? });
        }
        if keys.is_empty() { Err(ParseKeyError::NoKey) } else { Ok(Self { keys }) }
    }

    /// Returns the keys of a key set (JWKS, RFC 7517). Those of other kinds and for other uses are skipped, as section
    /// 5 says.
    ///
    /// # Errors
    ///
    /// When it is no key set, or has no key for tokens.
    pub fn from_jwks(json: &[u8]) -> Result<Self, ParseKeyError> {
        let keys = jwk::keys(json)?;
        if keys.is_empty() { Err(ParseKeyError::NoKey) } else { Ok(Self { keys }) }
    }

    /// Returns how many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns whether there is no key, so that no token is believed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the claims of a token that one of these keys has signed. They are not looked at yet.
    ///
    /// # Errors
    ///
    /// When it is no token, or not signed by one of these keys.
    pub fn verify(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong { len: token.len() });
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::NoToken)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::NoToken)?;
        let header: Header = read(header).ok_or(TokenError::NoToken)?;
        // What must be understood (RFC 7515 section 4.1.11) is not.
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::NotSigned)?;
        let may_be = |key: &&TokenKey| {
            let same_id = match (&header.kid, &key.id) {
                (Some(asked), Some(id)) => asked == id,
                (None, _) | (_, None) => true,
            };
            key.key.algorithm() == header.alg && same_id
        };
        let is_meant = |key: &TokenKey| key.id.is_none() || key.id == header.kid;
        let is_spoken = ALGORITHMS.contains(&&*header.alg);
        if is_spoken && header.kid.is_some() && !self.keys.iter().any(is_meant) {
            return Err(TokenError::UnknownKey);
        }
        let mut candidates = self.keys.iter().filter(may_be).take(MOST_CANDIDATES);
        if !candidates.any(|key| key.key.has_signed(message.as_bytes(), &signature)) {
            return Err(TokenError::NotSigned);
        }
        read(payload).ok_or(TokenError::NoClaims)
    }

    /// Returns whether a password is meant as a token: three parts, the first of which is a header.
    pub(super) fn is_meant(password: &str) -> bool {
        let mut parts = password.split('.');
        let header: Option<Header> = parts.next().and_then(read);
        header.is_some() && parts.count() == 2
    }
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is longer than any token need be.
    #[error("the token is {len} bytes long, the limit is {max}", max = MAX_TOKEN_BYTES)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It has not the form of one.
    #[error("the password is no token")]
    NoToken,
    /// It asks to be read in a way that is not supported.
    #[error("the token has critical headers, which are not supported")]
    Critical,
    /// It names a key that is not among them; a new one, perhaps.
    #[error("the token names a key that is not known")]
    UnknownKey,
    /// None of the keys has signed it, for its algorithm and key identifier.
    #[error("the token is not signed by one of the keys")]
    NotSigned,
    /// What is signed are no claims.
    #[error("the token has no claims")]
    NoClaims,
    /// It is signed, but what it says does not let its bearer in.
    #[error(transparent)]
    Claim(#[from] ClaimError),
}

/// Why there is no key. Keys count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseKeyError {
    /// A secret is too short.
    #[error("the secret is {len} bytes long, HS256 needs {min} at least: make a longer one")]
    ShortSecret {
        /// Its length in bytes.
        len: usize,
        /// How long it has to be.
        min: usize,
    },
    /// The text is no PEM.
    #[error("the PEM is damaged")]
    Pem,
    /// A key is of a kind that no token is verified with.
    #[error("the public key is neither RSA of 2048 bits or more, nor P-256, nor Ed25519")]
    UnknownKind,
    /// The text is no key set.
    #[error("the key set is no JSON object with `keys`")]
    NoKeySet,
    /// A key of a set lacks something, or it is not base64url.
    #[error("key {number} of the set is incomplete or damaged")]
    DamagedKey {
        /// Which key.
        number: usize,
    },
    /// There is no key in it.
    #[error("there is no key for tokens: RSA, P-256, Ed25519, or a secret")]
    NoKey,
}

#[derive(Clone, Debug)]
pub(super) struct TokenKey {
    pub(super) id: Option<String>,
    pub(super) key: Key,
}

/// A key with the one algorithm that it is for.
#[derive(Clone)]
pub(super) enum Key {
    Hs256(hmac::Key),
    Rs256(RsaPublicKeyComponents<Vec<u8>>),
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
}

impl Key {
    pub(super) fn hs256(secret: &[u8]) -> Result<Self, ParseKeyError> {
        match secret.len() {
            len @ 0..LEAST_SECRET_BYTES => {
                Err(ParseKeyError::ShortSecret { len, min: LEAST_SECRET_BYTES })
            }
            _ => Ok(Self::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret))),
        }
    }

    /// Reads a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7): what precedes the key is the same for all keys of a
    /// kind.
    fn from_spki(der: &[u8]) -> Result<Self, ParseKeyError> {
        if let Some(point) = der.strip_prefix(P256_PREFIX).filter(|it| it.len() == 65) {
            return Ok(Self::Es256(point.into()));
        }
        if let Some(point) = der.strip_prefix(ED25519_PREFIX).filter(|it| it.len() == 32) {
            return Ok(Self::EdDsa(point.into()));
        }
        rsa(der).ok_or(ParseKeyError::UnknownKind)
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Hs256(key) => hmac::verify(key, message, signature),
            Self::Rs256(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::EdDsa(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm())
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

fn read<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Reads the SubjectPublicKeyInfo of an RSA key of 2048 bits or more, all of whose outer lengths take two bytes.
fn rsa(der: &[u8]) -> Option<Key> {
    let rest = long(der, 0x30)?.strip_prefix(RSA_ALGORITHM)?;
    let numbers = long(long(rest, 0x03)?.strip_prefix(&[0])?, 0x30)?;
    let (n, rest) = integer(numbers)?;
    let (e, rest) = integer(rest)?;
    let is_whole = rest.is_empty() && n.len() >= LEAST_MODULUS_BYTES;
    is_whole.then(|| Key::Rs256(RsaPublicKeyComponents { n: n.into(), e: e.into() }))
}

/// Returns what is in a DER element that is all of `der`, and 256 bytes long or more.
fn long(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (&[found, 0x82, high, low], contents) = der.split_first_chunk()? else { return None };
    (found == tag && usize::from(u16::from_be_bytes([high, low])) == contents.len())
        .then_some(contents)
}

/// Returns a positive DER integer without its leading zero, and what follows it.
fn integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match der {
        [0x02, 0x82, high, low, rest @ ..] => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        [0x02, len @ 0..0x80, rest @ ..] => (usize::from(*len), rest),
        _ => return None,
    };
    let (integer, rest) = rest.split_at_checked(len)?;
    Some((integer.strip_prefix(&[0]).unwrap_or(integer), rest))
}

/// id-ecPublicKey with prime256v1, and the beginning of the bits (RFC 5480 section 2).
const P256_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// id-Ed25519, and the beginning of the bits (RFC 8410 section 4).
const ED25519_PREFIX: &[u8] =
    &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// rsaEncryption without parameters (RFC 3279 section 2.3.1).
const RSA_ALGORITHM: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// RFC 7518 section 3.2: as long as the hash.
const LEAST_SECRET_BYTES: usize = 32;
const LEAST_MODULUS_BYTES: usize = 256;
/// What a key that is not known yet may be for.
const ALGORITHMS: [&str; 4] = ["HS256", "RS256", "ES256", "EdDSA"];
/// So many signatures are verified for one token at most.
const MOST_CANDIDATES: usize = 8;
const MAX_TOKEN_BYTES: usize = 16 * 1024;
