//! The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), and AUTH packets.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use super::{Version, packet, string};

/// A client that knows a password.
pub(crate) struct Scram {
    user: String,
    password: String,
    nonce: String,
    server_signature: String,
}

impl Scram {
    pub(crate) fn new(user: &str, password: &str, nonce: &str) -> Self {
        let [user, password, nonce] = [user, password, nonce].map(str::to_owned);
        Self { user, password, nonce, server_signature: String::new() }
    }

    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// Returns client-final, and remembers what server-final has to be.
    pub(crate) fn last(&mut self, server_first: &str) -> String {
        let mut fields = server_first.split(',').map(|field| field.split_once('=').unwrap().1);
        let (nonce, salt) = (fields.next().unwrap(), fields.next().unwrap());
        let iterations: NonZeroU32 = fields.next().unwrap().parse().unwrap();
        assert!(nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len() + 16, "{nonce}");
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{server_first},{without_proof}", self.bare());
        let (mut salted, salt) = ([0; 32], STANDARD.decode(salt).unwrap());
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, &salt, self.password.as_bytes(), &mut salted);
        let client_key = mac(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, &client_key);
        let signature = mac(stored.as_ref(), message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, it)| key ^ it).collect();
        let server_key = mac(&salted, b"Server Key");
        self.server_signature =
            format!("v={}", STANDARD.encode(mac(&server_key, message.as_bytes())));
        format!("{without_proof},p={}", STANDARD.encode(proof))
    }

    /// The server has to prove that it knows the password, too.
    #[track_caller]
    pub(crate) fn check(&self, server_final: &str) {
        assert_eq!(server_final, self.server_signature);
    }
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// Authentication Method and Authentication Data, as properties.
pub(crate) fn method(name: &str, data: &str) -> Vec<u8> {
    [&[0x15][..], &string(name), &[0x16], &string(data)].concat()
}

/// An AUTH.
pub(crate) fn auth(code: u8, name: &str, data: &str) -> Vec<u8> {
    packet(0xF0, &[&[code], &Version::V5.properties(&method(name, data))])
}
