//! Pages that browsers carry to a broker: whose may connect.

use flux_auth::{Credentials, Identity};
use flux_mqtt::{Authentication, Authenticator};

use super::hostile::{REQUEST, answer};
use super::*;
use crate::program::child::Program;

/// A request of a page.
fn from(origin: &str) -> String {
    REQUEST.replace("Host", &format!("Origin: {origin}\r\nHost"))
}

/// Returns what a page is answered.
fn status(broker: &Broker, origin: &str) -> String {
    let mut stream = connect(broker.address());
    stream.write_all(from(origin).as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    str::from_utf8(&status[9..]).unwrap().to_owned()
}

#[test]
fn pages_of_other_origins_are_refused() {
    let broker = Broker::start(1, |settings| {
        let mut listener = ws_listener();
        listener.websocket.as_mut().unwrap().origins = vec!["https://good.example".to_owned()];
        settings.listeners = vec![listener];
    });
    let refused = answer(broker.address(), from("https://evil.example").as_bytes());
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let mut request = ws_request();
    let origin = HeaderValue::from_static("https://good.example");
    request.headers_mut().insert("Origin", origin);
    assert!(tungstenite::client(request, connect(broker.address())).is_ok());
}

/// To loopback as well.
#[test]
fn only_pages_from_near_come_to_a_broker_that_lets_anybody_in() {
    let broker = Broker::start(1, only_ws);
    assert_eq!(status(&broker, "http://localhost:3000"), "101");
    assert_eq!(status(&broker, "https://x:8443"), "101", "the host that is asked");
    let refused = answer(broker.address(), from("https://evil.example").as_bytes());
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("`origins`"), "{refused}");
}

#[test]
fn all_pages_come_where_the_listener_says_so_or_clients_prove_who_they_are() {
    let any = Broker::start(1, |settings| {
        only_ws(settings);
        settings.listeners[0].websocket.as_mut().unwrap().origins = vec!["*".to_owned()];
    });
    assert_eq!(status(&any, "https://anywhere.example"), "101");
    let asking = Broker::start_with(1, Asking, only_ws);
    assert_eq!(status(&asking, "https://anywhere.example"), "101");
}

/// Admits not just anyone.
#[derive(Clone)]
struct Asking;

impl Authenticator for Asking {
    async fn authenticate(&self, _credentials: &Credentials) -> Authentication {
        Authentication::Accepted(Identity::anonymous())
    }
}

#[test]
fn the_program_says_once_how_to_let_pages_in() {
    let program = Program::start(&["--port", "0", "--ws=0"]);
    let (_, rest) = program.announced.split_once("ws://127.0.0.1:").unwrap();
    let port = rest.split(|it: char| !it.is_ascii_digit()).next().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
    for _ in 0..2 {
        let refused = answer(address, from("https://evil.example").as_bytes());
        assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    }
    let (_, log) = program.terminate("TERM");
    // As JSON.
    let line = r#"origins = [\"https://evil.example\"]"#;
    assert_eq!(log.matches(line).count(), 1, "{log}");
}
