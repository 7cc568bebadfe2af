//! What authenticators are told of a listener, who may come in through it, and how the program is told to have it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use flux_auth::{Credentials, Identity};
use flux_mqtt::{
    AllowAll, Authentication, Authenticator, EventBus, Listen, Listener, Settings,
    SimpleAuthenticator, StartBrokerError, TlsConfig, WebSocketSettings, start_broker_with,
};

use crate::program::child::Program;
use crate::support::Version::V5;
use crate::support::{Broker, Certificates, Client, Connect, Layer, ws_listener};

/// Remembers the names of listeners.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Vec<Option<Arc<str>>>>>);

impl Authenticator for Witness {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        self.0.lock().unwrap().push(credentials.listener.clone());
        Authentication::Accepted(Identity::anonymous())
    }
}

#[test]
fn authenticators_see_the_name_of_the_listener() {
    let witness = Witness::default();
    let broker = Broker::start_with(1, witness.clone(), |settings| {
        settings.listeners.extend([ws_listener(), ws_listener()]);
        settings.listeners[2].name = "browsers".into();
    });
    let addresses = broker.handle.local_addrs();
    Client::connect(&broker, &Connect::new(V5, "a")).disconnect();
    for address in &addresses[1..] {
        Client::open_over(*address, V5, |it| Layer::ws().over(it))
            .connected(&Connect::new(V5, "a"))
            .disconnect();
    }
    let seen: Vec<_> =
        witness.0.lock().unwrap().iter().flatten().map(ToString::to_string).collect();
    assert_eq!(seen, ["mqtt", "ws", "browsers"]);
}

#[test]
fn a_listener_beyond_loopback_needs_authentication_or_leave() {
    let certificates = Certificates::new();
    let start = |listener: Listener, is_allowed: bool| {
        let mut settings = Settings::default();
        settings.listeners = vec![listener];
        settings.allow_anonymous = is_allowed;
        let anybody = Arc::new(SimpleAuthenticator::new());
        start_broker_with(settings, Arc::new(EventBus::new()), anybody, Arc::new(AllowAll))
    };
    let everywhere = || Listen::Addresses(vec!["0.0.0.0:0".parse().unwrap()]);
    let ws = Listener::ws(everywhere(), WebSocketSettings::default());
    let wss = |tls| {
        let tls = TlsConfig::load(tls).unwrap();
        Listener::wss(everywhere(), tls, WebSocketSettings::default())
    };
    for open in [ws.clone(), wss(certificates.settings())] {
        let error = start(open, false).unwrap_err();
        assert!(matches!(error, StartBrokerError::AnonymousBeyondLoopback { .. }), "{error}");
    }
    for (listener, is_allowed) in [(ws, true), (wss(certificates.settings_with_clients()), false)] {
        let broker = start(listener, is_allowed).unwrap();
        broker.stop();
        broker.wait();
    }
}

#[test]
fn the_command_line_opens_doors_of_all_kinds() {
    let certificates = Certificates::new();
    let path = |name| certificates.path(name).to_str().unwrap().to_owned();
    let (cert, key, socket) = (path("server.crt"), path("server.key"), path("mqtt.sock"));
    let tls = ["--tls-port", "0", "--tls-cert", &cert, "--tls-key", &key];
    let others = ["--port", "0", "--ws=0", "--wss=0", "--unix", &socket, "--unix-mode", "600"];
    let program = Program::start(&[&tls[..], &others[..]].concat());
    for door in ["mqtt://", "mqtts://", "ws://", "wss://"] {
        assert!(program.announced.contains(&format!(" {door}127.0.0.1:")), "{}", program.announced);
    }
    assert!(
        program.announced.contains(&format!(" mqtt+unix://{socket};")),
        "{}",
        program.announced
    );
    let (status, _) = program.terminate("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(!certificates.path("mqtt.sock").exists());
}

#[test]
fn a_file_opens_several_doors_of_all_kinds() {
    let certificates = Certificates::new();
    let path = |name: &str| certificates.path(name).to_str().unwrap().to_owned();
    let socket = |name: &str| path(&format!("{name}.sock"));
    let mut text =
        format!("[tls.t]\ncert = {:?}\nkey = {:?}\n", path("server.crt"), path("server.key"));
    for (transport, tls) in
        [("mqtt", ""), ("mqtts", "tls = \"t\""), ("ws", ""), ("wss", "tls = \"t\"")]
    {
        for number in [1, 2] {
            let name = format!("{transport}-{number}");
            text += &format!("[[listener]]\nname = {name:?}\ntransport = {transport:?}\n{tls}\n");
            text += &format!(
                "bind = [\"127.0.0.1:0\", \"unix:{}\"]\nunix_mode = \"600\"\n",
                socket(&name)
            );
        }
    }
    text += "path = \"/elsewhere\"\n";
    let file = path("flux.toml");
    fs::write(&file, text).unwrap();
    let program = Program::start(&["--config", &file]);
    for scheme in ["mqtt", "mqtts", "ws", "wss"] {
        let address = format!(" {scheme}://127.0.0.1:");
        assert_eq!(program.announced.matches(&address).count(), 2, "{}", program.announced);
        let door = format!(" {scheme}+unix://{}", socket(&format!("{scheme}-2")));
        assert!(program.announced.contains(&door), "{}", program.announced);
    }
    let mode = fs::metadata(socket("ws-1")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (status, _) = program.terminate("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(!certificates.path("ws-1.sock").exists());
}
