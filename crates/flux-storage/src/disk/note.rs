//! The note of the newest file: two places that are written in turn, so that one is always whole.

/// Returns what to write, and where in the file of the note.
pub(super) fn encode(file: u32) -> (u64, [u8; LEN]) {
    let mut bytes = [0; LEN];
    let (magic, rest) = bytes.split_at_mut(MAGIC.len());
    let (number, crc) = rest.split_at_mut(4);
    magic.copy_from_slice(&MAGIC);
    number.copy_from_slice(&file.to_le_bytes());
    crc.copy_from_slice(&crc_of(file).to_le_bytes());
    (u64::from(file % 2) * PLACE, bytes)
}

/// Returns the newest note among the bytes of the file. Half a note is none.
pub(super) fn decode(bytes: &[u8]) -> Option<u32> {
    let places = [0, PLACE].into_iter().filter_map(|at| bytes.get(usize::try_from(at).ok()?..));
    places.filter_map(decode_one).max()
}

fn decode_one(bytes: &[u8]) -> Option<u32> {
    let (file, rest) = bytes.strip_prefix(&MAGIC)?.split_first_chunk()?;
    let file = u32::from_le_bytes(*file);
    (rest.first_chunk() == Some(&crc_of(file).to_le_bytes())).then_some(file)
}

fn crc_of(file: u32) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&MAGIC), &file.to_le_bytes())
}

const MAGIC: [u8; 8] = *b"FLUXNEW\n";
const LEN: usize = 16;
/// Each place has a sector of its own, at which a disk tears.
const PLACE: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_note_counts() {
        let mut file = Vec::new();
        assert_eq!(decode(&file), None);
        for number in [1, 2, 3, u32::MAX] {
            let before = decode(&file);
            let (at, bytes) = encode(number);
            let at = usize::try_from(at).unwrap();
            file.resize(file.len().max(at + LEN), 0);
            for written in 0..LEN {
                let mut torn = file.clone();
                torn[at..at + written].copy_from_slice(&bytes[..written]);
                // Of a wrong byte in between nothing is believed.
                let found = decode(&torn);
                assert!(
                    found == before || found == before.map(|b| b.saturating_sub(1)),
                    "{found:?}"
                );
            }
            file[at..at + LEN].copy_from_slice(&bytes);
            assert_eq!(decode(&file), Some(number));
        }
    }
}
