//! Clients that show a certificate, or do not.

use std::sync::Arc;

use rustls::{CertificateError, Error};

use super::authority::{Authority, Signed};
use super::folder::Folder;
use super::peer::Peer;
use crate::{ClientCertificates, TlsConfig, TlsSettings};

struct Scene {
    folder: Folder,
    root: Authority,
    /// Its serial number is 7.
    client: Signed,
}

fn scene() -> Scene {
    let (folder, root, _) = Folder::with_server();
    let client = numbered(&root, 7);
    Scene { folder, root, client }
}

fn numbered(authority: &Authority, serial: u64) -> Signed {
    authority.sign_with(&["meter"], |params| params.serial_number = Some(serial.into()))
}

#[track_caller]
fn check(tls: &TlsConfig, peer: &Peer, expected: Result<Option<&'static str>, Error>) {
    let named: Result<Option<Arc<str>>, Error> = peer.connect(tls, "localhost").map(|pair| {
        let chain = pair.server.peer_certificates().unwrap_or_default();
        let certificate = tls.identify(chain, &pair.began_with).unwrap();
        certificate.and_then(|certificate| certificate.common_name)
    });
    assert_eq!(named, expected.map(|name| name.map(Arc::from)));
}

fn refused(error: CertificateError) -> Result<Option<&'static str>, Error> {
    Err(Error::InvalidCertificate(error))
}

fn with(scene: &Scene, clients: ClientCertificates) -> TlsConfig {
    let mut settings = scene.folder.settings_with_clients();
    settings.client_certificates = clients;
    scene.folder.load(settings)
}

#[test]
fn a_certificate_is_ignored_taken_or_demanded() {
    let scene = scene();
    let shows = Peer::new(&scene.root.pem, Some(&scene.client));
    let shows_none = Peer::new(&scene.root.pem, None);
    let stranger = numbered(&Authority::new("stranger"), 7);
    let shows_strange = Peer::new(&scene.root.pem, Some(&stranger));

    let off = with(&scene, ClientCertificates::Off);
    check(&off, &shows, Ok(None));
    check(&off, &shows_none, Ok(None));
    check(&off, &shows_strange, Ok(None));
    assert!(!off.requires_certificates());

    let optional = with(&scene, ClientCertificates::Optional);
    check(&optional, &shows, Ok(Some("meter")));
    check(&optional, &shows_none, Ok(None));
    check(&optional, &shows_strange, refused(CertificateError::UnknownIssuer));
    assert!(!optional.requires_certificates());

    let required = with(&scene, ClientCertificates::Required);
    check(&required, &shows, Ok(Some("meter")));
    check(&required, &shows_none, Err(Error::NoCertificatesPresented));
    check(&required, &shows_strange, refused(CertificateError::UnknownIssuer));
    assert!(required.requires_certificates());
}

#[test]
fn an_expired_certificate_is_refused() {
    let scene = scene();
    let old = scene.root.sign_with(&["meter"], |params| {
        params.not_after = rcgen::date_time_ymd(2027, 5, 1);
    });
    let required = with(&scene, ClientCertificates::Required);
    let error = Peer::new(&scene.root.pem, Some(&old)).connect(&required, "localhost").err();
    let is_expired = matches!(
        error,
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        ))
    );
    assert!(is_expired, "{error:?}");
}

fn with_lists(scene: &Scene, lists: &str) -> TlsSettings {
    scene.folder.write("crl.pem", lists);
    let mut settings = scene.folder.settings_with_clients();
    settings.crl = vec![scene.folder.path("crl.pem")];
    settings
}

#[test]
fn a_revoked_certificate_is_refused_and_no_other_one() {
    let scene = scene();
    let tls = scene.folder.load(with_lists(&scene, &scene.root.revoke(&[7, 9])));
    let revoked = Peer::new(&scene.root.pem, Some(&scene.client));
    let good = numbered(&scene.root, 8);
    check(&tls, &revoked, refused(CertificateError::Revoked));
    check(&tls, &Peer::new(&scene.root.pem, Some(&good)), Ok(Some("meter")));
}

/// Whoever has revocation lists means to know: a list that is missing lets nobody in.
#[test]
fn with_lists_an_authority_without_one_admits_nobody() {
    let scene = scene();
    let other = Authority::new("other");
    scene.folder.write("ca.crt", format!("{}{}", scene.root.pem, other.pem));
    let tls = scene.folder.load(with_lists(&scene, &scene.root.revoke(&[])));
    let of_other = numbered(&other, 7);
    check(&tls, &Peer::new(&scene.root.pem, Some(&scene.client)), Ok(Some("meter")));
    let expected = refused(CertificateError::UnknownRevocationStatus);
    check(&tls, &Peer::new(&scene.root.pem, Some(&of_other)), expected);
}

#[test]
fn clients_below_a_revoked_authority_are_refused() {
    let scene = scene();
    let middle = scene.root.below("middle");
    let mut client = numbered(&middle, 7);
    client.pem.push_str(&middle.pem);
    let both = format!("{}{}", scene.root.revoke(&[]), middle.revoke(&[8]));
    let tls = scene.folder.load(with_lists(&scene, &both));
    let peer = Peer::new(&scene.root.pem, Some(&client));
    check(&tls, &peer, Ok(Some("meter")));
    let both = format!("{}{}", scene.root.revoke(&[]), middle.revoke(&[7]));
    let tls = scene.folder.load(with_lists(&scene, &both));
    check(&tls, &peer, refused(CertificateError::Revoked));
}

/// An old list still refuses those on it.
#[test]
fn a_list_that_is_out_of_date_is_used() {
    let scene = scene();
    let tls = scene.folder.load(with_lists(&scene, &scene.root.revoke_until(&[7], 2027)));
    let revoked = Peer::new(&scene.root.pem, Some(&scene.client));
    check(&tls, &revoked, refused(CertificateError::Revoked));
    let good = numbered(&scene.root, 8);
    check(&tls, &Peer::new(&scene.root.pem, Some(&good)), Ok(Some("meter")));
}

#[test]
fn a_part_of_the_certificate_can_be_the_user_name() {
    use crate::CertificateName;
    let scene = scene();
    let mut settings = scene.folder.settings_with_clients();
    settings.username_from = Some(CertificateName::Dns);
    let tls = scene.folder.load(settings);
    let pair = Peer::new(&scene.root.pem, Some(&scene.client)).connect(&tls, "localhost").unwrap();
    let chain = pair.server.peer_certificates().unwrap();
    let certificate = tls.identify(chain, &pair.began_with).unwrap().unwrap();
    assert_eq!(tls.username(&certificate).as_deref(), Some("meter"));
    let tls = with(&scene, ClientCertificates::Required);
    assert_eq!(tls.username(&certificate), None);
}
