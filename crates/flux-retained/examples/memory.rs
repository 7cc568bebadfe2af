//! What a retained message costs in memory: fills a tree, and asks Linux how the process grew.

use std::error::Error;
use std::fs;
use std::num::NonZeroU64;

use flux_retained::{Retain, RetainedTree, Timestamp};
use flux_topic::TopicName;

/// Three levels each, the last one unique.
const MESSAGES: u64 = 1_000_000;

/// Eight bytes, as a pointer to a message: all else is what the tree takes.
struct Pointer(NonZeroU64);

impl Retain for Pointer {
    fn size(&self) -> usize {
        0
    }

    fn expires_at(&self) -> Option<Timestamp> {
        // With an argument, every message expires.
        (std::env::args().len() > 1).then(|| Timestamp::from_millis(self.0.get()))
    }
}

#[expect(clippy::print_stdout, reason = "the answer")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut tree = RetainedTree::new();
    let before = resident_bytes()?;
    for number in (1..=MESSAGES).filter_map(NonZeroU64::new) {
        let topic = format!("fleet/{}/device-{number}", number.get() % 100);
        tree.set(Timestamp::from_millis(0), TopicName::parse(&topic)?, Pointer(number))?;
    }
    let grown = resident_bytes()? - before;
    println!("{} bytes per message, {} counted", grown / MESSAGES, tree.bytes() / tree.len());
    Ok(())
}

fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 =
        line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?.parse()?;
    Ok(kib * 1024)
}
