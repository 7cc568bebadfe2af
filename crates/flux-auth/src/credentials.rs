//! What a client shows at the door.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::Attributes;

/// What a CONNECT packet, and the connection it came on, say about a client.
///
/// Nothing in it is proven yet but what is in a certificate. `Debug` does not print the password, nor how long it is, so that
/// credentials may be logged.
#[derive(Clone)]
#[non_exhaustive]
pub struct Credentials {
    /// The client identifier (MQTT 5.0 section 3.1.3.1): the client's own or, when it sent none,
    /// the one the broker assigned to it.
    pub client_id: Arc<str>,
    /// The user name (MQTT 5.0 section 3.1.3.5).
    pub username: Option<Arc<str>>,
    /// The user name is that of its certificate, which was verified, and not what CONNECT says.
    pub is_named_by_certificate: bool,
    /// The password (MQTT 5.0 section 3.1.3.6), which may be any bytes.
    ///
    /// In MQTT 5.0 it may come without a user name, as a token does; in MQTT 3.1.1 it may not
    /// [MQTT-3.1.2-22].
    pub password: Option<Bytes>,
    /// Where the connection comes from, or `None` where that has no meaning.
    pub peer: Option<SocketAddr>,
    /// The protocol version (MQTT 5.0 section 3.1.2.2): 3 is MQTT 3.1, 4 is MQTT 3.1.1, 5 is
    /// MQTT 5.0.
    pub protocol_level: u8,
    /// The name of the listener that the connection came in by, or `None` where listeners have no names.
    pub listener: Option<Arc<str>>,
    /// What the client's certificate says, if it was verified: `cert.cn`, `cert.san`.
    pub certificate: Option<Attributes>,
}

impl Credentials {
    /// Returns the credentials of an MQTT 5.0 client that shows nothing but its identifier.
    ///
    /// The other fields are public: set what is known.
    pub fn new(client_id: impl Into<Arc<str>>) -> Self {
        Self {
            client_id: client_id.into(),
            username: None,
            is_named_by_certificate: false,
            password: None,
            peer: None,
            protocol_level: 5,
            listener: None,
            certificate: None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every field is named, so that a new one must be thought about here.
        let Self {
            client_id,
            username,
            is_named_by_certificate,
            password,
            peer,
            protocol_level,
            listener,
            certificate,
        } = self;
        f.debug_struct("Credentials")
            .field("client_id", client_id)
            .field("username", username)
            .field("is_named_by_certificate", is_named_by_certificate)
            .field("password", &password.as_ref().map(|_| HIDDEN))
            .field("peer", peer)
            .field("protocol_level", protocol_level)
            .field("listener", listener)
            .field("certificate", certificate)
            .finish()
    }
}

/// What stands in place of a password.
const HIDDEN: &str = "<hidden>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_credentials_show_nothing_but_the_identifier() {
        let credentials = Credentials::new("meter");
        assert_eq!(&*credentials.client_id, "meter");
        assert_eq!(credentials.username, None);
        assert_eq!(credentials.password, None);
        assert_eq!(credentials.peer, None);
        assert_eq!(credentials.protocol_level, 5);
    }

    #[test]
    fn debug_tells_whether_there_is_a_password_and_no_more() {
        let mut short = Credentials::new("meter");
        short.username = Some("alice".into());
        assert!(format!("{short:?}").contains("password: None"));

        let mut long = short.clone();
        short.password = Some(Bytes::from_static(b"abc"));
        long.password = Some(Bytes::from_static(b"correct horse battery staple"));

        assert!(format!("{short:?}").contains("alice"));
        assert!(!format!("{short:?}").contains("abc"));
        assert_eq!(format!("{short:?}"), format!("{long:?}"));
        assert!(!format!("{long:#?}").contains("horse"));
    }
}
