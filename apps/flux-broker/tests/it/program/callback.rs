//! An address decides who gets in, and what happens when it does not.

use std::fs;
use std::net::{SocketAddr, TcpListener};

use super::access::{files, login};
use super::child::{Program, with_rights};
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{Client, Connect, HttpServer, Publish};

const ROLES: &str = "[roles.device]\npublish = [\"dev/{username}/#\"]\n\
    [roles.site]\npublish = [\"site/{claim.site}/#\"]\n\
    [[bind]]\nuser = \"*\"\nroles = [\"site\"]\n";

/// A broker that asks an address, with these further settings.
fn start(directory: &Directory, url: &str, settings: &str) -> Program {
    let (path, roles) = (directory.file("flux.toml"), directory.file("roles"));
    fs::write(&roles, ROLES).unwrap();
    let config = format!("[acl]\nfile = \"{roles}\"\n[auth.http]\nurl = \"{url}\"\n{settings}");
    fs::write(&path, with_rights(config)).unwrap();
    Program::start(&["--config", &path, "--port", "0"])
}

#[track_caller]
fn refused(address: SocketAddr, user: &str, code: u8) {
    let mut client = Client::open(address, V5);
    client.send(&Connect::new(V5, "a").login(user, "secret").bytes());
    client.expect_refusal(code);
}

#[test]
fn an_address_says_who_a_client_is_and_what_else_is_known_of_it() {
    let directory = Directory::new("callback-allow");
    let allow =
        r#"{"result":"allow","username":"meter-7","roles":["device"],"attributes":{"site":"b"}}"#;
    let server = HttpServer::start(200, allow);
    let program = start(&directory, &server.url(), "cache_for = \"1h\"\n");
    assert!(program.announced.contains("; with a callback and roles, "), "{}", program.announced);
    let address = program.addresses[0];
    for version in [V5, V5, V311] {
        let login = Connect::new(version, "a").login("alice", "s3cret");
        let mut client = Client::connect_to(address, &login);
        if version == V5 {
            for (topic, code) in
                [("dev/meter-7/x", 0x10), ("site/b/x", 0x10), ("dev/alice/x", 0x87)]
            {
                client.send(&Publish::new(topic, "").qos(1, 1).bytes(V5));
                client.expect_ack(0x40, 1, code);
            }
        }
        client.ping();
        client.disconnect();
    }
    // Asked once for each version: the answer holds for the same question.
    let heard = server.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].starts_with("POST /mqtt HTTP/1.1\r\n"), "{}", heard[0]);
    let asked = r#"{"client_id":"a","username":"alice","password":"s3cret","peer":"127.0.0.1","listener":"mqtt","protocol":5}"#;
    assert!(heard[0].ends_with(asked), "{}", heard[0]);
    // Another password is another question, and who shows nothing is not asked about.
    server.answer(403, "");
    refused(address, "alice", 0x86);
    assert_eq!(server.heard().len(), 1);
    let mut silent = Client::open(address, V5);
    silent.send(&Connect::new(V5, "a").bytes());
    silent.expect_refusal(0x87);
    assert_eq!(server.heard(), [""; 0]);
}

#[test]
fn whom_an_answer_lets_in_until_a_moment_that_is_over_is_refused() {
    let directory = Directory::new("callback-over");
    let server = HttpServer::start(204, "");
    let program = start(&directory, &server.url(), "");
    let address = program.addresses[0];
    for moment in ["0", "1000000000"] {
        server.answer(200, &format!("{{\"result\":\"allow\",\"expire_at\":{moment}}}"));
        refused(address, "alice", 0x87);
        let mut client = Client::open(address, V311);
        client.send(&Connect::new(V311, "a").login("alice", "secret").bytes());
        client.expect(&[0x20, 2, 0, 5]);
        client.expect_closed();
    }
    // It was not an answer that holds for a while: nor is it remembered.
    server.answer(200, r#"{"result":"allow","roles":["device"],"expire_at":9999999999}"#);
    Client::connect_to(address, &Connect::new(V5, "a").login("alice", "secret")).ping();
}

/// Names of the file would be told from others by the time that it takes, were only others asked about.
#[test]
fn users_of_a_password_file_are_asked_about_like_others_unless_their_password_is_right() {
    let (_directory, users, _) = files("callback-passwords");
    let (directory, server) =
        (Directory::new("callback-passwords-config"), HttpServer::start(403, ""));
    let path = directory.file("flux.toml");
    let url = server.url();
    let config = format!(
        "[auth]\npassword_file = \"{users}\"\n[auth.http]\nurl = \"{url}\"\ncache_for = \"0s\"\nfailures = 1000\n"
    );
    fs::write(&path, with_rights(config)).unwrap();
    let program = Program::start(&["--config", &path, "--port", "0"]);
    let address = program.addresses[0];
    for (status, body, code) in [
        (403, "", 0x86),
        (200, r#"{"result":"deny"}"#, 0x86),
        (200, r#"{"result":"ignore"}"#, 0x86),
        (500, "", 0x88),
    ] {
        server.answer(status, body);
        for user in ["alice", "eve"] {
            refused(address, user, code);
            let heard = server.heard();
            assert!(heard.len() == 1 && heard[0].contains(user), "{heard:?}");
        }
    }
    // The file alone decides about its users.
    server.answer(204, "");
    refused(address, "alice", 0x86);
    assert_eq!(server.heard().len(), 1);
    Client::connect_to(address, &login(V5, "alice")).ping();
    assert_eq!(server.heard(), [""; 0]);
    Client::connect_to(address, &login(V5, "eve")).ping();
}

#[test]
fn whatever_goes_wrong_nobody_gets_in() {
    let directory = Directory::new("callback-closed");
    let server = HttpServer::start(200, "");
    let settings = "cache_for = \"0s\"\nfailures = 1000\n";
    let program = start(&directory, &server.url(), settings);
    let address = program.addresses[0];
    let long = format!(r#"{{"result":"allow","x":"{}"}}"#, "x".repeat(1 << 20));
    for (status, body) in [
        (200, ""),
        (200, "allow"),
        (200, "{}"),
        (200, r#"{"result":"maybe"}"#),
        (200, &long),
        (500, r#"{"result":"allow"}"#),
        (302, r#"{"result":"allow"}"#),
        (404, ""),
    ] {
        server.answer(status, body);
        refused(address, "alice", 0x88);
    }
    // It passes on, and nobody else is there to ask.
    server.answer(200, r#"{"result":"ignore"}"#);
    refused(address, "alice", 0x86);
    server.answer(204, "");
    Client::connect_to(address, &Connect::new(V5, "a").login("alice", "secret")).ping();
}

#[test]
fn an_address_that_is_down_is_not_waited_for() {
    let directory = Directory::new("callback-down");
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut program =
        start(&directory, &format!("http://{gone}/"), "failures = 1\npause = \"1h\"\n");
    refused(program.addresses[0], "alice", 0x88);
    let complaint = program.line();
    assert!(complaint.contains("who may connect cannot be asked"), "{complaint}");

    // Somebody listens and is silent: after the first nobody waits, be the time that it has as long as it may.
    let server = HttpServer::start(200, "");
    server.keep_silent();
    let settings = "timeout = \"50ms\"\nfailures = 3\npause = \"1h\"\n";
    let program = start(&directory, &server.url(), settings);
    for _ in 0..50 {
        refused(program.addresses[0], "alice", 0x88);
    }
    assert_eq!(server.heard().len(), 3);
}

/// As where a server stumbles over odd names.
#[test]
fn whoever_makes_questions_fail_shuts_the_door_for_itself_alone() {
    let directory = Directory::new("callback-stumbles");
    let server = HttpServer::start(500, "");
    let program = start(&directory, &server.url(), "failures = 3\npause = \"1h\"\n");
    for _ in 0..10 {
        refused(program.addresses[0], "eve", 0x88);
    }
    assert_eq!(server.heard().len(), 3);
    server.answer(204, "");
    Client::connect_to(program.addresses[0], &Connect::new(V5, "a").login("alice", "secret"))
        .ping();
    refused(program.addresses[0], "eve", 0x88);
}

#[test]
fn an_address_that_comes_back_is_asked_again() {
    let directory = Directory::new("callback-back");
    let server = HttpServer::start(503, "");
    let program = start(&directory, &server.url(), "failures = 1\npause = \"1ms\"\n");
    refused(program.addresses[0], "alice", 0x88);
    server.answer(204, "");
    loop {
        let mut client = Client::open(program.addresses[0], V5);
        client.send(&Connect::new(V5, "a").login("alice", "secret").bytes());
        match client.packet()[3] {
            0 => break,
            code => assert_eq!(code, 0x88),
        }
    }
}

#[test]
fn others_are_served_while_one_waits_for_an_answer() {
    let directory = Directory::new("callback-others");
    let server = HttpServer::start(204, "");
    let program = start(&directory, &server.url(), "timeout = \"1h\"\nconcurrency = 1\n");
    let address = program.addresses[0];
    let mut alice = Client::connect_to(address, &Connect::new(V5, "a").login("alice", "secret"));
    Client::connect_to(address, &Connect::new(V5, "b").login("bob", "secret")).disconnect();
    server.keep_silent();
    let waiting: Vec<_> = (0..20)
        .map(|number| {
            let mut client = Client::open(address, V5);
            client.send(&Connect::new(V5, "").login(&format!("user-{number}"), "secret").bytes());
            client
        })
        .collect();
    alice.ping();
    // Who was in already comes again: the answer is known.
    Client::connect_to(address, &Connect::new(V5, "b").login("bob", "secret")).ping();
    drop(waiting);
}

/// Sends CONNECT through a load balancer that says whom it is from.
fn come_from(address: SocketAddr, from: &str, connect: &Connect) -> Client {
    let mut client = Client::open(address, V5);
    client.send(format!("PROXY TCP4 {from} 192.0.2.1 1 1883\r\n").as_bytes());
    client.send(&connect.bytes());
    client
}

/// The right password of a user of the file gets in meanwhile, so that guesses have to end; and a ban for a wrong one must not
/// say that there is such a user.
#[test]
fn bans_tell_no_names_while_the_address_that_is_asked_is_down() {
    let (directory, users, _) = files("callback-bans");
    let server = HttpServer::start(500, "");
    let (path, url) = (directory.file("flux.toml"), server.url());
    let config = format!(
        "[auth]\npassword_file = \"{users}\"\n[auth.bans]\nfailures = 3\nwithin = \"1h\"\nexempt = []\n\
         [auth.http]\nurl = \"{url}\"\nfailures = 1000\n\
         [[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\nproxy_from = [\"127.0.0.0/8\"]\n"
    );
    fs::write(&path, with_rights(config)).unwrap();
    let program = Program::start(&["--config", &path]);
    let shown = |from: &str, user: &str, password: &str, code: u8| {
        let connect = Connect::new(V5, "a").login(user, password);
        come_from(program.addresses[0], from, &connect).expect_refusal(code);
    };
    for (user, from) in [("alice", "198.51.100.1"), ("eve", "198.51.100.2")] {
        for guess in ["1", "2", "3"] {
            shown(from, user, guess, 0x88);
        }
        shown(from, user, "4", 0x8A);
        assert_eq!(server.heard().len(), 3);
    }
    // A device, of whatever kind, that shows the same again and again has not failed.
    for (user, from) in [("alice", "198.51.100.3"), ("meter", "198.51.100.4")] {
        for _ in 0..4 {
            shown(from, user, "the same", 0x88);
        }
    }
    server.answer(204, "");
    let meter = Connect::new(V5, "a").login("meter", "the same");
    come_from(program.addresses[0], "198.51.100.4", &meter).expect_connack();
}

/// Each of its clients has an identifier of its own, so that no answer holds for another.
#[test]
fn whoever_asks_without_end_keeps_nobody_at_another_address_out() {
    let directory = Directory::new("callback-turns");
    let server = HttpServer::start(204, "");
    let (path, url) = (directory.file("flux.toml"), server.url());
    let config = format!(
        "[auth.http]\nurl = \"{url}\"\nconcurrency = 4\ntimeout = \"1h\"\n\
         [protocol]\nconnect_timeout = \"1h\"\n\
         [[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\nproxy_from = [\"127.0.0.0/8\"]\n"
    );
    fs::write(&path, with_rights(config)).unwrap();
    let program = Program::start(&["--config", &path]);
    let come = |from: &str, user: &str, client_id: &str| {
        come_from(program.addresses[0], from, &Connect::new(V5, client_id).login(user, "secret"))
    };
    server.answer_one_by_one();
    let mallory: Vec<_> =
        (0..120).map(|number| come("198.51.100.66", "mallory", &format!("m-{number}"))).collect();
    server.wait_for_questions(4);
    for number in 0..4 {
        let client_id = format!("a-{number}");
        let mut alice = come("198.51.100.21", "alice", &client_id);
        // Each that is answered makes room for another: some of them before the broker has seen alice, perhaps.
        let asked = (1..).find(|_| {
            server.release();
            server.wait_for_questions(1).iter().any(|asked| asked.contains(&client_id))
        });
        assert!(asked.unwrap() < 20, "{asked:?} were before her");
        (0..4).for_each(|_| server.release());
        alice.expect_connack();
        server.wait_for_questions(4);
    }
    drop(mallory);
}
