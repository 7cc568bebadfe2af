//! The program with a data directory: what outlives it, what it says, and what it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::child::{Program, run};
use super::store::Place;
use crate::support::Version::{V5, V311};
use crate::support::{Client, Connect, Publish};

fn start(store: &str, durability: &str) -> Program {
    Program::start(&["--port", "0", "--data-dir", store, "--durability", durability])
}

#[track_caller]
fn complaint(arguments: &[&str], words: &[&str]) {
    let output = run(&[&["--port", "0"], arguments].concat());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn what_it_acknowledged_outlives_a_kill() {
    for durability in ["disk", "os"] {
        let place = Place::new(&format!("outlives-{durability}"));
        let store = place.path("new/store");
        let program = start(&store, durability);
        let words = format!("0 sessions, 0 queued messages, 0 retained messages in {store}");
        assert!(program.announced.contains(&words), "{}", program.announced);
        let address = program.addresses[0];
        let mut away = Client::connect_to(address, &Connect::persistent(V5, "away"));
        away.subscribe("a/#", 2);
        away.disconnect();
        let mut publisher = Client::connect_to(address, &Connect::new(V311, "publisher"));
        for (number, qos) in [(0, 1), (1, 2), (2, 1)] {
            publisher.publish("a/b", number.to_string(), qos);
        }
        publisher.publish_packet(&Publish::new("a/r", "stays").qos(1, 1).retain(), 1);
        program.kill();

        let program = start(&store, durability);
        let words = "1 session, 4 queued messages, 1 retained message in";
        assert!(program.announced.contains(words), "{}", program.announced);
        let address = program.addresses[0];
        let mut away = Client::connect_to(address, &Connect::persistent(V5, "away"));
        assert!(away.session_present);
        for text in ["0", "1", "2", "stays"] {
            assert_eq!(away.receive_and_acknowledge().text(), text);
        }
        let mut reader = Client::connect_to(address, &Connect::new(V311, "reader"));
        reader.subscribe("a/#", 0);
        assert_eq!(reader.receive().text(), "stays");
    }
}

#[test]
fn what_waits_for_a_shared_subscription_outlives_a_kill() {
    let place = Place::new("shared");
    let store = place.path("store");
    let program = start(&store, "disk");
    let address = program.addresses[0];
    for name in ["m1", "m2"] {
        let mut member = Client::connect_to(address, &Connect::persistent(V5, name));
        member.subscribe("$share/g/a", 2);
        member.disconnect();
    }
    let mut publisher = Client::connect_to(address, &Connect::new(V311, "publisher"));
    for number in 0..3 {
        publisher.publish("a", number.to_string(), 2);
    }
    program.kill();

    let program = start(&store, "disk");
    let words = "2 sessions, 1 shared subscription, 3 queued messages, 0 retained messages in";
    assert!(program.announced.contains(words), "{}", program.announced);
    let mut member = Client::connect_to(program.addresses[0], &Connect::persistent(V5, "m2"));
    for text in ["0", "1", "2"] {
        assert_eq!(member.receive().text(), text);
    }
    program.kill();

    // They were sent to that member, and are for no other.
    let program = start(&store, "disk");
    let address = program.addresses[0];
    let mut other = Client::connect_to(address, &Connect::persistent(V5, "m1"));
    other.expect_nothing();
    let mut member = Client::connect_to(address, &Connect::persistent(V5, "m2"));
    for text in ["0", "1", "2"] {
        assert_eq!(member.receive().text(), text);
    }
    program.kill();
    let out = run(&["store", "export", &store]);
    let out = String::from_utf8(out.stdout).unwrap();
    assert!(out.contains(r#"{"kind":"group","filter":"$share/g/a","queued":0}"#), "{out}");
}

#[test]
fn without_a_directory_it_says_that_all_is_in_memory() {
    for arguments in [&["--port", "0"][..], &["--port", "0", "--durability", "none"]] {
        let program = Program::start(arguments);
        assert!(program.announced.contains("everything in memory"), "{}", program.announced);
    }
}

#[test]
fn a_choice_that_makes_no_sense_is_explained() {
    let place = Place::new("choice");
    let store = place.path("store");
    complaint(
        &["--durability", "disk"],
        &["--data-dir DIR", "leave durability (--durability) out"],
    );
    let words = [&*store, "choose disk or os", "leave data_dir (--data-dir) out"];
    complaint(&["--data-dir", &store, "--durability", "none"], &words);
    assert!(!fs::exists(&store).unwrap());
    let output = run(&["--durability", "maybe"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("disk, os, none"));
}

#[test]
fn a_directory_that_it_cannot_have_is_named() {
    let place = Place::new("cannot-have");
    fs::write(place.path("file"), "").unwrap();
    let below = place.path("file/store");
    let words = [&*below, "a directory that this user may read and write"];
    complaint(&["--data-dir", &below], &words);
    let store = place.path("store");
    let program = start(&store, "disk");
    let words = [&*store, "is used by another process", "stop the broker that runs there"];
    complaint(&["--data-dir", &store], &words);
    program.kill();
    assert_eq!(fs::metadata(&store).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_is_damaged_or_newer_is_never_an_empty_start() {
    let place = Place::new("never-empty");
    let store = place.path("store");
    let program = start(&store, "disk");
    let mut client = Client::connect_to(program.addresses[0], &Connect::persistent(V311, "a"));
    client.subscribe("a", 1);
    program.kill();
    let torn = |bytes: &mut Vec<u8>| bytes.extend(b"half a frame");
    place.edit("store", 1, torn);
    let (status, rest) = start(&store, "disk").terminate("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(rest.contains("the last 12 bytes of file 1 were never acknowledged"), "{rest}");

    place.edit("store", 1, |bytes| bytes[120] ^= 1);
    let words = ["is damaged: segment 1 is damaged at", "nothing was changed", "--salvage NEW_DIR"];
    complaint(&["--data-dir", &store], &words);
    place.edit("store", 1, |bytes| {
        bytes[120] ^= 1;
        bytes[8] = 4;
        let crc = crc32c::crc32c(&bytes[..12]).to_le_bytes();
        bytes[12..16].copy_from_slice(&crc);
    });
    complaint(&["--data-dir", &store], &["format version 4", "a newer flux-broker wrote it"]);
    for entry in fs::read_dir(&store).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some() {
            fs::remove_file(path).unwrap();
        }
    }
    complaint(&["--data-dir", &store], &["is missing", "nothing was changed"]);
}
