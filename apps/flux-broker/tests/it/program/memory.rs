//! What peers send does not grow the broker: what it does not get to, it does not read, it keeps no more
//! of half a packet than there is, and who breaks the rules leaves nothing behind.

use std::fs;
use std::thread;

use flux_conformance::{CHAPTERS, Case, Judge, Outcome};

#[cfg(target_env = "gnu")]
use super::access::{files, login};
use super::child::Program;
#[cfg(target_env = "gnu")]
use super::child::with_rights;
use crate::support::Version::V311;
use crate::support::{Client, Connect, DEADLINE, PINGREQ, PINGRESP, Publish};

/// A PUBLISH of QoS 0 to nobody: nothing is answered, so nothing else holds the client up.
const PUBLISH: &[u8] = &[0x30, 3, 0, 1, b'a'];

#[test]
fn a_flood_is_read_no_faster_than_it_is_handled() {
    let program = Program::start(&["--port", "0", "--workers", "1"]);
    let mut client = Client::connect_to(program.addresses[0], &Connect::new(V311, "flood"));
    let burst = PUBLISH.repeat(50_000);
    client.send(&burst);
    client.ping();
    let before = peak(&program);
    for _ in 0..60 {
        client.send(&burst);
    }
    client.ping();
    let grown = peak(&program) - before;
    assert!(grown < 2048, "the broker grew by {grown} KiB while it was sent 15 MB");
}

#[test]
fn a_packet_refused_by_its_length_is_not_read() {
    let program = Program::start(&["--port", "0", "--workers", "1"]);
    let huge = [&[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..], &[b'x'; 200_000]].concat();
    let refused = |connect: bool| {
        let mut client = Client::open(program.addresses[0], V311);
        if connect {
            client.send(&Connect::new(V311, "huge").bytes());
            client.expect_connack();
        }
        client.try_send(&huge);
        client.expect_closed();
    };
    refused(true);
    let before = peak(&program);
    for round in 0..200 {
        refused(round % 2 == 0);
    }
    let grown = peak(&program) - before;
    assert!(grown < 2048, "the broker grew by {grown} KiB");
}

/// A connection that has sent half a packet costs little more than one that has sent nothing.
#[test]
fn half_a_packet_keeps_no_whole_buffer() {
    let program = Program::start(&["--port", "0", "--workers", "1"]);
    let mut clients: Vec<_> = (0..500)
        .map(|number| {
            let mut client = Client::open(program.addresses[0], V311);
            client.send(&Connect::new(V311, &number.to_string()).bytes());
            client.expect_connack();
            client
        })
        .collect();
    let before = peak(&program);
    for client in &mut clients {
        // Behind a whole packet, whose answer says that both were read.
        client.send(&[&PINGREQ[..], &[0x30]].concat());
        client.expect(&PINGRESP);
    }
    let grown = peak(&program) - before;
    assert!(grown < 500, "half a packet each made the broker grow by {grown} KiB");
}

/// Every malformed form of every packet, thousands of connections: the first rounds fill what the
/// broker keeps for the next connections, and the others use it again.
#[test]
fn malformed_packets_leave_nothing_behind() {
    let program = Program::start(&["--port", "0", "--workers", "1"]);
    let is_about_them =
        |name: &str| matches!(name, "strings" | "headers" | "malformed" | "malformed_connect");
    let cases: Vec<Case> = CHAPTERS
        .iter()
        .filter(|chapter| is_about_them(chapter.name))
        .flat_map(|chapter| chapter.cases)
        .copied()
        .collect();
    // The same clients and topics in each round.
    let judge = Judge::new(program.addresses[0], DEADLINE);
    let round = || {
        for verdict in judge.run(&cases) {
            assert_eq!(verdict.outcome, Outcome::Passed, "{}", verdict.case.name);
        }
    };
    for _ in 0..3 {
        round();
    }
    let before = peak(&program);
    for _ in 0..6 {
        round();
    }
    let grown = peak(&program) - before;
    assert!(grown < 512, "the broker grew by {grown} KiB in six rounds");
}

/// It was kept for each thread that had hashed once, though all of them had ended.
#[cfg(target_env = "gnu")]
#[test]
fn what_passwords_were_hashed_by_is_given_back_when_they_are_not_asked_for_any_more() {
    let (directory, users, _) = files("memory-hashes");
    let path = directory.file("flux.toml");
    let text = "[log]\nfilter = \"flux_broker::reload=info\"\n[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n";
    let asks = with_rights(format!("{text}[auth]\npassword_file = \"{users}\"\n"));
    fs::write(&path, text).unwrap();
    let mut program = Program::start(&["--config", &path]);
    let address = program.addresses[0];
    let mut becomes = |text: &str| {
        fs::write(&path, text).unwrap();
        program.signal("HUP");
        let line = program.line();
        assert!(line.contains("was read again"), "{line}");
        resident(&program)
    };
    let mut toggle = || {
        becomes(&asks);
        Client::connect_to(address, &login(V311, "alice")).disconnect();
        becomes(text)
    };
    let before = toggle();
    for _ in 0..10 {
        let now = toggle();
        assert!(now < before + 10 * 1024, "{before} KiB once it had hashed, {now} KiB later");
    }
}

/// What is accepted for those who are away, what is retained, and what nobody takes: the limit holds for all of it, and
/// the broker goes on.
#[test]
fn a_flood_of_everything_stays_within_the_limit_of_bytes() {
    let directory = super::directory::Directory::new("memory-limit");
    let path = directory.file("flux.toml");
    fs::write(&path, "broker.workers = 1\nlimits.bytes = \"2MiB\"\nretained.bytes = \"1MiB\"\n[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n").unwrap();
    let program = Program::start(&["--config", &path]);
    let at = program.addresses[0];
    for name in ["a", "b"] {
        let mut away = Client::connect_to(at, &Connect::persistent(V311, name));
        away.subscribe("t", 1);
        away.lose();
    }
    let mut bystander = Client::connect_to(at, &Connect::new(V311, "bystander"));
    bystander.subscribe("small", 0);
    let before = peak(&program);
    let payload = "x".repeat(30_000);
    // 12 MB, of which 2 MiB may stay; what is not taken is acknowledged all the same in this version.
    // At the limit nobody new would be let in.
    let connect = |number| Client::connect_to(at, &Connect::new(V311, &format!("flood-{number}")));
    let floods: Vec<Client> = (0..20).map(connect).collect();
    thread::scope(|scope| {
        for (number, mut flood) in floods.into_iter().enumerate() {
            let payload = &payload;
            scope.spawn(move || {
                for round in 0..10 {
                    flood.publish("t", payload, 1);
                    let topic = format!("r/{number}/{round}");
                    flood.send(&Publish::new(&topic, payload.clone()).retain().bytes(V311));
                }
                flood.ping();
            });
        }
    });
    let grown = peak(&program) - before;
    assert!(grown < 8 * 1024, "the broker grew by {grown} KiB");
    bystander.ping();
    let mut back = Client::open(at, V311);
    back.send(&Connect::persistent(V311, "a").bytes());
    back.expect(&[0x20, 2, 1, 0]);
    assert_eq!(back.receive_and_acknowledge().text(), payload, "what was taken is there");
}

/// The most memory that the program ever had resident, in KiB.
fn peak(program: &Program) -> u64 {
    kib(program, "VmHWM:")
}

/// The memory that the program has resident, in KiB.
#[cfg(target_env = "gnu")]
fn resident(program: &Program) -> u64 {
    kib(program, "VmRSS:")
}

fn kib(program: &Program, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}
