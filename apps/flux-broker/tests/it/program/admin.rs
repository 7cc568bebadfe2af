//! What is asked of a broker that runs: its clients, its health.

use std::fs;
use std::net::TcpListener;

use super::child::{Program, command, run};
use super::directory::Directory;
use crate::support::Version::{V5, V311};
use crate::support::{Certificates, Client, Connect, Publish, u32_property};

/// A broker with an admin listener, and where that is.
fn program() -> (Program, String) {
    let program = Program::start(&["--port", "0", "--admin", "127.0.0.1:0"]);
    let admin = admin_of(&program);
    (program, admin)
}

/// Where its admin listener is.
pub(super) fn admin_of(program: &Program) -> String {
    let (_, rest) = program.announced.split_once("metrics at ").unwrap();
    rest.split('/').nth(2).unwrap().to_owned()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn clients_are_listed_shown_and_disconnected() {
    let (program, admin) = program();
    let address = program.addresses[0];
    let mut away = Client::connect_to(address, &Connect::persistent(V311, "away/1 ü"));
    away.subscribe("a", 0);
    away.disconnect();
    let mut here = Client::connect_to(address, &Connect::new(V5, "here"));
    here.publish("a", "lost", 0);
    here.ping();
    let clients =
        |arguments: &[&str]| run(&[&["clients"], arguments, &["--admin", &admin]].concat());

    let listed = clients(&["list"]);
    let lines: Vec<_> = text(&listed.stdout).lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("CLIENT"), "{lines:?}");
    let fields: Vec<_> = lines[2].split_whitespace().collect();
    assert_eq!((fields[0], fields[1], fields[4]), ("here", "online", "5.0"));
    let json = clients(&["list", "--json"]);
    let json: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json[0]["client_id"], "away/1 ü");
    assert_eq!((&json[0]["connected"], &json[1]["listener"]), (&false.into(), &"mqtt".into()));

    // Why it lost what.
    let shown = clients(&["show", "away/1 ü"]);
    assert!(text(&shown.stdout).ends_with("lost 1 messages: offline\n"), "{}", text(&shown.stdout));
    assert_eq!(clients(&["show", "nobody"]).status.code(), Some(1));

    assert_eq!(clients(&["kick", "here"]).status.code(), Some(0));
    here.expect_disconnect(0x98);
    assert_eq!(clients(&["kick", "away/1 ü"]).status.code(), Some(1));
    assert_eq!(clients(&["kick", "away/1 ü", "--session"]).status.code(), Some(0));
    assert_eq!(clients(&["show", "away/1 ü"]).status.code(), Some(1));
    assert_eq!(clients(&["kick", "away/1 ü", "--session"]).status.code(), Some(1));
}

#[test]
fn those_who_are_behind_are_listed_the_furthest_first() {
    let (program, admin) = program();
    let address = program.addresses[0];
    let mut publisher = Client::connect_to(address, &Connect::new(V5, "publisher"));
    let waits = [("a", 2), ("b", 4), ("c", 3)];
    let slow = waits.map(|(name, waits)| {
        let mut slow = Client::connect_to(address, &Connect::new(V5, name).receive_maximum(1));
        slow.subscribe(name, 1);
        // The first is under way.
        (0..=waits).for_each(|_| publisher.publish(name, "x", 1));
        slow
    });
    let behind = |most: &[&str]| {
        let listed = run(&[&["clients", "list", "--admin", &admin, "--behind"], most].concat());
        let rows = text(&listed.stdout).lines().skip(1);
        let cell = |row: &str, number| row.split_whitespace().nth(number).unwrap().to_owned();
        rows.map(|row| cell(row, 0) + &cell(row, 6)).collect::<Vec<_>>()
    };
    assert_eq!(behind(&[]), ["b4", "c3", "a2"]);
    assert_eq!(behind(&["2"]), ["b4", "c3"]);
    drop(slow);
}

#[test]
fn what_a_client_lost_and_why_stands_in_one_place() {
    let directory = Directory::new("admin-lost");
    let config = directory.file("flux.toml");
    let text_of_config = "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n\
        [admin]\nbind = \"127.0.0.1:0\"\n[session]\nqueued_messages = 1\n";
    fs::write(&config, text_of_config).unwrap();
    let program = Program::start(&["--config", &config]);
    let (address, admin) = (program.addresses[0], admin_of(&program));
    let connect = Connect::persistent(V5, "unlucky").receive_maximum(1).maximum_packet_size(150);
    let mut unlucky = Client::connect_to(address, &connect);
    unlucky.subscribe("a", 1);
    unlucky.subscribe("b", 0);
    let mut publisher = Client::connect_to(address, &Connect::new(V5, "publisher"));
    publisher.publish("b", "x".repeat(200), 0);
    unlucky.ping();
    unlucky.disconnect();
    publisher.publish("a", "waits", 1);
    for _ in 0..2 {
        publisher.send(&Publish::new("a", "finds no room").qos(1, 1).bytes(V5));
        publisher.packet();
    }
    publisher.publish("b", "for nobody", 0);
    let late = Publish::new("a", "late").qos(1, 1).property(&u32_property(0x02, 0));
    publisher.send(&late.bytes(V5));
    publisher.packet();
    let shown = run(&["clients", "show", "unlucky", "--admin", &admin]);
    let shown = text(&shown.stdout);
    let lost: Vec<_> = shown.lines().filter(|line| line.starts_with("lost")).collect();
    let wanted = [
        "lost 1 messages: expired",
        "lost 1 messages: offline",
        "lost 1 messages: packet_too_large",
        "lost 2 messages: queue_full",
    ];
    assert_eq!(lost, wanted, "{shown}");
    // The sum stands in the list.
    assert!(shown.contains("LOST          5\n"), "{shown}");

    // Whoever asks when it is gone is told as well, of what waited too.
    let ask = |arguments: &[&str]| run(&[&["clients"], arguments, &["--admin", &admin]].concat());
    assert_eq!(ask(&["lost"]).status.code(), Some(1), "no session is over that lost something");
    assert_eq!(ask(&["kick", "--session", "unlucky"]).status.code(), Some(0));
    let shown = ask(&["show", "unlucky"]);
    assert_eq!(shown.status.code(), Some(1));
    let lost = ask(&["lost", "unlucky"]);
    assert_eq!(text(&lost.stdout), text(&shown.stdout));
    let whys = ["expired", "offline", "packet_too_large", "queue_full", "session_ended"];
    let counts = text(&lost.stdout).lines().map(|line| line.split_once(" (removed), had lost "));
    let counts: Vec<_> = counts.map(|line| line.unwrap().1.to_owned()).collect();
    let wanted: Vec<_> = whys
        .iter()
        .map(|why| format!("{} messages: {why}", if *why == "queue_full" { 2 } else { 1 }))
        .collect();
    assert_eq!(counts, wanted);
    assert_eq!(ask(&["lost", "publisher"]).status.code(), Some(1));
    let json = ask(&["lost", "--json"]);
    let json: serde_json::Value = serde_json::from_str(text(&json.stdout)).unwrap();
    assert_eq!((&json["client_id"], &json["lost"]["queue_full"]), (&"unlucky".into(), &2.into()));
}

#[test]
fn administrators_prove_who_they_are_with_certificates() {
    let certificates = Certificates::new();
    certificates.revoke(&[]);
    certificates.write_client("root", 7);
    let path = |name| certificates.path(name).display().to_string();
    let (ca, cert, key, config) =
        (path("ca.crt"), path("root.crt"), path("root.key"), path("c.toml"));
    let (server_cert, server_key, crl) = (path("server.crt"), path("server.key"), path("crl.pem"));
    certificates.write(
        "c.toml",
        &format!(
            "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n[admin]\nbind = \"127.0.0.1:0\"\ntls = \"t\"\n\
             [tls.t]\ncert = {server_cert:?}\nkey = {server_key:?}\nclient_ca = {ca:?}\ncrl = {crl:?}\n",
        ),
    );
    let mut program = Program::start(&["--config", &config, "--log", "info"]);
    assert!(program.announced.contains("metrics at https://"), "{}", program.announced);
    let admin = admin_of(&program);
    let ask = |more: &[&str]| run(&[&["clients", "list", "--admin", &admin], more].concat());
    let proof = ["--admin-ca", &ca, "--admin-cert", &cert, "--admin-key", &key];
    let listed = ask(&proof);
    assert_eq!(listed.status.code(), Some(0), "{}", text(&listed.stderr));
    assert!(text(&listed.stdout).starts_with("CLIENT"), "{}", text(&listed.stdout));
    // No certificate, and no TLS.
    assert_eq!(ask(&proof[..2]).status.code(), Some(2));
    let plain = ask(&[]);
    assert!(text(&plain.stderr).contains("--admin-ca"), "{}", text(&plain.stderr));

    certificates.revoke(&[7]);
    program.signal("HUP");
    while !program.line().contains("the config was read again") {}
    assert_eq!(ask(&proof).status.code(), Some(2));
}

#[test]
fn an_admin_port_that_is_taken_stops_the_broker_if_somebody_chose_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let stopped = run(&["--port", "0", "--admin", &address]);
    assert_eq!(stopped.status.code(), Some(1));
    assert!(text(&stopped.stderr).contains(&address), "{}", text(&stopped.stderr));

    // Somebody has the default, this test or not.
    let _is_taken = TcpListener::bind("127.0.0.1:9883");
    let program = Program::start(&["--port", "0", "--admin"]);
    assert!(!program.announced.contains("metrics at"), "{}", program.announced);
    Client::connect_to(program.addresses[0], &Connect::new(V5, "here")).ping();
}

/// `docker run` may be given other arguments for the broker, which the health check does not know.
#[test]
fn the_health_check_of_the_image_holds_whatever_arguments_it_is_given() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Dockerfile");
    let dockerfile = fs::read_to_string(path).unwrap();
    let after = |what: &str| {
        let found = dockerfile.lines().find_map(|line| line.split_once(what));
        found.unwrap_or_else(|| panic!("there is no {what}")).1.to_owned()
    };
    let words = |list: &str| serde_json::from_str::<Vec<String>>(list).unwrap();
    assert!(after("ENV FLUX_ADMIN=").starts_with("127.0.0.1:"));
    assert_eq!(words(&after("ENTRYPOINT ")), ["flux-broker"]);
    let check = words(
        dockerfile
            .lines()
            .find(|it| it.starts_with("HEALTHCHECK"))
            .unwrap()
            .split_once("CMD ")
            .unwrap()
            .1,
    );
    let cmd = dockerfile.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let data = Directory::new("image");
    let mut of_image = words(cmd);
    for (place, given) in [("0.0.0.0", "127.0.0.1"), ("/var/lib/flux", &*data.file("data"))] {
        *of_image.iter_mut().find(|word| *word == place).unwrap() = given.to_owned();
    }
    of_image.extend(["--port".to_owned(), "0".to_owned()]);
    let given = ["--port", "0", "--max-qos", "1"].map(str::to_owned).to_vec();
    for arguments in [of_image, given] {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let program = Program::start_in(&[("FLUX_ADMIN", "127.0.0.1:0")], &arguments);
        let admin = admin_of(&program);
        let mut health = command(env!("CARGO_BIN_EXE_flux-broker"));
        let health = health.args(&check[1..]).env("FLUX_ADMIN", &admin).output().unwrap();
        assert_eq!(health.status.code(), Some(0), "{arguments:?}: {}", text(&health.stderr));
    }
}

#[test]
fn health_is_an_exit_code() {
    let (program, admin) = program();
    let healthy = run(&["health", "--admin", &admin]);
    assert_eq!((healthy.status.code(), text(&healthy.stdout)), (Some(0), "ok\n"));
    program.kill();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let gone = run(&["health", "--admin", &free]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(text(&gone.stderr).contains("was it started with --admin"), "{}", text(&gone.stderr));
}
