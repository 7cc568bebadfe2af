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
    use crate::support::{Client, Connect, HttpServer};

    let directory = Directory::new("otlp");
    let path = directory.file("flux.toml");
    let collector = HttpServer::start(200, "");
    let address = collector.address;
    fs::write(&path, format!("[otlp]\nendpoint = \"http://{address}/base/\"\ninterval = \"1h\"\n"))
        .unwrap();
    let program = Program::start(&["--config", &path, "--port", "0"]);
    Client::connect_to(program.addresses[0], &Connect::new(V5, "a")).disconnect();
    assert_eq!(collector.heard(), [""; 0]);
    assert_eq!(program.terminate("TERM").0.code(), Some(0));
    let [sent] = <[String; 1]>::try_from(collector.heard()).unwrap();
    assert!(sent.starts_with("POST /base/v1/metrics HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("flux_packets_received") && sent.contains("flux-broker"), "{sent}");
}
