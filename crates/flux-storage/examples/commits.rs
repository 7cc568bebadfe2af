//! How fast groups are committed, beside a program that only appends and syncs the same bytes, and what of it
//! is written twice if some messages stay; then how long a log with many queued messages takes to open,
//! and how much memory.
//!
//! `cargo run --release -p flux-storage --example commits -- DIRECTORY [SECONDS] [QUEUED]`
#![expect(clippy::print_stdout, reason = "it is a program that prints figures")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use flux_session::{QoS, SessionExpiry, SubscriptionIds};
use flux_storage::{
    Batch, Content, Directory, Durability, Log, LogSettings, MessageRecord, ReadLimit, Record,
    Sequence, SessionKey, SessionRecord, Store as _, Target,
};

const SETTINGS: LogSettings = LogSettings {
    segment_bytes: LogSettings::SEGMENT_BYTES,
    new_log_id: 0x5eed,
    durability: Durability::Disk,
};
const SESSION: SessionKey = SessionKey(0);
/// One message in so many is for somebody who is away.
const STAYS: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let directory = args.next().ok_or("which directory?")?;
    let seconds = args.next().map_or(Ok(3.0), |seconds| seconds.parse())?;
    let queued = args.next().map_or(Ok(1_000_000), |queued| queued.parse())?;
    let directory = Path::new(&directory);
    for size in [1, 10, 100, 1000] {
        let time = Duration::from_secs_f64(seconds);
        let bytes = commit(&directory.join("log"), size, time, None)?;
        append(&directory.join("ceiling"), size, bytes, time)?;
    }
    // What stays is moved, on the same thread: how long does that keep a group waiting?
    commit(&directory.join("log"), 100, Duration::from_secs_f64(seconds), Some(STAYS))?;
    recover(&directory.join("queue"), queued)
}

/// Commits groups: so many messages, and the end of those before, or of all of them but one in so many. Returns
/// the bytes of a group.
fn commit(
    path: &Path,
    size: u64,
    time: Duration,
    stays: Option<u64>,
) -> Result<usize, Box<dyn Error>> {
    let (mut log, _) = Log::open(Directory::open(path)?, SETTINGS)?;
    log.append(&session()?);
    let (mut next, mut bytes) = (0, 0);
    let mut times = Vec::new();
    let (start, written) = (Instant::now(), written()?);
    while start.elapsed() < time {
        let mut batch = Batch::new();
        for sequence in next..next + size {
            batch.push(&message(sequence, &[7; 100]))?;
            let goes = |sequence: &u64| stays.is_none_or(|stays| !sequence.is_multiple_of(stays));
            if let Some(sequence) = sequence.checked_sub(size).filter(goes).map(Sequence) {
                batch.push(&Record::Done { session: SESSION, sequence })?;
            }
        }
        next += size;
        bytes = batch.len();
        log.append(&batch);
        let begin = Instant::now();
        log.sync()?;
        times.push(begin.elapsed());
    }
    tell(if stays.is_some() { "stays" } else { "log" }, size, &mut times, start.elapsed());
    println!(
        "    {} bytes written for each message; {} KiB in {} segments at the end, {} KiB alive",
        (self::written()? - written) / next,
        log.disk_bytes() >> 10,
        log.segments(),
        log.live_bytes() >> 10
    );
    drop(log);
    fs::remove_dir_all(path)?;
    Ok(bytes)
}

/// Appends and syncs as many bytes, and does nothing else.
fn append(path: &Path, size: u64, bytes: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let file = File::create(path)?;
    let (group, mut offset) = (vec![7; bytes], 0);
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < time {
        let begin = Instant::now();
        file.write_all_at(&group, offset)?;
        file.sync_data()?;
        offset = (offset + u64::try_from(bytes)?) % (64 << 20);
        times.push(begin.elapsed());
    }
    tell("ceiling", size, &mut times, start.elapsed());
    fs::remove_file(path)?;
    Ok(())
}

/// Queues messages for one session, opens the log again, and drains it.
fn recover(path: &Path, queued: u64) -> Result<(), Box<dyn Error>> {
    let (mut log, _) = Log::open(Directory::open(path)?, SETTINGS)?;
    log.append(&session()?);
    for sequence in 0..queued {
        let mut batch = Batch::new();
        batch.push(&message(sequence, &[7; 100]))?;
        log.append(&batch);
        if sequence % 1000 == 0 {
            log.sync()?;
        }
    }
    log.sync()?;
    drop(log);
    let (before, start) = (resident()?, Instant::now());
    let (mut log, report) = Log::open(Directory::open(path)?, SETTINGS)?;
    println!("open: {:?}, {report:?}", start.elapsed());
    println!(
        "    {} KiB resident, {before} before; {} KiB on disk",
        resident()?,
        log.disk_bytes() >> 10
    );
    let (start, mut after, mut count) = (Instant::now(), None, 0);
    loop {
        let part = log.queue(SESSION, after, ReadLimit { messages: 64, bytes: 64 << 10 })?;
        let Some(last) = part.last() else { break };
        after = Some(last.sequence);
        count += part.len();
    }
    println!("read: {count} in {:?}", start.elapsed());
    drop(log);
    fs::remove_dir_all(path)?;
    Ok(())
}

fn tell(what: &str, size: u64, times: &mut [Duration], elapsed: Duration) {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let groups = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let rate = f64::from(groups) / elapsed.as_secs_f64();
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    let records = rate * f64::from(size);
    println!(
        "{what:8} {size:5}: {records:9.0} messages/s, {rate:6.0} groups/s, p50 {:?}, p99 {:?}, longest {:?}",
        at(50),
        at(99),
        times.last().copied().unwrap_or_default()
    );
}

/// Returns how many bytes this process has handed to the system.
fn written() -> Result<u64, Box<dyn Error>> {
    let io = fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar:"));
    Ok(line.ok_or("no wchar")?.trim().parse()?)
}

fn resident() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?.parse()?)
}

fn session() -> Result<Batch, Box<dyn Error>> {
    let mut batch = Batch::new();
    batch.push(&Record::Session(SessionRecord {
        session: SESSION,
        client_id: "away",
        owner: flux_storage::Owner::Nobody,
        expiry: SessionExpiry::NEVER,
        detached_since: None,
    }))?;
    Ok(batch)
}

fn message(sequence: u64, payload: &[u8]) -> Record<'_> {
    Record::Message(MessageRecord {
        sequence: Sequence(sequence),
        content: Content {
            topic: "plant/line/7/temperature",
            properties: &[],
            payload,
            qos: QoS::AtLeastOnce,
            retain: false,
            expires_at: None,
        },
        retained: false,
        receipt: None,
        targets: vec![Target {
            session: SESSION,
            offset: 0,
            qos: QoS::AtLeastOnce,
            retain: false,
            subscription_ids: SubscriptionIds::NONE,
            sent: None,
        }],
    })
}
