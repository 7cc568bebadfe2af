//! Each line about a client says who it is and whence it comes, wherever that is known.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value as Json;

use super::access::{files, login};
use super::child::Program;
use super::log::{json, said_and_summed_up};
use crate::support::Version::V5;
use crate::support::{Client, Connect, Publish, Will};

/// Returns the one line that says this, of this client.
#[track_caller]
fn line<'a>(lines: &'a [Json], message: &str, client_id: &str) -> &'a Json {
    let is_it = |line: &&Json| {
        let said = line["message"].as_str().unwrap();
        said.starts_with(message) && line["client_id"] == client_id
    };
    lines.iter().find(is_it).unwrap_or_else(|| panic!("{message} of {client_id}: {lines:#?}"))
}

#[test]
fn who_it_is_and_whence_it_comes_stands_in_each_line_about_a_client() {
    let (_directory, users, roles) = files("log-fields");
    let arguments =
        ["--port", "0", "--bind", "127.0.0.1", "--passwords", &users, "--roles", &roles];
    let program = Program::start(&[&arguments[..], &["--log", "warn,events=debug"]].concat());
    let log = program.terminate_after("TERM", |addresses| {
        let will = Will::new("dev/alice/w", "x");
        let mut alice = Client::connect_to(addresses[0], &login(V5, "alice").will(will));
        alice.subscribe("dev/alice/cmd/#", 1);
        alice.send(&V5.unsubscribe(3, &["dev/alice/cmd/#"]));
        alice.expect_codes(0xB0, 3, &[0]);
        alice.send(&Publish::new("no", "x").qos(1, 1).bytes(V5));
        alice.expect_ack(0x40, 1, 0x87);
        alice.send(&V5.subscribe(2, &[(&"x/".repeat(200), 0)]));
        let _refused = alice.packet();
        alice.close_with_will();
    });
    let lines = json(&log);
    let at = line(&lines, "a client was admitted", "alice")["peer"].as_str().unwrap();
    assert!(at.parse::<SocketAddr>().is_ok_and(|at| at.ip().is_loopback() && at.port() != 0));
    for (message, more) in [
        ("a session began", &[][..]),
        ("a client was admitted", &[("code", "0x00"), ("reason", "success")]),
        (
            "a client subscribed",
            &[("code", "0x01"), ("reason", "granted QoS 1"), ("topic", "dev/alice/cmd/#")],
        ),
        (
            "a client unsubscribed",
            &[("code", "0x00"), ("reason", "success"), ("topic", "dev/alice/cmd/#")],
        ),
        (
            "a message was dropped",
            &[("code", "0x87"), ("reason", "not_authorized"), ("topic", "no")],
        ),
        (
            "denied",
            &[
                ("code", "0x87"),
                ("reason", "the client may not do this"),
                ("topic", "no"),
                ("access", "publish"),
            ],
        ),
        ("a limit was reached", &[("reason", "topic_levels")]),
        ("a will was sent", &[("topic", "dev/alice/w")]),
        ("a session is over", &[("reason", "disconnected")]),
        ("a connection is over", &[("code", "0x04"), ("reason", "by_client_with_will")]),
    ] {
        let line = line(&lines, message, "alice");
        let who = [("username", "alice"), ("peer", at), ("listener", "mqtt")];
        for (field, value) in who.iter().chain(more) {
            assert_eq!(line[field], *value, "{field} of {line}");
        }
    }
}

/// What happens to a session without a connection happens nowhere.
#[test]
fn a_session_without_a_connection_has_no_address() {
    let program = Program::start(&["--port", "0", "--bind", "127.0.0.1", "--log", "events=info"]);
    let log = program.terminate_after("TERM", |addresses| {
        let mut away = Client::connect_to(addresses[0], &Connect::persistent(V5, "away"));
        away.subscribe("t", 0);
        away.disconnect();
        let mut publisher = Client::connect_to(addresses[0], &Connect::new(V5, "publisher"));
        publisher.publish("t", "x", 0);
        publisher.ping();
    });
    let lines = json(&log);
    let dropped = line(&lines, "a message was dropped", "away");
    assert_eq!((&dropped["reason"], &dropped["topic"]), (&"offline".into(), &"t".into()));
    for field in ["username", "peer", "listener", "code"] {
        assert_eq!(dropped[field], Json::Null, "{dropped}");
    }
}

/// Such as its check that the broker is there.
#[test]
fn a_load_balancer_that_says_nothing_is_summed_up_and_no_warning() {
    for (filter, is_told) in [("info", true), ("warn", false)] {
        let arguments = ["--port", "0", "--bind", "127.0.0.1", "--proxy-from", "127.0.0.0/8"];
        let program = Program::start(&[&arguments[..], &["--log", filter]].concat());
        let log = program.terminate_after("TERM", |addresses| {
            for _ in 0..20 {
                let mut socket = TcpStream::connect(addresses[0]).unwrap();
                socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                let _is_reset = socket.read_to_end(&mut Vec::new());
            }
        });
        if !is_told {
            assert_eq!(log, "");
            continue;
        }
        let text = "a load balancer does not say where a connection is from";
        let (said, more) = said_and_summed_up(&log, text);
        // Two if ten seconds ended meanwhile.
        assert!((1..=2).contains(&said.len()), "{log}");
        assert_eq!(said.len() as u64 + more, 20, "{log}");
        assert_eq!((&said[0]["level"], &said[0]["listener"]), (&"INFO".into(), &"mqtt".into()));
        assert!(said[0]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{log}");
        assert!(said[0]["help"].as_str().unwrap().contains("proxy_from"), "{log}");
        let summed = json(&log)
            .into_iter()
            .find(|it| it["message"].as_str().unwrap().starts_with(&format!("{text}: and")));
        let summed = summed.unwrap();
        assert_eq!((&summed["address"], &summed["peer"]), (&"127.0.0.1".into(), &Json::Null));
        assert!(!summed["message"].as_str().unwrap().ends_with(" in 0ns"), "{summed}");
    }
}
