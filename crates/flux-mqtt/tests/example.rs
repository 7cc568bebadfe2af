//! The example is run as it stands, and a client is served by it.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../examples/mqtt_server.rs"]
mod mqtt_server;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const TEST: &str = "the_example_serves_a_client";
const IS_CHILD: &str = "FLUX_TEST_RUNS_THE_EXAMPLE";

/// Runs itself again in another process, since only there can the environment be chosen.
#[test]
fn the_example_serves_a_client() {
    if env::var_os(IS_CHILD).is_some() {
        mqtt_server::main().expect("the example runs");
        return;
    }
    let mut example = Guard(
        Command::new(env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .envs([(IS_CHILD, "1"), ("FLUX_BIND", "127.0.0.1"), ("FLUX_PORT", "0")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(example.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines
        .find_map(|line| Some(line.split_once("listening on ")?.1.to_owned()))
        .expect("the example says where it listens");
    lines.find(|line| line.contains("retained below demo: 1")).expect("the store works");
    for expected in
        ["demo/kitchen/temperature: 21.5", "demo/started: yes", "demo/kitchen/door: open"]
    {
        lines.find(|line| line.contains(expected)).expect("the subscriber receives");
    }

    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01x").unwrap();
    expect(&mut client, &[0x20, 2, 0, 0]);
    client.write_all(b"\x82\x0B\0\x01\0\x06demo/+\0").unwrap();
    expect(&mut client, &[0x90, 3, 0, 1, 0]);
    expect(&mut client, b"\x31\x11\0\x0Cdemo/startedyes");
}

fn expect(client: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    client.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes);
}

/// Ends the child, also when the test fails.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
