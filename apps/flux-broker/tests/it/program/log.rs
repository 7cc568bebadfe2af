//! What the program logs: one line for each event, with who, whence and why; nothing that is secret.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value as Json;

use super::access::{files, login};
use super::admin::admin_of;
use super::child::{Program, run};
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{Certificates, Client, Connect, Publish, Will};

pub(super) fn json(log: &str) -> Vec<Json> {
    log.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Returns the lines that say this.
fn saying<'a>(lines: &'a [Json], text: &str) -> Vec<&'a Json> {
    lines.iter().filter(|line| line["message"] == text).collect()
}

#[test]
fn an_event_is_a_line_that_says_who_whence_and_why() {
    let (_directory, users, roles) = files("log-events");
    let arguments =
        ["--port", "0", "--bind", "127.0.0.1", "--passwords", &users, "--roles", &roles];
    let program = Program::start(&[&arguments[..], &["--log", "warn,events=info"]].concat());
    let log = program.terminate_after("TERM", |addresses| {
        let mut alice = Client::connect_to(addresses[0], &login(V5, "alice"));
        alice.send(&Publish::new("no", "x").qos(1, 1).bytes(V5));
        alice.expect_ack(0x40, 1, 0x87);
        alice.send(&V5.subscribe(2, &[("no/#", 0)]));
        alice.expect_codes(0x90, 2, &[0x87]);
        let again = Client::connect_to(
            addresses[0],
            &login(V5, "alice").will(Will::new("dev/alice/w", "x")),
        );
        alice.expect_disconnect(0x8E);
        again.lose();
        let mut wrong = Client::open(addresses[0], V311);
        wrong.send(&Connect::new(V311, "eve").login("alice", "guess").bytes());
        wrong.expect(&[0x20, 2, 0, 4]);
        wrong.expect_closed();
        Client::connect_to(addresses[0], &login(V311, "bob")).disconnect();
    });
    let lines = json(&log);
    let admitted = saying(&lines, "a client was admitted");
    assert_eq!(admitted.len(), 3, "{log}");
    let expected = [
        ("level", "INFO"),
        ("target", "events::connections"),
        ("client_id", "alice"),
        ("username", "alice"),
        ("listener", "mqtt"),
        ("code", "0x00"),
        ("reason", "success"),
    ];
    for (name, value) in expected {
        assert_eq!(admitted[0][name], value, "{}", admitted[0]);
    }
    let peer: SocketAddr = admitted[0]["peer"].as_str().unwrap().parse().unwrap();
    assert!(peer.ip().is_loopback() && peer.port() != 0);
    let over = saying(&lines, "a connection is over");
    let mut over: Vec<_> =
        over.iter().map(|it| (&it["reason"], &it["code"], &it["username"])).collect();
    over.sort_by_key(|it| it.0.to_string());
    assert_eq!(over[0], (&"by_client".into(), &"0x00".into(), &"bob".into()));
    assert_eq!(over[1], (&"connection_lost".into(), &Json::Null, &"alice".into()));
    assert_eq!(over[2], (&"taken_over".into(), &"0x8E".into(), &"alice".into()));
    let refused = saying(&lines, "a client was refused")[0];
    assert_eq!((&refused["client_id"], &refused["code"]), (&"eve".into(), &"0x86".into()));
    assert_eq!(refused["reason"], "the user name or the password is wrong");
    assert_eq!(refused["help"], "look at the client's user name and password");
    assert_eq!(refused["username"], Json::Null, "nobody has proven it");
    let denied = lines.iter().find(|line| line["access"] == "publish").unwrap();
    assert_eq!((&denied["topic"], &denied["username"]), (&"no".into(), &"alice".into()));
    let denials = lines.iter().filter(|line| line["access"].is_string());
    assert_eq!(denials.count(), 1, "what else it may not do is counted: {log}");
    let dropped = saying(&lines, "a message was dropped")[0];
    assert_eq!((&dropped["topic"], &dropped["reason"]), (&"no".into(), &"not_authorized".into()));
    let will = saying(&lines, "a will was sent")[0];
    assert_eq!((&will["client_id"], &will["topic"]), (&"alice".into(), &"dev/alice/w".into()));
    assert_eq!(saying(&lines, "the broker has stopped").len(), 1);
}

#[test]
fn names_as_long_as_they_can_be_do_not_fill_the_disk() {
    let (_directory, users, roles) = files("log-long");
    let arguments =
        ["--port", "0", "--bind", "127.0.0.1", "--passwords", &users, "--roles", &roles];
    let program = Program::start(&[&arguments[..], &["--log", "warn,events=info"]].concat());
    let long = "\u{1}".repeat(30_000);
    let log = program.terminate_after("TERM", |addresses| {
        let connect = Connect::new(V5, &long).login("alice", "alice's secret");
        let mut alice = Client::connect_to(addresses[0], &connect);
        alice.send(&Publish::new(&long, "x").qos(1, 1).bytes(V5));
        alice.expect_ack(0x40, 1, 0x87);
        let mut wrong = Client::open(addresses[0], V311);
        wrong.send(&Connect::new(V311, &long).login(&long, "guess").bytes());
        wrong.expect(&[0x20, 2, 0, 4]);
        wrong.expect_closed();
    });
    let lines = json(&log);
    let begins = format!("{}... (30000 bytes)", "\u{1}".repeat(256));
    for text in ["a client was admitted", "a client was refused", "a message was dropped"] {
        assert_eq!(saying(&lines, text)[0]["client_id"], begins.as_str());
    }
    let denied = lines.iter().find(|line| line["access"] == "publish").unwrap();
    assert_eq!(
        (&denied["client_id"], &denied["topic"]),
        (&begins.as_str().into(), &begins.as_str().into())
    );
    assert!(log.lines().all(|line| line.len() < 8_000));
}

#[test]
fn what_repeats_is_summed_up() {
    let program = Program::start(&["--port", "0", "--log", "events=info"]);
    let log = program.terminate_after("TERM", |addresses| {
        let mut away = Client::connect_to(addresses[0], &Connect::persistent(V5, "away"));
        away.subscribe("t", 0);
        away.disconnect();
        let mut publisher = Client::connect_to(addresses[0], &Connect::new(V5, "publisher"));
        for _ in 0..500 {
            publisher.publish("t", "x", 0);
        }
        publisher.ping();
    });
    let (said, more) = said_and_summed_up(&log, "a message was dropped");
    // Two if ten seconds ended meanwhile.
    assert!((1..=2).contains(&said.len()), "{log}");
    assert_eq!(said.len() as u64 + more, 500, "{log}");
    assert_eq!((&said[0]["client_id"], &said[0]["reason"]), (&"away".into(), &"offline".into()));
}

/// Whoever scans the ports of the broker does not fill its log.
#[test]
fn who_does_not_speak_tls_to_the_admin_listener_is_summed_up() {
    let certificates = Certificates::new();
    let file = |name: &str| certificates.path(name).display().to_string();
    let (config, ca) = (file("flux.toml"), file("ca.crt"));
    certificates.write(
        "flux.toml",
        &format!(
            "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n[admin]\nbind = \"127.0.0.1:0\"\ntls = \"t\"\n\
             [tls.t]\ncert = {:?}\nkey = {:?}\n",
            file("server.crt"),
            file("server.key"),
        ),
    );
    let program = Program::start(&["--config", &config, "--log", "info"]);
    let admin = admin_of(&program);
    let log = program.terminate_after("TERM", |_| {
        for _ in 0..20 {
            let mut socket = TcpStream::connect(&admin).unwrap();
            socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let _is_reset = socket.read_to_end(&mut Vec::new());
        }
        // Behind them on the same thread.
        let listed = run(&["clients", "list", "--admin", &admin, "--admin-ca", &ca]);
        assert_eq!(listed.status.code(), Some(0));
    });
    let (said, more) =
        said_and_summed_up(&log, "a connection to the admin listener was not served");
    assert!((1..=2).contains(&said.len()), "{log}");
    assert_eq!((said.len() as u64 + more, &said[0]["level"]), (20, &"INFO".into()), "{log}");
    assert!(said[0]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{log}");
    assert!(!said[0]["error"].as_str().unwrap().is_empty(), "{log}");
}

/// Returns the lines that say this, and how many more were left out.
pub(super) fn said_and_summed_up(log: &str, text: &str) -> (Vec<Json>, u64) {
    let (mut said, mut more) = (Vec::new(), 0);
    for line in json(log) {
        match line["message"].as_str().unwrap().strip_prefix(text) {
            Some("") => said.push(line),
            Some(rest) => {
                let count = rest.strip_prefix(": and ").and_then(|rest| rest.split(' ').next());
                more += count.unwrap().parse::<u64>().unwrap();
            }
            None => {}
        }
    }
    (said, more)
}

#[test]
fn no_secret_and_no_payload_is_logged_at_any_level() {
    let (directory, users, roles) = files("log-secrets");
    let token = directory.file("token");
    fs::write(&token, "the-token").unwrap();
    let arguments = ["--passwords", &users, "--roles", &roles, "--admin", "127.0.0.1:0"];
    let more = ["--port", "0", "--admin-token-file", &token, "--log", "trace,ntex=trace"];
    let doors = ["--bind", "127.0.0.1", "--ws=0"];
    let program = Program::start(&[&arguments[..], &more, &doors].concat());
    let admin = admin_of(&program);
    let (_, pages) = program.announced.split_once("and ws://").unwrap();
    let pages = pages.split(['/', ' ', ';']).next().unwrap().to_owned();
    let log = program.terminate_after("TERM", |addresses| {
        talk_of_secrets(addresses[0], &admin, &token);
        for request in [
            "GET /nomqtt?access_token=in-the-query HTTP/1.1",
            "GET http://me:in-the-query@a/nomqtt HTTP/1.1",
            "GET /mqtt?access_token=in-the-query HTTP/1.1\r\nCookie: in-the-query",
            "POST /in-the-query HTTP/1.1\r\nSec-WebSocket-Protocol: in-the-query",
            "in-the-query",
        ] {
            knock(&pages, request);
        }
        for request in [
            "GET /metrics?token=in-the-query HTTP/1.1",
            "GET /api/v1/clients?token=in-the-query HTTP/1.1\r\nCookie: in-the-query",
            "PUT /api/v1/log?filter=warn&token=in-the-query HTTP/1.1",
            "in-the-query",
        ] {
            knock(&admin, request);
        }
    });
    assert!(log.contains("a WebSocket handshake failed"), "{log}");
    assert!(log.contains("a client was admitted"), "{log}");
    for secret in SECRETS {
        assert!(!log.contains(secret), "{secret}");
        let bytes: Vec<_> = secret.bytes().map(|byte| byte.to_string()).collect();
        assert!(!log.contains(&bytes.join(", ")), "{secret}, as numbers");
    }
}

/// Asks for something, and waits for the end of the answer.
fn knock(address: &str, request: &str) {
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!("{request}\r\nHost: a\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let _is_reset = socket.read_to_end(&mut Vec::new());
}

/// What is sent and never logged.
const SECRETS: [&str; 7] =
    ["alice's secret", "my-guess", "my-payload", "my-will", "the-token", "my-name", "in-the-query"];

/// Logs in, well and badly, publishes, and asks for metrics.
fn talk_of_secrets(address: SocketAddr, admin: &str, token: &str) {
    for version in [V311, V5] {
        let will = Will::new("dev/alice/w", "my-will");
        let mut alice = Client::connect_to(address, &login(version, "alice").will(will));
        alice.subscribe("dev/alice/cmd/#", 1);
        for topic in ["dev/alice/cmd/a", "dev/bob/denied"] {
            alice.try_send(&Publish::new(topic, "my-payload").bytes(version));
        }
        assert_eq!(alice.receive_and_acknowledge().text(), "my-payload");
        alice.lose();
        for connect in [
            Connect::new(version, "a").login("alice", "my-guess"),
            Connect::new(version, "a").login("my-name", "alice's secret"),
        ] {
            let mut liar = Client::open(address, version);
            liar.send(&connect.bytes());
            while liar.try_packet().is_some() {}
        }
        let mut garbled = Client::open(address, version);
        garbled.send(&[&login(version, "bob").bytes()[..], b"\xFFmy-payload"].concat());
        while garbled.try_packet().is_some() {}
    }
    let asked = run(&["health", "--admin", admin, "--admin-token-file", token]);
    assert_eq!(asked.status.code(), Some(0));
    let listed = run(&["clients", "list", "--admin", admin, "--admin-token-file", token]);
    assert_eq!(listed.status.code(), Some(0));
}

#[test]
fn what_is_logged_changes_while_it_runs() {
    let directory = Directory::new("log-levels");
    let path = directory.file("flux.toml");
    let config = "[log]\nfilter = \"off\"\nformat = \"text\"\n[admin]\nbind = \"127.0.0.1:0\"\n\
                  [[listener]]\nname = \"door\"\nbind = \"127.0.0.1:0\"\n";
    fs::write(&path, config).unwrap();
    let mut program = Program::start(&["--config", &path]);
    let (address, admin) = (program.addresses[0], admin_of(&program));
    Client::connect_to(address, &Connect::new(V5, "unheard")).disconnect();
    let set = |filter: &str| run(&["log", "set", filter, "--admin", &admin]);

    let wrong = set("flux_mqtt=loud");
    assert_eq!(wrong.status.code(), Some(2));
    let words = String::from_utf8(wrong.stderr).unwrap();
    assert!(words.contains("`flux_mqtt=loud` is no filter for the log"), "{words}");
    let all = "events=info,flux_broker::log=debug";
    assert_eq!(set(all).stdout, format!("{all}\n").as_bytes());
    assert_eq!(run(&["log", "show", "--admin", &admin]).stdout, format!("{all}\n").as_bytes());
    assert!(program.line().contains("these events are logged"));
    Client::connect_to(address, &Connect::new(V5, "heard")).disconnect();
    let line = program.line();
    assert!(line.contains("a client was admitted client_id=\"heard\""), "{line}");
    assert!(line.contains("listener=\"door\""), "{line}");
    assert!(program.line().contains("a connection is over client_id=\"heard\""));

    // The file is what counts when it is read again.
    fs::write(&path, config.replace("off", "flux_broker=info")).unwrap();
    program.signal("HUP");
    while !program.line().contains("the config was read again") {}
    Client::connect_to(address, &Connect::new(V5, "unheard")).disconnect();
    assert_eq!(program.terminate("TERM").1.matches("events::").count(), 0);
}

#[test]
fn what_the_libraries_below_do_is_for_who_asks_by_name() {
    for (filter, is_told) in [("debug", false), ("debug,ntex=debug", true)] {
        let program = Program::start(&["--port", "0", "--admin", "127.0.0.1:0", "--log", filter]);
        let (_, log) = program.terminate("TERM");
        assert_eq!(log.contains("\"target\":\"ntex"), is_told, "{filter}: {log}");
        assert!(log.contains("the broker has stopped"), "{log}");
    }
}

#[test]
fn a_filter_that_is_none_ends_the_start() {
    let output = run(&["--port", "0", "--log", "events=loud"]);
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("this is no filter for the log") && words.contains("--log"), "{words}");
}
