//! Unix sockets: who may connect, and what becomes of the file.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use flux_eventbus::{Event, EventKind};
use flux_mqtt::{
    AllowAll, EventBus, Listen, Listener, SimpleAuthenticator, StartBrokerError, UnixSocket,
    start_broker_with,
};

use crate::support::Version::V5;
use crate::support::{
    Broker, Connect, DEADLINE, Events, PINGREQ, PINGRESP, loopback_settings, new_folder,
};

fn broker_at(path: &Path, mode: u32) -> Broker {
    Broker::start(2, |settings| {
        let socket = UnixSocket { path: path.to_owned(), mode };
        settings.listeners.push(Listener::tcp(Listen::Unix(socket)));
    })
}

#[track_caller]
pub(crate) fn expect_served(path: &Path) {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&[&Connect::new(V5, "a").bytes()[..], &PINGREQ].concat()).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x20, "CONNACK");
    let mut rest = vec![0; usize::from(head[1]) + PINGRESP.len()];
    stream.read_exact(&mut rest).unwrap();
    assert_eq!(rest[1], 0, "it is accepted");
    assert!(rest.ends_with(&PINGRESP));
}

/// Whatever the mask of the process says.
#[test]
fn the_file_has_its_mode_and_goes_with_the_broker() {
    let folder = new_folder();
    for mode in [0o600, 0o666] {
        let path = folder.join("mqtt.sock");
        let broker = broker_at(&path, mode);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        let listening = broker.handle.listening().last().unwrap().to_string();
        assert_eq!(listening, format!("mqtt+unix://{}", path.display()));
        let mut connected = Events::of(&broker, EventKind::Connected);
        expect_served(&path);
        assert!(matches!(connected.expect(), Event::Connected { peer: None, .. }));
        drop(broker);
        assert!(!path.exists());
    }
    fs::remove_dir(folder).unwrap();
}

#[test]
fn a_socket_that_was_left_behind_is_replaced() {
    let folder = new_folder();
    let path = folder.join("mqtt.sock");
    // A listener that is dropped leaves its file.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let broker = broker_at(&path, 0o600);
    expect_served(&path);
    drop(broker);
    fs::remove_dir(folder).unwrap();
}

#[test]
fn what_is_in_use_or_no_socket_stays() {
    let folder = new_folder();
    let path = folder.join("mqtt.sock");
    let first = broker_at(&path, 0o600);
    expect_refused(&path, "another program listens there; stop it or choose another path");
    expect_served(&path);
    drop(first);
    fs::write(&path, "mine").unwrap();
    expect_refused(&path, "there is a file that is no socket; remove it or choose another path");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    fs::remove_dir_all(folder).unwrap();
}

/// Its own listener is not the only one that may have the path when it stops.
#[test]
fn a_socket_of_another_broker_is_not_removed() {
    let folder = new_folder();
    let path = folder.join("mqtt.sock");
    let first = broker_at(&path, 0o600);
    fs::remove_file(&path).unwrap();
    let _second = broker_at(&path, 0o600);
    drop(first);
    expect_served(&path);
}

#[track_caller]
fn expect_refused(path: &Path, why: &str) {
    let mut settings = loopback_settings();
    let socket = UnixSocket { path: path.to_owned(), mode: 0o600 };
    settings.listeners = vec![Listener::tcp(Listen::Unix(socket))];
    let (events, authenticator) = (Arc::default(), Arc::new(SimpleAuthenticator::new()));
    let events: Arc<EventBus> = events;
    match start_broker_with(settings, events, authenticator, Arc::new(AllowAll)) {
        Err(StartBrokerError::Bind(errors)) => {
            let expected = format!("cannot listen on {}: {why}", path.display());
            assert_eq!(errors[0].to_string(), expected);
        }
        other => panic!("{other:?}"),
    }
}
