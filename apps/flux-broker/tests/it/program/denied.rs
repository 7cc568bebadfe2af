//! What no rule allows is denied as soon as anything says who a client is, and whoever reads the log learns what to do.

use std::fs;

use super::access::{files, login};
use super::child::{Program, command};
use crate::support::Version::{V5, V311};
use crate::support::{
    Certificates, Client, Connect, HttpServer, Publish, Signer, claims, open_tls,
};

/// A broker with what is left out of the config, or set: what comes of a client that proves who it is.
#[test]
fn without_rules_nobody_may_do_anything_whatever_they_prove_who_they_are_with() {
    let (directory, users, _) = files("denied");
    let (certificates, signer) = (Certificates::new(), Signer::new());
    let server = HttpServer::start(204, "");
    let (key, path) = (directory.file("key"), directory.file("flux.toml"));
    fs::write(&key, signer.pem()).unwrap();
    let of = |name: &str| format!("{:?}", certificates.path(name).display().to_string());
    let plain = "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n";
    let secure = format!(
        "[[listener]]\nname = \"t\"\ntransport = \"mqtts\"\nbind = \"127.0.0.1:0\"\ntls = \"t\"\n\
         [tls.t]\ncert = {}\nkey = {}\nclient_ca = {}\nusername_from = \"cn\"\n",
        of("server.crt"),
        of("server.key"),
        of("ca.crt")
    );
    let token = signer.token(&claims("alice", 600));
    let by_token = Connect::new(V5, "alice").login("ignored", &token);
    for (what, config, connect) in [
        ("a password", format!("{plain}[auth]\npassword_file = \"{users}\"\n"), login(V5, "alice")),
        (
            "a token",
            format!("{plain}[auth.jwt]\nkey_file = \"{key}\"\naudience = \"flux\"\n"),
            by_token,
        ),
        (
            "an answer",
            format!("{plain}[auth.http]\nurl = \"{}\"\n", server.url()),
            login(V5, "alice"),
        ),
        ("a certificate", secure, Connect::new(V5, "alice")),
    ] {
        for (acl, code) in
            [("", 0x87), ("default = \"deny\"\n", 0x87), ("default = \"allow\"\n", 0)]
        {
            fs::write(&path, format!("{config}[acl]\n{acl}")).unwrap();
            let program = Program::start(&["--config", &path]);
            let mut client = match program.tls.first() {
                Some(tls) => open_tls(*tls, V5, &certificates.client_named("alice", 7)),
                None => Client::open(program.addresses[0], V5),
            };
            client.send(&connect.bytes());
            assert_eq!(client.packet()[3], code, "{what}, {acl:?}");
            if code == 0 {
                client.send(&Publish::new("a/b", "x").qos(1, 1).bytes(V5));
                client.expect_ack(0x40, 1, 0x10);
            }
        }
    }
}

#[test]
fn the_log_says_what_to_do_where_no_rule_says_who_may_do_anything() {
    let (_directory, users, roles) = files("denied-log");
    let start = |arguments: &[&str]| {
        let mut command = command(env!("CARGO_BIN_EXE_flux-broker"));
        command.args(["--port", "0", "--passwords", &users]).args(arguments);
        Program::spawn(command)
    };
    let told = |program: Program| {
        program.terminate_after("TERM", |addresses| {
            let mut client = Client::open(addresses[0], V311);
            client.send(&login(V311, "alice").bytes());
            client.expect(&[0x20, 2, 0, 5]);
            client.expect_closed();
        })
    };
    let program = start(&[]);
    let before = program.before.clone();
    assert!(before.contains("no rule says who may"), "{before}");
    assert!(before.contains("--acl-default allow") && before.contains("--roles FILE"), "{before}");
    let told = told(program);
    assert!(told.contains("denied") && told.contains("acl.default"), "{told}");
    for arguments in [&["--roles", &roles][..], &["--acl-default", "allow"]] {
        let program = start(arguments);
        assert_eq!(program.before, "", "nothing is missing");
        Client::connect_to(program.addresses[0], &login(V311, "alice")).ping();
    }
}
