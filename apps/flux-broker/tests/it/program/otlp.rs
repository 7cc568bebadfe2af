//! A collector of OpenTelemetry that is sent something, or is not: `cargo test --features otlp`.

use std::fs;

use super::directory::Directory;

#[cfg(not(feature = "otlp"))]
#[test]
fn a_program_that_was_built_without_it_says_how_it_is_built() {
    use super::child::run;

    let directory = Directory::new("otlp-without");
    let path = directory.file("flux.toml");
    fs::write(&path, "[otlp]\nendpoint = \"http://127.0.0.1:4318\"\n").unwrap();
    for arguments in [&["config", "check", &path][..], &["--config", &path, "--port", "0"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains("flux.toml:2:"), "{complaint}");
        assert!(complaint.contains("--features otlp"), "{complaint}");
    }
}

#[cfg(feature = "otlp")]
#[test]
fn a_program_that_ends_sends_what_there_is() {
    use super::child::Program;
    use crate::support::Version::V5;
    use crate::support::{Client, Connect, HttpServer, Publish};

    let directory = Directory::new("otlp");
    let path = directory.file("flux.toml");
    let collector = HttpServer::start(200, "");
    let address = collector.address;
    let config = "interval = \"1h\"\nsample_ratio = 1.0\n";
    fs::write(&path, format!("[otlp]\nendpoint = \"http://{address}/base/\"\n{config}")).unwrap();
    let program = Program::start(&["--config", &path, "--port", "0"]);
    let mut client = Client::connect_to(program.addresses[0], &Connect::new(V5, "a"));
    client.send(&Publish::new("some/topic", "").qos(1, 1).bytes(V5));
    client.expect(&V5.puback_unmatched(1));
    assert_eq!(program.terminate("TERM").0.code(), Some(0));
    let heard = collector.heard();
    let to = |path: &str| {
        let post = format!("POST /base/v1/{path} HTTP/1.1\r\n");
        heard.iter().find(|sent| sent.starts_with(&post)).unwrap_or_else(|| panic!("{heard:?}"))
    };
    assert_eq!(heard.len(), 2);
    let metrics = to("metrics");
    assert!(metrics.contains("flux_packets_received") && metrics.contains("flux-broker"));
    assert!(to("traces").contains("some/topic"));
}

#[cfg(feature = "otlp")]
#[test]
fn what_a_collector_that_is_away_does_not_get_is_counted_for_prometheus() {
    use std::net::{TcpListener, ToSocketAddrs as _};

    use super::admin::admin_of;
    use super::child::Program;
    use crate::admin::get;
    use crate::support::Version::V5;
    use crate::support::{Client, Connect, Publish};

    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = Directory::new("otlp-away");
    let path = directory.file("flux.toml");
    let config = "interval = \"1s\"\nsample_ratio = 1.0\n";
    fs::write(&path, format!("[otlp]\nendpoint = \"http://{gone}\"\n{config}")).unwrap();
    let program = Program::start(&["--config", &path, "--port", "0", "--admin", "127.0.0.1:0"]);
    let mut client = Client::connect_to(program.addresses[0], &Connect::new(V5, "a"));
    let flood: Vec<u8> = (0..6_000).flat_map(|_| Publish::new("a", "x").bytes(V5)).collect();
    client.send(&flood);
    client.ping();
    let admin = admin_of(&program).to_socket_addrs().unwrap().next().unwrap();
    let number = |series: &str| -> u64 {
        let (_, _, page) = get(admin, "/metrics", "");
        let line = page.lines().find_map(|line| line.strip_prefix(series));
        line.expect(series).trim().parse().unwrap()
    };
    // All has been handled: 4096 wait and at most 512 are on their way, in vain.
    let dropped = number("flux_otlp_spans_dropped_total");
    assert!((6_000 - 4_096 - 512..=6_000 - 4_096).contains(&dropped), "{dropped}");
    for signal in ["metrics", "traces"] {
        while number(&format!("flux_otlp_exports_failed_total{{signal=\"{signal}\"}}")) == 0 {}
    }
}
