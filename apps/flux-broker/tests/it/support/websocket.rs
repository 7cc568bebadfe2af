//! Listeners for WebSocket, and what asks for it.

use flux_mqtt::{Listen, Listener, WebSocketSettings};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::{HeaderValue, Request};

/// Returns a listener for WebSocket, on a port of 127.0.0.1 that the system chooses.
pub(crate) fn ws_listener() -> Listener {
    let listen = Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]);
    Listener::ws(listen, WebSocketSettings::default())
}

/// Returns the request of a client of MQTT.
pub(crate) fn ws_request() -> Request<()> {
    let mut request = "ws://127.0.0.1/mqtt".into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    request
}
