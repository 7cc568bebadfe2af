//! SIGHUP: the config is read again while clients are connected.

mod access;
mod doors;
mod proofs;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::child::Program;
use super::directory::Directory;
use crate::support::Version::V5;
use crate::support::{Certificates, Client, Connect, DEADLINE, Publish, open_tls};
use crate::unix::expect_served;

const LOG: &str = "[log]\nfilter = \"flux_broker::reload=info\"\n";
const A: &str = "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n";
const B: &str = "[[listener]]\nname = \"b\"\nbind = \"127.0.0.1:0\"\n";

/// Writes the file, has it read, and waits for these words.
#[track_caller]
fn reload(program: &mut Program, path: &str, text: &str, words: &str) -> String {
    fs::write(path, text).unwrap();
    program.signal("HUP");
    wait_for(program, words)
}

/// Returns what was logged up to a line with these words.
#[track_caller]
fn wait_for(program: &mut Program, words: &str) -> String {
    let mut seen = String::new();
    loop {
        let line = program.line();
        assert!(!line.is_empty(), "it ended: {seen}");
        seen += &line;
        if line.contains(words) {
            return seen;
        }
    }
}

fn start(name: &str, text: &str) -> (Directory, String, Program) {
    let directory = Directory::new(name);
    let path = directory.file("flux.toml");
    fs::write(&path, text).unwrap();
    let program = Program::start(&["--config", &path]);
    (directory, path, program)
}

#[track_caller]
fn publish(client: &mut Client, id: u16) {
    client.send(&Publish::new("t", "x").qos(1, id).bytes(V5));
    client.expect_ack(0x40, id, 0x10);
}

#[test]
fn listeners_come_go_and_change_and_connections_stay() {
    let (directory, path, mut program) = start("reload", &[LOG, A, B].concat());
    let [at_a, at_b] = program.addresses[..] else { panic!("{}", program.announced) };
    let mut old_a = Client::connect_to(at_a, &Connect::new(V5, "old"));
    let mut old_b = Client::connect_to(at_b, &Connect::new(V5, "b"));

    let socket = directory.file("c.sock");
    let c = format!("[[listener]]\nname = \"c\"\nbind = \"unix:{socket}\"\n");
    let text = [LOG, A, "max_qos = 0\n", &c, "[broker]\nworkers = 3\n"].concat();
    let seen = reload(&mut program, &path, &text, "`broker.workers` has changed");
    assert!(seen.contains("the config was read again"), "{seen}");
    expect_served(Path::new(&socket));
    assert!(TcpStream::connect(at_b).is_err(), "nobody listens there any more");
    publish(&mut old_b, 1);
    publish(&mut old_a, 1);
    let new_a = Client::connect_to(at_a, &Connect::new(V5, "new")).connack;
    assert_eq!(new_a.number(0x24), Some(0), "its Maximum QoS");

    let private = [LOG, A, "max_qos = 0\n", &c, "unix_mode = \"600\"\n"].concat();
    reload(&mut program, &path, &private, "was read again");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    // And back: the socket goes, everything at once on the same address.
    reload(&mut program, &path, &[LOG, A].concat(), "was read again");
    assert!(!Path::new(&socket).exists());
    let new_a = Client::connect_to(at_a, &Connect::new(V5, "newer")).connack;
    assert_eq!(new_a.number(0x24), None);
    publish(&mut old_b, 2);
    publish(&mut old_a, 2);
}

#[test]
fn a_config_that_cannot_be_had_changes_nothing_and_says_why() {
    let (directory, path, mut program) = start("reload-errors", &[LOG, A].concat());
    let at_a: SocketAddr = program.addresses[0];
    let mut client = Client::connect_to(at_a, &Connect::new(V5, "a"));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let socket = directory.file("c.sock");
    let c = format!("[[listener]]\nname = \"c\"\nbind = \"unix:{socket}\"\n");
    let busy = format!("[[listener]]\nname = \"d\"\nbind = \"{taken}\"\n");
    let certificates = "[tls.t]\ncert = \"/no/cert\"\nkey = \"/no/key\"\n[[listener]]\nname = \"t\"\n\
                        transport = \"mqtts\"\nbind = \"127.0.0.1:0\"\ntls = \"t\"\n";
    for (wrong, words) in [
        ("[limits]\nconections = 5\n", "did you mean `connections`?"),
        (busy.as_str(), "another program listens there"),
        (certificates, "/no/cert"),
        ("[acl]\nfile = \"/no/roles\"\n[storage]\ndurability = \"disk\"\n", "nowhere to keep"),
    ] {
        let text = [LOG, A, "max_qos = 0\n", &c, wrong].concat();
        let seen = reload(&mut program, &path, &text, words);
        assert!(seen.contains("the config stays as it was"), "{seen}");
        assert!(!Path::new(&socket).exists());
        let new = Client::connect_to(at_a, &Connect::new(V5, "new")).connack;
        assert_eq!(new.number(0x24), None, "{wrong}");
        client.ping();
    }
}

/// One that holds all the same is warned of as at the start.
#[test]
fn what_somebody_should_look_at_is_told_again_with_what_to_do() {
    let log = "[log]\nfilter = \"warn,flux_broker::reload=info\"\n";
    let (_directory, path, mut program) = start("reload-warnings", &[log, A].concat());
    assert!(!program.before.contains("nobody may do anything"), "{}", program.before);
    let callback = "[auth.http]\nurl = \"http://192.0.2.1/auth\"\n";
    let text = [log, A, callback].concat();
    let seen = reload(&mut program, &path, &text, "was read again");
    let again = Program::start(&["--config", &path]);
    for lines in [&seen, &again.before] {
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (words, help) in [
            ("passwords go to or come from `auth.http.url` without protection", "https://"),
            ("nobody may do anything, nor connect", "roles.toml"),
        ] {
            let has = |line: &&serde_json::Value, key: &str, words: &str| {
                line[key].as_str().is_some_and(|text| text.contains(words))
            };
            let line = lines.iter().find(|line| has(line, "message", words)).unwrap();
            assert!(has(&line, "help", help) && line["level"] == "WARN", "{line}");
        }
        let address = lines.iter().find(|line| line["place"].is_string()).unwrap();
        assert_eq!(address["place"], format!("{path}:7:7"));
    }
}

/// The client came by the settings from before.
#[test]
fn a_list_of_the_revoked_that_is_new_ends_clients_that_are_connected() {
    let certificates = Certificates::new();
    certificates.revoke(&[7]);
    let file = |name: &str| format!("{:?}", certificates.path(name).display().to_string());
    let (cert, key, ca) = (file("server.crt"), file("server.key"), file("ca.crt"));
    let tls = format!(
        "[[listener]]\nname = \"t\"\ntransport = \"mqtts\"\nbind = \"127.0.0.1:0\"\ntls = \"t\"\n\
         [tls.t]\ncert = {cert}\nkey = {key}\nclient_ca = {ca}\n"
    );
    let (_directory, path, mut program) = start("reload-revoked", &[LOG, &tls].concat());
    let address = program.tls[0];
    let connect = |serial: u64| {
        let name = format!("meter-{serial}");
        let config = certificates.client_named(&name, serial);
        open_tls(address, V5, &config).connected(&Connect::new(V5, &name))
    };
    let (mut good, mut revoked) = (connect(1), connect(7));
    let longer = "handshake_timeout = \"30s\"\n";
    reload(&mut program, &path, &[LOG, &tls, longer].concat(), "was read again");
    revoked.ping();
    let crl = format!("crl = {}\n", file("crl.pem"));
    reload(&mut program, &path, &[LOG, &tls, &crl].concat(), "was read again");
    revoked.expect_disconnect(0x87);
    good.ping();
}

/// Without a word, and at once when it is told to look.
#[test]
fn certificates_whose_files_change_are_read_again() {
    let certificates = Certificates::new();
    let path = |name: &str| certificates.path(name).display().to_string();
    let (cert, key) = (path("server.crt"), path("server.key"));
    let mut program = Program::start(&[
        "--tls-only",
        "--tls-port",
        "0",
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--log",
        "flux_broker::renewal=info",
    ]);
    let address = program.tls[0];
    let mut client =
        open_tls(address, V5, &certificates.client()).connected(&Connect::new(V5, "a"));
    certificates.write("server.key", "nothing");
    let complaint = wait_for(&mut program, "certificates stay as they were");
    assert!(complaint.contains(&key), "{complaint}");
    certificates.renew();
    wait_for(&mut program, "certificates were read again");
    program.signal("HUP");
    wait_for(&mut program, "certificates were read again");
    client.ping();
}

#[test]
fn what_connections_may_take_before_they_are_served_changes() {
    let websocket = "[[listener]]\nname = \"w\"\ntransport = \"ws\"\nbind = \"127.0.0.1:0\"\n";
    let rest = "[broker]\nworkers = 1\n[limits]\nhandshakes = ";
    let text = |changes: &str| [LOG, A, websocket, rest, changes].concat();
    let start_with = "1\n[protocol]\nconnect_timeout = \"1h\"\n";
    let (_directory, path, mut program) = start("reload-handshakes", &text(start_with));
    let at_a = program.addresses[0];
    let (_, at_w) = program.announced.split_once(" ws://").unwrap();
    let at_w: SocketAddr = at_w.split(';').next().unwrap().parse().unwrap();
    // The one handshake that may be under way; it would be cut off for the next.
    let silent = TcpStream::connect(at_w).unwrap();
    let slow = "2\n[protocol]\nconnect_timeout = \"1h\"\n";
    let seen = reload(&mut program, &path, &text(slow), "was read again");
    assert!(!seen.contains("from the next start on"), "{seen}");
    let second = TcpStream::connect(at_w).unwrap();
    upgrade(&second);
    upgrade(&silent);

    let quick = "2\n[protocol]\nconnect_timeout = \"100ms\"\n";
    reload(&mut program, &path, &text(quick), "was read again");
    let mut late = TcpStream::connect(at_a).unwrap();
    late.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(late.read(&mut [0]).unwrap(), 0, "it said nothing in time");
}

/// The first listens where the second wants to, or the other way round, until it is closed.
#[test]
fn all_addresses_take_the_place_of_one_and_the_other_way_round() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = |ip: &str| {
        let bind = format!("bind = \"{ip}:{port}\"\nallow_anonymous = true\n");
        [LOG, "[[listener]]\nname = \"a\"\n", &bind].concat()
    };
    let (_directory, path, mut program) = start("reload-overlap", &at("127.0.0.1"));
    let here = SocketAddr::from(([127, 0, 0, 1], port));
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], port));
    let mut old = Client::connect_to(here, &Connect::new(V5, "old"));
    assert!(TcpStream::connect(elsewhere).is_err());
    for _ in 0..3 {
        reload(&mut program, &path, &at("0.0.0.0"), "was read again");
        for address in [here, elsewhere] {
            Client::connect_to(address, &Connect::new(V5, "new")).ping();
        }
        let taken = TcpListener::bind(("0.0.0.0", port));
        assert!(taken.is_err(), "nobody else can listen there");
        reload(&mut program, &path, &at("127.0.0.1"), "was read again");
        Client::connect_to(here, &Connect::new(V5, "new")).ping();
        assert!(TcpStream::connect(elsewhere).is_err(), "it is closed");
        old.ping();
    }
}

/// Asks for WebSocket, which must be granted.
#[track_caller]
fn upgrade(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = "GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
}

/// As many as a test has time for; `cargo xtask stress` has more.
#[test]
fn reloads_under_load_lose_no_message() {
    let (directory, path, mut program) = start("reload-load", &[LOG, A].concat());
    let at_a = program.addresses[0];
    let mut subscriber = Client::connect_to(at_a, &Connect::new(V5, "subscriber"));
    subscriber.subscribe("t", 1);
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let publisher = thread::spawn(move || {
        let mut client = Client::connect_to(at_a, &Connect::new(V5, "publisher"));
        let mut sent = 0_u32;
        while !over.load(Ordering::Relaxed) {
            client.publish("t", sent.to_string(), 1);
            sent += 1;
        }
        client.publish("t", "end", 1);
        sent
    });
    let received = thread::spawn(move || {
        let mut received = 0_u32;
        loop {
            let message = subscriber.receive_and_acknowledge();
            if message.text() == "end" {
                return received;
            }
            assert_eq!(message.text(), received.to_string(), "in order, each once");
            received += 1;
        }
    });
    let socket = directory.file("c.sock");
    let c = format!("[[listener]]\nname = \"c\"\nbind = \"unix:{socket}\"\n");
    for _ in 0..20 {
        reload(&mut program, &path, &[LOG, A, "max_qos = 1\n", &c].concat(), "was read again");
        reload(&mut program, &path, &[LOG, A].concat(), "was read again");
    }
    is_over.store(true, Ordering::Relaxed);
    let sent = publisher.join().unwrap();
    assert!(sent > 0);
    assert_eq!(received.join().unwrap(), sent);
}
