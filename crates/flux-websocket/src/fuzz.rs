//! What holds for any bytes of a client: the function that the fuzzer calls, and a test with its corpus.
#![expect(clippy::panic, reason = "a fuzz target fails by a panic")]

use crate::{FrameError, Frames, Heard, Origins, Upgrade, UpgradeRules};

/// Takes the first byte for how to go on: the rest is a request, or frames that are cut into pieces of so many bytes.
///
/// # Panics
///
/// When something does not hold.
pub fn check(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else { return };
    match first.checked_sub(1) {
        None => check_request(bytes),
        Some(less) => check_frames(bytes, usize::from(less) + 1),
    }
}

/// A request is answered once it is whole, in lines that nobody else can add to.
fn check_request(bytes: &[u8]) {
    let rules = UpgradeRules { path: "/mqtt".to_owned(), origins: Origins::Near };
    let whole = Upgrade::read(bytes, &rules);
    let answer = match &whole {
        Ok(None) => return,
        Ok(Some(upgrade)) => upgrade.response(),
        Err(refusal) => refusal.response(),
    };
    let (head, _) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no end: {answer:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    assert_eq!(status.starts_with("HTTP/1.1 101 "), whole.is_ok(), "{status}");
    for line in lines {
        let name = line.split_once(": ").map_or("", |(name, _)| name);
        assert!(FIELDS.contains(&name) && !line.contains(['\r', '\n']), "{answer:?}");
    }
    if whole.is_ok() {
        let before = bytes.len().checked_sub(1).and_then(|len| bytes.get(..len));
        let early = before.map(|bytes| Upgrade::read(bytes, &rules));
        assert_eq!(early, Some(Ok(None)), "answered before the end");
    }
}

/// However frames are cut, the same comes out of them, and no more than went in.
fn check_frames(bytes: &[u8], piece: usize) {
    let whole = read(bytes, bytes.len().max(1));
    assert!(whole.1.len() <= bytes.len(), "{} bytes of {}", whole.1.len(), bytes.len());
    assert_eq!(whole, read(bytes, piece), "in pieces of {piece}");
}

fn read(bytes: &[u8], piece: usize) -> (Result<Heard, FrameError>, Vec<u8>) {
    let (mut frames, mut payload, mut all) = (Frames::default(), Vec::new(), Heard::default());
    for part in bytes.chunks(piece) {
        match frames.read(part, &mut payload) {
            Ok(Heard { ping, is_closed }) => {
                all = Heard { ping: ping.or(all.ping), is_closed };
            }
            Err(error) => return (Err(error), payload),
        }
    }
    (Ok(all), payload)
}

/// All that stands in an answer.
const FIELDS: [&str; 8] = [
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Allow",
    "Content-Type",
    "Content-Length",
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::check;

    #[test]
    fn the_corpus_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/websocket");
        let mut files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        for file in files {
            // Shown when the test fails: the last one is the one.
            println!("{}", file.display());
            check(&fs::read(&file).unwrap());
        }
    }
}
