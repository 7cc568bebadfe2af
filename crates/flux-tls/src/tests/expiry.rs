//! Certificates of clients that expire while their session could still be resumed.

use std::sync::Arc;

use rustls::client::Tls12Resumption;
use rustls::{CertificateError, Error};

use super::authority::{Authority, Signed};
use super::folder::{Folder, Hand};
use super::peer::Peer;
use crate::{AdmitError, Protocol, TlsConfig};

struct Scene {
    _folder: Folder,
    root: Authority,
    clock: Arc<Hand>,
    tls: TlsConfig,
}

fn scene() -> Scene {
    let (folder, root, _) = Folder::with_server();
    let clock = Hand::new();
    let mut settings = folder.settings_with_clients();
    settings.clock = clock.clone();
    let tls = folder.load(settings);
    Scene { _folder: folder, root, clock, tls }
}

impl Scene {
    /// A certificate that is good until that day of June.
    fn sign_until(&self, day: u8) -> Signed {
        self.root.sign_with(&["meter"], |params| {
            params.not_after = rcgen::date_time_ymd(2027, 6, day);
        })
    }

    /// Clients of TLS 1.3, of 1.2 with tickets, and of 1.2 that leave their session here.
    fn peers(&self, shows: &Signed) -> [Peer; 3] {
        let [new, old] = [&rustls::version::TLS13, &rustls::version::TLS12];
        let of = |version| Peer::of_versions(&self.root.pem, Some(shows), &[version]);
        [of(new), of(old), of(old).resuming_by(Tls12Resumption::SessionIdOnly)]
    }
}

fn is_expired(error: &Error) -> bool {
    let Error::InvalidCertificate(reason) = error else { return false };
    matches!(reason, CertificateError::Expired | CertificateError::ExpiredContext { .. })
}

#[test]
fn a_client_whose_certificate_has_expired_is_refused_with_a_ticket_too() {
    let scene = scene();
    for peer in scene.peers(&scene.sign_until(2)) {
        assert!(!peer.connect(&scene.tls, "localhost").unwrap().is_resumed());
        assert!(peer.connect(&scene.tls, "localhost").unwrap().is_resumed());
    }
    for peer in scene.peers(&scene.sign_until(2)) {
        assert!(!peer.connect(&scene.tls, "localhost").unwrap().is_resumed());
        scene.clock.turn(DAY + 1);
        let error = peer.connect(&scene.tls, "localhost").err().unwrap();
        assert!(is_expired(&error), "{error}");
        scene.clock.turn_back(DAY + 1);
    }
}

/// Else it would be kept out by what it remembers, for a new session comes with each handshake.
#[test]
fn a_client_that_has_a_new_certificate_comes_in_with_an_old_ticket() {
    let scene = scene();
    let (old, new) = (scene.sign_until(2), scene.sign_until(9));
    for (peer, renewed) in scene.peers(&old).into_iter().zip(scene.peers(&new)) {
        assert!(!peer.connect(&scene.tls, "localhost").unwrap().is_resumed());
        let renewed = renewed.remembering_what(&peer);
        scene.clock.turn(DAY + 1);
        assert!(!renewed.connect(&scene.tls, "localhost").unwrap().is_resumed());
        assert!(renewed.connect(&scene.tls, "localhost").unwrap().is_resumed());
        scene.clock.turn_back(DAY + 1);
    }
}

#[test]
fn a_handshake_during_which_it_expires_leads_nowhere() {
    let scene = scene();
    for peer in scene.peers(&scene.sign_until(2)) {
        let mut pair = peer.begin(&scene.tls, "localhost", Protocol::Mqtt);
        pair.finish().unwrap();
        scene.clock.turn(DAY + 1);
        let chain = pair.server.peer_certificates().unwrap();
        let answer = scene.tls.identify(chain, &pair.began_with);
        assert!(
            matches!(&answer, Err(AdmitError::Refused(error)) if is_expired(error)),
            "{answer:?}"
        );
        scene.clock.turn_back(DAY + 1);
    }
}

/// The clock begins with the first of June.
const DAY: u64 = 24 * 60 * 60;
