//! Strangers that have many connections to the admin listener, and the host that asks after the broker's health.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::admin::{admin_of, get};
use crate::support::Broker;

/// From an address that is not the one that the host itself uses. `None` if it is not served.
async fn ask(address: SocketAddr) -> Option<TcpStream> {
    let ask = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind("127.0.0.2:0".parse().unwrap())?;
        let mut stream = socket.connect(address).await?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        io::Result::Ok(stream)
    };
    ask.await.ok()
}

#[test]
fn one_address_has_so_many_connections_and_health_is_told_beside_them() {
    let broker = Broker::start(1, |_| {});
    let admin = admin_of(&broker);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut held = Vec::new();
        while let Some(stream) = ask(admin.address()).await {
            held.push(stream);
        }
        assert!(held.len() >= 32, "{}", held.len());
        assert_eq!(get(admin.address(), "/healthz", "").0, 200);
        held.clear();
        while ask(admin.address()).await.is_none() {}
    });
}
