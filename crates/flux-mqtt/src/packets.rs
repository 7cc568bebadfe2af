//! Packets for one connection, among them payloads that are shared and not copied.

use flux_session::QoS;
use ntex_bytes::Bytes;

use crate::latency::Span;

/// What a drain sends to a connection at once.
///
/// Most of it is written into one buffer. The payload of a large message stays where it is, whoever gets it;
/// here stands where it belongs.
#[derive(derive_more::Debug, Default)]
pub struct Packets {
    #[debug("{} bytes", written.len())]
    written: Vec<u8>,
    /// Payloads, and how many of the written bytes come before each.
    #[debug("{} payloads", shared.len())]
    shared: Vec<(usize, Bytes)>,
    shared_len: usize,
    /// How many of the packets are PUBLISH, by QoS.
    messages: [u32; 3],
    /// How many are PUBREL.
    releases: u32,
    /// What is over once they are sent, and was timed.
    spans: Vec<Span>,
}

/// Bytes that follow each other.
#[derive(Clone, Copy, derive_more::Debug)]
pub enum Part<'a> {
    /// Bytes of this buffer.
    #[debug("Written({} bytes)", _0.len())]
    Written(&'a [u8]),
    /// The payload of a message.
    #[debug("Shared({} bytes)", _0.len())]
    Shared(&'a Bytes),
}

impl AsRef<[u8]> for Part<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Written(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Packets {
    /// Returns how many bytes it is.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.written.len() + self.shared_len
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `visit` with all bytes in their order.
    pub fn for_each_part(&self, mut visit: impl FnMut(Part<'_>)) {
        let mut start = 0;
        for (at, payload) in &self.shared {
            if *at > start {
                visit(Part::Written(self.written.get(start..*at).unwrap_or_default()));
            }
            visit(Part::Shared(payload));
            start = *at;
        }
        match self.written.get(start..) {
            None | Some([]) => {}
            Some(rest) => visit(Part::Written(rest)),
        }
    }

    /// Whether there is a payload that is not copied.
    pub(crate) const fn is_shared(&self) -> bool {
        !self.shared.is_empty()
    }

    /// Copies all bytes together.
    pub(crate) fn concat(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.for_each_part(|part| bytes.extend_from_slice(part.as_ref()));
        bytes
    }

    pub(crate) fn clear(&mut self) {
        self.written.clear();
        self.shared.clear();
        self.shared_len = 0;
        self.messages = [0; 3];
        self.releases = 0;
        self.spans.clear();
    }

    /// Notes that something is over once they are sent.
    pub(crate) fn note_span(&mut self, span: Span) {
        self.spans.push(span);
    }

    /// Returns what is over once they are sent.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Notes that the next packet is a PUBLISH at this QoS.
    pub(crate) fn note_message(&mut self, qos: QoS) {
        if let Some(messages) = self.messages.get_mut(usize::from(qos.as_u8())) {
            *messages += 1;
        }
    }

    /// Notes that the next packet is a PUBREL.
    pub(crate) const fn note_release(&mut self) {
        self.releases += 1;
    }

    /// Returns how many are PUBLISH at this QoS.
    pub(crate) fn messages(&self, qos: QoS) -> u64 {
        self.messages.get(usize::from(qos.as_u8())).map_or(0, |messages| u64::from(*messages))
    }

    /// Returns how many are PUBREL.
    pub(crate) fn releases(&self) -> u64 {
        u64::from(self.releases)
    }

    /// Returns where small things are appended.
    pub(crate) const fn written(&mut self) -> &mut Vec<u8> {
        &mut self.written
    }

    /// Appends a payload.
    pub(crate) fn share(&mut self, payload: Bytes) {
        self.shared_len += payload.len();
        self.shared.push((self.written.len(), payload));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(packets: &Packets, expected: &[&str]) {
        let mut parts = Vec::new();
        packets.for_each_part(|part| parts.push(part.as_ref().to_vec()));
        let expected: Vec<Vec<u8>> = expected.iter().map(|part| part.as_bytes().to_vec()).collect();
        assert_eq!(parts, expected);
        assert_eq!(packets.len(), expected.concat().len());
        assert_eq!(packets.is_empty(), expected.is_empty());
    }

    #[test]
    fn parts_come_in_the_order_in_which_they_were_appended() {
        let mut packets = Packets::default();
        check(&packets, &[]);
        packets.share(Bytes::from_static(b"first"));
        check(&packets, &["first"]);
        packets.written().extend_from_slice(b"a");
        packets.written().extend_from_slice(b"b");
        check(&packets, &["first", "ab"]);
        packets.share(Bytes::from_static(b"second"));
        packets.share(Bytes::from_static(b"third"));
        check(&packets, &["first", "ab", "second", "third"]);
        packets.written().push(b'c');
        check(&packets, &["first", "ab", "second", "third", "c"]);
        packets.clear();
        check(&packets, &[]);
    }
}
