//! What somebody tries who is in, or not: sessions, topics and time of others.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::child::{Program, run};
use super::commands::run_with_input;
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{Client, Connect, Publish, Version, Will};

const ROLES: &str = r##"
[roles.device]
publish = ["dev/{username}/#", "$test/#"]
subscribe = ["dev/{username}/#", "$test/#"]
retain = ["dev/{username}/#"]
[roles.operator]
publish = ["#", "$test/#"]
subscribe = ["#", "$test/#"]
retain = ["#"]
[roles.guest]
[[bind]]
everyone = true
roles = ["guest"]
[[bind]]
user = "alice"
roles = ["device"]
[[bind]]
user = "bob"
roles = ["device"]
[[bind]]
user = "root"
roles = ["operator"]
"##;

/// A broker with users and roles, and with these further settings.
fn start(name: &str, settings: &str) -> (Directory, Program) {
    let directory = Directory::new(name);
    let (users, roles) = (directory.file("users"), directory.file("roles"));
    for user in ["alice", "bob", "root"] {
        let added = run_with_input(&["passwd", "add", &users, user], user);
        assert_eq!(added.status.code(), Some(0));
    }
    fs::write(&roles, ROLES).unwrap();
    let config =
        format!("[acl]\nfile = \"{roles}\"\n[auth]\npassword_file = \"{users}\"\n{settings}");
    let path = directory.file("flux.toml");
    fs::write(&path, config).unwrap();
    let program = Program::start(&["--config", &path, "--port", "0"]);
    (directory, program)
}

fn login(version: Version, user: &str, client_id: &str) -> Connect {
    Connect::new(version, client_id).login(user, user)
}

#[track_caller]
fn refused(address: SocketAddr, connect: &Connect, code: u8) {
    let mut client = Client::open(address, V5);
    client.send(&connect.bytes());
    client.expect_refusal(code);
}

#[test]
fn nobody_takes_over_the_session_of_another_user() {
    let tied = "client_ids = [{ user = \"*\", client_id = [\"{username}\", \"{username}-?\"] }]\n";
    let (_directory, program) = start("attacks-takeover", tied);
    let address = program.addresses[0];
    let mut alice = Client::connect_to(address, &login(V5, "alice", "alice-1"));
    for client_id in ["alice-1", "alice", "", "bob-12", "bobalice", "*", "bob-", "Bob"] {
        refused(address, &login(V5, "bob", client_id), 0x87);
    }
    let mut old = Client::open(address, V311);
    old.send(&login(V311, "bob", "alice-1").bytes());
    old.expect(&[0x20, 2, 0, 5]);
    old.expect_closed();
    alice.ping();
    Client::connect_to(address, &login(V5, "bob", "bob-1")).ping();
    Client::connect_to(address, &login(V5, "bob", "bob")).ping();
    Client::connect_to(address, &login(V5, "alice", "alice-1")).ping();
    alice.expect_disconnect(0x8E);
}

/// Without any `client_ids`: what somebody has, connected or away, nobody else gets.
#[test]
fn a_session_is_its_users_though_everybody_knows_its_client_identifier() {
    let settings = "[admin]\nbind = \"127.0.0.1:0\"\n";
    let (_directory, program) = start("attacks-owner", settings);
    let address = program.addresses[0];
    let session = |user: &str| login(V5, user, "shared").expiry(600);
    let tries = || {
        refused(address, &session("bob").resume(), 0x85);
        refused(address, &session("bob"), 0x85);
        let mut old = Client::open(address, V311);
        old.send(&login(V311, "bob", "shared").bytes());
        old.expect(&[0x20, 2, 0, 2]);
        old.expect_closed();
    };
    let mut root = Client::connect_to(address, &login(V5, "root", "root"));
    let mut alice = Client::connect_to(address, &session("alice"));
    alice.subscribe("dev/alice/#", 1);
    tries();
    alice.ping();
    root.publish("dev/alice/secret", "1", 1);
    assert_eq!(alice.receive_and_acknowledge().payload, b"1");
    alice.disconnect();
    // It waits in the session that bob comes for.
    root.publish("dev/alice/secret", "2", 1);
    tries();
    let mut alice = Client::connect_to(address, &session("alice").resume());
    assert_eq!(alice.receive_and_acknowledge().payload, b"2");
    // What ends with its connection is free then, for everybody.
    let _bob = Client::connect_to(address, &login(V5, "bob", "visitor"));
    refused(address, &login(V5, "alice", "visitor"), 0x85);

    // An operator hears of it, sees whose the session is, and frees its client identifier.
    let admin = super::admin::admin_of(&program);
    let clients =
        |arguments: &[&str]| run(&[&["clients"], arguments, &["--admin", &admin]].concat());
    let shown = String::from_utf8(clients(&["show", "shared"]).stdout).unwrap();
    assert!(shown.lines().any(|line| line == "OWNER         alice"), "{shown}");
    assert_eq!(clients(&["kick", "--session", "shared"]).status.code(), Some(0));
    alice.expect_disconnect(0x98);
    Client::connect_to(address, &session("bob")).disconnect();
    let shown = String::from_utf8(clients(&["show", "shared"]).stdout).unwrap();
    assert!(shown.contains("offline") && shown.contains("OWNER         bob"), "{shown}");
    let (_, log) = program.terminate("TERM");
    assert!(log.contains("clients kick --session CLIENT ends its session"), "{log}");
}

/// As when users have other names from now on: each would be kept out of its own sessions.
#[test]
fn the_sessions_of_a_user_or_of_all_users_end_at_once() {
    let settings = "allow_anonymous = true\n[admin]\nbind = \"127.0.0.1:0\"\n";
    let (_directory, program) = start("attacks-owned", settings);
    let address = program.addresses[0];
    let admin = super::admin::admin_of(&program);
    let clients =
        |arguments: &[&str]| run(&[&["clients"], arguments, &["--admin", &admin]].concat());
    let left = || {
        let listed = String::from_utf8(clients(&["list"]).stdout).unwrap();
        let names = listed.lines().skip(1).map(|line| line.split(' ').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let open = |user: &str, client_id: &str| {
        Client::connect_to(address, &login(V5, user, client_id).expiry(600))
    };
    for client_id in ["a1", "a2", "a3"] {
        open("alice", client_id).disconnect();
    }
    open("bob", "b1").disconnect();
    let mut bob = open("bob", "b2");
    Client::connect_to(address, &Connect::new(V5, "nobody").expiry(600)).disconnect();

    // No more of them are looked at than somebody asks for.
    let path = "/api/v1/clients?owner=alice&session=true&limit=1&after=a1";
    let request = format!("DELETE {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    let mut socket = TcpStream::connect(&admin).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("{\"ended\":1,\"after\":\"a2\"}"), "{answer}");
    assert_eq!(left(), ["a1", "a3", "b1", "b2", "nobody"]);

    let ended = clients(&["kick", "--session", "--owner", "alice"]);
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "2 sessions ended\n");
    assert_eq!(left(), ["b1", "b2", "nobody"]);
    assert_eq!(clients(&["kick", "--session", "--owner", "alice"]).status.code(), Some(1));
    bob.ping();
    assert_eq!(clients(&["kick", "--session", "--owned"]).status.code(), Some(0));
    bob.expect_disconnect(0x98);
    assert_eq!(left(), ["nobody"], "whom no session is kept from");
    // Whoever names no session ends none.
    for wrong in [&["kick", "--owner", "bob"][..], &["kick", "--owned"], &["kick"]] {
        assert_eq!(clients(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

/// What a right was when it was left is not what it is when it is due, though the broker ended in between.
#[test]
fn a_will_that_a_killed_broker_left_is_judged_by_the_roles_of_the_next_one() {
    for is_allowed in [true, false] {
        let name = format!("attacks-left-{is_allowed}");
        let store = Directory::new(&format!("{name}-store"));
        let settings = format!("[storage]\ndata_dir = \"{}\"\n", store.file("data"));
        let (directory, program) = start(&name, &settings);
        let address = program.addresses[0];
        let watch = || login(V5, "root", "root").expiry(600).resume();
        Client::connect_to(address, &watch()).subscribe("dev/alice/gone", 1);
        let will = Will::new("dev/alice/gone", "x").qos(1);
        let _alice =
            Client::connect_to(address, &login(V5, "alice", "alice").expiry(600).will(will));
        program.kill();
        let roles = if is_allowed { ROLES.to_owned() } else { ROLES.replace("alice", "carol") };
        fs::write(directory.file("roles"), roles).unwrap();
        let program = Program::start(&["--config", &directory.file("flux.toml"), "--port", "0"]);
        let mut root = Client::connect_to(program.addresses[0], &watch());
        if is_allowed {
            assert_eq!(root.receive_and_acknowledge().topic, "dev/alice/gone");
        }
        root.expect_nothing();
        let (_, log) = program.terminate("TERM");
        let told = log.lines().any(|line| {
            ["denied; what else", "alice", "\"will\"", "dev/alice/gone"]
                .iter()
                .all(|word| line.contains(word))
        });
        assert_eq!(told, !is_allowed, "{log}");
    }
}

#[test]
fn an_alias_leads_to_no_topic_that_its_name_does_not() {
    let (_directory, program) = start("attacks-alias", "");
    let address = program.addresses[0];
    let mut root = Client::connect_to(address, &login(V5, "root", "root"));
    root.subscribe("#", 0);
    let mut bob = Client::connect_to(address, &login(V5, "bob", "bob"));
    let alias = [0x23, 0, 1];
    let named = |topic| Publish::new(topic, "x").property(&alias).qos(1, 1).bytes(V5);
    // Refused with its name, refused by its alias: on the way there, and back.
    for (topic, code) in [
        ("dev/alice/x", 0x87),
        ("", 0x87),
        ("dev/bob/x", 0),
        ("", 0),
        ("dev/alice/x", 0x87),
        ("", 0x87),
    ] {
        bob.send(&named(topic));
        if code == 0 { bob.expect(&[0x40, 2, 0, 1]) } else { bob.expect_ack(0x40, 1, code) }
    }
    for _ in 0..2 {
        assert_eq!(root.receive().topic, "dev/bob/x");
    }
    root.expect_nothing();
}

#[test]
fn what_is_retained_for_another_is_not_read() {
    let (_directory, program) = start("attacks-retained", "");
    let address = program.addresses[0];
    let mut alice = Client::connect_to(address, &login(V5, "alice", "alice"));
    alice.send(&Publish::new("dev/alice/secret", "x").retain().qos(1, 1).bytes(V5));
    alice.expect_ack(0x40, 1, 0x10);
    let mut bob = Client::connect_to(address, &login(V5, "bob", "bob"));
    let filters = ["dev/alice/secret", "dev/alice/#", "dev/+/secret", "+/+/+", "#", "$share/g/#"];
    for (id, filter) in (1..).zip(filters) {
        bob.send(&V5.subscribe(id, &[(filter, 1)]));
        bob.expect_codes(0x90, id, &[0x87]);
    }
    bob.expect_nothing();
    // Nor is it wiped out.
    bob.send(&Publish::new("dev/alice/secret", "").retain().qos(1, 1).bytes(V5));
    bob.expect_ack(0x40, 1, 0x87);
    alice.subscribe("dev/alice/secret", 0);
    assert_eq!(alice.receive().payload, b"x");
}

/// Neither what waits in it, nor what comes then: a session is no way around rules that were made since.
#[test]
fn who_comes_back_to_a_session_gets_nothing_that_it_may_not_have_any_more() {
    let (directory, program) = start("attacks-resume", "");
    let address = program.addresses[0];
    let alice = || login(V5, "alice", "alice").expiry(600).resume();
    let mut away = Client::connect_to(address, &alice());
    away.subscribe("dev/alice/#", 1);
    away.disconnect();
    let mut root = Client::connect_to(address, &login(V5, "root", "root"));
    root.publish("dev/alice/secret", "waits", 1);
    let mut bob = Client::connect_to(address, &login(V5, "bob", "bob"));
    bob.subscribe("dev/bob/#", 1);
    let lost = r##"subscribe = ["dev/{username}/#","##;
    fs::write(directory.file("roles"), ROLES.replace(lost, "subscribe = [\"news\",")).unwrap();
    program.signal("HUP");
    bob.expect_disconnect(0x87);

    let mut alice = Client::connect_to(address, &alice());
    assert!(alice.session_present);
    alice.expect_nothing();
    root.publish("dev/alice/secret", "comes", 1);
    alice.expect_nothing();
    alice.subscribe("news", 1);
}

#[test]
fn credentials_as_long_as_they_can_be_are_refused_like_others() {
    let (_directory, program) = start("attacks-long", "");
    let address = program.addresses[0];
    let long = "x".repeat(60_000);
    for (user, password) in [(&*long, "alice"), ("alice", &*long), (&*long, &*long)] {
        refused(address, &Connect::new(V5, "a").login(user, password), 0x86);
    }
    // Longer than a CONNECT may be.
    let longest = "x".repeat(65_535);
    let mut client = Client::open(address, V5);
    client.try_send(&Connect::new(V5, &longest).login(&longest, &longest).bytes());
    client.expect_closed();
    Client::connect_to(address, &login(V5, "alice", "a")).ping();
}

#[test]
fn whoever_guesses_again_and_again_is_banned_until_that_is_lifted() {
    let settings = "[auth.bans]\nfailures = 3\nexempt = []\n[admin]\nbind = \"127.0.0.1:0\"\n";
    let (_directory, mut program) = start("attacks-bans", settings);
    let (_, rest) = program.announced.split_once("metrics at http://").unwrap();
    let admin = rest.split('/').next().unwrap().to_owned();
    let bans = |arguments: &[&str]| run(&[&["bans"], arguments, &["--admin", &admin]].concat());
    let address = program.addresses[0];
    let mut alice = Client::connect_to(address, &login(V5, "alice", "alice"));
    for _ in 0..3 {
        refused(address, &Connect::new(V5, "a").login("alice", "guess"), 0x86);
    }
    // Refusals are told too, by another thread.
    let told = loop {
        let line = program.line();
        if !line.contains("a client was refused") {
            break line;
        }
    };
    assert!(told.contains("banned: it failed") && told.contains("127.0.0.1"), "{told}");
    // Also with the right password, and without a hash being made for it.
    for _ in 0..1_000 {
        refused(address, &login(V5, "bob", "bob"), 0x8A);
    }
    // Whoever is in stays in.
    alice.ping();
    let listed = String::from_utf8(bans(&["list"]).stdout).unwrap();
    let lines: Vec<_> = listed.lines().map(str::split_whitespace).map(Vec::from_iter).collect();
    assert_eq!((lines.len(), lines[0][0], lines[1][0]), (2, "ADDRESS", "127.0.0.1"));
    assert!((1..=300).contains(&lines[1][1].parse::<u64>().unwrap()), "{listed}");
    let json = String::from_utf8(bans(&["list", "--json"]).stdout).unwrap();
    assert!(json.starts_with(r#"{"address":"127.0.0.1","seconds":"#), "{json}");
    assert_eq!(bans(&["lift", "127.0.0.2"]).status.code(), Some(1));
    assert_eq!(bans(&["lift", "127.0.0.1"]).status.code(), Some(0));
    assert_eq!(bans(&["lift", "127.0.0.1"]).status.code(), Some(1));
    Client::connect_to(address, &login(V5, "bob", "bob")).ping();
}
