//! The program itself: what it prints, how it ends, what it refuses.

mod access;
mod admin;
mod advice;
mod attacks;
mod away;
mod callback;
mod certificates;
pub(crate) mod child;
mod commands;
mod config;
#[cfg(target_os = "linux")]
mod confined;
mod data;
mod denied;
#[cfg(target_os = "linux")]
pub(crate) mod descriptors;
mod directory;
mod guesses;
mod log;
mod log_events;
mod log_output;
#[cfg(target_os = "linux")]
mod memory;
mod otlp;
mod overlaps;
mod owners;
mod reload;
mod scram;
mod secrets;
mod service;
mod store;
mod tokens;

use std::net::{IpAddr, TcpListener};

use self::child::{Program, run};
use crate::admin::get;
use crate::support::Version::{V5, V311};
use crate::support::{Client, Connect, Publish};

#[test]
fn it_says_in_one_line_where_it_listens() {
    let program = Program::start(&["--port", "0"]);
    assert!(!program.addresses.is_empty());
    for address in &program.addresses {
        assert!(address.ip().is_loopback(), "{address}");
        Client::connect_to(*address, &Connect::new(V5, "")).disconnect();
    }
    let (status, rest) = program.terminate("TERM");
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
}

#[test]
fn it_takes_leave_of_its_clients_when_it_is_told_to_stop() {
    for signal in ["TERM", "INT"] {
        let program = Program::start(&["--port", "0", "--workers", "2"]);
        let address = program.addresses[0];
        let mut clients = [V5, V311, V5, V311]
            .map(|version| Client::connect_to(address, &Connect::new(version, "")));
        let mut waits = Client::open(address, V5);
        let (status, _) = program.terminate(signal);
        assert_eq!(status.code(), Some(0), "{signal}");
        for client in &mut clients {
            client.expect_disconnect(0x8B);
        }
        waits.expect_closed();
    }
}

#[test]
fn an_address_in_use_ends_it_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = run(&["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains(&format!("cannot listen on {address}")), "{complaint}");
    assert!(complaint.contains("another program listens there"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

/// Only Linux has all of 127.0.0.0/8 without configuration.
#[cfg(target_os = "linux")]
#[test]
fn every_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let other = std::net::SocketAddr::new(IpAddr::from([127, 0, 0, 2]), port);
    let _other_taken = TcpListener::bind(other).unwrap();
    let output = run(&["--bind", "127.0.0.1,127.0.0.2", "--port", &port.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let line = format!("cannot listen on {ip}:{port}");
        assert!(complaint.lines().any(|complaint| complaint.contains(&line)), "{complaint}");
    }
}

#[test]
fn an_open_address_needs_leave_for_anonymous_access() {
    let output = run(&["--bind", "0.0.0.0", "--port", "0"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("0.0.0.0"), "{complaint}");
    assert!(complaint.contains("anybody may connect"), "{complaint}");
    assert!(complaint.contains("--allow-anonymous"), "{complaint}");

    let program = Program::start(&["--bind", "0.0.0.0", "--port", "0", "--allow-anonymous"]);
    let mut address = program.addresses[0];
    assert!(address.ip().is_unspecified());
    address.set_ip(IpAddr::from([127, 0, 0, 1]));
    Client::connect_to(address, &Connect::new(V311, "a")).ping();
    assert_eq!(program.terminate("TERM").0.code(), Some(0));
}

#[test]
fn it_serves_metrics_where_it_is_told_to() {
    let program = Program::start(&["--port", "0", "--admin", "127.0.0.1:0"]);
    let (_, address) = program.announced.split_once("metrics at http://").unwrap();
    let (address, _) = address.split_once("/metrics").unwrap();
    let address = address.parse().unwrap();
    assert_eq!(get(address, "/readyz", "").0, 200);
    assert!(get(address, "/metrics", "").2.contains("flux_sessions{state=\"online\"} 0"));
    assert_eq!(program.terminate("TERM").0.code(), Some(0));

    // Whoever asks for it, and does not get it, is told.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let used = taken.local_addr().unwrap().to_string();
    for (arguments, named) in
        [(["--admin", &used], "cannot serve metrics"), (["--admin", "0.0.0.0:0"], "no token")]
    {
        let output = run(&[&["--port", "0"][..], &arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains(named), "{complaint}");
    }
}

#[test]
fn a_wrong_argument_is_explained() {
    for arguments in [&["--port", "70000"][..], &["--max-qos", "3"], &["--workers", "0"], &["x"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("error"));
    }
}

#[test]
fn the_maximum_qos_can_be_chosen() {
    let program = Program::start(&["--port", "0", "--max-qos", "1"]);
    let mut client = Client::connect_to(program.addresses[0], &Connect::new(V311, "a"));
    client.send(&V311.subscribe(1, &[("a", 2)]));
    client.expect(&V311.suback(1, &[1]));
    client.send(&Publish::new("a", "x").bytes(V311));
    client.expect_publish(&Publish::new("a", "x"));
}

#[test]
fn its_numbers_are_retained_under_sys_and_nobody_else_publishes_there() {
    let program = Program::start(&["--port", "0", "--sys-interval", "1"]);
    let address = program.addresses[0];
    let mut client = Client::connect_to(address, &Connect::new(V5, "reader"));
    client.subscribe("$SYS/broker/uptime", 2);
    // A later one than that which was there, or all came live.
    let uptime = loop {
        let number = client.receive();
        assert_eq!((&*number.topic, number.qos), ("$SYS/broker/uptime", 0));
        if number.payload != b"0 seconds" {
            break number;
        }
    };
    assert!(String::from_utf8(uptime.payload).unwrap().ends_with(" seconds"));
    client.send(&Publish::new("$SYS/broker/uptime", "forever").qos(1, 1).bytes(V5));
    client.expect_ack(0x40, 1, 0x90);
    let mut late = Client::connect_to(address, &Connect::new(V311, "late"));
    late.subscribe("$SYS/broker/version", 0);
    let version = late.receive();
    assert!(version.retain && version.payload.starts_with(b"flux-broker version "));

    let program = Program::start(&["--port", "0", "--sys-interval", "0"]);
    let mut client = Client::connect_to(program.addresses[0], &Connect::new(V5, "reader"));
    client.subscribe("$SYS/#", 0);
    client.ping();
}
