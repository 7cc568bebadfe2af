//! Who left a will, as bytes: what rules look at, for a process that comes later.
//!
//! A version, then fields: a tag, a length (u32, little endian), and so many bytes. An attribute is a name and then its
//! value.

use std::sync::Arc;

use flux_auth::{Client, Identity};
use thiserror::Error;

/// Why bytes do not say who left a will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ReadTestatorError {
    /// It took too much room.
    #[error("who left the will took more than {MOST} bytes")]
    TooLong,
    /// This program did not write that.
    #[error("who left the will is in a form that this program does not know")]
    Unknown,
}

/// Writes down who left a will, or that it takes too much room.
pub(crate) fn write(client: &Client) -> Vec<u8> {
    let Client { identity, peer, listener, .. } = client;
    let mut out = vec![VERSION];
    if let Some(username) = &identity.username {
        put(&mut out, if identity.is_claimed { CLAIMED_NAME } else { NAME }, username);
    }
    identity.roles.iter().for_each(|role| put(&mut out, ROLE, role));
    for (name, value) in identity.attributes.iter() {
        put(&mut out, ATTRIBUTE, name);
        put(&mut out, VALUE, value);
    }
    if let Some(peer) = peer {
        put(&mut out, PEER, &peer.to_string());
    }
    if let Some(listener) = listener {
        put(&mut out, LISTENER, listener);
    }
    if out.len() > MOST { vec![TOO_LONG] } else { out }
}

/// Reads who left the will of a session; `None` if nobody wrote it down.
///
/// # Errors
///
/// When it is not known whom to ask rules about: the will must not be published.
pub(crate) fn read(
    client_id: &Arc<str>,
    bytes: &[u8],
) -> Result<Option<Client>, ReadTestatorError> {
    let mut rest = match bytes.split_first() {
        None => return Ok(None),
        Some((&VERSION, rest)) => rest,
        Some((&TOO_LONG, [])) => return Err(ReadTestatorError::TooLong),
        Some(_) => return Err(ReadTestatorError::Unknown),
    };
    let mut client = Client::new(client_id.clone(), Identity::anonymous());
    while !rest.is_empty() {
        let read = field(&mut client, &mut rest);
        read.ok_or(ReadTestatorError::Unknown)?;
    }
    Ok(Some(client))
}

fn field(client: &mut Client, rest: &mut &[u8]) -> Option<()> {
    let (tag, text) = take(rest)?;
    let identity = &mut client.identity;
    match tag {
        NAME | CLAIMED_NAME => {
            (identity.username, identity.is_claimed) = (Some(text.into()), tag == CLAIMED_NAME);
        }
        ROLE => identity.roles.push(text.into()),
        ATTRIBUTE => {
            let (VALUE, value) = take(rest)? else { return None };
            identity.attributes.insert(text, value);
        }
        PEER => client.peer = Some(text.parse().ok()?),
        LISTENER => client.listener = Some(text.into()),
        _ => return None,
    }
    Some(())
}

fn put(out: &mut Vec<u8>, tag: u8, text: &str) {
    // What does not fit into the length does not fit into the whole either.
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.push(tag);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a str)> {
    let (tag, after) = rest.split_first()?;
    let (len, after) = after.split_first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let (text, after) = after.split_at_checked(len)?;
    *rest = after;
    Some((*tag, std::str::from_utf8(text).ok()?))
}

/// So many bytes at most are stored.
const MOST: usize = 64 << 10;

const VERSION: u8 = 1;
/// In place of a version.
const TOO_LONG: u8 = 0xFF;

const NAME: u8 = 1;
const CLAIMED_NAME: u8 = 2;
const ROLE: u8 = 3;
const ATTRIBUTE: u8 = 4;
const VALUE: u8 = 5;
const PEER: u8 = 6;
const LISTENER: u8 = 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clients() -> impl Strategy<Value = Client> {
        let text = || "[a-z\0ü/+#]{0,5}";
        let pairs = prop::collection::vec((text(), text()), 0..4);
        let peers = vec!["192.0.2.1:1883", "[2001:db8::1]:1"];
        let peer = prop::option::of(prop::sample::select(peers));
        let name = prop::option::of((text(), any::<bool>()));
        let parts =
            (name, prop::collection::vec(text(), 0..4), pairs, peer, prop::option::of(text()));
        parts.prop_map(|(name, roles, pairs, peer, listener)| {
            let mut identity = match name {
                None => Identity::anonymous(),
                Some((name, true)) => Identity::claimed(name),
                Some((name, false)) => Identity::user(name),
            };
            identity.roles = roles.into_iter().map(Box::from).collect();
            identity.attributes =
                pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut client = Client::new("c", identity);
            client.peer = peer.map(|peer| peer.parse().unwrap());
            client.listener = listener.map(Arc::from);
            client
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(client in clients(), cut in 1_usize..20) {
            let bytes = write(&client);
            prop_assert_eq!(read(&client.client_id, &bytes), Ok(Some(client.clone())));
            // A part of it is somebody else, or nobody; it is never more.
            let part = bytes.get(..bytes.len().saturating_sub(cut)).unwrap_or_default();
            prop_assert_ne!(read(&client.client_id, part), Ok(Some(client)));
        }

        #[test]
        fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&"c".into(), &bytes);
            let _ = read(&"c".into(), &[&[VERSION], &bytes[..]].concat());
        }
    }

    #[test]
    fn nothing_is_nobody_and_what_is_too_long_or_unknown_is_an_error() {
        let id: Arc<str> = "c".into();
        assert_eq!(read(&id, &[]), Ok(None));
        for bytes in [&[2][..], &[VERSION, 9, 0, 0, 0, 0], &[VERSION, NAME, 1], &[TOO_LONG, 0]] {
            assert_eq!(read(&id, bytes), Err(ReadTestatorError::Unknown), "{bytes:?}");
        }
        let user = |len| Client::new(id.clone(), Identity::user("x".repeat(len)));
        assert!(read(&id, &write(&user(MOST - 6))).is_ok());
        assert_eq!(read(&id, &write(&user(MOST - 5))), Err(ReadTestatorError::TooLong));
    }
}
