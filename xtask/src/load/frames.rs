//! Taking a stream of packets apart.

/// The packets of a stream, and what of the last one has arrived.
#[derive(Debug, Default)]
pub(super) struct Frames {
    partial: Vec<u8>,
}

impl Frames {
    /// Calls `see` with the first byte and the body of each packet that is complete now.
    pub(super) fn feed(&mut self, bytes: &[u8], mut see: impl FnMut(u8, &[u8])) {
        let mut bytes = bytes;
        while !self.partial.is_empty() && !bytes.is_empty() {
            // Byte by byte until the length is known, then all that is missing.
            let missing = extent(&self.partial)
                .map_or(1, |(header, body)| header + body - self.partial.len());
            let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
            self.partial.extend(taken);
            bytes = rest;
            if complete(&self.partial, &mut see) > 0 {
                self.partial.clear();
            }
        }
        loop {
            let taken = complete(bytes, &mut see);
            bytes = bytes.split_at(taken).1;
            if taken == 0 {
                break;
            }
        }
        self.partial.extend(bytes);
    }
}

/// Sees the packet that the bytes begin with, and returns its length; zero while it is not complete.
fn complete(bytes: &[u8], see: &mut impl FnMut(u8, &[u8])) -> usize {
    let Some((header, body)) = extent(bytes) else { return 0 };
    let (Some(first), Some(content)) = (bytes.first(), bytes.get(header..header + body)) else {
        return 0;
    };
    see(*first, content);
    header + body
}

/// Returns the length of the fixed header and of the rest; nothing while they are not known.
pub(super) fn extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = bytes.get(1..)?;
    let mut value = 0;
    for (place, digit) in digits.iter().take(4).enumerate() {
        value |= usize::from(digit & 0x7F) << (7 * place);
        if digit & 0x80 == 0 {
            return Some((place + 2, value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::packets;
    use super::*;

    #[test]
    fn any_cut_of_the_stream_is_taken_apart_alike() {
        let mut stream = Vec::new();
        for length in [0, 1, 64, 200, 20_000] {
            stream.extend(packets::publish("a/b", &vec![0x30; length]));
            stream.extend([0xD0, 0]);
        }
        for size in [1, 2, 3, 7, 64, 1000, stream.len()] {
            let (mut frames, mut lengths) = (Frames::default(), Vec::new());
            let mut see = |first: u8, body: &[u8]| lengths.push((first, body.len()));
            stream.chunks(size).for_each(|piece| frames.feed(piece, &mut see));
            let expected = [5, 6, 69, 205, 20_005].map(|len| [(0x30, len), (0xD0, 0)]);
            assert_eq!(lengths, expected.concat(), "in pieces of {size}");
        }
    }

    #[test]
    fn a_packet_is_seen_when_it_is_complete() {
        let (mut frames, mut seen) = (Frames::default(), 0);
        let packet = packets::publish("a", b"x");
        let (last, first) = packet.split_last().unwrap();
        frames.feed(first, |_, _| seen += 1);
        assert_eq!(seen, 0);
        frames.feed(&[*last], |_, _| seen += 1);
        assert_eq!(seen, 1);
    }
}
