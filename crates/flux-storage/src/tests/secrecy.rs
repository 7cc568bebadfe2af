//! What is stored is in no `Debug`: of payloads there is how long they are.

use std::fmt::Debug;

use flux_session::QoS;

use super::{batch, message, open, session};
use crate::{Content, Record, SessionKey, SimulatedDisk, Store as _, WillRecord};

const SECRET: &[u8] = b"s3cret";

/// As text and as the numbers of its bytes.
#[track_caller]
fn check(shown: &impl Debug, expected: &str) {
    let text = format!("{shown:?} {shown:#?}");
    assert!(text.contains(expected), "{text}");
    for hidden in ["s3cret", "115, 51, 99"] {
        assert!(!text.contains(hidden), "{text}");
    }
}

#[test]
fn no_record_and_nothing_that_was_read_shows_a_payload() {
    let content = Content {
        topic: "home/door",
        properties: SECRET,
        payload: SECRET,
        qos: QoS::AtLeastOnce,
        retain: true,
        expires_at: None,
    };
    check(&content, "payload: 6 bytes");
    check(&content, "home/door");
    let testator = SECRET;
    let will = WillRecord { session: SessionKey(0), delay: 1, expiry: None, content, testator };
    check(&Record::Will(will), "testator: 6 bytes");
    check(&message(1, &[0], SECRET), "payload: 6 bytes");
    let records = batch(&[session(0), message(0, &[0], SECRET), Record::Will(will)]);
    check(&records, "records: 3");
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    log.append(&records);
    check(&log, "Pending");
    log.sync().unwrap();
    check(&log, "Log");
    check(&disk, "synced: ");
    let read = log.sessions(None, 1).unwrap();
    check(&read, "testator: 6 bytes");
    check(&read, "payload: 6 bytes");
}
