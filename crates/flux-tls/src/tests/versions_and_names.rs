//! Versions, names and protocols that both ends agree on.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider as _;
use rustls::{Error, PeerIncompatible, ProtocolVersion, SignatureScheme};

use super::folder::{Fixed, Folder, NOW};
use super::peer::Peer;
use crate::chain::Chain;
use crate::server_names::ServerNames;
use crate::{CertificateFiles, Protocol, TlsVersion};

#[test]
fn both_versions_are_spoken_unless_one_is_too_old() {
    let (folder, root, _) = Folder::with_server();
    let new = Peer::new(&root.pem, None);
    let old = Peer::of_versions(&root.pem, None, &[&rustls::version::TLS12]);

    let tls = folder.load(folder.settings());
    let mut pair = new.connect(&tls, "localhost").unwrap();
    assert_eq!(pair.version(), ProtocolVersion::TLSv1_3);
    assert!(pair.is_alive());
    let mut pair = old.connect(&tls, "localhost").unwrap();
    assert_eq!(pair.version(), ProtocolVersion::TLSv1_2);
    assert!(pair.is_alive());

    let mut settings = folder.settings();
    settings.minimum_version = TlsVersion::V1_3;
    let tls = folder.load(settings);
    let pair = new.connect(&tls, "localhost").unwrap();
    assert_eq!(pair.version(), ProtocolVersion::TLSv1_3);
    let error = old.connect(&tls, "localhost").err().unwrap();
    let expected = PeerIncompatible::Tls12NotOfferedOrEnabled;
    assert_eq!(error, Error::PeerIncompatible(expected));
}

#[test]
fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
    let (folder, root, _) = Folder::with_server();
    let mut settings = folder.settings();
    for (file, names) in [("a", &["a.example.com"][..]), ("w", &["*.example.com", "b.example.org"])]
    {
        let signed = root.sign(names);
        folder.write(&format!("{file}.crt"), &signed.pem);
        folder.write(&format!("{file}.key"), &signed.key);
        settings.further_certificates.push(CertificateFiles {
            chain: folder.path(&format!("{file}.crt")),
            key: folder.path(&format!("{file}.key")),
        });
    }
    let tls = folder.load(settings);
    let peer = Peer::new(&root.pem, None);
    #[track_caller]
    fn check(peer: &Peer, tls: &crate::TlsConfig, asked: &str, expected: &str) {
        assert_eq!(peer.connect(tls, asked).unwrap().server_name(), expected);
    }
    check(&peer, &tls, "localhost", "localhost");
    check(&peer, &tls, "a.example.com", "a.example.com");
    check(&peer, &tls, "A.Example.com", "a.example.com");
    check(&peer, &tls, "other.example.com", "*.example.com");
    check(&peer, &tls, "b.example.org", "*.example.com");
    // The default one, which the client refuses: a wildcard is for one label.
    assert!(peer.connect(&tls, "deep.other.example.com").is_err());
    assert!(peer.connect(&tls, "example.com").is_err());
    assert_eq!(tls.certificates().len(), 3);
}

/// An RSA certificate for clients that verify nothing else stands beside an ECDSA one.
#[test]
fn a_second_certificate_of_a_name_is_for_those_that_cannot_use_the_first() {
    let (folder, root, _) = Folder::with_server();
    let (elliptic, other) = (root.sign(&["rsa.example.com"]), root.sign(&["other"]));
    folder.write("rsa.crt", include_str!("files/rsa.crt"));
    folder.write("rsa.key", include_str!("files/rsa-pkcs1.key"));
    let mut chains = Vec::new();
    for (name, signed) in [("default", Some(&other)), ("ec", Some(&elliptic)), ("rsa", None)] {
        let chain = folder.path(&format!("{name}.crt"));
        let key = folder.path(&format!("{name}.key"));
        if let Some(signed) = signed {
            folder.write(&format!("{name}.crt"), &signed.pem);
            folder.write(&format!("{name}.key"), &signed.key);
        }
        let files = CertificateFiles { chain, key };
        let now = i64::try_from(NOW).unwrap();
        chains.push(Chain::load(&files, &ring::default_provider(), now, &mut Vec::new()).unwrap());
    }
    let names = ServerNames::new(&chains[0], &chains[1..]);
    let find = |schemes: &[SignatureScheme]| names.find("rsa.example.com", schemes).cloned();
    let (elliptic, rsa) = (Some(chains[1].key.clone()), Some(chains[2].key.clone()));
    let same = |one: Option<Arc<CertifiedKey>>, other: &Option<Arc<CertifiedKey>>| {
        one.zip(other.clone()).is_some_and(|(one, other)| Arc::ptr_eq(&one, &other))
    };
    let both = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256];
    assert!(same(find(&both), &elliptic));
    assert!(same(find(&both[..1]), &rsa));
    assert!(find(&[SignatureScheme::ED448]).is_none());
}

#[test]
fn the_protocol_inside_is_agreed_on() {
    let (folder, root, _) = Folder::with_server();
    let tls = folder.load(folder.settings());
    #[track_caller]
    fn check(peer: &Peer, tls: &crate::TlsConfig, protocol: Protocol, expected: Option<&str>) {
        let pair = peer.connect_for(tls, "localhost", protocol).unwrap();
        assert_eq!(pair.server.alpn_protocol(), expected.map(str::as_bytes));
    }
    let silent = Peer::new(&root.pem, None);
    check(&silent, &tls, Protocol::Mqtt, None);
    check(&silent, &tls, Protocol::Http, None);
    let mqtt = Peer::new(&root.pem, None).offer(&["x", "mqtt"]);
    check(&mqtt, &tls, Protocol::Mqtt, Some("mqtt"));
    let browser = Peer::new(&root.pem, None).offer(&["h2", "http/1.1"]);
    check(&browser, &tls, Protocol::Http, Some("http/1.1"));

    let refused = Error::NoApplicationProtocol;
    assert_eq!(browser.connect(&tls, "localhost").err(), Some(refused.clone()));
    assert_eq!(mqtt.connect_for(&tls, "localhost", Protocol::Http).err(), Some(refused));
}

#[test]
fn the_days_that_are_left_are_those_of_the_first_to_expire() {
    let (folder, root, _) = Folder::with_server();
    let middle = root.below("middle");
    let server = middle.sign_with(&["localhost"], |params| {
        params.not_after = rcgen::date_time_ymd(2027, 6, 11);
    });
    folder.write("server.crt", format!("{}{}", server.pem, middle.pem));
    folder.write("server.key", &server.key);
    let tls = folder.load(folder.settings());
    let now = Fixed(NOW).current_time().unwrap();
    assert_eq!(tls.certificates()[0].days_left(now), 10);
    let later = Fixed(NOW + 11 * 86_400).current_time().unwrap();
    assert_eq!(tls.certificates()[0].days_left(later), -1);
}
