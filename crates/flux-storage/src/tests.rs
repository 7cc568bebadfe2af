//! Tests of the whole crate.

mod committing;
mod damage;
mod directory;
mod failures;
mod model;
mod older;
mod random;
mod secrecy;
mod space;
mod start;
mod world;

use flux_session::{QoS, SessionExpiry, SubscriptionIds};

use crate::{
    Batch, Content, Durability, Log, LogSettings, MessageRecord, ReadLimit, Record, Sequence,
    SessionKey, SessionRecord, SimulatedDisk, Store as _, Target,
};

const SETTINGS: LogSettings =
    LogSettings { segment_bytes: 2048, new_log_id: 0x5eed, durability: Durability::Disk };
const ALL: ReadLimit = ReadLimit { messages: usize::MAX, bytes: usize::MAX };

fn open(disk: &SimulatedDisk) -> Log<SimulatedDisk> {
    Log::open(disk.clone(), SETTINGS).expect("the log opens").0
}

fn batch(records: &[Record<'_>]) -> Batch {
    let mut batch = Batch::new();
    records.iter().for_each(|record| batch.push(record).expect("it is short"));
    batch
}

fn session(key: u64) -> Record<'static> {
    Record::Session(SessionRecord {
        session: SessionKey(key),
        client_id: "client",
        owner: crate::Owner::Nobody,
        expiry: SessionExpiry::NEVER,
        detached_since: None,
    })
}

fn message<'a>(sequence: u64, targets: &[u64], payload: &'a [u8]) -> Record<'a> {
    let target = |key: &u64| Target {
        session: SessionKey(*key),
        offset: 0,
        qos: QoS::ExactlyOnce,
        retain: false,
        subscription_ids: SubscriptionIds::NONE,
        sent: None,
    };
    Record::Message(MessageRecord {
        sequence: Sequence(sequence),
        content: Content {
            topic: "a/b",
            properties: &[],
            payload,
            qos: QoS::ExactlyOnce,
            retain: false,
            expires_at: None,
        },
        retained: false,
        receipt: None,
        targets: targets.iter().map(target).collect(),
    })
}

fn done(session: u64, sequence: u64) -> Record<'static> {
    Record::Done { session: SessionKey(session), sequence: Sequence(sequence) }
}

/// The numbers in a session's queue.
fn queued(log: &mut Log<SimulatedDisk>, session: u64) -> Vec<u64> {
    let queue = log.queue(SessionKey(session), None, ALL).expect("the queue can be read");
    queue.into_iter().map(|message| message.sequence.0).collect()
}
