//! Files that change while the broker runs.

use rustls::{CertificateError, Error};

use super::authority::{Authority, Signed};
use super::folder::Folder;
use super::peer::{Pair, Peer};
use crate::{AdmitError, Protocol, Reloaded, TlsConfig};

struct Scene {
    folder: Folder,
    root: Authority,
    client: Signed,
    tls: TlsConfig,
}

fn scene() -> Scene {
    let (folder, root, _) = Folder::with_server();
    folder.write("crl.pem", root.revoke(&[]));
    let client = root.sign_with(&["meter"], |params| params.serial_number = Some(7.into()));
    let tls = folder.load(folder.settings_with_crl("crl.pem"));
    Scene { folder, root, client, tls }
}

impl Scene {
    fn peer(&self, is_old: bool) -> Peer {
        let old = [&rustls::version::TLS12];
        let versions = if is_old { &old } else { rustls::ALL_VERSIONS };
        Peer::of_versions(&self.root.pem, Some(&self.client), versions)
    }

    /// A new certificate of the same names.
    fn renew(&self) -> Signed {
        let server = self.root.sign(&["localhost"]);
        self.folder.write("server.crt", &server.pem);
        self.folder.write("server.key", &server.key);
        server
    }

    #[track_caller]
    fn reload(&self, clients_changed: bool) {
        assert_eq!(self.tls.reload().unwrap(), Reloaded { clients_changed });
    }
}

#[track_caller]
fn connect(peer: &Peer, tls: &TlsConfig, is_resumed: bool) -> Pair {
    let pair = peer.connect(tls, "localhost").unwrap();
    assert_eq!(pair.is_resumed(), is_resumed);
    pair
}

#[test]
fn sessions_are_resumed_and_the_client_stays_known() {
    for is_old in [false, true] {
        let scene = scene();
        let peer = scene.peer(is_old);
        connect(&peer, &scene.tls, false);
        let pair = connect(&peer, &scene.tls, true);
        let chain = pair.server.peer_certificates().unwrap();
        let certificate = scene.tls.identify(chain, &pair.began_with).unwrap().unwrap();
        assert_eq!(certificate.common_name.as_deref(), Some("meter"));
    }
}

#[test]
fn a_new_certificate_is_shown_and_sessions_are_resumed_all_the_same() {
    for is_old in [false, true] {
        let scene = scene();
        let peer = scene.peer(is_old);
        let mut live = connect(&peer, &scene.tls, false);
        let server = scene.renew();
        scene.reload(false);
        connect(&peer, &scene.tls, true);
        let fresh = connect(&scene.peer(is_old), &scene.tls, false);
        use rustls::pki_types::pem::PemObject as _;
        let expected = rustls::pki_types::CertificateDer::from_pem_slice(server.pem.as_bytes());
        assert_eq!(fresh.client.peer_certificates().unwrap()[0], expected.unwrap());
        assert!(live.is_alive());
    }
}

/// A session that is resumed is not verified again, so none may be after a revocation.
#[test]
fn a_revoked_client_with_a_ticket_is_refused() {
    for is_old in [false, true] {
        let scene = scene();
        let peer = scene.peer(is_old);
        connect(&peer, &scene.tls, false);
        connect(&peer, &scene.tls, true);
        scene.folder.write("crl.pem", scene.root.revoke(&[7]));
        scene.reload(true);
        let error = peer.connect(&scene.tls, "localhost").err();
        assert_eq!(error, Some(Error::InvalidCertificate(CertificateError::Revoked)));
    }
}

#[test]
fn a_client_whose_authority_was_removed_is_refused_with_a_ticket_too() {
    let scene = scene();
    let peer = scene.peer(false);
    connect(&peer, &scene.tls, false);
    let other = Authority::new("other");
    scene.folder.write("ca.crt", &other.pem);
    scene.folder.write("crl.pem", other.revoke(&[]));
    scene.reload(true);
    let error = peer.connect(&scene.tls, "localhost").err();
    assert_eq!(error, Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)));
}

#[test]
fn live_connections_can_be_asked_about() {
    let scene = scene();
    let pair = connect(&scene.peer(false), &scene.tls, false);
    let chain = pair.server.peer_certificates().unwrap();
    assert_eq!(scene.tls.admit(chain), Ok(()));
    scene.folder.write("crl.pem", scene.root.revoke(&[7]));
    scene.reload(true);
    let revoked = Error::InvalidCertificate(CertificateError::Revoked);
    assert_eq!(scene.tls.admit(chain), Err(AdmitError::Refused(revoked)));
    assert_eq!(scene.tls.admit(&[]), Ok(()));
}

/// The old files said yes, and the answer comes when they are no longer in use.
#[test]
fn a_handshake_during_which_its_client_is_revoked_leads_nowhere() {
    let scene = scene();
    let mut pair = scene.peer(false).begin(&scene.tls, "localhost", Protocol::Mqtt);
    scene.folder.write("crl.pem", scene.root.revoke(&[7]));
    scene.reload(true);
    pair.finish().unwrap();
    let chain = pair.server.peer_certificates().unwrap();
    let revoked = Error::InvalidCertificate(CertificateError::Revoked);
    let answer = scene.tls.identify(chain, &pair.began_with);
    assert_eq!(answer, Err(AdmitError::Refused(revoked)));
}

/// Other settings of a listener: who came by the old ones is looked at with the new ones.
#[test]
fn what_takes_the_place_of_another_says_who_stays() {
    let scene = scene();
    let mut under_way = scene.peer(false).begin(&scene.tls, "localhost", Protocol::Mqtt);
    let live = connect(&scene.peer(false), &scene.tls, false);
    let chain = live.server.peer_certificates().unwrap();
    let same = scene.folder.load(scene.folder.settings_with_crl("crl.pem"));
    assert_eq!(scene.tls.succeed_by(&same), Reloaded { clients_changed: false });
    scene.tls.identify(chain, &live.began_with).unwrap();

    scene.folder.write("other.pem", scene.root.revoke(&[7]));
    let other = scene.folder.load(scene.folder.settings_with_crl("other.pem"));
    assert_eq!(scene.tls.succeed_by(&other), Reloaded { clients_changed: true });
    assert!(scene.tls.latest().is_same(&other) && same.latest().is_same(&other));
    let kept = same.downgrade();
    drop(same);
    assert!(kept.upgrade().is_none(), "nobody needs what is in between");
    let revoked = Err(AdmitError::Refused(Error::InvalidCertificate(CertificateError::Revoked)));
    assert_eq!(scene.tls.admit(chain), revoked);
    under_way.finish().unwrap();
    let chain = under_way.server.peer_certificates().unwrap();
    assert_eq!(scene.tls.identify(chain, &under_way.began_with).map(drop), revoked);
}

#[test]
fn a_bad_file_keeps_everything_as_it_was() {
    let scene = scene();
    let peer = scene.peer(false);
    connect(&peer, &scene.tls, false);
    scene.renew();
    scene.folder.write("crl.pem", "nothing");
    let before = scene.tls.server_config(Protocol::Mqtt);
    let error = scene.tls.reload().unwrap_err();
    assert_eq!(
        scene.folder.sentences(&error),
        "crl.pem: there is no line that begins with -----BEGIN, PEM was expected"
    );
    assert!(std::sync::Arc::ptr_eq(&before, &scene.tls.server_config(Protocol::Mqtt)));
    connect(&peer, &scene.tls, true);
}

#[test]
fn files_are_read_again_when_they_have_changed_and_else_not() {
    let scene = scene();
    let changed = || scene.tls.reload_if_changed().map(Result::ok);
    assert_eq!(changed(), None);
    let clients_stay = Reloaded { clients_changed: false };
    scene.renew();
    assert_eq!(changed(), Some(Some(clients_stay)));
    assert_eq!(changed(), None);

    // One file of two: said once, and mended by the other one.
    let next = scene.root.sign(&["localhost"]);
    scene.folder.write("server.crt", &next.pem);
    assert_eq!(changed(), Some(None));
    assert_eq!(changed(), None);
    scene.folder.write("server.key", &next.key);
    assert_eq!(changed(), Some(Some(clients_stay)));

    std::fs::remove_file(scene.folder.path("crl.pem")).unwrap();
    assert_eq!(changed(), Some(None));
    scene.folder.write("crl.pem", scene.root.revoke(&[7]));
    assert_eq!(changed(), Some(Some(Reloaded { clients_changed: true })));
}

/// Kubernetes: `tls.crt` is a link to `..data/tls.crt`, and `..data` a link that is turned from one folder to
/// the next.
#[cfg(unix)]
#[test]
fn a_link_that_is_turned_on_the_way_to_a_file_is_seen() {
    use std::fs;
    use std::os::unix::fs::symlink;

    let (folder, root) = (Folder::new(), Authority::new("root"));
    let version = |name: &str| {
        let server = root.sign(&["localhost"]);
        fs::create_dir(folder.path(name)).unwrap();
        folder.write(&format!("{name}/tls.crt"), &server.pem);
        folder.write(&format!("{name}/tls.key"), &server.key);
        symlink(name, folder.path("..new")).unwrap();
        fs::rename(folder.path("..new"), folder.path("..data")).unwrap();
    };
    version("..1");
    symlink("..data/tls.crt", folder.path("tls.crt")).unwrap();
    symlink("..data/tls.key", folder.path("tls.key")).unwrap();
    let mut settings = folder.settings();
    settings.certificate.chain = folder.path("tls.crt");
    settings.certificate.key = folder.path("tls.key");
    let tls = folder.load(settings);
    assert!(tls.reload_if_changed().is_none());
    version("..2");
    let before = tls.server_config(Protocol::Mqtt);
    tls.reload_if_changed().unwrap().unwrap();
    assert!(!std::sync::Arc::ptr_eq(&before, &tls.server_config(Protocol::Mqtt)));
}
