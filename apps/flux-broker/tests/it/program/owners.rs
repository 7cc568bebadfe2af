//! Whose a session is, by whatever its user and whoever else would have it prove who they are.

use std::fs;
use std::net::SocketAddr;

use super::child::{Program, with_rights};
use super::commands::run_with_input;
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{
    Certificates, Client, Connect, HttpServer, Scram, Signer, auth, claims, method, open_tls,
};

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Password,
    Scram,
    Token,
    Certificate,
    /// An address is asked.
    Http,
}

use Way::{Certificate, Http, Password, Token};

const WAYS: [Way; 5] = [Password, Way::Scram, Token, Certificate, Http];
const SCRAM: &str = "SCRAM-SHA-256";

/// A broker that one may come to in all these ways, and in none.
struct Broker {
    program: Program,
    certificates: Certificates,
    signer: Signer,
    _server: HttpServer,
    _directory: Directory,
}

impl Broker {
    /// Starts one with these users in its password file, who have keys for SCRAM, and with these further settings of `[auth]`.
    /// Passwords are names.
    fn start(name: &str, users: &[&str], settings: &str) -> Self {
        let (directory, certificates) = (Directory::new(name), Certificates::new());
        let (server, signer) = (HttpServer::start(204, ""), Signer::new());
        let (path, file) = (directory.file("flux.toml"), directory.file("users"));
        for user in users {
            let added = run_with_input(&["passwd", "add", "--scram", &file, user], user);
            assert_eq!(added.status.code(), Some(0));
        }
        fs::write(directory.file("key"), signer.pem()).unwrap();
        let of = |name: &str| format!("{:?}", certificates.path(name).display().to_string());
        let (cert, key, ca) = (of("server.crt"), of("server.key"), of("ca.crt"));
        let config = format!(
            "[auth]\npassword_file = {file:?}\nallow_anonymous = true\n{settings}\
             [auth.jwt]\nkey_file = {:?}\naudience = \"flux\"\n[auth.http]\nurl = {:?}\n\
             [[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n\
             [[listener]]\nname = \"t\"\ntransport = \"mqtts\"\nbind = \"127.0.0.1:0\"\ntls = \"t\"\n\
             [tls.t]\ncert = {cert}\nkey = {key}\nclient_ca = {ca}\nusername_from = \"cn\"\n",
            directory.file("key"),
            server.url()
        );
        fs::write(&path, with_rights(config)).unwrap();
        let program = Program::start(&["--config", &path]);
        Self { program, certificates, signer, _server: server, _directory: directory }
    }

    fn address(&self) -> SocketAddr {
        self.program.addresses[0]
    }

    /// Has a user prove who it is; what comes next is CONNACK.
    fn come(&self, way: Way, user: &str, connect: Connect) -> Client {
        match way {
            Password | Http => self.sends(&connect.login(user, user)),
            Token => {
                let token = self.signer.token(&claims(user, 600));
                self.sends(&connect.login("ignored", &token))
            }
            Certificate => {
                let config = self.certificates.client_named(user, 1);
                let mut client = open_tls(self.program.tls[0], connect.version, &config);
                client.send(&connect.bytes());
                client
            }
            Way::Scram => {
                let mut scram = Scram::new(user, user, "one");
                let mut client = self.sends(&connect.property(&method(SCRAM, &scram.first())));
                let server_first = super::scram::expect_auth(&mut client, 0x18);
                client.send(&auth(0x18, SCRAM, &scram.last(&server_first)));
                client
            }
        }
    }

    fn sends(&self, connect: &Connect) -> Client {
        let mut client = Client::open(self.address(), connect.version);
        client.send(&connect.bytes());
        client
    }

    fn admits(&self, way: Way, user: &str, connect: Connect) -> Client {
        let mut client = self.come(way, user, connect);
        client.expect_connack();
        client
    }
}

#[test]
fn nobody_takes_over_the_session_of_another_user_by_whatever_way_both_came() {
    let users = ["Password-a", "Password-b", "Scram-a", "Scram-b"];
    let broker = Broker::start("owners-ways", &users, "");
    for owners in WAYS {
        let (id, owner) = (format!("{owners:?}"), format!("{owners:?}-a"));
        let session = || Connect::new(V5, &id).expiry(600);
        let mut client = broker.admits(owners, &owner, session());
        for way in WAYS {
            broker.come(way, &format!("{way:?}-b"), session()).expect_refusal(0x85);
        }
        broker.sends(&session()).expect_refusal(0x85);
        client.ping();
        client.disconnect();
        for way in WAYS {
            broker.come(way, &format!("{way:?}-b"), session().resume()).expect_refusal(0x85);
        }
        let mut old = broker.come(Token, "Token-b", Connect::new(V311, &id));
        old.expect(&[0x20, 2, 0, 2]);
        old.expect_closed();
        broker.sends(&session().resume()).expect_refusal(0x85);
        assert!(broker.admits(owners, &owner, session().resume()).session_present, "{owners:?}");
    }
}

#[test]
fn a_user_is_tied_to_its_client_identifiers_by_whatever_way_it_comes() {
    let tied = "client_ids = [{ user = \"*\", client_id = \"{username}\" }]\n";
    let broker = Broker::start("owners-tied", &["Password-b", "Scram-b"], tied);
    for way in WAYS {
        let user = format!("{way:?}-b");
        for other in ["Password-a", "", "*", "Token-c"] {
            broker.come(way, &user, Connect::new(V5, other)).expect_refusal(0x87);
        }
        broker.admits(way, &user, Connect::new(V5, &user)).ping();
    }
}

/// Who signs tokens and certificates says who somebody is, as the password file does; an address that is asked behind it does not.
#[test]
fn a_user_is_the_same_by_whatever_is_asked_before_and_nobody_is_it_by_what_is_asked_behind() {
    let broker = Broker::start("owners-same", &["alice"], "");
    let session = || Connect::new(V5, "a").expiry(600).resume();
    broker.admits(Password, "alice", session()).disconnect();
    for way in [Way::Scram, Token, Certificate, Password] {
        let alice = broker.admits(way, "alice", session());
        assert!(alice.session_present, "{way:?}");
        alice.disconnect();
    }
    // The address would let her in with any password.
    broker.sends(&session().login("alice", "guess")).expect_refusal(0x86);
    broker.sends(&session().login("bob", "guess")).expect_refusal(0x85);
}
