//! More connections than the process may have descriptors.

use std::fs;
use std::io::{ErrorKind, Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::admin::admin_of;
use super::child::Program;
use crate::support::Version::V311;
use crate::support::{Client, Connect, DEADLINE};

#[test]
pub(crate) fn connections_beyond_the_descriptors_wait_without_a_busy_loop() {
    let program = Program::start_after(
        "ulimit -n 40",
        &["--port", "0", "--bind", "127.0.0.1", "--workers", "1", "--admin", "127.0.0.1:0"],
    );
    // Whoever asks for health has a connection already.
    let mut health = TcpStream::connect(admin_of(&program)).unwrap();
    assert_eq!(readiness(&mut health), (200, String::new()));
    let connect = Connect::new(V311, "").bytes();
    let mut clients: Vec<Client> = (0..60)
        .map(|_| {
            let mut client = Client::open(program.addresses[0], V311);
            client.send(&connect);
            client
        })
        .collect();
    // They are accepted in their order; the first without an answer is the first that waits.
    let mut served = 0;
    while is_served(&clients[served], DEADLINE_OF_THE_SERVED) {
        served += 1;
    }
    assert!(served > 5, "{served} descriptors are few");
    let before = ticks(program.id());
    assert!(accept_errors(&mut health) > 0);
    assert!(!is_served(&clients[served], Duration::from_secs(1)));
    let used = ticks(program.id()) - before;
    assert!(used < TICKS_PER_SECOND / 2, "it used {used} ticks while it waited");
    let (status, why) = readiness(&mut health);
    let shut = format!("nobody comes in by mqtt://{}: ", program.addresses[0]);
    assert!(status == 503 && why.starts_with(&shut), "{status} {why}");
    // Each that leaves makes room for one that waits; those inside are served all the while.
    let mut waiting = clients.split_off(served);
    clients[served - 1].ping();
    waiting.truncate(clients.len() - 1);
    clients.drain(..waiting.len()).for_each(Client::disconnect);
    for client in &mut waiting {
        client.expect_connack();
        client.ping();
    }
    clients[0].ping();
    drop(waiting);
    while readiness(&mut health).0 != 200 {}
}

/// Asks on a connection that stays; returns the status, and what is wrong.
fn readiness(connection: &mut TcpStream) -> (u16, String) {
    let (status, body) = ask(connection, "/readyz");
    (status, body.replace("ok\n", ""))
}

/// Connections that could not be accepted, or the same one again and again.
fn accept_errors(connection: &mut TcpStream) -> u64 {
    let (_, body) = ask(connection, "/metrics");
    let count = body.lines().find_map(|line| line.strip_prefix("flux_accept_errors_total "));
    count.unwrap().parse().unwrap()
}

fn ask(connection: &mut TcpStream, path: &str) -> (u16, String) {
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let after = |name: &str| head.split_once(name).unwrap().1.trim_start();
    let first = |text: &str| text.split_whitespace().next().unwrap().to_owned();
    let mut body = vec![0; first(after("content-length:")).parse().unwrap()];
    connection.read_exact(&mut body).unwrap();
    (first(after("http/1.1")).parse().unwrap(), String::from_utf8(body).unwrap())
}

/// Long enough for an answer that comes at all.
const DEADLINE_OF_THE_SERVED: Duration = Duration::from_secs(2);

/// Whether CONNACK comes within this time.
fn is_served(client: &Client, wait: Duration) -> bool {
    client.stream().set_read_timeout(Some(wait)).unwrap();
    let mut connack = [0; 4];
    let result = client.stream().read_exact(&mut connack);
    client.stream().set_read_timeout(Some(DEADLINE)).unwrap();
    match result {
        Ok(()) => {
            assert_eq!(connack, [0x20, 2, 0, 0]);
            true
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Processor time of a process: fields 14 and 15 of `/proc/PID/stat`.
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// `USER_HZ`, the same on every Linux that has one of the usual processors.
const TICKS_PER_SECOND: u64 = 100;
