//! The hands of a worker on ntex.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use flux_auth::{
    AccessRequest, Attributes, Authentication, Client, Credentials, Exchange, Identity, Refusal,
};
use flux_eventbus::{Event, EventKind, Source};
use flux_storage::{Batch, Sequence, Ticket};
use ntex_bytes::{BytePages, Bytes};

use super::shell::{Link, Shell, Shown};
use crate::counters::Count;
use crate::effects::Effects;
use crate::input::{Input, Letter};
use crate::latency::{Span, Stamp};
use crate::names::{ConnectionId, SessionKey, WorkerId};
use crate::packets::{Packets, Part};

/// Effects that really happen. Answers that take time run as tasks of the same thread and
/// come back as inputs.
pub(super) struct NtexEffects<'a> {
    pub(super) shell: &'a Rc<Shell>,
}

impl NtexEffects<'_> {
    /// Has a question about a connection answered; the answer is dropped with the connection.
    fn ask(&self, connection: ConnectionId, answer: impl Future<Output = Input> + 'static) {
        let shell = self.shell.clone();
        let task = tokio::task::spawn_local(async move {
            let input = caught(answer).await;
            shell.input(input.unwrap_or(Input::Panicked(connection)));
        });
        self.shell.with_link(connection, |link| link.question = Some(task.abort_handle()));
    }

    /// Adds what the connection's certificate says, if it showed one.
    fn add_certificate(&self, connection: ConnectionId, credentials: &mut Credentials) {
        self.shell.with_link(connection, |link| {
            let Some(Shown { certificate, by }) = &link.shown else { return };
            let mut fields = Attributes::default();
            for (name, value) in certificate.fields() {
                fields.insert(&format!("cert.{name}"), &value);
            }
            credentials.certificate = Some(fields);
            if let Some(name) = by.username(certificate) {
                credentials.username = Some(name);
                credentials.is_named_by_certificate = true;
            }
        });
    }
}

/// Returns what the future does; `None` when it panics.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

impl Effects for NtexEffects<'_> {
    fn send(&mut self, to: ConnectionId, bytes: &[u8]) {
        self.shell.outfit.traffic.sent.note_all(bytes);
        self.shell.with_link(to, |link| self.shell.answers.hold(link, to, bytes));
    }

    fn send_packets(&mut self, to: ConnectionId, packets: &Packets) {
        self.shell.outfit.traffic.sent.note_deliveries(packets);
        let append = |pages: &mut BytePages| {
            packets.for_each_part(|part| match part {
                // A page of its own: what follows a shared page is not copied to it.
                Part::Written(bytes) if packets.is_shared() => {
                    pages.append(Bytes::copy_from_slice(bytes));
                }
                Part::Written(bytes) => pages.extend_from_slice(bytes),
                Part::Shared(bytes) => pages.append(bytes),
            });
        };
        self.shell.with_link(to, |link| self.shell.answers.append_to(link, append));
    }

    fn unsent(&self, on: ConnectionId) -> Option<usize> {
        let unsent = |link: &mut Link| {
            (!link.is_dead).then(|| {
                let below = link.io.with_write_dst_buf(|pages| pages.len());
                // What is closing takes nothing any more.
                let above = || link.io.with_write_buf(|pages| pages.len()).unwrap_or_default();
                let written = if link.is_layered { below + above() } else { below };
                written + link.answers.len()
            })
        };
        self.shell.with_link(on, unsent)?
    }

    fn notify_writable(&mut self, on: ConnectionId) {
        self.shell.change_wish(on, |wish| wish.notify_writable = true);
    }

    fn close(&mut self, connection: ConnectionId) {
        self.shell.change_wish(connection, |wish| wish.close = true);
    }

    fn pause(&mut self, connection: ConnectionId) {
        self.shell.change_wish(connection, |wish| wish.pause = true);
    }

    fn resume(&mut self, connection: ConnectionId) {
        self.shell.change_wish(connection, |wish| wish.pause = false);
    }

    fn letter(&mut self, to: WorkerId, letter: Letter) {
        self.shell.outbox.put(to, letter);
    }

    fn authenticate(&mut self, connection: ConnectionId, mut credentials: Credentials) {
        self.add_certificate(connection, &mut credentials);
        let authenticator = self.shell.outfit.authenticator.clone();
        let shell = self.shell.clone();
        // Called in there, so that it may panic at once or later.
        self.ask(connection, async move {
            let mut authentication = authenticator.dyn_authenticate(credentials).await;
            if !shell.is_of_this_era(connection) {
                authentication = Authentication::Refused(Refusal::ServerUnavailable);
            }
            let valid_for = match &authentication {
                Authentication::Accepted(identity) => valid_for(identity),
                Authentication::Refused(_) => None,
            };
            Input::Authenticated { connection, authentication, valid_for }
        });
    }

    fn begin_exchange(
        &mut self,
        connection: ConnectionId,
        method: &str,
        credentials: &Credentials,
    ) -> Option<Box<dyn Exchange>> {
        let mut credentials = credentials.clone();
        self.add_certificate(connection, &mut credentials);
        self.shell.outfit.authenticator.dyn_begin(method, &credentials)
    }

    fn valid_for(&self, identity: &Identity) -> Option<Duration> {
        valid_for(identity)
    }

    fn authorize(
        &mut self,
        connection: ConnectionId,
        client: Arc<Client>,
        requests: Vec<AccessRequest>,
    ) {
        let authorizer = self.shell.outfit.authorizer.clone();
        self.ask(connection, async move {
            Input::Authorized { connection, verdicts: authorizer.ask(client, requests).await }
        });
    }

    fn persist(&mut self, ticket: Ticket, batch: &mut Batch) -> bool {
        self.shell.outfit.keeper.as_ref().is_some_and(|keeper| keeper.append(ticket, batch))
    }

    fn load_queue(&mut self, session: SessionKey, after: Option<Sequence>) {
        let outfit = &self.shell.outfit;
        if let Some(keeper) = &outfit.keeper {
            keeper.load(outfit.id, session, after);
        }
    }

    fn count(&mut self, what: Count) {
        self.count_times(what, 1);
    }

    fn count_times(&mut self, what: Count, times: u64) {
        self.shell.outfit.tally.count_times(self.shell.outfit.id, what, times);
    }

    fn stamp(&mut self) -> Option<Stamp> {
        Some(self.shell.outfit.clock.stamp())
    }

    fn ended(&mut self, span: Span) {
        let outfit = &self.shell.outfit;
        outfit.latencies.record(outfit.id, span.what, outfit.clock.since(span.since));
    }

    fn wants(&self, kind: EventKind) -> bool {
        self.shell.outfit.events.wants(kind)
    }

    fn event(&mut self, event: Event) {
        self.shell.outfit.events.publish(event);
    }

    fn event_from(&mut self, event: Event, source: Source) {
        self.shell.outfit.events.publish_from(event, source);
    }
}

/// For how long what a client has proven holds, by the time of day.
#[expect(
    clippy::disallowed_methods,
    reason = "proofs end at a time of day: the core hears for how long they hold"
)]
fn valid_for(identity: &Identity) -> Option<Duration> {
    let left = identity.expires_at?.duration_since(SystemTime::now());
    Some(left.unwrap_or_default())
}
