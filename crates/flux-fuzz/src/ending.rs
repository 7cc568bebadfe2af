//! How every plan ends: what is owed is paid, all sessions end, and then nothing is held.

use bytes::Bytes;
use flux_mqtt::Version;

use crate::packets::{framed, string};
use crate::scene::{SLOTS, Scene};

/// Comes to rest and checks that nothing is owed; then ends everything.
pub(crate) fn end(mut scene: Scene) {
    scene.settle();
    if scene.is_scarce {
        // Those that were slowed are read again.
        scene.sleep(100);
        scene.settle();
    }
    nobody_waits(&mut scene);
    if let Some(mut bystander) = scene.bystander.take() {
        bystander.check(&mut scene);
        bystander.leave(&mut scene);
    }
    for slot in 0..SLOTS {
        if let Some(place) = scene.slot(slot) {
            scene.lose(place);
        }
    }
    scene.settle();
    end_sessions(&mut scene);
    forget_retained(&scene);
    nothing_is_held(&mut scene);
}

/// Who is in and was not told to go has its answers.
fn nobody_waits(scene: &mut Scene) {
    let is_scarce = scene.is_scarce;
    for slot in 0..SLOTS {
        let Some(place) = scene.slot(slot) else { continue };
        let Some(socket) = scene.socket(place) else { continue };
        let waits = socket.conversation.requests.unanswered();
        // Nothing can be sent on a dead connection.
        let may_wait = socket.is_dead || !socket.conversation.is_online;
        let is_paused = socket.is_paused;
        assert!(
            waits.is_none() || may_wait,
            "{waits:02x?} was never answered: {:?}",
            socket.conversation
        );
        // Nothing is read while too much is held, and otherwise nothing is left to wait for.
        assert!(!is_paused || is_scarce, "nobody ever reads again from {place:?}");
    }
}

/// Each client comes once more, with a new session, and leaves with it. Where too much may be held, only
/// who has a session is sure to get one.
fn end_sessions(scene: &mut Scene) {
    let clients: Vec<_> =
        scene.nodes.iter().flat_map(|node| node.hands.history.clients.iter().cloned()).collect();
    for (number, client_id) in clients.iter().enumerate() {
        assert!(!client_id.contains('!'), "{client_id:?} may not connect");
        let has_session = scene.core.sessions().iter().any(|view| view.client_id == *client_id);
        if scene.is_scarce && !has_session {
            continue;
        }
        let place = scene.open(number);
        if &**client_id == crate::rights::BYSTANDER {
            scene.node(number).bystander = Some(place.id);
        }
        let head = [&string("MQTT")[..], &[Version::V5.level(), 2, 0, 0, 0]].concat();
        scene.write(place, &framed(0x10, &[&head, &string(client_id)]), false);
        scene.settle();
        let is_in = scene.socket(place).is_some_and(|socket| socket.conversation.is_online);
        assert!(is_in, "{client_id:?} was in before and is not let in");
        scene.write(place, &[0xE0, 0], false);
        scene.settle();
    }
}

fn forget_retained(scene: &Scene) {
    for node in &scene.nodes {
        for topic in &node.hands.history.retained {
            scene.core.retained().set(topic.to_string(), Bytes::new(), 0);
        }
    }
}

fn nothing_is_held(scene: &mut Scene) {
    let holdings = scene.core.ledger();
    assert_eq!(holdings.total(), 0, "{holdings:?}");
    let (mut began, mut ended, mut came, mut left) = (0, 0, 0, 0);
    for node in &scene.nodes {
        assert_eq!(node.worker.connections(), 0, "connections are left");
        assert!(node.hands.sockets.is_empty() && node.mail.is_empty());
        let history = &node.hands.history;
        began += history.sessions_began;
        ended += history.sessions_ended;
        came += history.connected;
        left += history.disconnected;
    }
    assert_eq!(began, ended, "sessions began and ended");
    assert_eq!(came, left, "clients connected and disconnected");
}
