//! [`ScramExchange`]: the server's side, from client-first to server-final.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::keys::{KEY_BYTES, ScramKeys, hmac, sha256};
use super::message::{ClientFinal, ClientFirst};

/// An exchange that waits for client-final.
///
/// ```
/// use std::num::NonZeroU32;
///
/// use flux_auth::{ScramExchange, ScramKeys};
///
/// let few = NonZeroU32::MIN;
/// let keys = ScramKeys::of("pencil", few)?;
/// let (server_first, exchange) = ScramExchange::begin(b"n,,n=user,r=fyko", |name| match name {
///     "user" => keys,
///     unknown => ScramKeys::decoy(unknown, few, b"a secret of the server"),
/// })?;
/// assert!(server_first.starts_with("r=fyko"));
/// assert!(exchange.finish(b"c=biws,r=fyko,p=AAAA").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ScramExchange {
    username: String,
    keys: ScramKeys,
    gs2_header: String,
    /// The client's nonce and the server's.
    nonce: String,
    /// client-first without its header, and server-first (RFC 5802 section 3, AuthMessage).
    auth_message: String,
}

impl ScramExchange {
    /// Reads client-first, and returns server-first. `keys_of` returns the keys of a user; of one that is not there,
    /// a [decoy](ScramKeys::decoy).
    ///
    /// # Errors
    ///
    /// When the message is none, or asks for channel binding, or the system has no randomness.
    pub fn begin(
        client_first: &[u8],
        keys_of: impl FnOnce(&str) -> ScramKeys,
    ) -> Result<(String, Self), ScramError> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| ScramError::NoRandomness)?;
        Self::begin_with(client_first, keys_of, &STANDARD.encode(nonce))
    }

    fn begin_with(
        client_first: &[u8],
        keys_of: impl FnOnce(&str) -> ScramKeys,
        server_nonce: &str,
    ) -> Result<(String, Self), ScramError> {
        let text = str::from_utf8(client_first).map_err(|_| ScramError::Malformed)?;
        let first = ClientFirst::parse(text).ok_or(ScramError::Malformed)?;
        let keys = keys_of(&first.username);
        let nonce = format!("{}{server_nonce}", first.nonce);
        let salt = STANDARD.encode(&keys.salt);
        let server_first = format!("r={nonce},s={salt},i={}", keys.iterations);
        let auth_message = format!("{},{server_first}", first.bare);
        let gs2_header = first.gs2_header.to_owned();
        Ok((server_first, Self { username: first.username, keys, gs2_header, nonce, auth_message }))
    }

    /// Returns who the client says it is.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Returns how many bytes of text it holds: the name and what else the client sent stand in it several times.
    pub(super) const fn held(&self) -> usize {
        let Self { username, keys: _, gs2_header, nonce, auth_message } = self;
        username.len() + gs2_header.len() + nonce.len() + auth_message.len()
    }

    /// Reads client-final, and returns the user name, now proven, and server-final, which proves to the client that
    /// the server knows it.
    ///
    /// # Errors
    ///
    /// When the message is none, belongs to another exchange, or the proof is wrong.
    pub fn finish(self, client_final: &[u8]) -> Result<(String, String), ScramError> {
        let text = str::from_utf8(client_final).map_err(|_| ScramError::Malformed)?;
        let last = ClientFinal::parse(text).ok_or(ScramError::Malformed)?;
        // A replayed message has the nonce of another exchange.
        if last.channel_binding != STANDARD.encode(&self.gs2_header) || last.nonce != self.nonce {
            return Err(ScramError::NotProven);
        }
        let proof = STANDARD.decode(last.proof).map_err(|_| ScramError::Malformed)?;
        let proof = <[u8; KEY_BYTES]>::try_from(proof).map_err(|_| ScramError::Malformed)?;
        let auth_message = format!("{},{}", self.auth_message, last.without_proof);
        let mut client_key = hmac(&self.keys.stored, auth_message.as_bytes());
        client_key.iter_mut().zip(proof).for_each(|(byte, proof)| *byte ^= proof);
        if bool::from(sha256(&client_key).ct_ne(&self.keys.stored)) {
            return Err(ScramError::NotProven);
        }
        let signature = hmac(&self.keys.server, auth_message.as_bytes());
        Ok((self.username, format!("v={}", STANDARD.encode(signature))))
    }
}

impl fmt::Debug for ScramExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramExchange").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why an exchange fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScramError {
    /// A message is not what it has to be, or asks for what is not supported.
    #[error("the message is no SCRAM message, or asks for channel binding, which is not supported")]
    Malformed,
    /// The proof is wrong, or belongs to another exchange.
    #[error("the password is not proven")]
    NotProven,
    /// The system gives no random bytes.
    #[error("the system has no random bytes for a nonce")]
    NoRandomness,
}

/// Nobody meets the same nonce twice.
const NONCE_BYTES: usize = 18;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// RFC 7677 section 3.
    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn keys() -> ScramKeys {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        ScramKeys::derive("pencil", NonZeroU32::new(4096).unwrap(), &salt).unwrap()
    }

    fn begin(server_nonce: &str, keys: ScramKeys) -> (String, ScramExchange) {
        ScramExchange::begin_with(FIRST, |_| keys, server_nonce).unwrap()
    }

    #[test]
    fn the_exchange_of_the_standard_succeeds() {
        let (server_first, exchange) = begin(SERVER_NONCE, keys());
        assert_eq!(
            server_first,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let expected = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(exchange.finish(FINAL.as_bytes()), Ok(("user".into(), expected.into())));
    }

    #[test]
    fn a_replayed_message_and_a_wrong_proof_fail() {
        let (_, exchange) = begin("another", keys());
        assert_eq!(exchange.finish(FINAL.as_bytes()), Err(ScramError::NotProven));
        let replayed = FINAL.replace(SERVER_NONCE, "another");
        let (_, exchange) = begin("another", keys());
        assert_eq!(exchange.finish(replayed.as_bytes()), Err(ScramError::NotProven));
        let decoy = ScramKeys::decoy("user", NonZeroU32::MIN, b"secret");
        let (_, exchange) = begin(SERVER_NONCE, decoy);
        assert_eq!(exchange.finish(FINAL.as_bytes()), Err(ScramError::NotProven));
    }

    /// Returns client-final of somebody who knows the password, with this header and nonce.
    fn client_final(server_first: &str, header: &str, nonce: &str) -> String {
        let without_proof = format!("c={header},r={nonce}");
        let auth_message = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{server_first},{without_proof}");
        let mut salted = [0; KEY_BYTES];
        let (iterations, salt) = (keys().iterations, keys().salt);
        let algorithm = ring::pbkdf2::PBKDF2_HMAC_SHA256;
        ring::pbkdf2::derive(algorithm, iterations, &salt, b"pencil", &mut salted);
        let client_key = hmac(&salted, b"Client Key");
        let signature = hmac(&sha256(&client_key), auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, it)| key ^ it).collect();
        format!("{without_proof},p={}", STANDARD.encode(proof))
    }

    #[test]
    fn also_who_knows_the_password_repeats_nonce_and_header() {
        let nonce = format!("rOprNGfwEbeRWgbNEkqO{SERVER_NONCE}");
        let finish = |header, nonce: &str| {
            let (server_first, exchange) = begin(SERVER_NONCE, keys());
            exchange.finish(client_final(&server_first, header, nonce).as_bytes())
        };
        assert!(finish("biws", &nonce).is_ok());
        assert_eq!(finish("biws", "rOprNGfwEbeRWgbNEkqO"), Err(ScramError::NotProven));
        assert_eq!(finish("eSws", &nonce), Err(ScramError::NotProven));
    }

    #[test]
    fn nothing_of_the_messages_can_be_changed() {
        let other_header = FINAL.replace("c=biws", "c=eSws");
        let short = FINAL.replace("dHzbZapW", "");
        let changed = FINAL.replace("p=d", "p=e");
        for (message, expected) in [
            (other_header.as_str(), ScramError::NotProven),
            (&changed, ScramError::NotProven),
            (&short, ScramError::Malformed),
            ("", ScramError::Malformed),
            ("c=biws,r=x", ScramError::Malformed),
        ] {
            let (_, exchange) = begin(SERVER_NONCE, keys());
            assert_eq!(exchange.finish(message.as_bytes()), Err(expected), "{message}");
        }
        let begun = ScramExchange::begin(b"p=tls-exporter,,n=user,r=a", |_| keys());
        assert_eq!(begun.err(), Some(ScramError::Malformed));
        let nonces = [0, 1].map(|_| ScramExchange::begin(FIRST, |_| keys()).unwrap().0);
        assert_ne!(nonces[0], nonces[1]);
    }
}
