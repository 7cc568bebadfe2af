//! Under a service manager, which hears of it through a socket.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

use super::child::Program;
use super::directory::Directory;
use crate::support::Version::V5;
use crate::support::{Client, Connect, DEADLINE};

/// What a service manager listens on.
struct Manager {
    socket: UnixDatagram,
    directory: Directory,
}

impl Manager {
    fn new(name: &str) -> Self {
        let directory = Directory::new(name);
        let socket = UnixDatagram::bind(directory.file("notify")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, directory }
    }

    /// Starts the program with a config. `watchdog` says how often it wants to hear of it, in microseconds.
    fn start(&self, config: &str, watchdog: Option<&str>) -> Program {
        let path = self.directory.file("flux.toml");
        fs::write(&path, config).unwrap();
        let socket = self.directory.file("notify");
        let mut environment = vec![("NOTIFY_SOCKET", socket.as_str())];
        environment.extend(watchdog.map(|it| ("WATCHDOG_USEC", it)));
        Program::start_in(&environment, &["--config", &path])
    }

    fn hear(&self) -> String {
        let mut message = [0; 1024];
        let len = self.socket.recv(&mut message).unwrap();
        str::from_utf8(&message[..len]).unwrap().to_owned()
    }
}

const CONFIG: &str = "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n";

#[test]
fn a_service_manager_hears_of_the_start_reloads_and_the_end() {
    let manager = Manager::new("service");
    let program = manager.start(CONFIG, None);
    assert_eq!(manager.hear(), "READY=1\nSTATUS=serving\n");

    program.signal("HUP");
    let begun = manager.hear();
    let since = begun.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&begun);
    assert!(since.trim_end().parse::<u64>().is_ok(), "{begun}");
    assert_eq!(manager.hear(), "READY=1\nSTATUS=serving\n");

    fs::write(manager.directory.file("flux.toml"), "nonsense").unwrap();
    program.signal("HUP");
    assert!(manager.hear().starts_with("RELOADING=1\n"));
    let answer = manager.hear();
    assert!(answer.starts_with("READY=1\nSTATUS=serving as before"), "{answer}");

    let (status, _) = program.terminate("TERM");
    assert_eq!(status.code(), Some(0));
    assert_eq!(manager.hear(), "STOPPING=1\n");
}

/// As often as it wants, and never otherwise.
#[test]
fn a_watchdog_hears_that_the_broker_lives() {
    let manager = Manager::new("watchdog");
    let program = manager.start(CONFIG, Some("100000"));
    assert!(manager.hear().starts_with("READY=1\n"));
    for _ in 0..5 {
        assert_eq!(manager.hear(), "WATCHDOG=1\n");
    }
    program.kill();
}

/// Who connects before the broker is there waits, and is served: nobody but the manager bound that port.
#[test]
fn clients_come_through_a_socket_that_was_passed_on() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut early = Client::open(address, V5);
    early.send(&Connect::new(V5, "early").bytes());
    let port = address.port().to_string();
    let program = Program::start_with(socket, &["--bind", "127.0.0.1", "--port", &port]);
    assert_eq!(program.addresses, [address]);
    early.expect_connack();
    early.ping();
    let mut late = Client::connect_to(address, &Connect::new(V5, "late"));
    late.ping();
    let (status, log) = program.terminate("TERM");
    assert_eq!((status.code(), log.as_str()), (Some(0), ""));
}

#[test]
fn a_socket_that_no_listener_is_for_is_told() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let program = Program::start_with(socket, &["--bind", "127.0.0.1", "--port", "0"]);
    let (_, log) = program.terminate("TERM");
    assert!(log.contains(&format!("nobody is served at {address}")), "{log}");
}
