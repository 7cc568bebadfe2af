//! Nothing secret is in the log, at whatever level, nor in what `config show` says.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use super::child::{Program, run, with_rights};
use super::commands::run_with_input;
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{Client, Connect, DEADLINE};

/// Whatever is secret has this in it.
const MARK: &str = "xyzzy";

#[test]
fn secrets_are_neither_logged_nor_shown() {
    let directory = Directory::new("secrets");
    let (path, hash) = files(&directory);
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flux-broker"));
        command.args(arguments).env("ADMIN_TOKEN", "admin-xyzzy");
        command
    };
    let shown = command(&["config", "show", &path]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("${env:ADMIN_TOKEN}") && !shown.contains(MARK), "{shown}");

    let mut broker =
        command(&["--config", &path]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(broker.stderr.take().unwrap());
    let (tell, told) = mpsc::sync_channel(1);
    let reader = thread::spawn(move || {
        let mut log = String::new();
        for line in stderr.lines() {
            log += &line.unwrap();
            log.push('\n');
            if log.lines().next_back().is_some_and(|line| line.contains(" listening on ")) {
                tell.send(log.lines().next_back().unwrap().to_owned()).unwrap();
            }
        }
        log
    });
    let announced = told.recv_timeout(DEADLINE).unwrap();
    let address = |scheme: &str, end: &[char]| -> SocketAddr {
        let (_, rest) = announced.split_once(scheme).unwrap();
        rest.split(end).next().unwrap().parse().unwrap()
    };
    let (at, admin) = (address("mqtt://", &[';', ' ']), address("http://", &['/']));
    knock(at, admin);
    // And once more, with all that is read again.
    for signal in ["HUP", "TERM"] {
        let id = broker.id().to_string();
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success()
        );
    }
    broker.wait().unwrap();
    let log = reader.join().unwrap();
    assert!(log.contains("TRACE") && log.contains("DEBUG"), "{log}");
    for line in log.lines() {
        assert!(!line.contains(MARK) && !line.contains(&hash), "{line}");
    }
}

/// What is told about a config shows where in it something is, and none of its secrets.
#[test]
fn secrets_that_stand_in_the_config_are_not_told_either() {
    let directory = Directory::new("secrets-written");
    let path = directory.file("flux.toml");
    let log = "[log]\nfilter = \"trace,ntex=warn\"\n";
    let right = format!(
        "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n{log}[acl]\ndefault = \"allow\"\n\
         [admin]\nbind = \"127.0.0.1:0\"\ntoken = \"admin-xyzzy\"\n"
    );
    fs::write(&path, &right).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut program = Program::start(&["--config", &path]);
    assert!(program.before.contains("which has a secret in it"), "{}", program.before);
    assert!(!program.before.contains(MARK), "{}", program.before);
    for (wrong, words) in [
        ("token = \"other-xyzzy\"\n", "duplicate key"),
        ("tokn = \"xyzzy\"\n", "did you mean `token`?"),
        ("[otlp]\nendpoint = \"http://[::1]\"\nheaders = [\"key xyzzy\"]\n", "no name and value"),
        ("[otlp]\nheaders = \"key=xyzzy\"\n", "no collector"),
        ("[auth.http]\ntoken = [\"xyzzy\"]\n", "is to be text"),
        ("[auth.http]\ntoken = \"xyzzy\n", "invalid basic string"),
        ("[auth.http]\ntoken: xyzzy\n", "expected `=`"),
        ("[auth]\nhttp = { token = \"xyzzy\" }\n", "no address to ask"),
        ("[auth.http]\nurl = \"http://u:xyzzy@127.0.0.1/\"\n", "is no address"),
    ] {
        fs::write(&path, [&right, wrong].concat()).unwrap();
        let told = String::from_utf8(run(&["--config", &path]).stderr).unwrap();
        assert!(told.contains(words) && !told.contains(MARK), "{told}");
        program.signal("HUP");
        let mut line = String::new();
        while !line.contains("the config stays as it was") {
            line = program.line();
            assert!(!line.is_empty() && !line.contains(MARK), "{line}");
        }
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(line["help"].as_str().unwrap().contains("send SIGHUP again"), "{line}");
    }
    let (_, rest) = program.terminate("TERM");
    assert!(!rest.contains(MARK), "{rest}");
}

/// Writes the config with all that is secret; returns where it is, and the hash of a password.
fn files(directory: &Directory) -> (String, String) {
    let (users, path) = (directory.file("users"), directory.file("flux.toml"));
    let (key, token) = (directory.file("key"), directory.file("token"));
    let added = run_with_input(&["passwd", "add", &users, "alice"], "alice-xyzzy");
    assert_eq!(added.status.code(), Some(0));
    let hash = fs::read_to_string(&users).unwrap();
    let hash = hash.trim().rsplit(['$', ':']).next().unwrap().to_owned();
    fs::write(&key, "a-key-of-xyzzy-that-is-long-enough").unwrap();
    fs::write(&token, "callback-xyzzy\n").unwrap();
    let text = format!(
        "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n[log]\nfilter = \"trace\"\n\
         [auth]\npassword_file = {users:?}\n[auth.jwt]\nsecret_file = {key:?}\n\
         [auth.http]\nurl = \"http://127.0.0.1:1/auth\"\ntoken = \"${{file:{token}}}\"\n\
         [admin]\nbind = \"127.0.0.1:0\"\ntoken = \"${{env:ADMIN_TOKEN}}\"\n"
    );
    fs::write(&path, with_rights(text)).unwrap();
    (path, hash)
}

/// Comes in, tries to come in, and asks for metrics, with what is right and what is wrong.
fn knock(at: SocketAddr, admin: SocketAddr) {
    for version in [V311, V5] {
        Client::connect_to(at, &Connect::new(version, "a").login("alice", "alice-xyzzy")).ping();
        for (user, password) in [
            ("alice", "wrong-xyzzy"),
            ("nobody", "unknown-xyzzy"),
            ("", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4eXp6eSJ9.xyzzy"),
        ] {
            let mut client = Client::open(at, version);
            client.send(&Connect::new(version, "a").login(user, password).bytes());
            client.packet();
        }
    }
    for token in ["admin-xyzzy", "guessed-xyzzy"] {
        let mut socket = TcpStream::connect(admin).unwrap();
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert!(!String::from_utf8_lossy(&answer).contains(MARK));
    }
}
