//! Everything in a store as lines of JSON.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flux_mqtt::{RetainHandling, SubscriptionOptions, Timestamp};
use flux_session::PacketId;
use flux_storage::{
    Directory, Queued, SessionKey, StoredContent, StoredGroup, StoredMessage, StoredSession,
    StoredWill, View,
};
use serde::Serialize;

use super::check::{PART, PARTS};
use super::{StoreError, cannot_open, lock};

/// Writes it all to standard output.
pub(super) fn export(path: &Path) -> Result<(), StoreError> {
    let opened = View::open(lock(path)?);
    let (mut view, _) = opened.map_err(|error| cannot_open(&error, path))?;
    let mut out = Lines(BufWriter::new(io::stdout().lock()));
    let written = write_all(&mut view, &mut out).and_then(|()| out.0.flush().map_err(cannot_write));
    match written {
        // Whoever reads has seen enough.
        Err(Stop::Closed) => Ok(()),
        Err(Stop::Error(error)) => Err(error),
        Ok(()) => Ok(()),
    }
}

/// One line.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Session {
        client_id: &'a str,
        /// The user that it belongs to.
        owner: Option<&'a str>,
        /// `None`: never.
        expires_after_seconds: Option<u32>,
        detached_since: Option<u64>,
        /// QoS 2 messages from the client that it has not released.
        open_packet_ids: Vec<u16>,
        queued: usize,
    },
    Subscription {
        client_id: &'a str,
        filter: &'a str,
        qos: u8,
        no_local: bool,
        retain_as_published: bool,
        retain_handling: u8,
        subscription_id: Option<u32>,
    },
    Will {
        client_id: &'a str,
        delay_seconds: u32,
        message_expiry_seconds: Option<u32>,
        message: Message<'a>,
    },
    Queued {
        client_id: &'a str,
        sequence: u64,
        qos: u8,
        retain: bool,
        subscription_ids: &'a [u32],
        /// Set once it may have been sent.
        packet_id: Option<u16>,
        /// `None` once PUBREC came.
        message: Option<Message<'a>>,
    },
    /// A shared subscription with a member that outlives its connection.
    Group {
        filter: &'a str,
        queued: usize,
    },
    /// A message that no member was sent, or has acknowledged at QoS 1.
    Waiting {
        filter: &'a str,
        sequence: u64,
        message: Option<Message<'a>>,
    },
    Retained {
        sequence: u64,
        message: Message<'a>,
    },
}

#[derive(Serialize)]
struct Message<'a> {
    topic: &'a str,
    qos: u8,
    retain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

impl<'a> Message<'a> {
    fn new(content: &'a StoredContent) -> Self {
        let payload = std::str::from_utf8(&content.payload).ok();
        Self {
            // Topics were checked when they came.
            topic: std::str::from_utf8(&content.topic).unwrap_or_default(),
            qos: content.qos.as_u8(),
            retain: content.retain,
            expires_at: content.expires_at.map(Timestamp::as_millis),
            properties_base64: (!content.properties.is_empty())
                .then(|| BASE64.encode(&content.properties)),
            payload,
            payload_base64: payload.is_none().then(|| BASE64.encode(&content.payload)),
        }
    }
}

struct Lines<W>(W);

enum Stop {
    Closed,
    Error(StoreError),
}

impl<W: Write> Lines<W> {
    fn put(&mut self, line: &Line<'_>) -> Result<(), Stop> {
        let written = serde_json::to_writer(&mut self.0, line).map_err(io::Error::from);
        written.and_then(|()| self.0.write_all(b"\n")).map_err(cannot_write)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn cannot_write(error: io::Error) -> Stop {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Stop::Closed;
    }
    Stop::Error(StoreError::CannotLook(format!("cannot write: {error}")))
}

impl From<flux_storage::ReadError> for Stop {
    fn from(error: flux_storage::ReadError) -> Self {
        Self::Error(error.into())
    }
}

fn write_all<W: Write>(view: &mut View<Directory>, out: &mut Lines<W>) -> Result<(), Stop> {
    let mut after = None;
    loop {
        let sessions = view.sessions(after, PART)?;
        let Some(last) = sessions.last() else { break };
        after = Some(last.session);
        for session in &sessions {
            write_session(session, out)?;
            for_each(view, session.session, |queued| {
                write_queued(&session.client_id, queued, out)
            })?;
        }
    }
    for StoredGroup { group, filter, queued } in view.groups()? {
        out.put(&Line::Group { filter: &filter, queued })?;
        for_each(view, group, |queued| {
            let (sequence, content) = (queued.sequence.0, queued.content.as_ref());
            out.put(&Line::Waiting {
                filter: &filter,
                sequence,
                message: content.map(Message::new),
            })
        })?;
    }
    let mut after: Option<String> = None;
    loop {
        let messages = view.retained(after.as_deref(), PARTS)?;
        let Some(last) = messages.last() else { return Ok(()) };
        after = Some(String::from_utf8_lossy(&last.content.topic).into_owned());
        for StoredMessage { sequence, content } in &messages {
            out.put(&Line::Retained { sequence: sequence.0, message: Message::new(content) })?;
        }
    }
}

/// Reads a queue, a part at a time.
fn for_each(
    view: &mut View<Directory>,
    key: SessionKey,
    mut write: impl FnMut(&Queued) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut after = None;
    loop {
        let messages = view.queue(key, after, PARTS)?;
        let Some(last) = messages.last() else { return Ok(()) };
        after = Some(last.sequence);
        messages.iter().try_for_each(&mut write)?;
    }
}

fn write_session<W: Write>(session: &StoredSession, out: &mut Lines<W>) -> Result<(), Stop> {
    let client_id = &*session.client_id;
    out.put(&Line::Session {
        client_id,
        owner: session.owner.user().map(|owner| &**owner),
        expires_after_seconds: session.expiry.lifetime().map(|_| session.expiry.as_secs()),
        detached_since: session.detached_since.map(Timestamp::as_millis),
        open_packet_ids: session.receipts.iter().map(|id| id.get()).collect(),
        queued: session.queued,
    })?;
    for (filter, options) in &session.subscriptions {
        let SubscriptionOptions { qos, no_local, retain_as_published, .. } = *options;
        let retain_handling = match options.retain_handling {
            RetainHandling::OnSubscribe => 0,
            RetainHandling::OnNewSubscription => 1,
            RetainHandling::Never => 2,
        };
        out.put(&Line::Subscription {
            client_id,
            filter,
            qos: qos.as_u8(),
            no_local,
            retain_as_published,
            retain_handling,
            subscription_id: options.subscription_id,
        })?;
    }
    if let Some(StoredWill { delay, expiry, content, testator: _ }) = &session.will {
        let message = Message::new(content);
        let (delay_seconds, message_expiry_seconds) = (*delay, *expiry);
        out.put(&Line::Will { client_id, delay_seconds, message_expiry_seconds, message })?;
    }
    Ok(())
}

fn write_queued<W: Write>(
    client_id: &str,
    queued: &Queued,
    out: &mut Lines<W>,
) -> Result<(), Stop> {
    out.put(&Line::Queued {
        client_id,
        sequence: queued.sequence.0,
        qos: queued.qos.as_u8(),
        retain: queued.retain,
        subscription_ids: queued.subscription_ids.as_slice(),
        packet_id: queued.packet_id.map(PacketId::get),
        message: queued.content.as_ref().map(Message::new),
    })
}
