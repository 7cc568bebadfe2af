//! Tokens in place of passwords: who gets in, for how long, and who does not.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use super::child::{Program, run, with_rights};
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{Client, Connect, HttpServer, Publish, Signer, Version, claims, unsigned};

const ROLES: &str =
    "[roles.device]\npublish = [\"dev/{username}/#\"]\nsubscribe = [\"dev/{username}/#\"]\n";

/// A broker that believes the keys of a file, written as `key = "file"`.
fn start(directory: &Directory, key: &str, text: &str) -> Program {
    start_with(directory, key, text, "")
}

/// The same with these further settings.
fn start_with(directory: &Directory, key: &str, text: &str, settings: &str) -> Program {
    let (path, roles) = (directory.file("flux.toml"), directory.file("roles"));
    fs::write(directory.file("keys"), text).unwrap();
    // What everybody may read is warned about.
    fs::set_permissions(directory.file("keys"), Permissions::from_mode(0o600)).unwrap();
    fs::write(&roles, ROLES).unwrap();
    let config = format!(
        "[acl]\nfile = \"{roles}\"\n[auth.jwt]\n{key} = \"{}\"\nissuer = \"https://id.example\"\n\
         audience = \"flux\"\nroles_claim = \"roles\"\nclock_skew = \"1s\"\n{settings}",
        directory.file("keys")
    );
    fs::write(&path, with_rights(config)).unwrap();
    Program::start(&["--config", &path, "--port", "0"])
}

fn bearer(version: Version, client_id: &str, token: &str) -> Connect {
    Connect::new(version, client_id).login("ignored", token)
}

#[track_caller]
fn refused(address: SocketAddr, token: &str, v5: u8, v311: u8) {
    let mut client = Client::open(address, V5);
    client.send(&bearer(V5, "a", token).bytes());
    client.expect_refusal(v5);
    let mut client = Client::open(address, V311);
    client.send(&bearer(V311, "a", token).bytes());
    client.expect(&[0x20, 2, 0, v311]);
    client.expect_closed();
}

#[test]
fn a_token_says_who_its_bearer_is_and_what_it_may_do() {
    let directory = Directory::new("tokens-valid");
    let signer = Signer::new();
    for (key, text) in [("key_file", signer.pem()), ("jwks_file", signer.jwks())] {
        let program = start(&directory, key, &text);
        assert!(program.announced.contains("; with tokens and roles, "), "{}", program.announced);
        for version in [V311, V5] {
            let token = signer.token(&claims("meter-7", 60));
            let connect = bearer(version, "a", &token);
            let mut meter = Client::connect_to(program.addresses[0], &connect);
            meter.subscribe("dev/meter-7/#", 1);
            meter.send(&version.subscribe(2, &[("dev/meter-8/#", 0)]));
            meter.expect_codes(0x90, 2, &[if version == V5 { 0x87 } else { 0x80 }]);
        }
    }
    let secret = "a secret that nobody can guess in time";
    let program = start(&directory, "secret_file", &format!("{secret}\n"));
    let token = Signer::secret(secret.as_bytes()).token(&claims("meter-7", 60));
    let mut meter = Client::connect_to(program.addresses[0], &bearer(V5, "a", &token));
    meter.send(&Publish::new("dev/meter-7/x", "").qos(1, 1).bytes(V5));
    meter.expect_ack(0x40, 1, 0x10);
}

#[test]
fn who_has_no_right_token_is_refused() {
    let directory = Directory::new("tokens-wrong");
    let signer = Signer::new();
    let program = start(&directory, "key_file", &signer.pem());
    let (address, right) = (program.addresses[0], claims("meter-7", 60));
    // Signed by nobody, by somebody else, and by one who took the public key for a secret.
    let signature = Signer::new().token(&right);
    let (_, signature) = signature.rsplit_once('.').unwrap();
    for algorithm in ["none", "None", "EdDSA", "HS256"] {
        refused(address, &format!("{}.", unsigned(algorithm, &right)), 0x86, 4);
        refused(address, &format!("{}.{signature}", unsigned(algorithm, &right)), 0x86, 4);
    }
    refused(address, &Signer::new().token(&right), 0x86, 4);
    for secret in [signer.pem(), signer.pem().trim_end().to_owned()] {
        refused(address, &Signer::secret(secret.as_bytes()).token(&right), 0x86, 4);
    }
    // What was signed for one is not for another.
    let token = signer.token(&right);
    let (_, signature) = token.rsplit_once('.').unwrap();
    let forged = unsigned("EdDSA", &claims("admin", 60));
    refused(address, &format!("{forged}.{signature}"), 0x86, 4);
    // Right once, or elsewhere.
    refused(address, &signer.token(&claims("meter-7", -2)), 0x87, 5);
    refused(address, &signer.token(&right.replace("flux", "other")), 0x87, 5);
    refused(address, &signer.token(&right.replace("id.example", "example")), 0x87, 5);
    // No token, and nothing at all.
    refused(address, "password", 0x86, 4);
    let mut silent = Client::open(address, V5);
    silent.send(&Connect::new(V5, "a").bytes());
    silent.expect_refusal(0x87);
    Client::connect_to(address, &bearer(V5, "a", &token)).ping();
}

#[test]
fn a_connection_ends_with_the_token() {
    let directory = Directory::new("tokens-end");
    let signer = Signer::new();
    let mut program = start_with(
        &directory,
        "key_file",
        &signer.pem(),
        "[admin]\nbind = \"127.0.0.1:0\"\n[log]\nfilter = \"events::connections=info\"\n",
    );
    let token = signer.token(&claims("meter-7", 2));
    let address = program.addresses[0];
    let mut clients = [V5, V311]
        .map(|version| (version, Client::connect_to(address, &bearer(version, "", &token))));
    // One that is ended for another reason, and is not counted among them.
    let mut other = Client::connect_to(address, &bearer(V5, "", &signer.token(&claims("x", 60))));
    other.send(&[0xF0, 0]);
    other.expect_disconnect(0x82);
    for (version, client) in &mut clients {
        match version {
            // The time for which it was authorised is over, not its right to be here.
            V5 => client.expect_disconnect(0xA0),
            _ => client.expect_closed(),
        }
    }
    refused(address, &token, 0x87, 5);
    let ended =
        |reason: &str| program.metric(&format!("flux_disconnects_total{{reason=\"{reason}\"}}"));
    assert_eq!((ended("credentials_expired"), ended("not_authorized")), (2, 0));
    let lines: Vec<_> = std::iter::repeat_with(|| program.line())
        .filter(|line| line.contains("a connection is over"))
        .take(3)
        .collect();
    let told = lines.iter().filter(|it| it.contains("credentials_expired") && it.contains("0xA0"));
    assert_eq!(told.count(), 2, "{lines:?}");
}

#[test]
fn keys_are_read_again_and_a_file_without_one_changes_nothing() {
    let directory = Directory::new("tokens-reload");
    let (old, new) = (Signer::new(), Signer::new());
    let mut program = start(&directory, "key_file", &old.pem());
    let address = program.addresses[0];
    let tokens = [&old, &new].map(|signer| signer.token(&claims("meter-7", 60)));
    let mut meter = Client::connect_to(address, &bearer(V5, "a", &tokens[0]));

    fs::write(directory.file("keys"), "no key").unwrap();
    program.signal("HUP");
    let complaint = program.line();
    assert!(complaint.contains("stays as it was") && complaint.contains("keys"), "{complaint}");
    meter.ping();
    refused(address, &tokens[1], 0x86, 4);

    fs::write(directory.file("keys"), new.pem()).unwrap();
    // The roles go along, whose end the client hears of.
    fs::write(directory.file("roles"), ROLES.replace("dev/", "new/")).unwrap();
    meter.subscribe("dev/meter-7/#", 0);
    program.signal("HUP");
    meter.expect_disconnect(0x87);
    refused(address, &tokens[0], 0x86, 4);
    Client::connect_to(address, &bearer(V5, "a", &tokens[1])).ping();
}

#[test]
fn keys_are_fetched_and_those_known_hold_on_while_they_are_not() {
    let directory = Directory::new("tokens-fetched");
    let (old, new) = (Signer::new(), Signer::new());
    let server = HttpServer::start(500, "");
    let path = directory.file("flux.toml");
    let config = format!(
        "[log]\nfilter = \"off\"\n[auth.jwt]\njwks_url = \"{}\"\nrefresh = \"1h\"\naudience = \"flux\"\n",
        server.url()
    );
    fs::write(&path, with_rights(config)).unwrap();
    let program = Program::start(&["--config", &path, "--port", "0"]);
    let address = program.addresses[0];
    let tokens = [&old, &new].map(|signer| signer.token(&claims("meter-7", 60)));
    // No key is known yet: nobody can be told from a forger.
    refused(address, &tokens[0], 0x88, 3);

    server.answer(200, &old.jwks());
    program.signal("HUP");
    until_accepted(address, &tokens[0], 0x88);
    for (status, body) in [(200, "{}"), (200, r#"{"keys":[]}"#), (404, &*new.jwks())] {
        server.answer(status, body);
        server.heard();
        program.signal("HUP");
        let mut meter = Client::connect_to(address, &bearer(V5, "a", &tokens[0]));
        while server.heard().is_empty() {
            meter.ping();
        }
        Client::connect_to(address, &bearer(V5, "a", &tokens[0])).ping();
    }

    server.answer(200, &new.jwks());
    program.signal("HUP");
    until_accepted(address, &tokens[1], 0x86);
    refused(address, &tokens[0], 0x86, 4);
    assert!(server.heard().iter().all(|asked| asked.starts_with("GET /mqtt ")));
}

/// Nobody has to be told, nor to wait until it is time to fetch them.
#[test]
fn keys_are_fetched_when_a_token_names_one_that_is_not_known() {
    let directory = Directory::new("tokens-rotated");
    let (old, new) = (Signer::new(), Signer::new());
    let server = HttpServer::start(200, &old.jwks_named("a"));
    let path = directory.file("flux.toml");
    let url = server.url();
    let config = format!(
        "[log]\nfilter = \"off\"\n[auth.jwt]\njwks_url = \"{url}\"\nrefresh = \"1h\"\naudience = \"flux\"\n",
    );
    fs::write(&path, with_rights(config)).unwrap();
    let program = Program::start(&["--config", &path, "--port", "0"]);
    let address = program.addresses[0];
    let claims = claims("meter-7", 600);
    until_accepted(address, &old.token_named("a", &claims), 0x88);
    server.answer(200, &new.jwks_named("b"));
    assert_eq!(server.heard().len(), 1);
    until_accepted(address, &new.token_named("b", &claims), 0x87);
    assert_eq!(server.heard().len(), 1, "once, however often the token came meanwhile");
    refused(address, &old.token_named("a", &claims), 0x87, 5);
}

/// Tries a token that will be believed soon, and until then is refused with `code`.
fn until_accepted(address: SocketAddr, token: &str, code: u8) {
    let mut answer = code;
    while answer == code {
        let mut client = Client::open(address, V5);
        client.send(&bearer(V5, "a", token).bytes());
        answer = client.packet()[3];
    }
    assert_eq!(answer, 0);
}

#[test]
fn keys_that_are_none_are_named() {
    let directory = Directory::new("tokens-keys");
    let path = directory.file("flux.toml");
    for (key, text, words) in [
        ("key_file", "secret", "there is no key for tokens"),
        ("secret_file", "short", "5 bytes long"),
        ("jwks_file", "[]", "no JSON object"),
    ] {
        fs::write(directory.file("keys"), text).unwrap();
        let config = format!("[auth.jwt]\n{key} = \"{}\"\n", directory.file("keys"));
        fs::write(&path, with_rights(config)).unwrap();
        for arguments in [&["--config", &path, "--port", "0"][..], &["config", "check", &path]] {
            let output = run(arguments);
            assert_eq!(output.status.code(), Some(1));
            let complaint = String::from_utf8(output.stderr).unwrap();
            assert!(complaint.contains(words), "{complaint}");
            assert!(complaint.contains(&directory.file("keys")), "{complaint}");
        }
    }
}
