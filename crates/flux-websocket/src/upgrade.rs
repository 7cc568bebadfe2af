//! The request that a connection begins with, and the answer to it.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::{EMPTY_HEADER, Header, Request, Status};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use thiserror::Error;

use crate::origin::Origins;

/// Which requests are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeRules {
    /// The path that must be asked for; what follows a question mark is not looked at. `*` is any.
    pub path: String,
    /// Whose pages may connect.
    pub origins: Origins,
}

/// A request that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// What is spoken over it.
    pub protocol: SubProtocol,
    /// The addresses in `X-Forwarded-For`, the one nearest to us last. Who is not trusted may have written them. The list begins
    /// behind the last word that is no address.
    pub forwarded_for: Vec<IpAddr>,
    accept: String,
}

/// What a client names as the protocol over WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubProtocol {
    /// `mqtt`: what the standard says. [MQTT-6.0.0-3]
    Mqtt,
    /// `mqttv3.1`: clients from before it.
    MqttV31,
}

/// Why a request is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is no request of HTTP/1.1.
    #[error("what came is no HTTP request: {0}")]
    Malformed(String),
    /// It has more bytes or fields than a request to upgrade needs.
    #[error("the request has more than {MAX_LEN} bytes or {MAX_FIELDS} fields")]
    TooLong,
    /// Frames came before the answer. RFC 6455 section 4.1.
    #[error("the client did not wait for the answer")]
    Impatient,
    /// Only GET upgrades.
    #[error("the method is not GET")]
    Method,
    /// There is something else, or nothing. What follows a question mark is left out: pages put tokens there.
    #[error("the path {0:?} is not served")]
    Path(String),
    /// It does not ask for WebSocket.
    #[error("the request does not ask to upgrade to websocket")]
    NoUpgrade,
    /// It asks for another version than 13.
    #[error("the version of WebSocket is not 13")]
    Version,
    /// `Sec-WebSocket-Key` is missing, or not 16 bytes in base64.
    #[error("the key is missing or malformed")]
    Key,
    /// It does not offer `mqtt`. [MQTT-6.0.0-3]
    #[error("the sub-protocol mqtt is not offered")]
    SubProtocol,
    /// A page of an origin that may not connect.
    #[error("pages of {0:?} may not connect")]
    Origin(String),
}

impl Upgrade {
    /// Reads what has come of a request. `None` until it has come whole.
    ///
    /// # Errors
    ///
    /// When it is not accepted: send [`Refusal::response`] and close.
    pub fn read(bytes: &[u8], rules: &UpgradeRules) -> Result<Option<Self>, Refusal> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut request = Request::new(&mut fields);
        // A request is at most so long; what follows it may be in the same buffer.
        let head = bytes.get(..MAX_LEN).unwrap_or(bytes);
        let len = match request.parse(head) {
            Ok(Status::Complete(len)) => len,
            Ok(Status::Partial) if head.len() < MAX_LEN => return Ok(None),
            Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Refusal::TooLong);
            }
            Err(error) => return Err(Refusal::Malformed(error.to_string())),
        };
        if request.version != Some(1) {
            return Err(Refusal::Malformed("its version is not HTTP/1.1".to_owned()));
        }
        if request.method != Some("GET") {
            return Err(Refusal::Method);
        }
        let fields = Fields(request.headers);
        // RFC 9112 section 3.2, RFC 6455 section 4.2.1.
        if fields.only("host").is_none() {
            return Err(Refusal::Malformed("it has no Host, or several".to_owned()));
        }
        if fields.has_body() {
            return Err(Refusal::Malformed("it has a body".to_owned()));
        }
        let path = path_of(request.path.unwrap_or_default());
        if rules.path != ANY && path.split('?').next() != Some(&rules.path) {
            return Err(Refusal::Path(shown(path).to_owned()));
        }
        if !fields.has_word("upgrade", "websocket") || !fields.has_word("connection", "upgrade") {
            return Err(Refusal::NoUpgrade);
        }
        if fields.only("sec-websocket-version") != Some("13") {
            return Err(Refusal::Version);
        }
        fields.check_origin(rules)?;
        let protocol = fields.protocol().ok_or(Refusal::SubProtocol)?;
        let key = fields.only("sec-websocket-key").filter(|key| is_key(key));
        let accept = accept(key.ok_or(Refusal::Key)?);
        if len < bytes.len() {
            return Err(Refusal::Impatient);
        }
        Ok(Some(Self { protocol, forwarded_for: fields.forwarded_for(), accept }))
    }

    /// Returns what to send before the first frame.
    #[must_use]
    pub fn response(&self) -> String {
        let (accept, protocol) = (&self.accept, self.protocol.name());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        )
    }
}

impl SubProtocol {
    const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::MqttV31 => "mqttv3.1",
        }
    }
}

impl Refusal {
    /// Returns what to send before the connection closes.
    #[must_use]
    pub fn response(&self) -> String {
        let (status, field) = match self {
            Self::Malformed(_) | Self::Impatient | Self::Key | Self::SubProtocol => {
                ("400 Bad Request", "")
            }
            Self::TooLong => ("431 Request Header Fields Too Large", ""),
            Self::Method => ("405 Method Not Allowed", "Allow: GET\r\n"),
            Self::Path(_) => ("404 Not Found", ""),
            Self::NoUpgrade => ("426 Upgrade Required", "Upgrade: websocket\r\n"),
            Self::Version => {
                ("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
            }
            Self::Origin(_) => ("403 Forbidden", ""),
        };
        // Words of our own: what was asked is not given back.
        let words = match self {
            Self::Malformed(_) => "what came is no HTTP request\n".to_owned(),
            Self::Path(_) => "nothing is served at this path\n".to_owned(),
            Self::Origin(_) => {
                "pages of this origin may not connect here: who runs the broker can add it to \
                                `origins` of the listener (--ws-origin)\n"
                    .to_owned()
            }
            Self::TooLong
            | Self::Impatient
            | Self::Method
            | Self::NoUpgrade
            | Self::Version
            | Self::Key
            | Self::SubProtocol => format!("{self}\n"),
        };
        let len = words.len();
        format!(
            "HTTP/1.1 {status}\r\n{field}Connection: close\r\nContent-Type: text/plain\r\n\
             Content-Length: {len}\r\n\r\n{words}"
        )
    }
}

struct Fields<'a>(&'a [Header<'a>]);

impl<'a> Fields<'a> {
    /// Returns the values of all fields with a name; what is not text is none.
    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| str::from_utf8(field.value).unwrap_or_default().trim())
    }

    /// Returns the value of a field that stands there once.
    fn only(&self, name: &'static str) -> Option<&'a str> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Returns what fields list, each word separated by commas.
    fn words(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.values(name).flat_map(|value| value.split(',')).map(str::trim)
    }

    fn has_word(&self, name: &'static str, word: &str) -> bool {
        self.words(name).any(|it| it.eq_ignore_ascii_case(word))
    }

    fn has_body(&self) -> bool {
        let mut lengths = self.values("content-length");
        lengths.any(|len| len != "0") || self.values("transfer-encoding").next().is_some()
    }

    fn protocol(&self) -> Option<SubProtocol> {
        let offered = |protocol: &SubProtocol| {
            self.words("sec-websocket-protocol").any(|word| word == protocol.name())
        };
        [SubProtocol::Mqtt, SubProtocol::MqttV31].into_iter().find(offered)
    }

    fn check_origin(&self, rules: &UpgradeRules) -> Result<(), Refusal> {
        let host = self.only("host");
        let refused = self.values("origin").find(|origin| !rules.origins.admit(origin, host));
        refused.map_or(Ok(()), |origin| Err(Refusal::Origin(origin.to_owned())))
    }

    fn forwarded_for(&self) -> Vec<IpAddr> {
        let words: Vec<_> = self.words("x-forwarded-for").collect();
        let nearest_first = words.iter().rev().map_while(|word| word.parse().ok());
        let mut addresses: Vec<IpAddr> = nearest_first.collect();
        addresses.reverse();
        addresses
    }
}

/// Returns the path of a target, which may be a whole address (RFC 9112 section 3.2.2).
fn path_of(target: &str) -> &str {
    let Some((scheme, rest)) = target.split_once("://") else { return target };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return target;
    }
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// Returns what to write down of a target: neither what may be a token, nor who asks with which password.
fn shown(target: &str) -> &str {
    let before = target.find(['?', '#']).and_then(|at| target.get(..at)).unwrap_or(target);
    match before.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => before,
    }
}

fn is_key(key: &str) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

/// Proves that the key was read (RFC 6455 section 4.2.2).
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// The path of rules under which any may be asked for.
const ANY: &str = "*";
/// The most bytes that a request may have.
const MAX_LEN: usize = 8 * 1024;
/// The most fields that it may have.
const MAX_FIELDS: usize = 64;
