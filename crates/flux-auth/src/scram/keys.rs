//! [`ScramKeys`]: what the server keeps of a password.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// What the server keeps of a password. It prints as PostgreSQL writes it:
/// `SCRAM-SHA-256$iterations:salt$stored:server`.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    pub(crate) iterations: NonZeroU32,
    pub(super) salt: Box<[u8]>,
    /// The hash of what the client proves to have (RFC 5802 section 3).
    pub(super) stored: [u8; KEY_BYTES],
    /// With which the server proves that it knew the password once.
    pub(super) server: [u8; KEY_BYTES],
}

impl ScramKeys {
    /// Returns the keys of a password, with a salt of its own.
    ///
    /// # Errors
    ///
    /// When the system has no randomness, or the password has characters beyond ASCII: what those would have to be
    /// normalised to (RFC 4013) is not implemented.
    pub fn of(password: &str, iterations: NonZeroU32) -> Result<Self, ScramKeysError> {
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).map_err(|_| ScramKeysError::NoRandomness)?;
        Self::derive(password, iterations, &salt)
    }

    pub(super) fn derive(
        password: &str,
        iterations: NonZeroU32,
        salt: &[u8],
    ) -> Result<Self, ScramKeysError> {
        if let Some(character) = password.chars().find(|it| !matches!(it, ' '..='~')) {
            return Err(ScramKeysError::NotAscii { character });
        }
        let mut salted = [0; KEY_BYTES];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut salted);
        let stored = sha256(&hmac(&salted, b"Client Key"));
        Ok(Self { iterations, salt: salt.into(), stored, server: hmac(&salted, b"Server Key") })
    }

    /// Returns whether these are the keys of a password.
    pub(crate) fn are_of(&self, password: &[u8]) -> bool {
        let derived = str::from_utf8(password)
            .ok()
            .and_then(|password| Self::derive(password, self.iterations, &self.salt).ok());
        derived.is_some_and(|derived| derived.stored.ct_eq(&self.stored).into())
    }

    /// Returns keys that no password has, always the same for the same name: who asks for a user that is not there
    /// cannot tell. `secret` is the server's own.
    #[must_use]
    pub fn decoy(username: &str, iterations: NonZeroU32, secret: &[u8]) -> Self {
        let bytes = hmac(secret, username.as_bytes());
        let salt = bytes.first_chunk::<SALT_BYTES>().map_or(Box::default(), |salt| (*salt).into());
        Self { iterations, salt, stored: hmac(secret, &bytes), server: hmac(&bytes, secret) }
    }
}

impl fmt::Display for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { iterations, salt, stored, server } = self;
        let [salt, stored, server] = [&salt[..], stored, server].map(|it| STANDARD.encode(it));
        write!(f, "SCRAM-SHA-256${iterations}:{salt}${stored}:{server}")
    }
}

impl FromStr for ScramKeys {
    type Err = ParseScramKeysError;

    fn from_str(text: &str) -> Result<Self, ParseScramKeysError> {
        let parts = || {
            let (costs, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
            let ((iterations, salt), (stored, server)) =
                (costs.split_once(':')?, keys.split_once(':')?);
            let key = |text| <[u8; KEY_BYTES]>::try_from(STANDARD.decode(text).ok()?).ok();
            let salt = STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?.into();
            let iterations = iterations.parse().ok()?;
            Some(Self { iterations, salt, stored: key(stored)?, server: key(server)? })
        };
        parts().ok_or(ParseScramKeysError)
    }
}

/// Does not print the keys, so that users may be logged.
impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys").finish_non_exhaustive()
    }
}

/// Why a password has no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScramKeysError {
    /// The system gives no random bytes.
    #[error("the system has no random bytes for a salt")]
    NoRandomness,
    /// A character has more than one form.
    #[error("the password has a {character:?}: with SCRAM only printable ASCII is supported")]
    NotAscii {
        /// The character.
        character: char,
    },
}

/// A text is not what [`ScramKeys`] print as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the keys are not of the form SCRAM-SHA-256$iterations:salt$stored:server")]
pub struct ParseScramKeysError;

pub(super) fn hmac(key: &[u8], message: &[u8]) -> [u8; KEY_BYTES] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    tag.as_ref().try_into().unwrap_or_default()
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; KEY_BYTES] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

pub(super) const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: NonZeroU32 = NonZeroU32::MIN;

    #[test]
    fn keys_print_and_are_read_alike() {
        let keys = ScramKeys::of("pencil", FEW).unwrap();
        assert_eq!(keys.to_string().parse(), Ok(keys.clone()));
        assert_ne!(ScramKeys::of("pencil", FEW).unwrap(), keys);
        assert_eq!(format!("{keys:?}"), "ScramKeys { .. }");
        for wrong in ["", "SCRAM-SHA-256$0:QQ==$QQ==:QQ==", "SCRAM-SHA-256$1:QQ==$QQ==:QQ=="] {
            assert_eq!(wrong.parse::<ScramKeys>(), Err(ParseScramKeysError));
        }
        let error = ScramKeys::of("p\u{e9}ncil", FEW).unwrap_err();
        assert_eq!(error, ScramKeysError::NotAscii { character: '\u{e9}' });
    }

    #[test]
    fn decoys_are_the_same_for_the_same_name() {
        let decoy = |name| ScramKeys::decoy(name, FEW, b"secret");
        assert_eq!(decoy("a"), decoy("a"));
        assert_ne!(decoy("a").salt, decoy("b").salt);
        assert_ne!(decoy("a").salt, ScramKeys::decoy("a", FEW, b"other").salt);
        assert_eq!(decoy("a").salt.len(), SALT_BYTES);
    }
}
