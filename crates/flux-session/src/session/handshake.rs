//! The acknowledgements of both directions.

use super::Session;
use crate::{AckError, Inbound, Message, PacketId, ReceiveMaximumExceeded, Received};

/// Acknowledgements from the client of what it was sent.
///
/// One that arrives for a message that is scheduled to be sent again, and was not yet, completes
/// it all the same.
impl<M: Message> Session<M> {
    /// Takes a PUBACK, with any reason code, and returns the message: it is never sent again
    /// (`[MQTT-4.3.2-3]`, `[MQTT-4.4.0-2]`).
    ///
    /// # Errors
    ///
    /// [`AckError`] if no QoS 1 message waits under this identifier; the session is unchanged.
    pub fn puback(&mut self, packet_id: PacketId) -> Result<M, AckError> {
        self.in_flight.puback(packet_id)
    }

    /// Takes a PUBREC; `success` means a reason code below 0x80.
    ///
    /// The answer to a success is PUBREL, and to a repeated one PUBREL again `[MQTT-4.3.3-4]`.
    /// After a refusal the message is not sent again and the identifier is free `[MQTT-4.4.0-2]`.
    ///
    /// # Errors
    ///
    /// [`AckError::Unknown`] if the identifier is not in use: MQTT 5.0 answers PUBREL with 0x92.
    /// [`AckError::WrongState`] if it belongs to a QoS 1 message, or if a refusal follows a
    /// success. The session is unchanged.
    pub fn pubrec(&mut self, packet_id: PacketId, success: bool) -> Result<Received<M>, AckError> {
        if success {
            self.in_flight.pubrec(packet_id)
        } else {
            self.in_flight.pubrec_refused(packet_id)
        }
    }

    /// Takes a PUBCOMP, with any reason code: the exchange is over `[MQTT-4.3.3-5]`.
    ///
    /// # Errors
    ///
    /// [`AckError`] if no PUBREL waits under this identifier; the session is unchanged.
    pub fn pubcomp(&mut self, packet_id: PacketId) -> Result<(), AckError> {
        self.in_flight.pubcomp(packet_id)
    }

    /// Gives up a message that [`next`](Self::next) returned and this connection cannot carry, and
    /// returns it: larger than the client's Maximum Packet Size, it counts as sent
    /// `[MQTT-3.1.2-25]`.
    ///
    /// If it is a QoS 2 message that an earlier connection carried, the client may remember the
    /// identifier: `next` then returns its PUBREL, and PUBCOMP frees it. QoS 0 messages have no
    /// identifier and need no call.
    ///
    /// # Errors
    ///
    /// [`AckError`] if no PUBLISH waits under this identifier; the session is unchanged.
    pub fn skip(&mut self, packet_id: PacketId) -> Result<M, AckError> {
        self.in_flight.skip(packet_id)
    }
}

/// QoS 2 messages from the client. (QoS 1 is acknowledged at once and needs no state.)
impl<M: Message> Session<M> {
    /// Takes a PUBLISH at QoS 2 and returns whether it is new (`[MQTT-4.3.3-8]`,
    /// `[MQTT-4.3.3-10]`). The identifier is remembered until it is released, across connections.
    ///
    /// # Errors
    ///
    /// [`ReceiveMaximumExceeded`] if
    /// [`inbound_receive_maximum`](crate::SessionLimits::inbound_receive_maximum) identifiers are
    /// remembered already: the caller closes the connection with reason code 0x93.
    pub fn receive_qos2(&mut self, packet_id: PacketId) -> Result<Inbound, ReceiveMaximumExceeded> {
        self.open_receipts.receive(packet_id, self.limits.inbound_receive_maximum.max(1))
    }

    /// Sets [`inbound_receive_maximum`](crate::SessionLimits::inbound_receive_maximum), which may be another one for each
    /// connection. What is remembered already stays.
    pub const fn set_inbound_receive_maximum(&mut self, maximum: u16) {
        self.limits.inbound_receive_maximum = maximum;
    }

    /// Takes a PUBREL and returns whether its identifier was known. PUBCOMP is the answer in
    /// both cases `[MQTT-4.3.3-11]`; the next PUBLISH with it is a new message `[MQTT-4.3.3-12]`.
    pub fn release(&mut self, packet_id: PacketId) -> bool {
        self.open_receipts.forget(packet_id)
    }

    /// Forgets a QoS 2 message that is refused: its PUBREC has reason code 0x80 or above, and the
    /// next PUBLISH with this identifier is a new message `[MQTT-4.3.3-9]`.
    pub fn forget_qos2(&mut self, packet_id: PacketId) {
        self.open_receipts.forget(packet_id);
    }

    /// Returns whether a QoS 2 message has come with this identifier and was not released: it is in
    /// use, and a QoS 1 message must not come with it (reason code 0x91 `[MQTT-2.2.1-3]`).
    pub fn is_receiving(&self, packet_id: PacketId) -> bool {
        self.open_receipts.contains(packet_id)
    }

    /// Returns the number of QoS 2 messages that have come and were not released.
    pub fn open_receipts(&self) -> usize {
        self.open_receipts.len()
    }
}
