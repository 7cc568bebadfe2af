//! Who came in, or stands in a door, when nobody was asked for a proof, and others have to prove who they are from then on.

use std::fs;

use super::{A, LOG, reload, start};
use crate::program::access::{files, login};
use crate::support::Version::V5;
use crate::support::{Client, Connect, Publish};

/// What everybody may do besides, in roles that give users what is theirs.
const GUESTS: &str = "\n[roles.guest]\npublish = [\"open\"]\nsubscribe = [\"open\"]\n\
                      [[bind]]\neveryone = true\nroles = [\"guest\"]\n";

/// Says a name that nobody checks.
fn says(client_id: &str, name: &str) -> Connect {
    Connect::new(V5, client_id).login(name, "a guess").expiry(600).resume()
}

/// Its rights are looked at once more, and it is no user: neither by name nor by session.
#[test]
fn who_gave_a_users_name_while_nobody_was_asked_has_no_rights_of_that_user() {
    for has_guests in [false, true] {
        let (_files, users, roles) = files(&format!("reload-proofs-{has_guests}"));
        if has_guests {
            let text = fs::read_to_string(&roles).unwrap() + GUESTS;
            fs::write(&roles, text).unwrap();
        }
        let name = format!("reload-proofs-config-{has_guests}");
        let (_directory, path, mut program) = start(&name, &[LOG, A].concat());
        let address = program.addresses[0];
        let mut named = Client::connect_to(address, &says("named", "alice"));
        named.subscribe("dev/alice/cmd/#", 1);
        let mut silent = Client::connect_to(address, &Connect::new(V5, "silent"));
        silent.subscribe("open", 0);

        let guarded = format!("[auth]\npassword_file = \"{users}\"\n[acl]\nfile = \"{roles}\"\n");
        reload(&mut program, &path, &[LOG, A, &guarded].concat(), "was read again");
        // What it has is alice's, and it is not.
        named.expect_disconnect(0x87);
        if has_guests {
            silent.send(&Publish::new("dev/alice/x", "").qos(1, 1).bytes(V5));
            silent.expect_ack(0x40, 1, 0x87);
            silent.publish("open", "x", 1);
            assert_eq!(silent.receive().payload, b"x");
        } else {
            silent.expect_disconnect(0x87);
        }
        for (connect, code) in [(says("named", "alice"), 0x86), (Connect::new(V5, "silent"), 0x87)]
        {
            let mut again = Client::open(address, V5);
            again.send(&connect.bytes());
            again.expect_refusal(code);
        }
        Client::connect_to(address, &login(V5, "alice")).ping();
    }
}

/// It is judged by what holds when it says who it is; so is who comes by a door that opens in the same moment.
#[test]
fn who_stands_in_a_door_is_asked_for_a_proof_once_others_are() {
    let (_files, users, _) = files("reload-proofs-stand");
    let (_directory, path, mut program) = start("reload-proofs-stand-config", &[LOG, A].concat());
    let address = program.addresses[0];
    let mut before = Client::connect_to(address, &Connect::new(V5, "before"));
    // Those that came later by the same door show that these were accepted.
    let guess = Connect::new(V5, "guess").login("alice", "a guess");
    let refused = [(Connect::new(V5, "silent"), 0x87), (guess, 0x86)];
    let refused = refused.map(|it| (it, Client::open(address, V5)));
    let mut alice = Client::open(address, V5);
    Client::connect_to(address, &Connect::new(V5, "later")).ping();

    let door = "[[listener]]\nname = \"b\"\nbind = \"0.0.0.0:0\"\n";
    let guarded =
        format!("{door}[auth]\npassword_file = \"{users}\"\n[acl]\ndefault = \"allow\"\n");
    reload(&mut program, &path, &[LOG, A, &guarded].concat(), "was read again");
    for ((connect, code), mut client) in refused {
        client.send(&connect.bytes());
        client.expect_refusal(code);
    }
    alice.send(&login(V5, "alice").bytes());
    alice.expect_connack();
    // Who was in stays in.
    before.ping();
}
