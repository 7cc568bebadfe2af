//! Users and roles from files: who gets in, what they may do, and both while the broker runs.

use std::fs;

use super::child::{Program, run};
use super::commands::run_with_input;
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{Client, Connect, Publish, Version, Will};

const ROLES: &str = r#"
[roles.device]
publish = ["dev/{username}/#"]
subscribe = ["dev/{username}/cmd/#"]
max_qos = 1
[[bind]]
user = "*"
roles = ["device"]
"#;

/// Users and roles in a directory of their own.
pub(super) fn files(name: &str) -> (Directory, String, String) {
    let directory = Directory::new(name);
    let (users, roles) = (directory.file("users"), directory.file("roles.toml"));
    for user in ["alice", "bob"] {
        let added = run_with_input(&["passwd", "add", &users, user], &format!("{user}'s secret"));
        assert_eq!(added.status.code(), Some(0));
    }
    fs::write(&roles, ROLES).unwrap();
    (directory, users, roles)
}

pub(super) fn login(version: Version, user: &str) -> Connect {
    Connect::new(version, user).login(user, &format!("{user}'s secret"))
}

#[test]
fn with_a_password_file_only_its_users_get_in() {
    let (_directory, users, _) = files("access-passwords");
    let program = Program::start(&["--port", "0", "--passwords", &users, "--acl-default", "allow"]);
    assert!(program.announced.contains("; with passwords, "), "{}", program.announced);
    let address = program.addresses[0];
    for version in [V311, V5] {
        Client::connect_to(address, &login(version, "alice")).ping();
        let wrong = Connect::new(version, "a").login("alice", "bob's secret");
        let unknown = Connect::new(version, "a").login("eve", "alice's secret");
        let silent = Connect::new(version, "a");
        for (connect, v5, v311) in [(wrong, 0x86, 4), (unknown, 0x86, 4), (silent, 0x87, 5)] {
            let mut client = Client::open(address, version);
            client.send(&connect.bytes());
            if version == V5 {
                client.expect_refusal(v5);
            } else {
                client.expect(&[0x20, 2, 0, v311]);
                client.expect_closed();
            }
        }
    }
}

#[test]
fn with_passwords_it_listens_beyond_loopback() {
    let (_directory, users, _) = files("access-beyond");
    let program = Program::start(&["--bind", "0.0.0.0", "--port", "0", "--passwords", &users]);
    assert!(program.addresses[0].ip().is_unspecified());
    assert_eq!(program.terminate("TERM").0.code(), Some(0));
}

#[test]
fn those_who_say_nothing_get_in_where_that_is_allowed() {
    let (_directory, users, _) = files("access-anonymous");
    let program = Program::start(&[
        "--port",
        "0",
        "--passwords",
        &users,
        "--acl-default",
        "allow",
        "--allow-anonymous",
    ]);
    let address = program.addresses[0];
    Client::connect_to(address, &Connect::new(V5, "a")).ping();
    let mut liar = Client::open(address, V5);
    liar.send(&Connect::new(V5, "a").login("alice", "guess").bytes());
    liar.expect_refusal(0x86);
}

#[test]
fn roles_say_what_a_user_may_do() {
    let (_directory, users, roles) = files("access-roles");
    let mut program = Program::start(&["--port", "0", "--passwords", &users, "--roles", &roles]);
    assert!(program.announced.contains("; with passwords and roles, "), "{}", program.announced);
    let address = program.addresses[0];
    let mut alice = Client::connect_to(address, &login(V5, "alice"));
    let filters =
        ["dev/alice/cmd/#", "dev/+/cmd/#", "dev/bob/cmd/#", "#", "$share/g/dev/bob/cmd/#"];
    let asked: Vec<_> = filters.iter().map(|filter| (*filter, 1)).collect();
    alice.send(&V5.subscribe(1, &asked));
    alice.expect_codes(0x90, 1, &[1, 0x87, 0x87, 0x87, 0x87]);

    let mut bob = Client::connect_to(address, &login(V5, "bob"));
    for (topic, qos, code) in
        [("dev/bob/state", 1, 0x10), ("dev/alice/cmd/x", 1, 0x87), ("dev/bob", 1, 0x10)]
    {
        bob.send(&Publish::new(topic, "x").qos(qos, 1).bytes(V5));
        bob.expect_ack(0x40, 1, code);
    }
    // A will is judged at CONNECT.
    let mut heir = Client::open(address, V5);
    heir.send(&login(V5, "bob").will(Will::new("dev/alice/cmd/x", "boo")).bytes());
    heir.expect_refusal(0x87);
    alice.ping();
    // Each is named once, however much it may not do.
    for (user, topic) in [("alice", "dev/+/cmd/#"), ("bob", "dev/alice/cmd/x")] {
        let line = program.line();
        assert!(line.contains("denied") && line.contains(user) && line.contains(topic), "{line}");
    }
}

/// The second connection is with the worker that has fewer, and takes the session over from the first.
#[test]
fn who_is_denied_something_is_named_once_whichever_worker_it_comes_to() {
    let (_directory, users, roles) = files("access-named");
    let program = Program::start(&[
        "--port",
        "0",
        "--bind",
        "127.0.0.1",
        "--workers",
        "2",
        "--passwords",
        &users,
        "--roles",
        &roles,
    ]);
    let told = program.terminate_after("TERM", |addresses| {
        let mut connections = Vec::new();
        for _ in 0..4 {
            let mut alice = Client::connect_to(addresses[0], &login(V5, "alice"));
            for _ in 0..2 {
                alice.send(&Publish::new("dev/bob", "x").qos(1, 1).bytes(V5));
                alice.expect_ack(0x40, 1, 0x87);
            }
            // The one before is open until its client closes it: its worker has it still.
            connections.push(alice);
        }
    });
    let denied = told.lines().filter(|line| line.contains("denied"));
    assert_eq!(denied.count(), 1, "{told}");
}

/// Nobody can tell them why: what was taken away ends in a closed connection.
#[test]
fn clients_of_the_version_before_are_closed_when_a_reload_takes_their_rights() {
    let (_directory, users, roles) = files("access-reload-311");
    let program = Program::start(&["--port", "0", "--passwords", &users, "--roles", &roles]);
    let address = program.addresses[0];
    let come_in = |user: &str| Client::connect_to(address, &login(V311, user));
    let (mut alice, mut bob) = (come_in("alice"), come_in("bob"));
    alice.subscribe("dev/alice/cmd/#", 1);
    fs::write(&roles, ROLES.replace("cmd", "orders")).unwrap();
    assert_eq!(run(&["passwd", "remove", &users, "bob"]).status.code(), Some(0));
    program.signal("HUP");
    alice.expect_closed();
    // Who is in, stays in; the next time it is held against the new files.
    bob.ping();
    let mut back = Client::open(address, V311);
    back.send(&login(V311, "bob").bytes());
    back.expect(&[0x20, 2, 0, 4]);
    back.expect_closed();
    // Who has no role any more may not be here at all.
    let mut alice = come_in("alice");
    fs::write(&roles, ROLES.replace("user = \"*\"", "user = \"carol\"")).unwrap();
    program.signal("HUP");
    for client in [&mut alice, &mut bob] {
        client.expect_closed();
    }
    let mut alice = Client::open(address, V311);
    alice.send(&login(V311, "alice").bytes());
    alice.expect(&[0x20, 2, 0, 5]);
    alice.expect_closed();
}

#[test]
fn a_signal_has_users_and_roles_read_again() {
    let (_directory, users, roles) = files("access-reload");
    let mut program = Program::start(&["--port", "0", "--passwords", &users, "--roles", &roles]);
    let address = program.addresses[0];
    let mut alice = Client::connect_to(address, &login(V5, "alice"));
    alice.subscribe("dev/alice/cmd/#", 1);
    let mut bob = Client::connect_to(address, &login(V5, "bob"));

    // What makes no sense changes nothing.
    fs::write(&roles, ROLES.replace("cmd", "{no}")).unwrap();
    program.signal("HUP");
    let complaint = program.line();
    assert!(complaint.contains("the config stays as it was"), "{complaint}");
    assert!(complaint.contains(&roles) && complaint.contains("{no}"), "{complaint}");
    alice.ping();

    fs::write(&roles, ROLES.replace("cmd", "orders")).unwrap();
    assert_eq!(run(&["passwd", "remove", &users, "bob"]).status.code(), Some(0));
    program.signal("HUP");
    alice.expect_disconnect(0x87);
    // Who is in, stays in; the next time it is held against the new files.
    bob.ping();
    let mut back = Client::open(address, V5);
    back.send(&login(V5, "bob").bytes());
    back.expect_refusal(0x86);
    let mut alice = Client::connect_to(address, &login(V5, "alice"));
    alice.subscribe("dev/alice/orders/#", 1);
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let (directory, users, roles) = files("access-files");
    let missing = directory.file("missing");
    fs::write(&roles, "roles = 7").unwrap();
    for (passwords, roles, named) in [(&missing, &roles, &missing), (&users, &roles, &roles)] {
        let output = run(&["--port", "0", "--passwords", passwords, "--roles", roles]);
        assert_eq!(output.status.code(), Some(1));
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains(named), "{complaint}");
    }
}

#[test]
fn where_there_are_roles_numbers_under_sys_are_for_who_may_read_them() {
    let directory = Directory::new("access-sys");
    let roles = directory.file("roles.toml");
    let text = "[roles.all]\nsubscribe = [\"#\"]\n[roles.watcher]\nsubscribe = [\"$SYS/#\"]\n\
        [[bind]]\neveryone = true\nroles = [\"all\"]\n\
        [[bind]]\nclient_id = \"watcher\"\nroles = [\"watcher\"]\n";
    fs::write(&roles, text).unwrap();
    let program = Program::start(&["--port", "0", "--roles", &roles, "--sys-interval", "1"]);
    let address = program.addresses[0];
    let filters = [("$SYS/#", 0), ("$SYS/broker/version", 0), ("#", 0)];
    let mut other = Client::connect_to(address, &Connect::new(V5, "other"));
    other.send(&V5.subscribe(1, &filters));
    // That all topics are allowed does not include these.
    other.expect_codes(0x90, 1, &[0x87, 0x87, 0]);
    let mut watcher = Client::connect_to(address, &Connect::new(V5, "watcher"));
    watcher.send(&V5.subscribe(1, &filters[1..2]));
    watcher.expect_codes(0x90, 1, &[0]);
    assert_eq!(watcher.receive().topic, "$SYS/broker/version");
    // Nor does what it subscribed to bring them: the next packet is the answer.
    other.ping();
}
