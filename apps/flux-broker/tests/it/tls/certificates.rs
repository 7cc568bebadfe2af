//! Certificates of clients: who gets in, and as whom.

use std::sync::{Arc, Mutex};

use flux_auth::{Authentication, Authenticator, Credentials, Identity};
use flux_eventbus::{Event, EventKind};
use flux_mqtt::{
    AllowAll, Count, EventBus, Listen, Listener, Settings, SimpleAuthenticator, StartBrokerError,
    TlsConfig, start_broker_with,
};
use flux_tls::{CertificateName, ClientCertificates, TlsSettings};
use rustls::{AlertDescription, ClientConfig, Error};

use super::hostile::alert_of;
use crate::support::Version::V5;
use crate::support::{Broker, Certificates, Connect, Events, only_tls, open_tls, packet, string};

/// Remembers what it was shown.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Vec<Credentials>>>);

impl Authenticator for Witness {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        self.0.lock().unwrap().push(credentials.clone());
        Authentication::Accepted(Identity::anonymous())
    }
}

/// Connects a client with the user name `claimed`; returns what the authenticator saw.
fn seen(tls: TlsSettings, config: &Arc<ClientConfig>) -> Credentials {
    let witness = Witness::default();
    let broker = Broker::start_with(1, witness.clone(), |settings| only_tls(settings, tls));
    let mut client = open_tls(broker.address(), V5, config);
    // A clean start, Keep Alive, no properties.
    let head = [5, 0x82, 0, 60, 0];
    client.send(&packet(0x10, &[&string("MQTT"), &head, &string("a"), &string("claimed")]));
    client.expect_connack();
    let seen = witness.0.lock().unwrap().pop();
    seen.unwrap()
}

#[test]
fn the_authenticator_sees_the_certificate() {
    let certificates = Certificates::new();
    let client = certificates.client_named("meter", 7);
    let credentials = seen(certificates.settings_with_clients(), &client);
    assert_eq!(credentials.username.as_deref(), Some("claimed"));
    let certificate = credentials.certificate.unwrap();
    assert_eq!(certificate.single("cert.cn"), Some("meter"));
    assert_eq!(certificate.single("cert.subject"), Some("CN=meter"));
}

#[test]
fn without_one_it_sees_none() {
    let certificates = Certificates::new();
    let mut optional = certificates.settings_with_clients();
    optional.client_certificates = ClientCertificates::Optional;
    optional.username_from = Some(CertificateName::CommonName);
    for tls in [certificates.settings(), optional] {
        let credentials = seen(tls, &certificates.client());
        assert_eq!(credentials.certificate, None);
        assert_eq!(credentials.username.as_deref(), Some("claimed"));
    }
}

#[test]
fn its_name_takes_the_place_of_the_user_name() {
    let certificates = Certificates::new();
    let mut tls = certificates.settings_with_clients();
    tls.username_from = Some(CertificateName::CommonName);
    let credentials = seen(tls, &certificates.client_named("meter", 7));
    assert_eq!(credentials.username.as_deref(), Some("meter"));
}

/// A device can tell a missing certificate from a broken network.
#[test]
fn who_has_no_certificate_is_told_so() {
    let certificates = Certificates::new();
    let broker = Broker::start(1, |settings| {
        only_tls(settings, certificates.settings_with_clients());
    });
    let mut connected = Events::of(&broker, EventKind::Connected);
    let other = Certificates::new();
    let alert = |config: &Arc<ClientConfig>| alert_of(broker.address(), config);
    let required = Error::AlertReceived(AlertDescription::CertificateRequired);
    assert_eq!(alert(&certificates.client()), required);
    // Its authority has the same name and another key.
    let mut stranger = (*other.client_named("meter", 7)).clone();
    stranger.clone_trust_of(&certificates.client());
    let bad = alert(&Arc::new(stranger));
    let is_refused = matches!(
        bad,
        Error::AlertReceived(
            AlertDescription::UnknownCA
                | AlertDescription::DecryptError
                | AlertDescription::BadCertificate
        )
    );
    assert!(is_refused, "{bad:?}");
    // The alert leaves before the failure is counted.
    while broker.handle.counters().of(Count::HandshakeFailed) < 2 {
        std::thread::yield_now();
    }

    let good = certificates.client_named("meter", 7);
    open_tls(broker.address(), V5, &good).connected(&Connect::new(V5, "good")).disconnect();
    let Event::Connected { client_id, .. } = connected.expect() else { panic!("who?") };
    assert_eq!(&*client_id, "good");
}

/// Takes over whom another configuration trusts.
trait CloneTrust {
    fn clone_trust_of(&mut self, other: &ClientConfig);
}

impl CloneTrust for ClientConfig {
    fn clone_trust_of(&mut self, other: &ClientConfig) {
        let resolver = self.client_auth_cert_resolver.clone();
        *self = other.clone();
        self.client_auth_cert_resolver = resolver;
    }
}

/// Where nobody gets in without a certificate, nobody is anonymous.
#[test]
fn a_listener_beyond_loopback_needs_certificates_or_leave() {
    let certificates = Certificates::new();
    let start = |tls: TlsSettings| {
        let mut settings = Settings::default();
        let everywhere = Listen::Addresses(vec!["0.0.0.0:0".parse().unwrap()]);
        let tls = TlsConfig::load(tls).unwrap();
        settings.listeners = vec![Listener::tls(everywhere, tls)];
        let anybody = Arc::new(SimpleAuthenticator::new());
        start_broker_with(settings, Arc::new(EventBus::new()), anybody, Arc::new(AllowAll))
    };
    let mut optional = certificates.settings_with_clients();
    optional.client_certificates = ClientCertificates::Optional;
    for open in [certificates.settings(), optional] {
        let error = start(open).unwrap_err();
        assert!(matches!(error, StartBrokerError::AnonymousBeyondLoopback { .. }), "{error}");
        assert!(error.to_string().contains("certificates of clients"), "{error}");
    }
    let broker = start(certificates.settings_with_clients()).unwrap();
    broker.stop();
    broker.wait();
}
