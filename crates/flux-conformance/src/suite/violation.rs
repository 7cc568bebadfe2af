//! Packets that break the rules, each in a form of its own, and what must come of them.

use crate::case::Trial;
use crate::run::sentence;
use crate::{Client, Publish, packet};

/// One way to break the rules.
pub(crate) struct Form {
    pub(crate) what: String,
    pub(crate) bytes: Vec<u8>,
    /// The reason codes that say what was wrong, in MQTT 5.0.
    pub(crate) codes: &'static [u8],
}

pub(crate) const MALFORMED: &[u8] = &[0x81];
pub(crate) const PROTOCOL_ERROR: &[u8] = &[0x82];
/// The standard says that it must not be, and not which of the two it is.
pub(crate) const EITHER: &[u8] = &[0x81, 0x82];
pub(crate) const FILTER_INVALID: &[u8] = &[0x8F, 0x81, 0x82];
pub(crate) const NAME_INVALID: &[u8] = &[0x90, 0x81, 0x82];

pub(crate) fn form(what: impl Into<String>, bytes: Vec<u8>, codes: &'static [u8]) -> Form {
    Form { what: what.into(), bytes, codes }
}

/// The same packet with another first byte.
pub(crate) fn with_first(first: u8, mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[0] = first;
    bytes
}

/// Each form ends its own connection, and nobody else's.
#[track_caller]
pub(crate) fn ends_the_connection(trial: &Trial, forms: Vec<Form>) {
    let mut bystander = bystander(trial);
    for Form { what, bytes, .. } in forms {
        let mut client = trial.client("violator");
        client.try_send(&bytes);
        let code = end_of(&mut client, &what);
        assert!(code.is_none_or(|code| code >= 0x80), "{what}: DISCONNECT with {code:02x?}");
        bystander.expect_alive();
    }
    is_served(trial, &mut bystander);
}

/// MQTT 5.0: DISCONNECT says why each form ends its connection.
#[track_caller]
pub(crate) fn is_told(trial: &Trial, forms: Vec<Form>) {
    let mut wrong = Vec::new();
    for Form { what, bytes, codes } in forms {
        let mut client = trial.client("violator");
        client.try_send(&bytes);
        let code = end_of(&mut client, &what);
        if !code.is_some_and(|code| codes.contains(&code)) {
            let got = code.map_or_else(|| "nothing".to_owned(), |code| format!("{code:#04x}"));
            wrong.push(format!("{what}: {got} instead of {codes:02x?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("; "));
}

/// Each form of CONNECT is refused; before MQTT 5.0 without a byte, since there is no code for it.
#[track_caller]
pub(crate) fn refuses_connect(trial: &Trial, forms: Vec<Form>) {
    let mut bystander = bystander(trial);
    for Form { what, bytes, .. } in forms {
        let code = end_of(&mut trial.send(&bytes), &what);
        if trial.is_v5() {
            assert!(code.is_none_or(|code| code >= 0x80), "{what}: CONNACK with {code:02x?}");
        } else {
            assert_eq!(
                code, None,
                "{what}: CONNACK although the packet is not one of the standard"
            );
        }
    }
    is_served(trial, &mut bystander);
}

/// MQTT 5.0: CONNACK says why each form of CONNECT is refused.
#[track_caller]
pub(crate) fn connack_tells(trial: &Trial, forms: Vec<Form>) {
    let mut wrong = Vec::new();
    for Form { what, bytes, codes } in forms {
        let code = end_of(&mut trial.send(&bytes), &what);
        if !code.is_some_and(|code| codes.contains(&code)) {
            let got = code.map_or_else(|| "nothing".to_owned(), |code| format!("{code:#04x}"));
            wrong.push(format!("{what}: {got} instead of {codes:02x?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("; "));
}

/// The end of a connection, with the form in words if it does not come.
#[track_caller]
fn end_of(client: &mut Client, what: &str) -> Option<u8> {
    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.expect_end()));
    end.unwrap_or_else(|payload| panic!("{what}: {}", sentence(&*payload)))
}

fn bystander(trial: &Trial) -> Client {
    let mut bystander = trial.client("bystander");
    bystander.follow(&trial.topic("bystander"), 0);
    bystander
}

#[track_caller]
fn is_served(trial: &Trial, bystander: &mut Client) {
    let publish = Publish::new(&trial.topic("bystander"), "still served");
    bystander.send(&publish.bytes(trial.version));
    bystander.expect_text("still served");
}

/// CONNECT from its parts.
pub(crate) fn connect(trial: &Trial, flags: u8, properties: &[u8], payload: &[&[u8]]) -> Vec<u8> {
    let head = [
        crate::string(trial.version.protocol_name()),
        vec![trial.version.level(), flags, 0, 60],
        trial.version.properties(properties),
    ];
    packet(0x10, &[&head.concat(), &payload.concat()])
}
