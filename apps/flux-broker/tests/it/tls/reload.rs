//! Files that change while clients are connected.

use std::net::TcpStream;

use flux_auth::SimpleAuthenticator;
use flux_eventbus::{DisconnectReason, EventKind};
use flux_mqtt::{Listen, Listener, Reloaded, TlsConfig, WebSocketSettings};
use rustls::{AlertDescription, Error, StreamOwned};
use tungstenite::Message;

use super::hostile::alert_of;
use crate::support::Version::V5;
use crate::support::{
    Broker, Certificates, Client, Connect, DEADLINE, Events, begin_tls, loopback_settings,
    only_tls, open_tls, tls_listener, ws_request,
};

fn reloads(broker: &Broker) -> Vec<Option<Reloaded>> {
    broker.handle.certificates().reload_changed().into_iter().map(Result::ok).collect()
}

#[test]
fn clients_stay_when_the_server_has_a_new_certificate() {
    let certificates = Certificates::new();
    let broker = Broker::start(2, |settings| only_tls(settings, certificates.settings()));
    let config = certificates.client();
    let mut client = open_tls(broker.address(), V5, &config).connected(&Connect::new(V5, "a"));
    assert_eq!(reloads(&broker), []);
    certificates.renew();
    assert_eq!(reloads(&broker), [Some(Reloaded { clients_changed: false })]);
    certificates.write("server.key", "nothing");
    assert_eq!(reloads(&broker), [None]);
    assert_eq!(reloads(&broker), []);
    client.ping();
    open_tls(broker.address(), V5, &certificates.client())
        .connected(&Connect::new(V5, "b"))
        .disconnect();
}

fn one_is_revoked(ends: bool) {
    let certificates = Certificates::new();
    certificates.revoke(&[]);
    let broker = Broker::start(2, |settings| {
        let mut tls = certificates.settings_with_crl();
        tls.ends_revoked_clients = ends;
        let plain = settings.listeners.pop().unwrap();
        settings.listeners = vec![tls_listener(tls), plain];
    });
    let mut disconnected = Events::of(&broker, EventKind::Disconnected);
    let connect = |serial: u64| {
        let name = format!("meter-{serial}");
        let config = certificates.client_named(&name, serial);
        let client = open_tls(broker.address(), V5, &config);
        (client.connected(&Connect::new(V5, &name)), config)
    };
    let mut good: Vec<_> = (1..40).filter(|serial| *serial != 7).map(connect).collect();
    let (mut revoked, config) = connect(7);
    let plain = broker.handle.local_addrs()[1];
    let mut plain = Client::connect_to(plain, &Connect::new(V5, "plain"));
    certificates.revoke(&[7]);
    assert_eq!(reloads(&broker), [Some(Reloaded { clients_changed: true })]);
    if ends {
        revoked.expect_disconnect(0x87);
        let reason = disconnected.expect_disconnected("meter-7");
        assert_eq!(reason, DisconnectReason::NotAuthorized);
    } else {
        revoked.ping();
    }
    for (client, _) in &mut good {
        client.ping();
    }
    plain.ping();
    // The ticket that it has opens no door.
    let error = alert_of(broker.address(), &config);
    assert_eq!(error, Error::AlertReceived(AlertDescription::CertificateRevoked));
}

#[test]
fn a_client_whose_certificate_is_revoked_is_disconnected() {
    one_is_revoked(true);
}

#[test]
fn or_stays_if_that_is_wanted() {
    one_is_revoked(false);
}

/// Nobody has those certificates any more, but for who came by them.
#[test]
fn or_whose_listener_is_gone() {
    let certificates = Certificates::new();
    certificates.revoke(&[]);
    let broker = Broker::start(2, |settings| only_tls(settings, certificates.settings_with_crl()));
    let connect = |serial: u64| {
        let name = format!("meter-{serial}");
        let config = certificates.client_named(&name, serial);
        open_tls(broker.address(), V5, &config).connected(&Connect::new(V5, &name))
    };
    let (mut good, mut revoked) = (connect(1), connect(7));
    let mut settings = loopback_settings();
    settings.listeners.truncate(1);
    broker.handle.prepare_reload(settings, &SimpleAuthenticator::new()).unwrap().apply();
    assert_eq!(reloads(&broker), []);
    certificates.revoke(&[7]);
    assert_eq!(reloads(&broker), [Some(Reloaded { clients_changed: true })]);
    revoked.expect_disconnect(0x87);
    good.ping();
}

/// It shakes hands while it is good, and asks for WebSocket when it is not.
#[test]
fn who_is_revoked_before_the_upgrade_is_not_served() {
    let certificates = Certificates::new();
    certificates.revoke(&[]);
    let broker = Broker::start(1, |settings| {
        let tls = TlsConfig::load(certificates.settings_with_crl()).unwrap();
        let listen = Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]);
        settings.listeners = vec![Listener::wss(listen, tls, WebSocketSettings::default())];
    });
    let open = |serial: u64| {
        let mut tls = begin_tls(&certificates.client_named("meter", serial));
        let mut stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).unwrap();
        }
        // The ticket comes when the broker has shaken hands, too.
        tls.complete_io(&mut stream).unwrap();
        StreamOwned::new(tls, stream)
    };
    let (good, revoked) = (open(1), open(7));
    certificates.revoke(&[7]);
    assert_eq!(reloads(&broker), [Some(Reloaded { clients_changed: true })]);
    let connack = |stream| {
        let (mut socket, _) = tungstenite::client(ws_request(), stream).map_err(drop)?;
        socket.send(Message::binary(Connect::new(V5, "a").bytes())).map_err(drop)?;
        loop {
            if let Message::Binary(packet) = socket.read().map_err(drop)? {
                return Ok(packet[0]);
            }
        }
    };
    assert_eq!(connack(revoked), Err(()));
    assert_eq!(connack(good), Ok(0x20));
}
