//! From the first connection to the end: attach, detach, the will, expiry.

use std::mem;

use super::{Link, Session};
use crate::{
    Connection, Delivery, Departure, DropReason, Due, Message, Remains, SessionExpiry, Timestamp,
    Will,
};

/// Connections, and the time between them.
///
/// A session ends at the latest when its expiry is over. The session says when
/// ([`deadline`](Self::deadline), [`due`](Self::due)); that it ends is the caller's act
/// ([`end`](Self::end)), also when the client wants a new one or an administrator wants none.
impl<M: Message> Session<M> {
    /// Returns whether a CONNECT that comes now goes on with this session (MQTT 5.0 section
    /// 3.1.2.4). If not, the caller [ends](Self::end) it and makes a new one.
    ///
    /// One that ends with its connection never goes on: the connection that still has it is closed
    /// by this CONNECT `[MQTT-3.1.4-3]`.
    pub fn continues(&self, now: Timestamp, clean_start: bool) -> bool {
        !clean_start && self.expiry != SessionExpiry::WITH_CONNECTION && !self.has_expired(now)
    }

    /// Begins a network connection, and returns the will of the one before if it must be published
    /// now.
    ///
    /// Everything in flight is scheduled to be sent again, before anything new and in its original
    /// order (`[MQTT-4.4.0-1]`, `[MQTT-4.6.0-1]`). Unacknowledged PUBLISH packets go with DUP set
    /// and their identifier unchanged; where PUBREC has come, PUBREL goes alone `[MQTT-4.3.3-6]`.
    /// The window is the client's Receive Maximum, at most
    /// [`receive_maximum_cap`](crate::SessionLimits::receive_maximum_cap). It holds for what is sent
    /// again too `[MQTT-3.3.4-9]`, except for PUBREL, which never waits. Zero is a Protocol Error
    /// that the caller refuses (MQTT 5.0 section 3.1.2.11.3); here it counts as one
    /// `[MQTT-4.9.0-1]`.
    ///
    /// Expiry and will are those of the new connection. The will before is cancelled if this
    /// connection came before its delay was over `[MQTT-3.1.3-9]`, but not if its moment had come
    /// and only nobody had [looked](Self::due), nor if it has no delay and its connection is taken
    /// over right now.
    ///
    /// When a connection takes over from one that was not detached, what is queued goes to the new
    /// one, QoS 0 included.
    #[must_use = "the will of the connection before is to be published"]
    pub fn attach(&mut self, now: Timestamp, connection: Connection<M>) -> Option<Will<M>> {
        let is_due = match self.link {
            Link::Attached => self.will.as_ref().is_some_and(|will| will.delay == 0),
            Link::Detached { .. } => self.will_moment().is_some_and(|moment| moment <= now),
        };
        let will = self.replace_will(connection.will);
        self.expiry = connection.expiry;
        self.link = Link::Attached;
        let receive_maximum = connection.receive_maximum;
        self.in_flight.attach(receive_maximum.min(self.limits.receive_maximum_cap).max(1));
        self.drop_expired(now);
        will.filter(|_| is_due)
    }

    /// Ends the network connection, and returns the deliveries by shared subscriptions that were
    /// not sent, in the order in which they came: they are for other members of their groups.
    ///
    /// From here on the expiry counts, and the delay of the will, unless it is discarded. What
    /// was queued at QoS 0 is lost: [`take_dropped`](Self::take_dropped). Everything else stays
    /// until the client returns or the session ends. An expiry that the client
    /// [may not change to](Self::expiry_may_become) is ignored. Without a connection nothing
    /// changes.
    #[must_use = "the messages are for other members of the group"]
    pub fn detach(&mut self, now: Timestamp, departure: Departure) -> Vec<Delivery<M>> {
        if !self.is_attached() {
            return Vec::new();
        }
        self.link = Link::Detached { since: Some(now) };
        if departure.discard_will {
            self.replace_will(None);
        }
        if let Some(expiry) = departure.expiry
            && self.expiry_may_become(expiry)
        {
            self.expiry = expiry;
        }
        self.in_flight.detach();
        let unsent = self.take_unsent_shared(None);
        while let Some(delivery) = self.queue.pop_qos0() {
            self.lose(delivery, DropReason::Offline);
        }
        self.queue.shrink();
        unsent
    }

    /// Returns whether DISCONNECT may change the expiry to this. From zero it may not grow: that is
    /// a Protocol Error (MQTT 5.0 section 3.14.2.2.2).
    pub fn expiry_may_become(&self, expiry: SessionExpiry) -> bool {
        self.expiry != SessionExpiry::WITH_CONNECTION || expiry == self.expiry
    }

    /// Returns how long the session outlives its connection. One that had none yet does not expire.
    pub fn expiry(&self) -> SessionExpiry {
        self.expiry
    }

    /// Returns the will of the present connection, or of the last one while its moment has not come.
    pub fn will(&self) -> Option<&Will<M>> {
        self.will.as_ref()
    }

    /// Returns whether the session has been without a connection for as long as it may
    /// (`[MQTT-4.1.0-2]`).
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.end_moment().is_some_and(|moment| moment <= now)
    }

    /// Returns when [`due`](Self::due) has something next, or `None` while there is a connection or
    /// if nothing will happen by itself.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.will_moment().or_else(|| self.end_moment())
    }

    /// Returns what the time has come for, or `None` if it is to wait for the
    /// [deadline](Self::deadline). The caller asks again after a will, until `None` or
    /// [`Due::End`].
    ///
    /// The will comes when its delay is over or the session ends, whichever is first
    /// `[MQTT-3.1.2-8]`.
    pub fn due(&mut self, now: Timestamp) -> Option<Due<M>> {
        if self.will_moment().is_some_and(|moment| moment <= now) {
            return self.replace_will(None).map(Due::Will);
        }
        self.has_expired(now).then_some(Due::End)
    }

    /// Ends the session, whatever its state, and returns what it leaves. It is as good as new then:
    /// without subscriptions, messages, identifiers in use, will and connection.
    pub fn end(&mut self) -> Remains<M> {
        let mut fresh = Self::new(self.limits);
        // Others may need to hear of these.
        fresh.in_flight.take_over_finished(&mut self.in_flight);
        let Self { subscriptions, will, queue, in_flight, dropped, .. } = mem::replace(self, fresh);
        Remains { will, dropped, subscriptions, queue, in_flight }
    }

    /// Returns when the will is due, if there is one and no connection.
    fn will_moment(&self) -> Option<Timestamp> {
        let delayed = self.detached_since()? + self.will.as_ref()?.delay();
        Some(self.end_moment().map_or(delayed, |end| end.min(delayed)))
    }

    /// Returns when the session ends, if it ever does and there is no connection.
    fn end_moment(&self) -> Option<Timestamp> {
        Some(self.detached_since()? + self.expiry.lifetime()?)
    }
}
