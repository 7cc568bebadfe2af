//! The statements of the standards over TLS: through a tunnel, whose other end speaks TCP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use super::broker_over_tls;
use crate::conformance::check_at;

macro_rules! chapters_over_tls {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                let (broker, certificates) = broker_over_tls(2);
                let tunnel = Tunnel::to(broker.address(), &certificates.client());
                check_at(tunnel.address, stringify!($name));
            }
        )+
    };
}

// Not those that need settings or say when a connection is lost: a tunnel does not lose it alike.
chapters_over_tls! {
    strings,
    malformed,
    session,
    alias,
    message,
    retained,
    delivery,
    redelivery,
    subscription,
    shared,
}

/// Carries connections to a broker over TLS, until it is dropped.
struct Tunnel {
    address: SocketAddr,
    _end: oneshot::Sender<()>,
}

impl Tunnel {
    fn to(broker: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let connector = TlsConnector::from(config.clone());
        thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap().block_on(async {
                tokio::select! {
                    () = carry_all(listener, broker, connector) => {}
                    _ = ended => {}
                }
            });
        });
        Self { address, _end: end }
    }
}

async fn carry_all(listener: std::net::TcpListener, broker: SocketAddr, connector: TlsConnector) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let connector = connector.clone();
        tokio::spawn(async move {
            let name = ServerName::from(broker.ip());
            let far = TcpStream::connect(broker).await.unwrap();
            near.set_nodelay(true).unwrap();
            far.set_nodelay(true).unwrap();
            let Ok(mut far) = connector.connect(name, far).await else { return };
            let _how_it_ended = copy_bidirectional(&mut near, &mut far).await;
        });
    }
}
