//! The program makes certificates, and serves with them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::program::child::{Program, run};
use crate::support::Version::V5;
use crate::support::{Connect, client_config, new_folder, open_tls, read_pem};

/// A folder that goes with the test.
struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _is_left = fs::remove_dir_all(&self.0);
    }
}

fn client_of(folder: &Path) -> Arc<ClientConfig> {
    let certificate = read_pem(&folder.join("client.crt"));
    let key = read_pem(&folder.join("client.key"));
    client_config(&read_pem(&folder.join("ca.crt")), Some((certificate, key)))
}

fn init(folder: &Path, arguments: &[&str]) -> std::process::Output {
    run(&[&["tls", "init", folder.to_str().unwrap()], arguments].concat())
}

#[test]
fn what_it_makes_is_what_it_serves_with() {
    let folder = Folder(new_folder());
    let made = folder.0.join("made");
    let output = init(&made, &["--name", "broker.example.com,127.0.0.1", "--client", "me"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let advice = String::from_utf8(output.stdout).unwrap();
    assert!(advice.contains("--tls-client-ca"), "{advice}");
    assert!(advice.contains("mosquitto_sub -h broker.example.com"), "{advice}");
    let file = |name: &str| made.join(name).to_str().unwrap().to_owned();
    let program = Program::start(&[
        "--port",
        "0",
        "--tls-port",
        "0",
        "--tls-cert",
        &file("server.crt"),
        "--tls-key",
        &file("server.key"),
        "--tls-client-ca",
        &file("ca.crt"),
        "--tls-username",
        "cn",
        "--acl-default",
        "allow",
    ]);
    assert_eq!(
        (program.tls.len(), program.addresses.len()),
        (program.tls.len(), program.tls.len())
    );
    let config = client_of(&made);
    let mut client = open_tls(program.tls[0], V5, &config).connected(&Connect::new(V5, "a"));
    program.signal("HUP");
    client.ping();
    let (status, rest) = program.terminate("TERM");
    client.expect_disconnect(0x8B);
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
}

#[test]
fn it_overwrites_nothing() {
    let folder = Folder(new_folder());
    fs::write(folder.0.join("client.key"), "precious").unwrap();
    let output = init(&folder.0, &[]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaint.contains("client.key is there already and is not overwritten"),
        "{complaint}"
    );
    assert_eq!(fs::read_to_string(folder.0.join("client.key")).unwrap(), "precious");
    assert!(!folder.0.join("ca.crt").exists());
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder(new_folder());
    assert_eq!(init(&folder.0, &[]).status.code(), Some(0));
    for name in ["ca.key", "server.key", "client.key"] {
        let mode = fs::metadata(folder.0.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn files_that_cannot_be_used_are_all_named() {
    let output = run(&["--tls-cert", "no.crt", "--tls-key", "no.key", "--port", "0"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8(output.stderr).unwrap();
    for file in ["no.crt", "no.key"] {
        let line = format!("{file}: cannot read it: there is no such file");
        assert!(complaint.contains(&line), "{complaint}");
    }
    assert!(complaint.contains("it comes from --tls-cert"), "{complaint}");
}

#[test]
fn arguments_that_belong_together_are_demanded_together() {
    for arguments in [
        &["--tls-cert", "a"][..],
        &["--tls-key", "a"],
        &["--tls-only"],
        &["--tls-crl", "a"],
        &["--tls-cert", "a,b", "--tls-key", "a"],
        &["tls", "init"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
