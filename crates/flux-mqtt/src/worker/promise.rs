//! What somebody outside is told once the store has answered.

use std::sync::Arc;

use flux_eventbus::DropReason;
use flux_session::Timestamp;
use flux_topic::TopicName;

use super::Worker;
use super::tell::tell_dropped;
use crate::effects::Effects;
use crate::input::Done;
use crate::message::Message;
use crate::outcome::PublishOutcome;
use crate::session::SharedSession;

/// An answer to somebody outside that waits until what has this ticket is safe.
pub(super) struct Promise {
    ticket: u64,
    answer: Answer,
}

enum Answer {
    /// What became of a message: if the store fails, that is said at once.
    Published(PublishOutcome, Done<PublishOutcome>),
    /// All else comes when it is safe, for the store writes it again.
    Other(Box<dyn FnOnce() + Send>),
}

impl Worker {
    /// Publishes a message for somebody outside, and says what became of it when that is safe.
    pub(super) fn publish_for(
        &mut self,
        now: Timestamp,
        topic: TopicName<'_>,
        message: &Message,
        client_id: Option<&Arc<str>>,
        done: Done<PublishOutcome>,
        fx: &mut impl Effects,
    ) {
        if self.store_refuses(topic, message, None) {
            tell_dropped(client_id, message, DropReason::QuotaExceeded, fx);
            return done(PublishOutcome::TURNED_AWAY);
        }
        self.must_wait = false;
        let outcome = self.publish_message(now, topic, message, client_id, fx);
        if self.must_wait {
            self.promise(Answer::Published(outcome, done));
        } else {
            done(outcome);
        }
    }

    /// Calls this when all that was written so far is safe, or at once if nothing of this session is.
    pub(super) fn once_safe_if_stored(
        &mut self,
        session: &SharedSession,
        answer: impl FnOnce() + Send + 'static,
    ) {
        if session.is_stored() {
            self.promise(Answer::Other(Box::new(answer)));
        } else {
            answer();
        }
    }

    fn promise(&mut self, answer: Answer) {
        let ticket = self.last_written();
        self.promises.push(Promise { ticket, answer });
        let persisted = self.broker.journal.as_ref().map_or(0, |journal| journal.persisted());
        self.keep_promises(persisted);
    }

    /// Tells whoever waited for no more than this.
    pub(super) fn keep_promises(&mut self, persisted: u64) {
        for Promise { answer, .. } in
            self.promises.extract_if(.., |promise| promise.ticket <= persisted)
        {
            match answer {
                Answer::Published(outcome, done) => done(outcome),
                Answer::Other(answer) => answer(),
            }
        }
    }

    /// The store could not make something safe: who published hears that.
    pub(super) fn break_promises(&mut self) {
        let is_published = |promise: &mut Promise| matches!(promise.answer, Answer::Published(..));
        for Promise { answer, .. } in self.promises.extract_if(.., is_published) {
            if let Answer::Published(outcome, done) = answer {
                done(PublishOutcome { is_refused: true, ..outcome });
            }
        }
    }
}
