//! Enhanced authentication: SCRAM-SHA-256 over AUTH packets, at the beginning and once more.

use std::fs;
use std::net::SocketAddr;

use flux_conformance::Properties;

use super::child::{Program, run, with_rights};
use super::commands::run_with_input;
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{Client, Connect, PINGREQ, Publish, Scram, auth, method, packet, string};

/// Makes what is sent of client-final.
type Step<'a> = &'a dyn Fn(&str) -> Vec<u8>;

const SCRAM: &str = "SCRAM-SHA-256";

/// A broker that knows alice, with keys for SCRAM, and bob, with a hash.
fn start(name: &str) -> (Directory, Program) {
    let directory = Directory::new(name);
    let users = directory.file("users");
    let added = run_with_input(&["passwd", "add", "--scram", &users, "alice"], "pencil");
    assert_eq!(added.status.code(), Some(0));
    assert_eq!(run_with_input(&["passwd", "add", &users, "bob"], "pencil").status.code(), Some(0));
    let program = Program::start(&["--port", "0", "--passwords", &users, "--acl-default", "allow"]);
    (directory, program)
}

fn connect(scram: &Scram) -> Connect {
    Connect::new(V5, "a").property(&method(SCRAM, &scram.first()))
}

/// Reads an AUTH with this code, and returns its data.
#[track_caller]
pub(super) fn expect_auth(client: &mut Client, code: u8) -> String {
    let auth = client.packet();
    assert_eq!((auth[0], auth[2]), (0xF0, code), "{auth:02x?}");
    let (properties, rest) = Properties::split(&auth[3..]);
    assert!(rest.is_empty());
    assert_eq!(properties.get(0x15), Some(&string(SCRAM)[..]));
    String::from_utf8(properties.get(0x16).unwrap()[2..].to_vec()).unwrap()
}

/// Begins, and returns server-first.
fn begin(address: SocketAddr, scram: &Scram) -> (Client, String) {
    let mut client = Client::open(address, V5);
    client.send(&connect(scram).bytes());
    let server_first = expect_auth(&mut client, 0x18);
    (client, server_first)
}

/// Comes in.
fn come_in(address: SocketAddr) -> Client {
    let mut scram = Scram::new("alice", "pencil", "one");
    let (mut client, server_first) = begin(address, &scram);
    client.send(&auth(0x18, SCRAM, &scram.last(&server_first)));
    client.expect_connack();
    assert_eq!(client.connack.get(0x15), Some(&string(SCRAM)[..]));
    scram.check(str::from_utf8(&client.connack.get(0x16).unwrap()[2..]).unwrap());
    client
}

#[test]
fn a_client_proves_its_password_without_sending_it() {
    let (_directory, program) = start("scram-right");
    let address = program.addresses[0];
    let mut alice = come_in(address);
    alice.subscribe("a", 1);
    alice.send(&Publish::new("a", "x").bytes(V5));
    alice.expect_publish(&Publish::new("a", "x"));
    alice.ping();
    // And all in one go, the first packets behind the last step.
    let mut scram = Scram::new("alice", "pencil", "two");
    let (mut again, server_first) = begin(address, &scram);
    let mut bytes = auth(0x18, SCRAM, &scram.last(&server_first));
    bytes.extend(PINGREQ);
    bytes.extend(PINGREQ);
    again.send(&bytes);
    again.expect_connack();
    again.expect(&[0xD0, 0]);
    again.expect(&[0xD0, 0]);
    alice.expect_disconnect(0x8E);
    // Its password is as good, in every version; and bob has only that.
    for version in [V311, V5] {
        for user in ["alice", "bob"] {
            let login = Connect::new(version, user).login(user, "pencil");
            Client::connect_to(address, &login).ping();
        }
    }
}

#[test]
fn who_does_not_know_the_password_cannot_tell_who_is_there() {
    let (_directory, program) = start("scram-wrong");
    let address = program.addresses[0];
    let costs = |server_first: &str| server_first.rsplit_once(",i=").unwrap().1.to_owned();
    let salt = |server_first: &str| server_first.split(',').nth(1).unwrap().to_owned();
    let mut seen = Vec::new();
    for (user, password) in [("alice", "wrong"), ("bob", "pencil"), ("eve", "pencil"), ("eve", "x")]
    {
        let mut scram = Scram::new(user, password, "one");
        let (mut client, server_first) = begin(address, &scram);
        client.send(&auth(0x18, SCRAM, &scram.last(&server_first)));
        client.expect_refusal(0x86);
        seen.push((costs(&server_first), salt(&server_first)));
    }
    assert!(seen.iter().all(|(costs, salt)| *costs == seen[0].0 && salt.len() == seen[0].1.len()));
    assert_eq!(seen[2], seen[3], "the salt of a name is always the same");
}

#[test]
fn a_name_that_is_not_there_has_the_same_salt_after_a_restart_and_with_other_users() {
    let (directory, program) = start("scram-decoys");
    let users = directory.file("users");
    let shown = |address: SocketAddr, user: &str| {
        let (_, server_first) = begin(address, &Scram::new(user, "x", "one"));
        server_first.split_once(',').unwrap().1.to_owned()
    };
    let names = ["alice", "bob", "eve", "mallory"];
    let before = names.map(|name| shown(program.addresses[0], name));
    drop(program);
    let mut program = Program::start(&[
        "--port",
        "0",
        "--passwords",
        &users,
        "--acl-default",
        "allow",
        "--log",
        "flux_broker::reload=info",
    ]);
    let address = program.addresses[0];
    assert_eq!(names.map(|name| shown(address, name)), before);
    let added = run_with_input(&["passwd", "add", "--scram", &users, "carol"], "pencil");
    assert_eq!(added.status.code(), Some(0));
    program.signal("HUP");
    assert!(program.line().contains("was read again"));
    let mut carol = Scram::new("carol", "pencil", "one");
    let (mut client, server_first) = begin(address, &carol);
    client.send(&auth(0x18, SCRAM, &carol.last(&server_first)));
    client.expect_connack();
    assert_eq!(names.map(|name| shown(address, name)), before);
}

#[test]
fn what_was_heard_of_another_exchange_is_worth_nothing() {
    let (_directory, program) = start("scram-replay");
    let address = program.addresses[0];
    let mut scram = Scram::new("alice", "pencil", "one");
    let (mut heard, server_first) = begin(address, &scram);
    let last = scram.last(&server_first);
    heard.send(&auth(0x18, SCRAM, &last));
    heard.expect_connack();
    heard.disconnect();
    // The same messages once more: the server has another nonce now.
    let (mut replayed, other) = begin(address, &scram);
    assert_ne!(other, server_first);
    replayed.send(&auth(0x18, SCRAM, &last));
    replayed.expect_refusal(0x86);
    // Also with the new nonce written over the old one.
    let nonce =
        |first: &str| first.strip_prefix("r=").unwrap().split(',').next().unwrap().to_owned();
    let (mut replayed, other) = begin(address, &scram);
    replayed.send(&auth(0x18, SCRAM, &last.replace(&nonce(&server_first), &nonce(&other))));
    replayed.expect_refusal(0x86);
}

#[test]
fn a_step_that_is_none_is_refused() {
    let (_directory, program) = start("scram-steps");
    let address = program.addresses[0];
    // Another method, and the right one without data.
    for (name, data, code) in [
        ("SCRAM-SHA-1", "n,,n=alice,r=x", 0x8C),
        ("", "", 0x8C),
        (SCRAM, "", 0x86),
        (SCRAM, "x", 0x86),
    ] {
        let mut client = Client::open(address, V5);
        client.send(&Connect::new(V5, "a").property(&method(name, data)).bytes());
        client.expect_refusal(code);
    }
    let mut scram = Scram::new("alice", "pencil", "one");
    let steps: &[(Step<'_>, u8)] = &[
        (&|last| auth(0x18, "SCRAM-SHA-1", last), 0x82),
        (&|last| auth(0x19, SCRAM, last), 0x82),
        (&|last| auth(0x00, SCRAM, last), 0x81),
        (&|_| packet(0xF0, &[&[0x18, 0]]), 0x82),
        (&|_| vec![0xF0, 0], 0x81),
        (&|_| auth(0x18, SCRAM, ""), 0x86),
        // Nothing but AUTH and DISCONNECT before CONNACK.
        (&|_| PINGREQ.to_vec(), 0x82),
        (&|_| Publish::new("a", "x").bytes(V5), 0x82),
        (&|_| Connect::new(V5, "a").bytes(), 0x82),
    ];
    let mut observer = Client::connect_to(address, &Connect::new(V5, "").login("bob", "pencil"));
    observer.subscribe("a", 0);
    for (number, (step, code)) in steps.iter().enumerate() {
        let (mut client, server_first) = begin(address, &scram);
        client.send(&step(&scram.last(&server_first)));
        let answer = client.packet();
        assert_eq!((answer[0], answer[3]), (0x20, *code), "{number}: {answer:02x?}");
        client.expect_closed();
    }
    let (mut client, _) = begin(address, &scram);
    client.send(&[0xE0, 0]);
    client.expect_closed();
    // Malformed bits of its first byte close without a word.
    let (mut client, server_first) = begin(address, &scram);
    let mut step = auth(0x18, SCRAM, &scram.last(&server_first));
    step[0] = 0xF1;
    client.send(&step);
    client.expect_refusal(0x81);
    observer.ping();
}

/// What a server answers is enough to go on guessing elsewhere: whoever takes that and leaves has failed.
#[test]
fn who_leaves_without_proving_anything_is_banned_like_one_with_a_wrong_password() {
    let (directory, program) = start("scram-leaves");
    drop(program);
    let (config, users) = (directory.file("flux.toml"), directory.file("users"));
    let settings = format!(
        "[auth]\npassword_file = \"{users}\"\n[auth.bans]\nfailures = 3\nexempt = []\n\
         [protocol]\nconnect_timeout = \"3s\"\n"
    );
    fs::write(&config, with_rights(settings)).unwrap();
    let ways = [
        ["hangs up"; 3],
        ["says goodbye"; 3],
        ["says nothing"; 3],
        ["hangs up", "says goodbye", "proves it wrongly"],
    ];
    for ways in ways {
        let program = Program::start(&["--config", &config, "--port", "0"]);
        let address = program.addresses[0];
        come_in(address).disconnect();
        for way in ways {
            let mut scram = Scram::new("alice", "x", "one");
            let (mut client, server_first) = begin(address, &scram);
            match way {
                "says goodbye" => {
                    client.send(&[0xE0, 0]);
                    client.expect_closed();
                }
                "says nothing" => client.expect_refusal(0x87),
                "proves it wrongly" => {
                    client.send(&auth(0x18, SCRAM, &scram.last(&server_first)));
                    client.expect_refusal(0x86);
                }
                _ => drop(client),
            }
        }
        // The broker sees a little later that somebody hung up.
        let is_banned = || {
            let mut client = Client::open(address, V5);
            client.send(&Connect::new(V5, "b").login("bob", "pencil").bytes());
            client.packet()[3] == 0x8A
        };
        assert!((0..1_000).any(|_| is_banned()), "{ways:?}");
        let mut client = Client::open(address, V5);
        client.send(&connect(&Scram::new("alice", "pencil", "one")).bytes());
        client.expect_refusal(0x8A);
    }
}

#[test]
fn a_client_that_is_in_may_authenticate_once_more() {
    let (_directory, program) = start("scram-again");
    let address = program.addresses[0];
    let mut alice = come_in(address);
    for nonce in ["two", "three"] {
        let mut scram = Scram::new("alice", "pencil", nonce);
        alice.send(&auth(0x19, SCRAM, &scram.first()));
        let server_first = expect_auth(&mut alice, 0x18);
        // All else goes on meanwhile.
        alice.subscribe("a", 1);
        alice.send(&auth(0x18, SCRAM, &scram.last(&server_first)));
        scram.check(&expect_auth(&mut alice, 0x00));
        alice.ping();
    }
    let wrong: &[(&[Vec<u8>], u8)] = &[
        // Another method, out of turn, two at a time, success, and no method.
        (&[auth(0x19, "SCRAM-SHA-1", "n,,n=alice,r=x")], 0x82),
        (&[auth(0x18, SCRAM, "c=biws,r=x,p=AAAA")], 0x82),
        (&[auth(0x19, SCRAM, "n,,n=alice,r=x"), auth(0x19, SCRAM, "n,,n=alice,r=x")], 0x82),
        (&[auth(0x19, SCRAM, "n,,n=alice,r=x"), auth(0x18, "X", "c=biws,r=x,p=AAAA")], 0x82),
        (&[auth(0x00, SCRAM, "")], 0x81),
        (&[vec![0xF0, 2, 0x19, 0]], 0x82),
        // Not proven, and not even tried.
        (&[auth(0x19, SCRAM, "n,,n=alice,r=x"), auth(0x18, SCRAM, "c=biws,r=x,p=AAAA")], 0x87),
        (&[auth(0x19, SCRAM, "")], 0x87),
    ];
    for (packets, code) in wrong {
        let mut alice = come_in(address);
        for (number, packet) in packets.iter().enumerate() {
            alice.send(packet);
            if number + 1 < packets.len() {
                expect_auth(&mut alice, 0x18);
            }
        }
        alice.expect_disconnect(*code);
    }
}

/// It held the name twice, for as long as the client liked.
#[test]
fn whoever_begins_once_more_and_does_not_go_on_is_disconnected_and_its_memory_counted() {
    let (directory, program) = start("scram-begun");
    drop(program);
    let (path, users) = (directory.file("flux.toml"), directory.file("users"));
    let name = "n".repeat(60_000);
    let begun = |connect_timeout: &str| {
        let config = format!(
            "[auth]\npassword_file = \"{users}\"\n[admin]\nbind = \"127.0.0.1:0\"\n\
             [protocol]\nconnect_timeout = \"{connect_timeout}\"\n"
        );
        fs::write(&path, with_rights(config)).unwrap();
        let program = Program::start(&["--config", &path, "--port", "0"]);
        let mut alice = come_in(program.addresses[0]);
        alice.send(&auth(0x19, SCRAM, &Scram::new(&name, "pencil", "two").first()));
        expect_auth(&mut alice, 0x18);
        (program, alice)
    };
    let (_program, mut alice) = begun("600ms");
    alice.expect_disconnect(0x87);

    let (program, mut alice) = begun("1h");
    let held = || program.metric("flux_held_bytes{kind=\"unread\"}");
    assert!((120_000..130_000).contains(&held()), "{}", held());
    alice.send(&auth(0x18, SCRAM, "c=biws,r=x,p=AAAA"));
    alice.expect_disconnect(0x87);
    assert_eq!(held(), 0);
}

#[test]
fn once_more_is_nobody_else() {
    let (directory, program) = start("scram-other");
    let users = directory.file("users");
    let added = run_with_input(&["passwd", "add", "--scram", &users, "carol"], "pencil");
    assert_eq!(added.status.code(), Some(0));
    program.signal("HUP");
    let address = program.addresses[0];
    // Until she is known, who was there before comes in.
    loop {
        let mut carol = Scram::new("carol", "pencil", "one");
        let (mut client, server_first) = begin(address, &carol);
        client.send(&auth(0x18, SCRAM, &carol.last(&server_first)));
        if client.packet()[3] == 0 {
            break;
        }
    }
    let mut alice = come_in(address);
    let mut carol = Scram::new("carol", "pencil", "two");
    alice.send(&auth(0x19, SCRAM, &carol.first()));
    let server_first = expect_auth(&mut alice, 0x18);
    alice.send(&auth(0x18, SCRAM, &carol.last(&server_first)));
    alice.expect_disconnect(0x87);
}

#[test]
fn who_named_no_method_has_none() {
    let (_directory, program) = start("scram-none");
    let address = program.addresses[0];
    let mut bob = Client::connect_to(address, &Connect::new(V5, "b").login("bob", "pencil"));
    assert_eq!((bob.connack.get(0x15), bob.connack.get(0x16)), (None, None));
    bob.send(&auth(0x19, SCRAM, "n,,n=alice,r=x"));
    bob.expect_disconnect(0x82);
    // MQTT 3.1.1 has no AUTH.
    let mut old = Client::connect_to(address, &Connect::new(V311, "c").login("bob", "pencil"));
    old.send(&auth(0x19, SCRAM, "n,,n=alice,r=x"));
    old.expect_closed();
    // Nor has a broker whose users have no keys for it.
    let directory = Directory::new("scram-no-keys");
    let users = directory.file("users");
    assert_eq!(run_with_input(&["passwd", "add", &users, "bob"], "pencil").status.code(), Some(0));
    let program = Program::start(&["--port", "0", "--passwords", &users, "--acl-default", "allow"]);
    let mut client = Client::open(program.addresses[0], V5);
    client.send(&connect(&Scram::new("bob", "pencil", "x")).bytes());
    client.expect_refusal(0x8C);
}

#[test]
fn keys_are_no_password() {
    let (directory, _program) = start("scram-keys");
    let text = fs::read_to_string(directory.file("users")).unwrap();
    assert!(text.contains("alice:SCRAM-SHA-256$") && !text.contains("pencil"), "{text}");
    let check = |password| {
        run_with_input(&["passwd", "check", &directory.file("users"), "alice"], password)
            .status
            .code()
    };
    assert_eq!((check("pencil"), check("pen")), (Some(0), Some(1)));
    let refused =
        run_with_input(&["passwd", "add", "--scram", &directory.file("users"), "x"], "pä");
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(run(&["passwd", "list", &directory.file("users")]).stdout, b"alice\nbob\n");
}
