//! AUTH: the steps of enhanced authentication (section 3.15).

use bytes::Bytes;
use ntex_mqtt::v5::codec::{self, AuthReasonCode};

use super::codec::encode_v5;
use super::property::{self, Place};
use super::{Frame, FrameError};

/// What a client sends for the next step.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Auth {
    pub(crate) step: AuthStep,
    /// The Authentication Method, which must be there (section 3.15.2.2.2).
    pub(crate) method: String,
    /// The Authentication Data; empty if there is none.
    pub(crate) data: Bytes,
}

/// The Authenticate Reason Code (table 3-11), as far as a client sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthStep {
    /// 0x18, Continue authentication.
    Continue,
    /// 0x19, Re-authenticate.
    Again,
}

impl Auth {
    pub(crate) fn read(frame: &Frame<'_>) -> Result<Self, FrameError> {
        let mut cursor = frame.cursor();
        // Success may be left out, and only a server says so [MQTT-3.15.2-1].
        let code = if cursor.is_empty() { 0 } else { cursor.u8()? };
        let step = match code {
            0x18 => AuthStep::Continue,
            0x19 => AuthStep::Again,
            code => return Err(FrameError::ReasonCode { code, packet: "AUTH" }),
        };
        let (mut method, mut data) = (None, Bytes::new());
        property::read(&mut cursor, Place::Auth, |property| match property.id {
            property::AUTHENTICATION_METHOD => method = property.text().map(str::to_owned),
            property::AUTHENTICATION_DATA => data = Bytes::copy_from_slice(property.binary()),
            _ => {}
        })?;
        cursor.finish()?;
        let method = method.ok_or(FrameError::NoAuthenticationMethod)?;
        Ok(Self { step, method, data })
    }
}

/// Appends the AUTH that asks a client for more [MQTT-4.12.0-2], or with which a re-authentication ends well. Appends
/// nothing, and returns `false`, if it is larger than the client's Maximum Packet Size [MQTT-3.1.2-24].
#[must_use]
pub(crate) fn write_auth(
    out: &mut Vec<u8>,
    is_over: bool,
    method: &str,
    data: &Bytes,
    max: u32,
) -> bool {
    let reason_code = if is_over { AuthReasonCode::Success } else { AuthReasonCode::ContinueAuth };
    let packet = codec::Auth {
        reason_code,
        auth_method: Some(method.into()),
        auth_data: (!data.is_empty()).then(|| ntex_bytes::Bytes::copy_from_slice(data)),
        ..codec::Auth::default()
    };
    let start = out.len();
    encode_v5(out, codec::Packet::Auth(packet));
    let fits = u32::try_from(out.len() - start).is_ok_and(|len| len <= max);
    if !fits {
        out.truncate(start);
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split;

    #[track_caller]
    fn check(bytes: &[u8], expected: &Result<(AuthStep, &str, &[u8]), FrameError>) {
        let frame = split(bytes, 1000, None).unwrap().unwrap();
        let read = Auth::read(&frame);
        let read = read.as_ref().map(|it| (it.step, &*it.method, &*it.data)).map_err(Clone::clone);
        assert_eq!(&read, expected);
    }

    #[test]
    fn what_a_client_sends_is_read_and_what_it_may_not_send_is_told() {
        let (x, y) = ([0x15, 0, 1, b'x'], [0x16, 0, 2, 1, 2]);
        check(&[&[0xF0, 6, 0x18, 4][..], &x].concat(), &Ok((AuthStep::Continue, "x", b"")));
        check(&[&[0xF0, 11, 0x19, 9][..], &x, &y].concat(), &Ok((AuthStep::Again, "x", &[1, 2])));
        for code in [0, 1, 0x17, 0x87] {
            let wrong = FrameError::ReasonCode { code, packet: "AUTH" };
            check(&[&[0xF0, 6, code, 4][..], &x].concat(), &Err(wrong));
        }
        check(&[0xF0, 0], &Err(FrameError::ReasonCode { code: 0, packet: "AUTH" }));
        check(&[0xF0, 1, 0x18], &Err(FrameError::Truncated));
        check(&[0xF0, 2, 0x18, 0], &Err(FrameError::NoAuthenticationMethod));
        check(&[&[0xF0, 7, 0x18, 5][..], &y].concat(), &Err(FrameError::AuthenticationDataAlone));
        check(&[&[0xF0, 7, 0x18, 4][..], &x, &[0]].concat(), &Err(FrameError::TrailingBytes(1)));
        let misplaced = FrameError::MisplacedProperty { id: 0x11, packet: "AUTH" };
        check(&[0xF0, 7, 0x18, 5, 0x11, 0, 0, 0, 1], &Err(misplaced));
    }

    #[test]
    fn what_the_broker_sends_has_the_method_and_the_data() {
        let mut out = Vec::new();
        assert!(write_auth(&mut out, false, "x", &Bytes::from_static(&[1, 2]), 13));
        assert_eq!(out, [0xF0, 11, 0x18, 9, 0x15, 0, 1, b'x', 0x16, 0, 2, 1, 2]);
        let before = out.clone();
        assert!(!write_auth(&mut out, false, "x", &Bytes::from_static(&[1, 2]), 12));
        assert_eq!(out, before, "what does not fit is not there, what was is");
        out.clear();
        assert!(write_auth(&mut out, true, "x", &Bytes::new(), 8));
        assert_eq!(out, [0xF0, 6, 0, 4, 0x15, 0, 1, b'x']);
    }
}
