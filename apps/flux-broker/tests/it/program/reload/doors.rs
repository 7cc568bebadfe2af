//! Who stands in a door, and is not in yet, when anybody may come in from then on.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;

use super::{A, LOG, reload, start};
use crate::program::access::{files, login};
use crate::program::child::{Program, with_rights};
use crate::support::Version::V5;
use crate::support::{Certificates, Client, Connect, DEADLINE, HttpServer, Layer};

/// Returns where a listener for other machines is reached from this one.
#[track_caller]
fn door(program: &Program, scheme: &str) -> SocketAddr {
    let (_, rest) = program.announced.split_once(&format!("{scheme}://0.0.0.0:")).unwrap();
    let digits = rest.split(|it: char| !it.is_ascii_digit()).next().unwrap();
    SocketAddr::from(([127, 0, 0, 1], digits.parse().unwrap()))
}

/// Opens a connection that says nothing. It was accepted: the client that is returned with it came later by the same door.
fn stand(address: SocketAddr, layer: &Layer) -> (Client, Client) {
    let silent = Client::open_over(address, V5, |socket| layer.over(socket));
    let late = Client::open_over(address, V5, |socket| layer.over(socket));
    let name = format!("late-{}", address.port());
    let mut late = late.connected(&Connect::new(V5, &name).login("alice", "alice's secret"));
    late.ping();
    (silent, late)
}

fn open_unix(path: &str) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends CONNECT and returns what CONNACK says.
fn ask_over_unix(stream: &mut UnixStream, connect: &Connect) -> u8 {
    stream.write_all(&connect.bytes()).unwrap();
    let mut head = [0; 4];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x20, "CONNACK");
    head[3]
}

#[test]
fn nobody_who_stands_in_a_door_comes_in_by_the_way_in_for_anybody() {
    let certificates = Certificates::new();
    let (directory, users, _) = files("reload-stand");
    let socket = directory.file("d.sock");
    let file = |name: &str| format!("{:?}", certificates.path(name).display().to_string());
    let mut doors = format!(
        "[auth]\npassword_file = \"{users}\"\n[tls.t]\ncert = {}\nkey = {}\n\
         [[listener]]\nname = \"u\"\nbind = \"unix:{socket}\"\n",
        file("server.crt"),
        file("server.key")
    );
    for (scheme, more) in
        [("mqtt", ""), ("mqtts", "tls = \"t\"\n"), ("ws", ""), ("wss", "tls = \"t\"\n")]
    {
        doors += &format!(
            "[[listener]]\nname = \"{scheme}\"\ntransport = \"{scheme}\"\nbind = \"0.0.0.0:0\"\n{more}"
        );
    }
    let (_config, path, mut program) =
        start("reload-stand-config", &with_rights([LOG, A, &doors].concat()));
    let inner = program.addresses[0];
    let tls = certificates.client();
    let layers = [
        ("mqtt", Layer::default()),
        // Its handshake begins after the reload, that of the last is over.
        ("mqtts", Layer::tls(tls.clone())),
        ("ws", Layer::ws()),
        ("wss", Layer::wss(tls)),
    ];
    let mut stands: Vec<_> =
        layers.iter().map(|(scheme, layer)| stand(door(&program, scheme), layer)).collect();
    stands.push(stand(inner, &Layer::default()));
    let (mut silent, mut late) = (open_unix(&socket), open_unix(&socket));
    assert_eq!(ask_over_unix(&mut late, &login(V5, "bob")), 0);

    reload(&mut program, &path, &[LOG, A].concat(), "was read again");
    let anybody = Connect::new(V5, "anybody");
    Client::connect_to(inner, &anybody).ping();
    for (mut silent, mut late) in stands {
        silent.send(&anybody.bytes());
        silent.expect_refusal(0x88);
        late.ping();
    }
    assert_eq!(ask_over_unix(&mut silent, &anybody), 0x88);
}

#[test]
fn a_connect_that_is_looked_at_meanwhile_comes_again() {
    let server = HttpServer::start(204, "");
    let asks = format!("[auth.http]\nurl = \"{}\"\ntimeout = \"1m\"\n", server.url());
    let door_to_others = "[[listener]]\nname = \"b\"\nbind = \"0.0.0.0:0\"\n";
    let (_config, path, mut program) =
        start("reload-asked", &with_rights([LOG, A, door_to_others, &asks].concat()));
    server.hold_back();
    let mut client = Client::open(door(&program, "mqtt"), V5);
    client.send(&login(V5, "alice").bytes());
    server.wait_until_asked();
    reload(&mut program, &path, &[LOG, A].concat(), "was read again");
    server.answer(204, "");
    client.expect_refusal(0x88);
    Client::connect_to(program.addresses[0], &login(V5, "alice")).ping();
}
