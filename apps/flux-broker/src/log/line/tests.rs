//! Which fields the line of each kind of event has.

use std::sync::Arc;
use std::time::Duration;

use flux_eventbus::{Denial, DisconnectReason, Limit, SessionEnd};

use super::*;

fn names(line: &Line<'_>) -> Vec<&'static str> {
    let Line { text: _, client_id, username, peer, address, listener, .. } = line;
    let Line { level, topic, code, reason, error, length, help, .. } = line;
    let fields = [
        ("client_id", client_id.is_some()),
        ("username", username.is_some()),
        ("peer", peer.is_some()),
        ("address", address.is_some()),
        ("listener", listener.is_some()),
        ("level", level.is_some()),
        ("topic", topic.is_some()),
        ("code", code.is_some()),
        ("reason", reason.is_some()),
        ("error", error.is_some()),
        ("length", length.is_some()),
        ("help", help.is_some()),
    ];
    fields.into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect()
}

/// One event of each kind about a client, as what tells of it makes it: what the event has no place for comes beside it.
fn events_of_clients() -> Vec<(Event, &'static str)> {
    let id = || "meter".into();
    let dropped = |reason| Event::Dropped { client_id: Some(id()), topic: "t".into(), reason };
    let limit = Limit::TopicLevels;
    vec![
        (
            Event::Subscribed { client_id: id(), filter: "t".into(), qos: 1 },
            "client_id username peer listener topic code reason",
        ),
        (
            Event::Unsubscribed { client_id: id(), filter: "t".into() },
            "client_id username peer listener topic code reason",
        ),
        (dropped(DropReason::QueueFull), "client_id username peer listener topic reason"),
        (dropped(DropReason::NotAuthorized), "client_id username peer listener topic code reason"),
        (Event::SessionCreated { client_id: id() }, "client_id username peer listener"),
        (Event::SessionResumed { client_id: id() }, "client_id username peer listener"),
        (
            Event::SessionEnded { client_id: id(), reason: SessionEnd::Expired },
            "client_id username peer listener reason",
        ),
        (
            Event::WillSent { client_id: id(), topic: "t".into() },
            "client_id username peer listener topic",
        ),
        (
            Event::LimitReached { limit, client_id: Some(id()), peer: None },
            "client_id username peer listener reason help",
        ),
    ]
}

/// One event of each other kind, which says itself whence it is.
fn other_events() -> Vec<(Event, &'static str)> {
    let (client_id, username) = (Arc::from("meter"), Some("alice".into()));
    let (peer, listener) = (Some(SocketAddr::from(([192, 0, 2, 1], 5000))), Some("mqtt".into()));
    let connected = Event::Connected {
        client_id: Arc::clone(&client_id),
        protocol_level: 5,
        username: Option::clone(&username),
        peer,
        listener: Option::clone(&listener),
        session_present: false,
    };
    let disconnected = Event::Disconnected {
        client_id: Arc::clone(&client_id),
        username,
        peer,
        listener: Option::clone(&listener),
        reason: DisconnectReason::ByClient,
    };
    let refused = Event::ConnectRefused {
        client_id: Some(client_id),
        peer,
        listener: Option::clone(&listener),
        code: 0x87,
    };
    let failed = |handshake| Event::HandshakeFailed {
        handshake,
        peer,
        listener: Some("mqtt".into()),
        error: "closed".into(),
    };
    let (address, length) = ([192, 0, 2, 1].into(), Duration::from_secs(1));
    vec![
        (Event::Listening { address: ([127, 0, 0, 1], 1883).into() }, "peer"),
        (connected, "client_id username peer listener level code reason"),
        (disconnected, "client_id username peer listener code reason"),
        (refused, "client_id peer listener code reason help"),
        (failed(Handshake::Tls), "peer listener error"),
        (failed(Handshake::Proxy), "peer listener error help"),
        (Event::Unserved { peer, listener, error: "full".into() }, "peer listener error help"),
        (Event::Banned { address, length }, "address length help"),
        (Event::Stopped, ""),
    ]
}

#[test]
fn each_kind_of_event_has_its_fields() {
    let source = Source {
        username: Some("alice".into()),
        peer: Some(([192, 0, 2, 1], 5000).into()),
        listener: Some("mqtt".into()),
    };
    let of_clients = events_of_clients().into_iter().map(|it| (it, source.clone()));
    let others = other_events().into_iter().map(|it| (it, Source::default()));
    let mut kinds = Vec::new();
    for ((event, expected), source) in of_clients.chain(others) {
        kinds.push(event.kind());
        let sourced = Sourced { event, source };
        let line = Line::of(&sourced).unwrap();
        assert_eq!(names(&line).join(" "), expected, "{:?}", sourced.event);
    }
    for kind in EventKind::ALL {
        let is_logged = Subject::of(kind).is_some();
        assert_eq!(kinds.contains(&kind), is_logged, "{kind:?}");
    }
}

#[test]
fn what_happens_without_a_connection_has_no_address() {
    let dropped = Event::Dropped {
        client_id: Some("meter".into()),
        topic: "t".into(),
        reason: DropReason::Offline,
    };
    let sourced = Sourced { event: dropped, source: Source::default() };
    assert_eq!(names(&Line::of(&sourced).unwrap()), ["client_id", "topic", "reason"]);
}

#[test]
fn what_is_denied_is_logged_where_it_is_denied() {
    let denied = Event::Denied {
        client_id: "meter".into(),
        username: None,
        denial: Denial::Publish,
        topic: "t".into(),
    };
    let sourced = Sourced { event: denied, source: Source::default() };
    assert!(Line::of(&sourced).is_none());
}

#[test]
fn what_is_summed_up_of_an_address_has_no_port() {
    let event = Event::HandshakeFailed {
        handshake: Handshake::Tls,
        peer: Some(([192, 0, 2, 1], 5000).into()),
        listener: Some("mqtts".into()),
        error: "closed".into(),
    };
    let sourced = Sourced { event, source: Source::default() };
    let key = Line::of(&sourced).unwrap().key(Subject::Handshakes);
    let summed = Line::of_key(&key);
    assert_eq!((summed.peer, summed.address), (None, Some([192, 0, 2, 1].into())));
}
