//! Clients that are away when rules change: what they come back to is what they may have then.

use std::fs;

use super::child::Program;
use super::directory::Directory;
use crate::support::Version::V5;
use crate::support::{Client, Connect};

/// Everybody may subscribe to this.
fn rules(subscribe: &str) -> String {
    format!(
        r##"
        bind = [{{ everyone = true, roles = ["all"] }}]
        [roles.all]
        publish = ["#", "$test/#"]
        subscribe = ["$test/#", "keep", "{subscribe}"]
        "##
    )
}

/// Writes a config, with these settings more.
fn config(directory: &Directory, settings: &str) -> String {
    let (path, roles) = (directory.file("flux.toml"), directory.file("roles"));
    fs::write(&roles, rules("t/#")).unwrap();
    let log = "[log]\nfilter = \"flux_broker::reload=info\"\n";
    fs::write(&path, format!("[broker]\nworkers = 1\n[acl]\nfile = \"{roles}\"\n{log}{settings}"))
        .unwrap();
    path
}

#[track_caller]
fn reload(program: &mut Program, directory: &Directory, subscribe: &str) {
    fs::write(directory.file("roles"), rules(subscribe)).unwrap();
    program.signal("HUP");
    loop {
        let line = program.line();
        assert!(!line.is_empty(), "it ended");
        if line.contains("the config was read again") {
            return;
        }
    }
}

fn session(client_id: &str) -> Connect {
    Connect::new(V5, client_id).expiry(600).resume()
}

/// Subscribes to what it may have and will lose, and to what it keeps; and leaves.
fn leave(program: &Program) -> Client {
    let address = program.addresses[0];
    let mut away = Client::connect_to(address, &session("away"));
    away.subscribe("t/x", 1);
    away.subscribe("keep", 1);
    away.disconnect();
    let mut publisher = Client::connect_to(address, &session("publisher"));
    publisher.publish("t/x", "before", 1);
    publisher
}

#[test]
fn a_subscription_that_is_denied_while_its_client_is_away_is_over() {
    for is_given_back in [false, true] {
        let directory = Directory::new(&format!("away-{is_given_back}"));
        let path = config(&directory, "");
        let mut program = Program::start(&["--config", &path, "--port", "0"]);
        let mut publisher = leave(&program);
        reload(&mut program, &directory, "else");
        // The one worker has heard of the rules by the time it acknowledges this.
        publisher.publish("keep", "kept", 1);
        publisher.publish("t/x", "denied", 1);
        if is_given_back {
            reload(&mut program, &directory, "t/#");
            publisher.publish("t/x", "after", 1);
        }
        let mut again = Client::connect_to(program.addresses[0], &session("away"));
        assert!(again.session_present);
        // What came before it lost the right waited: it may have that once it has the right again, and nothing since.
        if is_given_back {
            assert_eq!(again.receive_and_acknowledge().payload, b"before");
        }
        assert_eq!(again.receive_and_acknowledge().payload, b"kept");
        publisher.publish("t/x", "comes", 1);
        again.expect_nothing();
    }
}

/// Who it is was not known to the next broker before it came.
#[test]
fn what_is_denied_by_the_rules_of_the_next_broker_is_not_sent() {
    let (directory, store) = (Directory::new("away-killed"), Directory::new("away-killed-store"));
    let storage = format!("[storage]\ndata_dir = \"{}\"\n", store.file("data"));
    let path = config(&directory, &storage);
    let program = Program::start(&["--config", &path, "--port", "0"]);
    drop(leave(&program));
    program.kill();
    fs::write(directory.file("roles"), rules("else")).unwrap();
    let program = Program::start(&["--config", &path, "--port", "0"]);
    let address = program.addresses[0];
    let mut publisher = Client::connect_to(address, &session("publisher"));
    publisher.publish("t/x", "denied", 1);
    publisher.publish("keep", "kept", 1);
    let mut again = Client::connect_to(address, &session("away"));
    assert!(again.session_present);
    assert_eq!(again.receive_and_acknowledge().payload, b"kept");
    publisher.publish("t/x", "comes", 1);
    again.expect_nothing();
}
