//! Users that are who their certificate says, on a listener beside one that asks nobody.

use std::{fs, slice};

use rcgen::SanType;

use super::child::{Program, with_rights};
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{Certificates, Client, Connect, Publish, open_tls};

/// Also the topic by which a test sees that nothing came.
const EVERYBODY: &str = "[roles.all]\npublish = [\"#\", \"$test/#\"]\nsubscribe = [\"#\", \"$test/#\"]\n\
                         [[bind]]\neveryone = true\nroles = [\"all\"]\n";

/// Users have topics of their own; nobody else has any.
const EACH_ITS_OWN: &str = "[roles.own]\npublish = [\"dev/{username}/#\"]\nsubscribe = [\"dev/{username}/#\"]\n\
                            [[bind]]\nuser = \"*\"\nroles = [\"own\"]\n";

struct Broker {
    program: Program,
    certificates: Certificates,
    _directory: Directory,
}

impl Broker {
    /// Starts one where this part of a certificate names users, and with these roles if there are some.
    fn start(name: &str, part: &str, roles: Option<&str>) -> Self {
        let (directory, certificates) = (Directory::new(name), Certificates::new());
        let of = |name: &str| format!("{:?}", certificates.path(name).display().to_string());
        let (cert, key, ca) = (of("server.crt"), of("server.key"), of("ca.crt"));
        let acl = roles.map_or_else(String::new, |roles| {
            fs::write(directory.file("roles.toml"), roles).unwrap();
            format!("[acl]\nfile = {:?}\n", directory.file("roles.toml"))
        });
        let config = format!(
            "[[listener]]\nname = \"plain\"\nbind = \"127.0.0.1:0\"\n\
             [[listener]]\nname = \"secure\"\ntransport = \"mqtts\"\nbind = \"127.0.0.1:0\"\ntls = \"t\"\n\
             [tls.t]\ncert = {cert}\nkey = {key}\nclient_ca = {ca}\nusername_from = \"{part}\"\n{acl}"
        );
        let path = directory.file("flux.toml");
        fs::write(&path, with_rights(config)).unwrap();
        let program = Program::start(&["--config", &path]);
        Self { program, certificates, _directory: directory }
    }

    /// Has somebody come who shows nothing.
    fn anybody(&self, connect: &Connect) -> Client {
        Client::connect_to(self.program.addresses[0], connect)
    }

    /// Has somebody come with a certificate of this name, and of these alternative ones.
    fn shows(&self, name: &str, others: &[SanType], connect: &Connect) -> Client {
        let config = self.certificates.client_also_named(name, others, 7);
        open_tls(self.program.tls[0], connect.version, &config).connected(connect)
    }
}

/// Whoever knows its client identifier can have a session wait for it, but not have it take that for its own.
#[test]
fn a_user_with_a_certificate_gets_nothing_that_anybody_prepared_by_a_plain_listener() {
    for (number, roles) in [None, Some(EVERYBODY)].into_iter().enumerate() {
        let broker = Broker::start(&format!("certificates-beside-{number}"), "cn", roles);
        let mut publisher = broker.anybody(&Connect::new(V5, "publisher"));
        for version in [V311, V5] {
            let name = format!("meter-{version:?}");
            let session = |expiry: bool| {
                let connect = Connect::new(version, &name).resume();
                if expiry && version == V5 { connect.expiry(600) } else { connect }
            };
            let mut eve = broker.anybody(&session(true));
            assert!(!eve.session_present);
            eve.subscribe("evil/#", 1);
            eve.disconnect();
            // It is there: it would be for one who is nobody, too.
            publisher.publish("evil/cmd", "open the valve", 1);
            let mut eve = broker.anybody(&session(true));
            assert!(eve.session_present);
            assert_eq!(eve.receive().payload, b"open the valve");
            eve.disconnect();

            let mut meter = broker.shows(&name, &[], &session(false));
            assert!(!meter.session_present, "{version:?} {roles:?}");
            meter.expect_nothing();
            // Nor does the subscription bring anything more: of one publisher each message comes before the next.
            meter.subscribe("own/#", 0);
            publisher.publish("evil/cmd", "open it again", 1);
            publisher.publish("own/cmd", "ring", 0);
            assert_eq!(meter.receive().payload, b"ring");
            meter.ping();
            meter.disconnect();
        }
    }
}

/// What a user made by its certificate stays its own: nobody has it by the plain listener.
#[test]
fn nobody_has_the_session_of_a_user_with_a_certificate_by_a_plain_listener() {
    for (number, roles) in [None, Some(EVERYBODY)].into_iter().enumerate() {
        let broker = Broker::start(&format!("certificates-own-{number}"), "cn", roles);
        let session = || Connect::new(V5, "meter-7").resume().expiry(600);
        let mut meter = broker.shows("meter-7", &[], &session());
        meter.subscribe("cmd/#", 1);
        meter.disconnect();
        let refused = |connect: &Connect, code: u8| {
            let mut eve = Client::open(broker.program.addresses[0], connect.version);
            eve.send(&connect.bytes());
            eve.expect_refusal(code);
        };
        refused(&session(), 0x85);
        refused(&Connect::new(V5, "meter-7"), 0x85);
        // Where there are rules, nobody comes in with a name that nobody checks.
        refused(&session().login("meter-7", "guess"), if roles.is_none() { 0x85 } else { 0x86 });
        broker.anybody(&Connect::new(V5, "publisher")).publish("cmd/x", "on", 1);
        let mut meter = broker.shows("meter-7", &[], &session());
        assert!(meter.session_present);
        assert_eq!(meter.receive().payload, b"on");
    }
}

/// The Common Name says something else, and has no rights by that.
#[test]
fn an_alternative_name_of_a_certificate_is_the_user_name_and_has_its_rights() {
    let text = |name: &str| name.try_into().unwrap();
    let (dns, uri, email) = ("meter-7.example", "urn:meter:7", "meter-7@example.org");
    let cases = [
        ("dns", dns, SanType::DnsName(text(dns)), SanType::DnsName(text("other"))),
        ("uri", uri, SanType::URI(text(uri)), SanType::URI(text("urn:other"))),
        ("email", email, SanType::Rfc822Name(text(email)), SanType::Rfc822Name(text("x@y.org"))),
    ];
    for (part, name, it, another) in cases {
        let broker = Broker::start(&format!("certificates-{part}"), part, Some(EACH_ITS_OWN));
        let may = |client: &mut Client, topic: &str, code: u8| {
            client.send(&Publish::new(topic, "x").qos(1, 1).bytes(V5));
            client.expect_ack(0x40, 1, code);
        };
        let mut meter = broker.shows("alice", slice::from_ref(&it), &Connect::new(V5, "a"));
        meter.subscribe(&format!("dev/{name}/cmd"), 0);
        may(&mut meter, &format!("dev/{name}/x"), 0x10);
        may(&mut meter, "dev/alice/x", 0x87);

        // What it claims in CONNECT counts for nothing, nor does a part of other kind, nor one of two.
        let login = Connect::new(V5, "b").login("alice", "secret");
        may(&mut broker.shows("alice", slice::from_ref(&it), &login), "dev/alice/x", 0x87);
        let ip = SanType::IpAddress([127, 0, 0, 1].into());
        for others in [vec![], vec![ip], vec![it.clone(), another]] {
            // For nobody there is no role.
            let config = broker.certificates.client_also_named("alice", &others, 7);
            let mut nobody = open_tls(broker.program.tls[0], V5, &config);
            nobody.send(&Connect::new(V5, "c").bytes());
            nobody.expect_refusal(0x87);
        }
    }
}
