//! Files that change while clients are connected.

use flux_eventbus::{DisconnectReason, EventKind};
use flux_mqtt::Reloaded;
use rustls::{AlertDescription, Error};

use super::hostile::alert_of;
use crate::support::Version::V5;
use crate::support::{
    Broker, Certificates, Client, Connect, Events, only_tls, open_tls, tls_listener,
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
        let mut tls = certificates.settings_with_clients();
        tls.crl = vec![certificates.path("crl.pem")];
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
