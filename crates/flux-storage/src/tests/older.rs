//! Logs that older programs wrote, in bytes: what is in them today is what they put there.
//!
//! The bytes in `older/version-N` were written by the last commit whose format had that version, 747c6f7 (1) and c2d5b25 (2), with its
//! own encoder, into a directory, each batch synced, in segments of 1024 bytes: sessions 0, 1 and 2; their subscriptions, one taken
//! back; their wills, one cleared; messages 1 to 4 for sessions 0 and 2, of which session 0 was sent 1 and 2, released 2 and was
//! through with 3; messages retained for two topics, one cleared; receipts, one closed; the end of session 2. In version 2 groups 0 and
//! 1, messages 8 and 10 for group 0 a number further on, the second moved to session 1, and the end of group 1.

use std::collections::BTreeMap;

use flux_session::{PacketId, QoS, RetainHandling, SessionExpiry, SubscriptionOptions, Timestamp};

use super::{ALL, batch, open};
use crate::{
    Log, Owner, Queued, Record, Sequence, SessionKey, SessionRecord, SimulatedDisk, Store as _,
    StoredContent, StoredGroup, StoredMessage, StoredSession, StoredWill,
};

const VERSION_1: &[&[u8]] = &[
    include_bytes!("older/version-1/0000000001.log"),
    include_bytes!("older/version-1/0000000002.log"),
];
const VERSION_2: &[&[u8]] = &[
    include_bytes!("older/version-2/0000000001.log"),
    include_bytes!("older/version-2/0000000002.log"),
    include_bytes!("older/version-2/0000000003.log"),
];
const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);
const AWAY: SessionKey = SessionKey(0);
const HERE: SessionKey = SessionKey(1);

fn disk(version: u8, segments: &[&[u8]]) -> SimulatedDisk {
    assert!(segments.iter().all(|bytes| bytes[8] == version), "they are what they are called");
    let numbered = (1..).zip(segments.iter().map(|bytes| bytes.to_vec()));
    SimulatedDisk::with_contents(numbered.collect())
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

fn content(topic: &'static str, payload: &'static str, retain: bool) -> StoredContent {
    // A user property, a = b.
    let properties: &[u8] = if retain { &[0x26, 0, 1, b'a', 0, 1, b'b'] } else { &[] };
    StoredContent {
        topic: topic.into(),
        properties: properties.into(),
        payload: payload.into(),
        qos: QoS::AtLeastOnce,
        retain,
        expires_at: retain.then_some(AT),
    }
}

fn queued(
    sequence: u64,
    qos: QoS,
    packet_id: Option<u16>,
    payload: Option<&'static str>,
) -> Queued {
    Queued {
        sequence: Sequence(sequence),
        qos,
        retain: false,
        subscription_ids: payload.map(|_| 9).into_iter().collect(),
        packet_id: packet_id.map(id),
        content: payload.map(|payload| content("a/b", payload, false)),
    }
}

/// Everything that both have.
fn check_what_both_have(log: &mut Log<SimulatedDisk>, queued_here: usize) {
    let sessions = log.sessions(None, 9).unwrap();
    let away = StoredSession {
        session: AWAY,
        client_id: "away".into(),
        // It was not asked for then.
        owner: Owner::Unknown,
        expiry: SessionExpiry::NEVER,
        detached_since: Some(AT),
        subscriptions: vec![(
            "a/#".into(),
            SubscriptionOptions {
                subscription_id: Some(9),
                no_local: true,
                retain_as_published: true,
                retain_handling: RetainHandling::Never,
                ..SubscriptionOptions::new(QoS::ExactlyOnce)
            },
        )],
        receipts: vec![id(8)],
        will: Some(StoredWill {
            delay: 30,
            expiry: Some(60),
            content: content("will", "lost", true),
            testator: [][..].into(),
        }),
        queued: 3,
    };
    let here = StoredSession {
        session: HERE,
        client_id: "here".into(),
        owner: Owner::Unknown,
        expiry: SessionExpiry::from_secs(3600),
        detached_since: None,
        subscriptions: vec![("$share/g/a/b".into(), SubscriptionOptions::new(QoS::AtMostOnce))],
        receipts: vec![id(7)],
        will: None,
        queued: queued_here,
    };
    assert_eq!(sessions, [away, here]);
    assert_eq!(
        log.queue(AWAY, None, ALL).unwrap(),
        [
            queued(1, QoS::ExactlyOnce, Some(5), Some("sent")),
            queued(2, QoS::ExactlyOnce, Some(6), None),
            queued(4, QoS::AtLeastOnce, None, Some("waits")),
        ]
    );
    let sequence = Sequence(5);
    let kept = StoredMessage { sequence, content: content("kept/a", "kept", true) };
    assert_eq!(log.retained(None, ALL).unwrap(), [kept]);
    assert_eq!(log.next_session(), SessionKey(3), "of the session that is over, too");
}

/// Goes on writing, and opens what came of it.
fn check_that_it_goes_on(
    log: &mut Log<SimulatedDisk>,
    disk: &SimulatedDisk,
    version: u8,
) -> Log<SimulatedDisk> {
    let session = log.next_session();
    let new = SessionRecord {
        session,
        client_id: "new",
        owner: Owner::User("alice"),
        expiry: SessionExpiry::NEVER,
        detached_since: None,
    };
    let topic = "kept/a";
    let sequence = log.next_sequence();
    let group = Record::Group { group: SessionKey::of_group(7), filter: "$share/h/a" };
    log.append(&batch(&[Record::Session(new), Record::RetainedCleared { topic, sequence }, group]));
    log.sync().unwrap();
    let versions: BTreeMap<_, _> =
        disk.contents().into_iter().map(|(number, bytes)| (number, bytes[8])).collect();
    assert_eq!(versions.last_key_value().unwrap().1, &3, "{versions:?}");
    assert_eq!(versions.values().filter(|it| **it == version).count(), versions.len() - 1);
    let mut log = open(disk);
    let sessions = log.sessions(Some(HERE), 9).unwrap();
    assert_eq!((sessions.len(), &sessions[0].owner), (1, &Owner::User("alice".into())));
    assert_eq!((log.retained(None, ALL).unwrap(), log.next_group()), (vec![], 8));
    log
}

#[test]
fn a_log_of_version_1_is_what_it_was_and_goes_on_as_version_3() {
    let disk = disk(1, VERSION_1);
    let mut log = open(&disk);
    check_what_both_have(&mut log, 0);
    assert_eq!((log.groups().unwrap(), log.next_group()), (vec![], 0));
    assert_eq!(log.next_sequence(), Sequence(8));
    let mut log = check_that_it_goes_on(&mut log, &disk, 1);
    assert_eq!((log.queue(AWAY, None, ALL).unwrap().len(), log.groups().unwrap().len()), (3, 1));
}

#[test]
fn a_log_of_version_2_is_what_it_was_and_goes_on_as_version_3() {
    let disk = disk(2, VERSION_2);
    let mut log = open(&disk);
    check_what_both_have(&mut log, 1);
    let group = SessionKey::of_group(0);
    let filter = "$share/g/a/b".into();
    assert_eq!(log.groups().unwrap(), [StoredGroup { group, filter, queued: 1 }]);
    let waits = queued(9, QoS::AtLeastOnce, None, Some("shared"));
    assert_eq!(log.queue(group, None, ALL).unwrap(), [waits]);
    let moved = queued(11, QoS::AtLeastOnce, Some(11), Some("moved"));
    assert_eq!(log.queue(HERE, None, ALL).unwrap(), [moved]);
    assert_eq!((log.next_group(), log.next_sequence()), (2, Sequence(12)));
    let mut log = check_that_it_goes_on(&mut log, &disk, 2);
    assert_eq!((log.queue(HERE, None, ALL).unwrap().len(), log.groups().unwrap().len()), (1, 2));
}
