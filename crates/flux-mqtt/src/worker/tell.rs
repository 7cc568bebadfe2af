//! What is counted and told to the platform: here, and nowhere else in a worker (but panics: `panic`; what
//! clients may not do: `denials`).
//!
//! To count costs nothing that would have to be avoided; an event is made only when somebody listens.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use flux_auth::Client;
use flux_eventbus::{DisconnectReason, DropReason, Event, EventKind, Limit, Source};
use flux_session::Dropped;
use flux_topic::TopicName;

use crate::counters::Count;
use crate::effects::Effects;
use crate::message::Message;
use crate::reason::{ReasonCode, drop_reason, lost};
use crate::routes::Followed;
use crate::session::{SharedSession, source_of};
use crate::share::Waiting;

/// A client did not get a message, or nobody of a shared subscription.
pub(super) fn tell_dropped(
    client_id: Option<&Arc<str>>,
    message: &Message,
    reason: DropReason,
    fx: &mut impl Effects,
) {
    fx.count(Count::Dropped(reason));
    tell_drop(client_id, message.topic(), reason, Source::default, fx);
}

/// A client did not get a message, which is noted with its session.
pub(super) fn tell_not_got(
    session: &SharedSession,
    message: &Message,
    reason: DropReason,
    fx: &mut impl Effects,
) {
    session.losses.count(reason);
    fx.count(Count::Dropped(reason));
    tell_drop(Some(&session.client_id), message.topic(), reason, || session.source(), fx);
}

/// A message was not accepted from a client, which is noted with its session.
pub(super) fn tell_not_accepted(
    session: &SharedSession,
    topic: TopicName<'_>,
    reason: DropReason,
    fx: &mut impl Effects,
) {
    session.losses.count(reason);
    fx.count(Count::Dropped(reason));
    tell_drop(Some(&session.client_id), topic.as_str(), reason, || session.source(), fx);
}

/// The event of a drop that is counted already.
fn tell_drop(
    client_id: Option<&Arc<str>>,
    topic: &str,
    reason: DropReason,
    source: impl FnOnce() -> Source,
    fx: &mut impl Effects,
) {
    if fx.wants(EventKind::Dropped) {
        let (client_id, topic) = (client_id.cloned(), topic.into());
        fx.event_from(Event::Dropped { client_id, topic, reason }, source());
    }
}

/// A session lost messages that it had taken.
pub(super) fn tell_lost(
    session: &SharedSession,
    dropped: Vec<Dropped<Message>>,
    fx: &mut impl Effects,
) {
    for (message, reason) in dropped.into_iter().map(lost) {
        tell_not_got(session, &message, reason, fx);
    }
}

/// All these messages were dropped at once: they may be a million, and are looked at only if somebody
/// listens.
pub(super) fn tell_all_dropped<'a>(
    session: Option<&SharedSession>,
    count: usize,
    messages: impl Iterator<Item = &'a Message>,
    reason: DropReason,
    fx: &mut impl Effects,
) {
    if count == 0 {
        return;
    }
    fx.count_times(Count::Dropped(reason), u64::try_from(count).unwrap_or(u64::MAX));
    if fx.wants(EventKind::Dropped) {
        let client_id = session.map(|session| &session.client_id);
        let source = session.map(SharedSession::source).unwrap_or_default();
        for message in messages {
            tell_drop(client_id, message.topic(), reason, || source.clone(), fx);
        }
    }
}

/// What waited in shared subscriptions when their last members left is for nobody.
pub(super) fn tell_no_member(waited: &[VecDeque<Waiting>], fx: &mut impl Effects) {
    let (count, messages) = (waited.iter().map(VecDeque::len).sum(), waited.iter().flatten());
    let messages = messages.map(|waiting| &waiting.message);
    tell_all_dropped(None, count, messages, DropReason::NoMember, fx);
}

/// What waited for a session in the shared subscriptions that it left, or for any member where it was the last.
pub(super) fn tell_left(followed: Followed, fx: &mut impl Effects) {
    for (waiting, reason) in followed.dropped {
        tell_dropped(None, &waiting.message, drop_reason(reason), fx);
    }
    tell_no_member(&followed.waited, fx);
}

/// A PUBLISH, or one filter of a SUBSCRIBE or UNSUBSCRIBE, was refused.
pub(super) fn tell_refused(code: ReasonCode, fx: &mut impl Effects) {
    fx.count(Count::Refused(code));
}

/// A limit was reached, by a connection whose client is not admitted, or by nobody in particular.
pub(super) fn tell_limit(
    limit: Limit,
    client_id: Option<&Arc<str>>,
    from: impl FnOnce() -> Source,
    fx: &mut impl Effects,
) {
    fx.count(Count::Reached(limit));
    if fx.wants(EventKind::LimitReached) {
        let (client_id, source) = (client_id.cloned(), from());
        fx.event_from(Event::LimitReached { limit, client_id, peer: source.peer }, source);
    }
}

/// A client that is admitted reached a limit.
pub(super) fn tell_limit_of(limit: Limit, client: &Client, fx: &mut impl Effects) {
    tell_limit(limit, Some(&client.client_id), || source_of(client), fx);
}

/// The connection of a client that had been admitted, or a consumer, is over.
pub(super) fn tell_disconnected(client: &Client, reason: DisconnectReason, fx: &mut impl Effects) {
    fx.count(Count::Disconnected(reason));
    if fx.wants(EventKind::Disconnected) {
        fx.event(Event::Disconnected {
            client_id: client.client_id.clone(),
            username: client.identity.username.clone(),
            peer: client.peer,
            listener: client.listener.clone(),
            reason,
        });
    }
}

/// The same where no more than its client identifier is known.
pub(super) fn tell_gone(client_id: &Arc<str>, reason: DisconnectReason, fx: &mut impl Effects) {
    fx.count(Count::Disconnected(reason));
    let client_id = client_id.clone();
    fx.event(Event::Disconnected { client_id, username: None, peer: None, listener: None, reason });
}

/// A client was not admitted.
pub(super) fn tell_connect_refused(
    client_id: Option<Arc<str>>,
    peer: Option<SocketAddr>,
    listener: Option<Arc<str>>,
    code: ReasonCode,
    fx: &mut impl Effects,
) {
    fx.count(Count::ConnectRefused(code));
    fx.event(Event::ConnectRefused { client_id, peer, listener, code: code.as_u8() });
}
