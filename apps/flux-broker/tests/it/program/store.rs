//! `flux-broker store` on the directories of brokers that do not run.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use flux_mqtt::{QoS, RetainHandling, SessionExpiry, SubscriptionOptions, Timestamp};
use flux_session::PacketId;
use flux_storage::{
    Batch, Content, Directory, Durability, Log, LogSettings, MessageRecord, Record, Sequence,
    SessionKey, SessionRecord, Store as _, Target, WillRecord,
};

use super::child::run;

/// A directory for one test.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("flux-broker-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Changes the bytes of a file of a store.
    pub(super) fn edit(&self, name: &str, file: u32, edit: impl FnOnce(&mut Vec<u8>)) {
        let path = self.0.join(name).join(format!("{file:010}.log"));
        let mut bytes = fs::read(&path).unwrap();
        edit(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Opens a store for as long as the log lives.
fn open(path: &str) -> Log<Directory> {
    let settings = LogSettings {
        segment_bytes: LogSettings::SEGMENT_BYTES,
        new_log_id: 7,
        durability: Durability::Disk,
    };
    Log::open(Directory::open(path).unwrap(), settings).unwrap().0
}

fn content<'a>(topic: &'a str, payload: &'a [u8]) -> Content<'a> {
    let expires_at = Some(Timestamp::from_millis(5_000));
    let (qos, retain) = (QoS::AtLeastOnce, true);
    Content { topic, properties: &[], payload, qos, retain, expires_at }
}

/// Two sessions, of which one has everything, a shared subscription, and two retained messages; each record in a group of its own.
fn fill(log: &mut Log<Directory>) {
    let (session, group) = (SessionKey(0), SessionKey::of_group(1));
    let target = Target {
        session,
        offset: 0,
        qos: QoS::AtLeastOnce,
        retain: false,
        subscription_ids: [7].into_iter().collect(),
        sent: None,
    };
    let message = |sequence, content, targets| {
        let sequence = Sequence(sequence);
        let retained = sequence.0 < 2;
        Record::Message(MessageRecord { sequence, content, retained, receipt: None, targets })
    };
    let begins = |key, client_id, expiry, detached_since: Option<Timestamp>| {
        let session = SessionKey(key);
        let owner = detached_since.map(|_| "al\"ice").into();
        Record::Session(SessionRecord { session, client_id, owner, expiry, detached_since })
    };
    let options = SubscriptionOptions {
        retain_handling: RetainHandling::OnNewSubscription,
        subscription_id: Some(7),
        ..SubscriptionOptions::new(QoS::AtLeastOnce)
    };
    let packet_id = PacketId::new(3).unwrap();
    let records = [
        begins(0, "meter \"17\"", SessionExpiry::NEVER, Some(Timestamp::from_millis(1_234))),
        begins(1, "b", SessionExpiry::from_secs(60), None),
        Record::Subscribed { session, filter: "plant/#", options },
        Record::ReceiptOpened { session, packet_id },
        Record::Will(WillRecord {
            session,
            delay: 5,
            expiry: None,
            content: Content { expires_at: None, properties: &[1, 2], ..content("gone", b"") },
            testator: b"",
        }),
        message(0, content("plant/a", "21 °C".as_bytes()), vec![target.clone()]),
        message(1, content("plant/b", &[0xFF, 0]), vec![target.clone()]),
        Record::Sent { session, sequence: Sequence(1), packet_id },
        Record::Group { group, filter: "$share/g/plant/c" },
        message(
            2,
            content("plant/c", b"waits"),
            vec![Target { session: group, offset: 1, ..target }],
        ),
    ];
    for record in &records {
        let mut batch = Batch::new();
        batch.push(record).unwrap();
        log.append(&batch);
        log.sync().unwrap();
    }
}

#[track_caller]
fn check(output: &Output, code: i32, words: &[&str]) -> String {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    let text = format!("{out}{err}");
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
    out
}

#[test]
fn a_sound_store_is_counted_and_left_as_it_is() {
    let place = Place::new("sound");
    let store = place.path("store");
    fill(&mut open(&store));
    let all = |path: &str| {
        let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let before = all(&store);
    let words = [
        "is sound: 2 sessions, 1 shared subscription, 3 queued messages, 2 retained messages",
        "1 MiB in 1 file",
    ];
    check(&run(&["store", "check", &store]), 0, &words);
    place.edit("store", 1, |bytes| bytes.extend(b"torn"));
    check(&run(&["store", "check", &store]), 0, &["is sound", "the last 4 bytes of file 1"]);
    place.edit("store", 1, |bytes| bytes.truncate(bytes.len() - 4));
    assert_eq!(all(&store), before);
}

#[test]
fn an_export_has_everything() {
    let place = Place::new("export");
    let store = place.path("store");
    fill(&mut open(&store));
    let out = check(&run(&["store", "export", &store]), 0, &[]);
    let expected = r#"{"kind":"session","client_id":"meter \"17\"","owner":"al\"ice","expires_after_seconds":null,"detached_since":1234,"open_packet_ids":[3],"queued":2}
{"kind":"subscription","client_id":"meter \"17\"","filter":"plant/#","qos":1,"no_local":false,"retain_as_published":false,"retain_handling":1,"subscription_id":7}
{"kind":"will","client_id":"meter \"17\"","delay_seconds":5,"message_expiry_seconds":null,"message":{"topic":"gone","qos":1,"retain":true,"properties_base64":"AQI=","payload":""}}
{"kind":"queued","client_id":"meter \"17\"","sequence":0,"qos":1,"retain":false,"subscription_ids":[7],"packet_id":null,"message":{"topic":"plant/a","qos":1,"retain":true,"expires_at":5000,"payload":"21 °C"}}
{"kind":"queued","client_id":"meter \"17\"","sequence":1,"qos":1,"retain":false,"subscription_ids":[7],"packet_id":3,"message":{"topic":"plant/b","qos":1,"retain":true,"expires_at":5000,"payload_base64":"/wA="}}
{"kind":"session","client_id":"b","owner":null,"expires_after_seconds":60,"detached_since":null,"open_packet_ids":[],"queued":0}
{"kind":"group","filter":"$share/g/plant/c","queued":1}
{"kind":"waiting","filter":"$share/g/plant/c","sequence":3,"message":{"topic":"plant/c","qos":1,"retain":true,"expires_at":5000,"payload":"waits"}}
{"kind":"retained","sequence":0,"message":{"topic":"plant/a","qos":1,"retain":true,"expires_at":5000,"payload":"21 °C"}}
{"kind":"retained","sequence":1,"message":{"topic":"plant/b","qos":1,"retain":true,"expires_at":5000,"payload_base64":"/wA="}}
"#;
    assert_eq!(out, expected);
}

#[test]
fn what_is_damaged_is_refused_and_the_rest_is_salvaged() {
    let place = Place::new("damaged");
    let (store, rest) = (place.path("store"), place.path("rest"));
    fill(&mut open(&store));
    // The retained message of plant/a.
    place.edit("store", 1, |bytes| {
        let at = bytes.windows(7).position(|part| part == b"plant/a").unwrap();
        bytes[at] ^= 1;
    });
    let words = ["is damaged: segment 1 is damaged at", "--salvage NEW_DIR", "a copy from before"];
    for command in ["check", "export"] {
        let out = check(&run(&["store", command, &store]), 1, &words);
        assert_eq!(out, "");
    }
    let words = [
        "2 sessions, 1 shared subscription, 2 queued messages, 1 retained message",
        "bytes are damaged and left out",
    ];
    check(&run(&["store", "check", &store, "--salvage", &rest]), 0, &words);
    check(
        &run(&["store", "check", &rest]),
        0,
        &["2 sessions, 1 shared subscription, 2 queued messages"],
    );
    let again = run(&["store", "check", &store, "--salvage", &rest]);
    check(&again, 3, &["has a store in it", "name a directory that has none"]);
}

#[test]
fn what_cannot_be_looked_at_is_no_damage() {
    let place = Place::new("cannot");
    let (store, other) = (place.path("store"), place.path("other"));
    for command in ["check", "export"] {
        check(&run(&["store", command, &store]), 3, &["cannot open", "No such file or directory"]);
    }
    fs::create_dir_all(&other).unwrap();
    check(&run(&["store", "check", &other]), 3, &["there is no store in"]);
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
    let mut log = open(&store);
    fill(&mut log);
    for command in ["check", "export"] {
        let words = ["is used by another process", "stop the broker"];
        check(&run(&["store", command, &store]), 3, &words);
    }
    drop(log);
    place.edit("store", 1, |bytes| {
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[..12]).to_le_bytes();
        bytes[12..16].copy_from_slice(&crc);
    });
    let words = ["format version 9", "a newer flux-broker wrote it"];
    check(&run(&["store", "check", &store]), 3, &words);
    fs::remove_file(place.0.join("store").join("0000000001.log")).unwrap();
    check(&run(&["store", "check", &store]), 1, &["segment 1 is missing"]);
}
