//! Counting PUBLISH packets in a stream by walking its fixed headers.

/// Where a stream stands between two reads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FrameCounter {
    state: State,
    published: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Start,
    /// The first byte was PUBLISH or not; so much of the remaining length is known.
    Length { is_publish: bool, value: usize, shift: u32 },
    /// Bytes of the packet that are still to come.
    Body { is_publish: bool, left: usize },
}

impl FrameCounter {
    /// Returns how many PUBLISH packets have arrived completely.
    pub(super) fn published(&self) -> u64 {
        self.published
    }

    /// Returns how many bytes have arrived.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Walks over the next bytes of the stream.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while let Some((first, rest)) = bytes.split_first() {
            match self.state {
                State::Start => {
                    let is_publish = first >> 4 == 3;
                    self.state = State::Length { is_publish, value: 0, shift: 0 };
                    bytes = rest;
                }
                State::Length { is_publish, value, shift } => {
                    let value = value | usize::from(first & 0x7F) << shift;
                    if first & 0x80 == 0 {
                        self.body(is_publish, value);
                    } else {
                        // More than four digits are not MQTT; what follows is then miscounted.
                        let shift = (shift + 7).min(21);
                        self.state = State::Length { is_publish, value, shift };
                    }
                    bytes = rest;
                }
                State::Body { is_publish, left } => {
                    let taken = left.min(bytes.len());
                    self.body(is_publish, left - taken);
                    bytes = bytes.split_at(taken).1;
                }
            }
        }
    }

    fn body(&mut self, is_publish: bool, left: usize) {
        if left > 0 {
            self.state = State::Body { is_publish, left };
        } else {
            self.state = State::Start;
            self.published += u64::from(is_publish);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packets;
    use super::*;

    #[test]
    fn any_cut_of_the_stream_counts_alike() {
        let mut stream = Vec::new();
        for length in [0, 1, 64, 200, 20_000] {
            stream.extend(packets::publish("a/b", &vec![0x30; length]));
            stream.extend(packets::SUBACK);
            stream.extend([0xD0, 0]);
        }
        for size in [1, 2, 3, 7, 64, 1000, stream.len()] {
            let mut counter = FrameCounter::default();
            stream.chunks(size).for_each(|piece| counter.feed(piece));
            assert_eq!(counter.published(), 5, "in pieces of {size}");
            assert_eq!(counter.bytes(), stream.len() as u64, "in pieces of {size}");
        }
    }

    #[test]
    fn a_packet_counts_when_it_is_complete() {
        let mut counter = FrameCounter::default();
        let packet = packets::publish("a", b"x");
        let (last, first) = packet.split_last().unwrap();
        counter.feed(first);
        assert_eq!(counter.published(), 0);
        counter.feed(&[*last]);
        assert_eq!(counter.published(), 1);
    }
}
