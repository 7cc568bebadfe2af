//! What is written down of a session. Each of its changes is written under its lock: the log has them in their
//! order.

use std::sync::atomic::Ordering;

use flux_session::{Finished, PacketId, Sequence, SessionExpiry, SubscriptionOptions};
use flux_storage::{Record, SessionRecord, Target, WillRecord};
use flux_topic::TopicFilter;

use super::{SessionState, SharedSession};
use crate::journal::{Journal, Together};
use crate::message::{Delivery, Message};
use crate::storage::{content, group, key, sequence, target};
use crate::testator;

impl SharedSession {
    /// Whether its changes are written down.
    pub(crate) fn is_stored(&self) -> bool {
        self.is_stored.load(Ordering::Acquire)
    }

    /// Notes that the store has the session already.
    pub(crate) fn is_from_store(&self) {
        self.is_stored.store(true, Ordering::Release);
    }

    fn stored(&self) -> Option<&Journal> {
        self.journal.as_deref().filter(|_| self.is_stored())
    }

    /// Writes down what is known of the session beside what it holds: when it begins, and when its
    /// connection does or ends. From the first time on that it outlives its connection it is stored.
    pub(crate) fn write_standing(&self, state: &SessionState) {
        let Some(journal) = &self.journal else { return };
        if state.session.expiry() > SessionExpiry::WITH_CONNECTION {
            self.is_stored.store(true, Ordering::Release);
        }
        if self.is_stored() {
            journal.write(&Record::Session(SessionRecord {
                session: key(self.key),
                client_id: &self.client_id,
                owner: state.owner.map(|owner| &**owner),
                expiry: state.session.expiry(),
                detached_since: state.session.detached_since(),
            }));
        }
    }

    /// Writes down a session that has just been listed: one that was not is no client's, and a crash must not find it in
    /// place of the one that is. Whoever may have taken it over meanwhile stands in what is written.
    pub(crate) fn write_beginning(&self) {
        let state = self.lock();
        if state.ended {
            return;
        }
        self.write_standing(&state);
        if state.session.will().is_some() {
            self.write_will(&state);
        }
    }

    /// Writes down the will that the session has, or that it has none.
    pub(crate) fn write_will(&self, state: &SessionState) {
        let Some(journal) = self.stored() else { return };
        let will = state.session.will();
        let testator = state.client.as_deref().filter(|_| will.is_some());
        let testator = testator.map(testator::write).unwrap_or_default();
        journal.write(&match will {
            Some(will) => Record::Will(WillRecord {
                session: key(self.key),
                delay: will.delay,
                expiry: will.expiry,
                content: content(&will.message),
                testator: &testator,
            }),
            None => Record::WillCleared { session: key(self.key) },
        });
    }

    /// Whoever takes the will out keeps this until the message is written: a crash must not find neither. `None` if
    /// there is no will, or nothing of it is stored.
    pub(crate) fn keep_together(&self, state: &SessionState) -> Option<Together> {
        let journal = self.journal.as_ref().filter(|_| self.is_stored())?;
        state.session.will().map(|_| journal.together())
    }

    /// Writes down that the session is over.
    pub(crate) fn write_end(&self) {
        if let Some(journal) = self.stored() {
            journal.write(&Record::SessionEnded { session: key(self.key) });
        }
    }

    pub(crate) fn write_subscribed(&self, filter: &TopicFilter, options: SubscriptionOptions) {
        if let Some(journal) = self.stored() {
            let (session, filter) = (key(self.key), filter.as_str());
            journal.write(&Record::Subscribed { session, filter, options });
        }
    }

    pub(crate) fn write_unsubscribed(&self, filter: &TopicFilter) {
        if let Some(journal) = self.stored() {
            let (session, filter) = (key(self.key), filter.as_str());
            journal.write(&Record::Unsubscribed { session, filter });
        }
    }

    /// Writes down with which identifier a message goes out at QoS 2. One that came by a shared subscription is not
    /// the group's from here on: it is this session's, or nobody's if that does not outlive its connection.
    pub(crate) fn write_sent(&self, delivery: &Delivery, packet_id: PacketId) {
        let (Some(journal), Some(number)) = (&self.journal, delivery.sequence) else { return };
        let (session, sequence) = (key(self.key), sequence(number));
        let group = delivery.share.map(group);
        match group {
            None if !self.is_stored() => {}
            None => journal.write(&Record::Sent { session, sequence, packet_id }),
            Some(group) if !self.is_stored() => {
                journal.write(&Record::Done { session: group, sequence });
            }
            Some(group) => {
                let to = Target { sent: Some(packet_id), ..target(self.key, delivery) };
                journal.write(&Record::Moved { group, sequence, to });
            }
        }
    }

    /// Writes down that PUBREC came.
    pub(crate) fn write_released(&self, number: Sequence, packet_id: PacketId) {
        if let Some(journal) = self.stored() {
            let (session, sequence) = (key(self.key), sequence(number));
            journal.write(&Record::Released { session, sequence, packet_id });
        }
    }

    /// Writes down that a QoS 2 message came that nobody keeps.
    pub(crate) fn write_receipt(&self, packet_id: PacketId) {
        if let Some(journal) = self.stored() {
            journal.write(&Record::ReceiptOpened { session: key(self.key), packet_id });
        }
    }

    /// Writes down that PUBREL came, or that the message was refused.
    pub(crate) fn write_receipt_closed(&self, packet_id: PacketId) {
        if let Some(journal) = self.stored() {
            journal.write(&Record::ReceiptClosed { session: key(self.key), packet_id });
        }
    }

    /// Writes down a message that is for this session alone, before it is offered, and returns its number.
    pub(super) fn write_delivery(&self, delivery: &Delivery) -> Option<Sequence> {
        let journal = self.stored().filter(|_| delivery.qos > flux_session::QoS::AtMostOnce)?;
        Some(journal.message(&delivery.message, false, None, vec![target(self.key, delivery)]))
    }

    /// Writes down which messages the session needs no more.
    pub(super) fn write_finished(&self, state: &mut SessionState, journal: &Journal) {
        if !state.session.has_finished() {
            return;
        }
        let finished = state.session.take_finished();
        let is_needed = self.is_stored() && !state.ended;
        journal.write_all(finished.into_iter().filter_map(
            |Finished { sequence: number, share }| {
                let session = match share {
                    Some(share) => group(share),
                    None if is_needed => key(self.key),
                    None => return None,
                };
                Some(Record::Done { session, sequence: sequence(number) })
            },
        ));
    }

    /// Whether what the session sends of this message must wait until all that was written is safe: a message
    /// that came at QoS 2 goes nowhere before its packet identifier is safe, nor one that goes at QoS 2 to a
    /// session which may outlive the process.
    pub(crate) fn must_wait(delivery: &flux_session::Delivery<Message>) -> bool {
        delivery.sequence.is_some() && delivery.message.qos() == flux_session::QoS::ExactlyOnce
    }
}
