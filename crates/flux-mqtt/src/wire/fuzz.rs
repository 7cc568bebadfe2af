//! What the fuzz target `frames` checks of a stream of arbitrary bytes; a plain test replays its
//! corpus.
//!
//! The first byte says in which version the stream is read and how large a packet may be, the
//! others are the stream.
#![expect(clippy::panic, reason = "a fuzz target fails by a panic")]

mod agreement;
mod round_trip;

use super::cursor::variable_byte_integer_len;
use super::{
    Ack, Connect, Disconnect, Frame, FrameError, InboundTopics, Publish, Subscribe, Unsubscribe,
    Version, split,
};

/// Reads a stream in every way and panics where a property of the wire does not hold:
///
/// - no reader panics, whatever it is given to read;
/// - a frame is the beginning of the stream, and every cut of the stream leads to the same frames
///   and the same error;
/// - what is accepted means the same after it was written and read again;
/// - the codec of ntex-mqtt understands the same, or differs for a reason that is known.
pub(crate) fn check(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let version = match first & 0b11 {
        0 => None,
        1 => Some(Version::V31),
        2 => Some(Version::V311),
        _ => Some(Version::V5),
    };
    let max = if first & 0b100 == 0 { u32::MAX } else { SMALL_PACKET };
    let mut topics = InboundTopics::new(ALIASES);
    while let Ok(Some(frame)) = whole_or_in_pieces(rest, max, version) {
        read_as_everything(&frame);
        for version in [Version::V31, Version::V311, Version::V5] {
            round_trip::check(&frame, version, &mut topics);
        }
        agreement::check(&frame);
        rest = rest.get(frame.bytes.len()..).unwrap_or_default();
    }
}

/// Splits a frame off, and sees that no cut leads to anything else: what ends before the decision
/// waits, and what ends behind it decides the same.
fn whole_or_in_pieces(
    bytes: &[u8],
    max: u32,
    version: Option<Version>,
) -> Result<Option<Frame<'_>>, FrameError> {
    let whole = split(bytes, max, version);
    if let Ok(Some(frame)) = &whole {
        assert_eq!(Some(frame.bytes), bytes.get(..frame.bytes.len()), "a frame is the beginning");
        assert!(frame.bytes.ends_with(frame.body), "a body is the end of its frame");
        assert!(frame.bytes.len() <= usize::try_from(max).unwrap_or(usize::MAX));
        let len = variable_byte_integer_len(u32::try_from(frame.body.len()).unwrap_or(u32::MAX));
        assert_eq!(frame.bytes.len() - frame.body.len(), 1 + len, "the shortest form of a length");
    }
    let mut is_decided = false;
    // The beginning decides, the rest has to come: of a long one, its two ends are enough.
    let cuts = (0..bytes.len()).filter(|cut| *cut < ENDS || bytes.len() - cut < ENDS);
    for cut in cuts {
        let piece = split(bytes.get(..cut).unwrap_or_default(), max, version);
        match (&piece, &whole) {
            (Ok(None), _) => assert!(!is_decided, "{cut} bytes wait, fewer decided"),
            (Err(piece), Err(whole)) => {
                assert_eq!(piece, whole, "cut at {cut}");
                is_decided = true;
            }
            (Ok(Some(piece)), Ok(Some(whole))) => {
                assert_eq!(piece.bytes, whole.bytes, "cut at {cut}");
                is_decided = true;
            }
            (piece, whole) => panic!("{piece:?} of {cut} bytes becomes {whole:?}"),
        }
    }
    assert!(!is_decided || !matches!(whole, Ok(None)), "all of it waits, a part decided");
    whole
}

/// Whatever a frame says it is, every reader returns.
fn read_as_everything(frame: &Frame<'_>) {
    let _ = Connect::read(frame);
    for version in [Version::V31, Version::V311, Version::V5] {
        let _ = Publish::read(frame, version, &mut InboundTopics::new(ALIASES));
        let _ = Ack::read(frame, version);
        let _ = Disconnect::read(frame, version);
        let _ = Subscribe::read(frame, version, usize::MAX);
        let _ = Unsubscribe::read(frame, version, usize::MAX);
    }
}

/// The Maximum Packet Size of streams that have a small one.
const SMALL_PACKET: u32 = 64;

/// The Topic Alias Maximum of the streams.
const ALIASES: u16 = 4;

/// How near the beginning or the end of a stream it is cut.
const ENDS: usize = 48;

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What the fuzzer found worth keeping.
    #[test]
    fn the_corpus_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/frames");
        let mut files: Vec<_> =
            std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", corpus.display());
        for file in files {
            println!("{}", file.display());
            super::check(&std::fs::read(&file).unwrap());
        }
    }
}
