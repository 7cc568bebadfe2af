//! Rules that are read again where messages were held back, and are not to be subscribed to any more; and the other way.

use std::fs;

use super::child::Program;
use super::directory::Directory;
use crate::support::Version::V5;
use crate::support::{Client, Connect};

fn rules(on_overlap: &str, denied: &str) -> String {
    format!(
        r##"
        on_overlap = "{on_overlap}"
        bind = [{{ everyone = true, roles = ["all"] }}]
        [roles.all]
        publish = ["#", "$test/#"]
        subscribe = ["#", "$test/#"]
        deny.subscribe = [{denied}]
        "##
    )
}

fn start(name: &str, text: &str) -> (Directory, Program) {
    let directory = Directory::new(name);
    let roles = directory.file("roles");
    fs::write(&roles, text).unwrap();
    let config = directory.file("flux.toml");
    let log = "[log]\nfilter = \"flux_broker::reload=info\"";
    fs::write(&config, format!("[acl]\nfile = \"{roles}\"\n{log}\n")).unwrap();
    let program = Program::start(&["--config", &config, "--port", "0"]);
    (directory, program)
}

fn session(client_id: &str) -> Connect {
    Connect::new(V5, client_id).expiry(600).resume()
}

#[test]
fn once_overlaps_are_refused_what_overlaps_ends_and_nothing_denied_comes() {
    let denied = "\"a/secret\"";
    let (directory, program) = start("overlaps-refuse", &rules("filter", denied));
    let address = program.addresses[0];
    let mut publisher = Client::connect_to(address, &session("publisher"));
    let mut overlapping = Client::connect_to(address, &session("overlapping"));
    overlapping.subscribe("a/#", 0);
    let mut other = Client::connect_to(address, &session("other"));
    other.subscribe("a/open", 0);
    publisher.publish("a/secret", "1", 1);
    publisher.publish("a/open", "2", 1);
    assert_eq!(overlapping.receive().payload, b"2");

    fs::write(directory.file("roles"), rules("refuse", denied)).unwrap();
    program.signal("HUP");
    // Published all the while: whatever comes before the end is not what is denied.
    publisher.publish("a/secret", "3", 1);
    overlapping.expect_disconnect(0x87);
    publisher.publish("a/secret", "4", 1);
    let mut again = Client::connect_to(address, &session("overlapping"));
    assert!(again.session_present);
    publisher.publish("a/secret", "5", 1);
    publisher.publish("a/open", "6", 1);
    again.expect_nothing();
    assert_eq!([other.receive().payload, other.receive().payload], [b"2", b"6"]);
}

#[test]
fn once_overlaps_are_filtered_what_is_denied_from_then_on_is_held_back() {
    let (directory, mut program) = start("overlaps-filter", &rules("refuse", ""));
    let address = program.addresses[0];
    let mut publisher = Client::connect_to(address, &session("publisher"));
    let mut all = Client::connect_to(address, &session("all"));
    all.subscribe("a/#", 0);
    publisher.publish("a/secret", "1", 1);
    assert_eq!(all.receive().payload, b"1");
    fs::write(directory.file("roles"), rules("filter", "\"a/secret\"")).unwrap();
    program.signal("HUP");
    let line = program.line();
    assert!(line.contains("the config was read again"), "{line}");
    publisher.publish("a/secret", "2", 1);
    publisher.publish("a/open", "3", 1);
    assert_eq!(all.receive().payload, b"3");
    all.expect_nothing();
}
