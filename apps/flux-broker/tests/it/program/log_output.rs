//! Where lines of the log go: whoever reads them too late stops nobody, and people read another form than programs.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::access::{files, login};
use super::admin::admin_of;
use super::child::{Program, command, run};
use super::directory::Directory;
use crate::support::Version::V5;
use crate::support::{Client, Connect, Publish};

/// A broker of one worker that logs each message that it cannot retain, from the thread of the worker; it retains one.
fn logs_much(name: &str) -> (Directory, Vec<String>) {
    let (directory, users, roles) = files(name);
    let may_retain = fs::read_to_string(&roles)
        .unwrap()
        .replace("max_qos = 1", "retain = [\"dev/{username}/#\"]");
    fs::write(&roles, may_retain).unwrap();
    let path = directory.file("flux.toml");
    let config = format!(
        "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n[admin]\nbind = \"127.0.0.1:0\"\n[broker]\nworkers = 1\n\
         [retained]\nmessages = 1\n[auth]\npassword_file = {users:?}\n[acl]\nfile = {roles:?}\n[sys]\ninterval = \"0s\"\n\
         [log]\nfilter = \"warn,flux_mqtt::worker=debug\"\n"
    );
    fs::write(&path, config).unwrap();
    (directory, vec!["--config".to_owned(), path])
}

/// Has more lines logged than may wait.
fn say_much(client: &mut Client) {
    for number in 0..9_000 {
        client.send(&Publish::new(&format!("dev/alice/{number}"), "x").retain().bytes(V5));
    }
    client.ping();
}

#[test]
fn a_log_that_nobody_reads_stops_nobody_and_says_later_what_it_lost() {
    let (_directory, arguments) = logs_much("log-unread");
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut program = Program::start(&arguments);
    let (address, admin) = (program.addresses[0], admin_of(&program));
    let mut other = Client::connect_to(address, &login(V5, "bob"));
    let mut alice = Client::connect_to(address, &login(V5, "alice"));
    // From here on nobody reads.
    say_much(&mut alice);
    alice.send(&Publish::new("no", "x").qos(1, 1).bytes(V5));
    alice.expect_ack(0x40, 1, 0x87);
    other.ping();
    assert_eq!(run(&["health", "--admin", &admin]).status.code(), Some(0));

    let lost = loop {
        let line = program.line();
        assert!(!line.is_empty(), "the log has ended");
        if line.contains("lines of the log were lost") {
            break line;
        }
    };
    let lost: serde_json::Value = serde_json::from_str(&lost).unwrap();
    assert_eq!(lost["level"], "WARN");
    let count = lost["message"].as_str().unwrap().split(' ').next().unwrap();
    assert!(count.parse::<u64>().unwrap() > 0, "{lost}");
    assert!(lost["help"].as_str().unwrap().contains("log less"), "{lost}");
    assert_eq!(program.terminate("TERM").0.code(), Some(0));
}

/// Whoever stops the broker does not wait for who reads its log either.
#[test]
fn a_log_that_nobody_reads_does_not_hold_up_the_end() {
    let (_directory, arguments) = logs_much("log-unread-end");
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let program = Program::start(&arguments);
    say_much(&mut Client::connect_to(program.addresses[0], &login(V5, "alice")));
    program.signal("TERM");
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn lines_are_text_with_colours_on_a_terminal() {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let other_end = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut command = command(env!("CARGO_BIN_EXE_flux-broker"));
    let arguments = ["--port", "0", "--bind", "127.0.0.1", "--log", "events=info"];
    let mut child = command.args(arguments).stderr(Stdio::from(other_end)).spawn().unwrap();
    let mut terminal = BufReader::new(File::from(terminal));
    let mut line = String::new();
    while !line.contains(" listening on ") {
        line.clear();
        assert_ne!(terminal.read_line(&mut line).unwrap(), 0);
    }
    let (_, address) = line.split_once("mqtt://").unwrap();
    let address = address.split([' ', ';']).next().unwrap().parse().unwrap();
    // A name that would clear the screen, and begin another line.
    let name = "a\u{1B}[2J\nb";
    Client::connect_to(address, &Connect::new(V5, name)).disconnect();
    let mut admitted = String::new();
    while !admitted.contains("a client was admitted") {
        admitted.clear();
        assert_ne!(terminal.read_line(&mut admitted).unwrap(), 0);
    }
    assert!(admitted.contains("\u{1B}[32m INFO\u{1B}[0m"), "{admitted:?}");
    assert!(admitted.contains(r#"a\u{1b}[2J\nb"#) && admitted.contains("listener"), "{admitted:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}
