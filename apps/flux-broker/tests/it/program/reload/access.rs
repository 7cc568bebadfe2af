//! Who may connect, and what they may do, changes while clients are connected.

use std::fs;
use std::net::SocketAddr;

use super::{A, LOG, reload, start};
use crate::program::access::{files, login};
use crate::program::child::{Program, with_rights};
use crate::program::commands::run_with_input;
use crate::program::directory::Directory;
use crate::support::Version::V5;
use crate::support::{
    Certificates, Client, Connect, HttpServer, Publish, Signer, claims, open_tls,
};

/// A broker that is told again and again what holds, and the address it listens at.
struct Broker {
    program: Program,
    address: SocketAddr,
    path: String,
    _directory: Directory,
}

impl Broker {
    fn start(name: &str, text: &str) -> Self {
        let (directory, path, program) = start(name, &with_rights([LOG, A, text].concat()));
        let address = program.addresses[0];
        Self { program, address, path, _directory: directory }
    }

    /// Has this hold: all of it, and at once.
    #[track_caller]
    fn becomes(&mut self, text: &str) {
        let text = with_rights([LOG, A, text].concat());
        reload(&mut self.program, &self.path, &text, "was read again");
        // What it would wait with is told behind that line, and before what comes of the next.
        let behind = reload(&mut self.program, &self.path, "no = 1", "known are broker, ");
        assert!(!behind.contains("from the next start on"), "{behind}");
    }

    /// Has this read, which cannot hold.
    #[track_caller]
    fn stays(&mut self, text: &str, words: &str) {
        let text = with_rights([LOG, A, text].concat());
        let seen = reload(&mut self.program, &self.path, &text, words);
        assert!(seen.contains("the config stays as it was"), "{seen}");
    }

    #[track_caller]
    fn admits(&self, connect: &Connect) -> Client {
        let mut client = Client::connect_to(self.address, connect);
        client.ping();
        client
    }

    #[track_caller]
    fn refuses(&self, connect: &Connect, code: u8) {
        let mut client = Client::open(self.address, V5);
        client.send(&connect.bytes());
        client.expect_refusal(code);
    }
}

fn silent(client_id: &str) -> Connect {
    Connect::new(V5, client_id)
}

fn bearer(token: &str) -> Connect {
    Connect::new(V5, "bearer").login("ignored", token)
}

#[test]
fn a_broker_that_let_everyone_in_asks_for_passwords_and_of_another_file_and_no_more() {
    let (directory, first, _) = files("reload-passwords");
    let second = directory.file("second");
    let added = run_with_input(&["passwd", "add", &second, "carol"], "carol's secret");
    assert_eq!(added.status.code(), Some(0));
    let mut broker = Broker::start("reload-passwords-config", "");
    let mut before = broker.admits(&silent("before"));

    broker.becomes(&format!("[auth]\npassword_file = \"{first}\"\n"));
    broker.refuses(&silent("a"), 0x87);
    broker.refuses(&Connect::new(V5, "a").login("alice", "guess"), 0x86);
    broker.refuses(&login(V5, "carol"), 0x86);
    let mut alice = broker.admits(&login(V5, "alice"));

    // The roles are missing: the other file does not hold either.
    let both = format!("[auth]\npassword_file = \"{second}\"\n[acl]\nfile = \"/no/roles\"\n");
    broker.stays(&both, "/no/roles");
    broker.stays("[auth]\npassword_file = \"/no/users\"\n", "/no/users");
    broker.refuses(&login(V5, "carol"), 0x86);

    broker.becomes(&format!("[auth]\npassword_file = \"{second}\"\n"));
    broker.refuses(&login(V5, "alice"), 0x86);
    broker.admits(&login(V5, "carol"));
    broker.becomes(&format!("[auth]\npassword_file = \"{second}\"\nallow_anonymous = true\n"));
    broker.admits(&silent("a"));
    broker.refuses(&login(V5, "alice"), 0x86);
    broker.becomes("");
    broker.admits(&silent("a"));
    // Who is in stays in.
    alice.ping();
    before.ping();
}

#[test]
fn a_way_in_for_anybody_opens_no_door_to_others() {
    let (_directory, users, _) = files("reload-doors");
    let passwords = format!("[auth]\npassword_file = \"{users}\"\n");
    let mut broker = Broker::start("reload-doors-config", &passwords);
    let door = "[[listener]]\nname = \"b\"\nbind = \"0.0.0.0:0\"\n";
    broker.stays(door, "0.0.0.0:0");
    broker.refuses(&silent("a"), 0x87);
    broker.becomes(&format!("{door}{passwords}"));
    broker.refuses(&silent("a"), 0x87);
    broker.stays(door, "0.0.0.0:0");
    broker.refuses(&silent("a"), 0x87);
}

#[test]
fn users_are_tied_to_client_identifiers_and_let_go() {
    let (_directory, users, _) = files("reload-client-ids");
    let passwords = format!("[auth]\npassword_file = \"{users}\"\n");
    let tied =
        format!("{passwords}client_ids = [{{ user = \"*\", client_id = \"{{username}}-?\" }}]\n");
    let named = |client_id: &str| Connect::new(V5, client_id).login("bob", "bob's secret");
    let mut broker = Broker::start("reload-client-ids-config", &passwords);
    let mut bob = broker.admits(&named("alice-1"));
    broker.becomes(&tied);
    broker.refuses(&named("alice-1"), 0x87);
    broker.admits(&named("bob-1"));
    bob.ping();
    broker.becomes(&passwords);
    broker.admits(&named("alice-1"));
}

#[test]
fn bans_last_over_other_settings_for_them() {
    let (_directory, users, _) = files("reload-bans");
    let text = |bans: &str| format!("[auth]\npassword_file = \"{users}\"\n[auth.bans]\n{bans}");
    let guess = Connect::new(V5, "a").login("alice", "guess");
    let mut broker = Broker::start("reload-bans-config", &text("failures = 3\nexempt = []\n"));
    for _ in 0..3 {
        broker.refuses(&guess, 0x86);
    }
    broker.refuses(&login(V5, "alice"), 0x8A);
    broker.becomes(&text("failures = 1000\nban_for = \"1s\"\nexempt = []\n"));
    broker.refuses(&login(V5, "alice"), 0x8A);
    // It is loopback that is exempt by itself.
    broker.becomes(&text("failures = 3\n"));
    for _ in 0..5 {
        broker.refuses(&guess, 0x86);
    }
    broker.becomes(&text("failures = 1\nexempt = []\n"));
    broker.admits(&login(V5, "alice"));
    broker.refuses(&guess, 0x86);
    broker.refuses(&login(V5, "alice"), 0x8A);
}

#[test]
fn an_address_is_asked_or_another_or_none() {
    let servers = [HttpServer::start(204, ""), HttpServer::start(204, "")];
    let [first, second] =
        servers.each_ref().map(|it| format!("[auth.http]\nurl = \"{}\"\n", it.url()));
    let [first_server, second_server] = &servers;
    let mut broker = Broker::start("reload-http", "");
    broker.becomes(&first);
    broker.refuses(&silent("a"), 0x87);
    for _ in 0..2 {
        broker.admits(&login(V5, "alice"));
    }
    assert_eq!(first_server.heard().len(), 1, "the answer holds");
    // The same once more has everybody asked about anew.
    broker.becomes(&first);
    broker.admits(&login(V5, "alice"));
    assert_eq!(first_server.heard().len(), 1);
    broker.becomes(&second);
    broker.admits(&login(V5, "alice"));
    assert_eq!((first_server.heard().len(), second_server.heard().len()), (0, 1));
    second_server.answer(403, "");
    broker.becomes(&format!("{second}cache_for = \"1h\"\n"));
    broker.refuses(&login(V5, "alice"), 0x86);
    broker.becomes("");
    broker.admits(&login(V5, "alice"));
}

#[test]
fn tokens_are_believed_by_other_keys_or_ask_for_something_else() {
    let directory = Directory::new("reload-tokens");
    let signer = Signer::new();
    let token = signer.token(&claims("meter-7", 600));
    let keys = directory.file("keys");
    fs::write(&keys, signer.pem()).unwrap();
    let server = HttpServer::start(200, &signer.jwks());
    let of_file = format!("[auth.jwt]\nkey_file = \"{keys}\"\n");
    let of_address = format!("[auth.jwt]\njwks_url = \"{}\"\n", server.url());
    let mut broker = Broker::start("reload-tokens-config", "");
    broker.becomes(&of_file);
    broker.refuses(&bearer(&token), 0x87);
    broker.becomes(&format!("{of_file}audience = \"flux\"\n"));
    broker.admits(&bearer(&token));

    broker.becomes(&format!("{of_address}audience = \"flux\"\n"));
    loop {
        let mut client = Client::open(broker.address, V5);
        client.send(&bearer(&token).bytes());
        match client.packet()[3] {
            0 => break,
            code => assert_eq!(code, 0x88, "no key is known yet"),
        }
    }
    // Keys that are known hold on when something else is said about tokens.
    server.answer(500, "");
    broker.becomes(&format!("{of_address}audience = [\"flux\", \"more\"]\n"));
    broker.admits(&bearer(&token));
    broker.becomes(&format!("{of_address}audience = \"more\"\n"));
    broker.refuses(&bearer(&token), 0x87);
}

#[test]
fn roles_of_another_file_hold_at_once_also_for_what_is_remembered() {
    let (directory, users, first) = files("reload-roles");
    let second = directory.file("second.toml");
    fs::write(&second, fs::read_to_string(&first).unwrap().replace("dev/", "new/")).unwrap();
    let text = |roles: &str| format!("{roles}[auth]\npassword_file = \"{users}\"\n");
    let [first, second] = [first, second].map(|file| text(&format!("[acl]\nfile = \"{file}\"\n")));
    let mut broker = Broker::start("reload-roles-config", &text(""));
    let mut alice = broker.admits(&login(V5, "alice"));
    let publish = |client: &mut Client, topic: &str, code: u8| {
        // The second is decided by what is remembered of the first.
        for _ in 0..2 {
            client.send(&Publish::new(topic, "").qos(1, 1).bytes(V5));
            client.expect_ack(0x40, 1, code);
        }
    };
    alice.subscribe("dev/alice/cmd/#", 1);
    publish(&mut alice, "dev/alice/x", 0x10);
    publish(&mut alice, "new/alice/x", 0x10);
    broker.becomes(&first);
    publish(&mut alice, "dev/alice/x", 0x10);
    publish(&mut alice, "new/alice/x", 0x87);
    let mut bob = broker.admits(&login(V5, "bob"));
    broker.becomes(&second);
    // Its subscription is gone, and it with that; who has none goes on with other rights.
    alice.expect_disconnect(0x87);
    publish(&mut bob, "dev/bob/x", 0x87);
    publish(&mut bob, "new/bob/x", 0x10);
    broker.becomes(&text(""));
    publish(&mut bob, "dev/bob/x", 0x10);
    broker.becomes(&second);
    publish(&mut bob, "dev/bob/x", 0x87);
}

#[test]
fn another_default_holds_at_once_for_whoever_is_connected_and_whoever_comes() {
    let (_directory, users, roles) = files("reload-default");
    let text = |acl: &str| format!("[auth]\npassword_file = \"{users}\"\n[acl]\n{acl}");
    let mut broker = Broker::start("reload-default-config", &text("default = \"allow\"\n"));
    let publish = |client: &mut Client, topic: &str, code: u8| {
        for _ in 0..2 {
            client.send(&Publish::new(topic, "").qos(1, 1).bytes(V5));
            client.expect_ack(0x40, 1, code);
        }
    };
    for denies in ["", "default = \"deny\"\n"] {
        let mut alice = broker.admits(&login(V5, "alice"));
        publish(&mut alice, "b", 0x10);
        broker.becomes(&text(denies));
        alice.expect_disconnect(0x87);
        broker.refuses(&login(V5, "alice"), 0x87);
        broker.becomes(&text("default = \"allow\"\n"));
    }
    // It is that of a file that has none of its own, too.
    let file = format!("file = \"{roles}\"\n");
    broker.becomes(&text(&format!("{file}default = \"allow\"\n")));
    let mut bob = broker.admits(&login(V5, "bob"));
    publish(&mut bob, "b", 0x10);
    broker.becomes(&text(&file));
    publish(&mut bob, "b", 0x87);
    publish(&mut bob, "dev/bob/x", 0x10);
    // Where nobody can be a user, everybody may do everything.
    broker.becomes("[acl]\n");
    publish(&mut bob, "b", 0x10);
}

#[test]
fn certificates_name_users_or_not() {
    let certificates = Certificates::new();
    let file = |name: &str| format!("{:?}", certificates.path(name).display().to_string());
    let (cert, key, ca) = (file("server.crt"), file("server.key"), file("ca.crt"));
    let text = |more: &str| {
        format!(
            "[[listener]]\nname = \"t\"\ntransport = \"mqtts\"\nbind = \"127.0.0.1:0\"\ntls = \"t\"\n\
             [[auth.client_ids]]\nuser = \"meter-*\"\nclient_id = \"{{username}}\"\n\
             [tls.t]\ncert = {cert}\nkey = {key}\nclient_ca = {ca}\n{more}"
        )
    };
    let mut broker = Broker::start("reload-certificate-names", &text(""));
    let address = broker.program.tls[0];
    let config = certificates.client_named("meter-7", 7);
    let mut before = open_tls(address, V5, &config).connected(&silent("other"));
    broker.becomes(&text("username_from = \"cn\"\n"));
    let mut client = open_tls(address, V5, &config);
    client.send(&silent("other").bytes());
    client.expect_refusal(0x87);
    open_tls(address, V5, &config).connected(&silent("meter-7")).ping();
    before.ping();
    broker.becomes(&text(""));
    open_tls(address, V5, &config).connected(&silent("other")).ping();
}

/// It was nobody's for want of users, whatever else was asked.
#[test]
fn a_session_from_before_there_were_users_goes_on_with_the_first_who_comes() {
    let (directory, users, _) = files("reload-fleet");
    let roles = directory.file("everybody.toml");
    let text = "[roles.all]\npublish = [\"#\"]\nsubscribe = [\"#\"]\n[[bind]]\neveryone = true\nroles = [\"all\"]\n";
    fs::write(&roles, text).unwrap();
    let rules = format!("[acl]\nfile = \"{roles}\"\n");
    let ties = "[[auth.client_ids]]\nuser = \"x\"\nclient_id = \"x\"\n";
    for (number, before) in ["", &rules, ties].into_iter().enumerate() {
        let mut broker = Broker::start(&format!("reload-fleet-{number}"), before);
        let mut away = broker.admits(&Connect::persistent(V5, "dev"));
        away.subscribe("cmd", 1);
        away.disconnect();
        broker.admits(&silent("p")).publish("cmd", "on", 1);
        broker.becomes(&format!("[auth]\npassword_file = \"{users}\"\n"));
        let back = Connect::persistent(V5, "dev").login("alice", "alice's secret");
        let mut client = Client::open(broker.address, V5);
        client.send(&back.bytes());
        assert_eq!(client.packet()[2..4], [1, 0], "the session is there: {before:?}");
        assert_eq!(client.receive().payload, b"on");
    }
}
