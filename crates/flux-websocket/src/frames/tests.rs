//! Tables of single frames; however they are cut, frames decode alike, and no bytes panic.

use proptest::prelude::*;

use super::*;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::write_binary_header(payload.len(), &mut bytes);
    bytes[0] = first;
    bytes[1] |= MASKED;
    let mask = [0xA1, 0x02, 0xFF, 0x40];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

type Outcome = (Vec<u8>, Result<Heard, FrameError>);

fn read(bytes: &[u8]) -> Outcome {
    let mut payload = Vec::new();
    let heard = Frames::default().read(bytes, &mut payload);
    (payload, heard)
}

#[track_caller]
fn check(bytes: &[u8], payload: &[u8], heard: Result<Heard, FrameError>) {
    assert_eq!(read(bytes), (payload.to_vec(), heard));
    // A byte at a time; the last ping may come before others are read.
    let (mut frames, mut bytewise) = (Frames::default(), Vec::new());
    let ended = bytes.iter().try_for_each(|byte| frames.read(&[*byte], &mut bytewise).map(drop));
    assert_eq!(bytewise, payload);
    assert_eq!(ended.err(), read(bytes).1.err());
}

#[track_caller]
fn refused(bytes: &[u8], error: FrameError) {
    check(bytes, b"", Err(error));
    check(&[frame(0x82, b"before"), bytes.to_vec()].concat(), b"before", Err(error));
}

#[test]
fn what_a_ping_brings_is_not_shown() {
    let ping = frame(FINAL | PING, b"s3cret");
    let (mut frames, mut payload) = (Frames::default(), Vec::new());
    let (begin, end) = ping.split_at(ping.len() - 1);
    let begun = frames.read(begin, &mut payload).unwrap();
    let between = format!("{frames:?} {begun:?}");
    let heard = frames.read(end, &mut payload).unwrap();
    assert_eq!(heard.ping.as_deref(), Some(&b"s3cret"[..]));
    let shown = format!("{between} {frames:?} {heard:?}");
    assert!(shown.contains("control: 5 bytes") && shown.contains("Some(6) bytes"), "{shown}");
    assert!(!shown.contains("s3cret") && !shown.contains("115, 51"), "{shown}");
}

#[test]
fn what_is_in_binary_frames_comes_out() {
    let nothing = Ok(Heard::default());
    check(&[], b"", nothing.clone());
    check(&frame(0x82, b""), b"", nothing.clone());
    check(&frame(0x82, b"hello"), b"hello", nothing.clone());
    let pieces = [frame(0x02, b"he"), frame(0x00, b""), frame(0x00, b"ll"), frame(0x80, b"o")];
    check(&pieces.concat(), b"hello", nothing.clone());
    for len in [125, 126, 127, CHUNK - 1, CHUNK, CHUNK + 1, 65_535, 65_536, 200_001] {
        let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
        check(&frame(0x82, &payload), &payload, nothing.clone());
    }
}

#[test]
fn control_frames_come_between_the_pieces_of_a_message() {
    let bytes = [frame(0x02, b"he"), frame(0x89, b"ping"), frame(0x8A, b""), frame(0x80, b"llo")];
    check(&bytes.concat(), b"hello", Ok(Heard { ping: Some(b"ping".into()), is_closed: false }));
    let two = [frame(0x89, b"1"), frame(0x89, b"2")].concat();
    check(&two, b"", Ok(Heard { ping: Some(b"2".into()), is_closed: false }));
}

#[test]
fn nothing_is_read_after_the_client_has_closed() {
    let closed = Ok(Heard { ping: None, is_closed: true });
    check(&frame(0x88, b""), b"", closed.clone());
    let bytes = [frame(0x82, b"bye"), frame(0x88, b"\x03\xE8gone"), frame(0x82, b"more")].concat();
    check(&bytes, b"bye", closed);
}

#[test]
fn what_breaks_the_rules_is_refused() {
    refused(&frame(0x81, b"text"), FrameError::Text);
    refused(&frame(0x01, b"text"), FrameError::Text);
    refused(&[0x82, 0x02, 0xC0, 0x00], FrameError::Unmasked);
    refused(&frame(0xC2, b""), FrameError::ReservedBits(0x40));
    refused(&frame(0x83, b""), FrameError::Opcode(3));
    refused(&frame(0x8B, b""), FrameError::Opcode(11));
    refused(&frame(0x80, b"x"), FrameError::NothingToContinue);
    refused(&[frame(0x02, b""), frame(0x82, b"x")].concat(), FrameError::Nested);
    refused(&frame(0x09, b"x"), FrameError::LongControl);
    refused(&frame(0x89, &[0; 126]), FrameError::LongControl);
    refused(&frame(0x88, b"\x03"), FrameError::CloseCode);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        refused(&frame(0x88, &code.to_be_bytes()), FrameError::CloseCode);
    }
    // Lengths that would fit into less, and one that no file system holds.
    refused(&[0x82, 0xFE, 0, 125], FrameError::Length);
    refused(&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], FrameError::Length);
    refused(&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], FrameError::Length);
}

#[test]
fn every_error_has_the_code_of_the_standard() {
    assert_eq!(FrameError::Text.close_code(), 1003);
    assert_eq!(FrameError::Unmasked.close_code(), 1002);
}

/// However many fragments a message has, and however long it says it is, nothing of it is kept.
#[test]
fn a_message_of_endless_fragments_takes_no_memory() {
    let (mut frames, mut payload) = (Frames::default(), Vec::new());
    frames.read(&frame(0x02, b""), &mut payload).unwrap();
    for _ in 0..10_000 {
        frames.read(&frame(0x00, b""), &mut payload).unwrap();
    }
    frames.read(&[0x00, 0xFF, 0x7F, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &mut payload).unwrap();
    assert_eq!((payload.capacity(), frames.control.capacity()), (0, 0));
}

/// Frames as clients send them, some of them illegal.
fn some_frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => Just(0x82),
        4 => Just(0x02),
        4 => Just(0x00),
        4 => Just(0x80),
        2 => Just(0x89),
        1 => Just(0x8A),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    let frames = proptest::collection::vec((first, payload), 0..8);
    frames.prop_map(|frames| frames.iter().flat_map(|(first, it)| frame(*first, it)).collect())
}

proptest! {
    #[test]
    fn any_cut_decodes_alike(bytes in some_frames(), cuts in proptest::collection::vec(0..40_usize, 1..20)) {
        let (expected, outcome) = read(&bytes);
        let (mut frames, mut payload, mut rest) = (Frames::default(), Vec::new(), &bytes[..]);
        let mut lens = cuts.iter().cycle();
        let (mut ping, mut error, mut is_closed) = (None, None, false);
        while !rest.is_empty() && error.is_none() {
            let (part, after) = rest.split_at((*lens.next().unwrap() + 1).min(rest.len()));
            rest = after;
            match frames.read(part, &mut payload) {
                Ok(heard) => {
                    ping = heard.ping.or(ping);
                    is_closed = heard.is_closed;
                }
                Err(it) => error = Some(it),
            }
        }
        prop_assert_eq!(payload, expected);
        match outcome {
            Ok(heard) => prop_assert_eq!((heard.ping, heard.is_closed, None), (ping, is_closed, error)),
            Err(it) => prop_assert_eq!(Some(it), error),
        }
    }

    #[test]
    fn no_bytes_panic_nor_grow(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (payload, _) = read(&bytes);
        prop_assert!(payload.len() <= bytes.len());
    }
}
