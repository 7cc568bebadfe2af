//! Denials are told: counted, an event each, and in the log once per client and interval.

use flux_auth::Client;
use flux_eventbus::{Denial, Event, EventKind, excerpt};
use flux_session::Timestamp;
use tracing::field::display;

use super::Worker;
use crate::counters::Count;
use crate::effects::Effects;
use crate::reason::ReasonCode;

impl Worker {
    /// A client may not do what it wanted to do.
    pub(super) fn tell_denied(
        &mut self,
        now: Timestamp,
        client: &Client,
        denial: Denial,
        topic: &str,
        fx: &mut impl Effects,
    ) {
        fx.count(Count::Denied(denial));
        if fx.wants(EventKind::Denied) {
            let (client_id, username) =
                (client.client_id.clone(), client.identity.username.clone());
            fx.event(Event::Denied { client_id, username, denial, topic: topic.into() });
        }
        if self.broker.denials.is_news(now, client, denial, &mut self.named) {
            log(client, denial, topic);
        }
    }
}

#[cold]
fn log(client: &Client, denial: Denial, topic: &str) {
    let client_id = excerpt(&client.client_id);
    let username = excerpt(client.identity.username.as_deref().unwrap_or_default());
    let (client_id, username, topic) = (&*client_id, &*username, &*excerpt(topic));
    let (peer, listener) = (client.peer.map(display), client.listener.as_deref());
    let told = match denial {
        Denial::Session => ReasonCode::ClientIdentifierNotValid,
        _something_else => ReasonCode::NotAuthorized,
    };
    let (code, reason) = (format!("0x{:02X}", told.as_u8()), told.description());
    let access = denial.name();
    if denial == Denial::Session {
        return tracing::warn!(
            client_id,
            username,
            peer,
            listener,
            access,
            code,
            reason,
            help = "flux-broker clients show CLIENT says whose it is; clients kick --session CLIENT ends its session",
            "denied: the session with this client identifier belongs to another user"
        );
    }
    tracing::warn!(
        client_id,
        username,
        peer,
        listener,
        access,
        topic,
        code,
        reason,
        help = "`flux-broker acl explain` says which rule of acl.file decides, and why; where none does, acl.default decides: add a rule, \
                or set it to allow",
        "denied; what else this client may not do is counted only, for a minute"
    );
}
