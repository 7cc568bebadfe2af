//! A client that behaves, beside those that do not. It must be served all the while.

use flux_mqtt::Version;

use crate::conversation::Conversation;
use crate::packets::{ack, framed, no_properties, string};
use crate::rights::BYSTANDER;
use crate::scene::{Place, Scene};

/// The client and what it was answered so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bystander {
    place: Place,
    version: Version,
    asked: usize,
}

impl Bystander {
    /// Connects to the first worker and subscribes to topics on which nobody else may publish.
    pub(crate) fn enter(scene: &mut Scene, is_v5: bool) -> Self {
        let version = if is_v5 { Version::V5 } else { Version::V311 };
        let place = scene.open(0);
        scene.node(0).bystander = Some(place.id);
        let connect = [
            &string("MQTT")[..],
            &[version.level(), 2, 0, 0],
            no_properties(version),
            &string(BYSTANDER),
        ];
        scene.write(place, &framed(0x10, &connect), false);
        scene.settle();
        let subscribe = [&[0, 1][..], no_properties(version), &string("by/stander"), &[1]];
        scene.write(place, &framed(0x82, &subscribe), false);
        let bystander = Self { place, version, asked: 0 };
        bystander.expect(scene, |heard| heard.requests.unanswered().is_none());
        bystander
    }

    /// Pings, publishes to itself at QoS 1, and must hear of both at once.
    pub(crate) fn check(&mut self, scene: &mut Scene) {
        let asked = self.asked + 1;
        self.asked = asked;
        let publish =
            [&string("by/stander")[..], &[0, 9], no_properties(self.version), b"still there?"];
        let bytes = [&framed(0x32, &publish)[..], &[0xC0, 0]].concat();
        scene.write(self.place, &bytes, false);
        if scene.is_scarce {
            // It may be slowed for a while, and refused.
            for _ in 0..WAITS {
                if self.heard(scene, |heard| heard.pings == asked) {
                    break;
                }
                scene.sleep(100);
                scene.settle();
            }
            self.expect(scene, |heard| heard.pings == asked && heard.acknowledgements == asked);
        } else {
            self.expect(scene, |heard| {
                (heard.pings, heard.acknowledgements, heard.messages) == (asked, asked, asked)
            });
        }
        self.acknowledge(scene);
    }

    fn acknowledge(self, scene: &mut Scene) {
        while let Some(socket) = scene.socket(self.place)
            && let Some((first, id)) = socket.conversation.to_acknowledge.pop_front()
        {
            scene.write(self.place, &ack(first, id), false);
        }
    }

    pub(crate) fn leave(self, scene: &mut Scene) {
        scene.write(self.place, &[0xE0, 0], false);
    }

    fn heard(self, scene: &mut Scene, holds: impl FnOnce(&Conversation) -> bool) -> bool {
        match scene.socket(self.place) {
            Some(socket) => holds(&socket.conversation),
            None => panic!("the connection of a client that behaves is gone"),
        }
    }

    fn expect(self, scene: &mut Scene, holds: impl FnOnce(&Conversation) -> bool) {
        if !self.heard(scene, holds) {
            let socket = scene.socket(self.place);
            let conversation = socket.map(|socket| &socket.conversation);
            panic!("a client that behaves is not served: {self:?} {conversation:?}");
        }
    }
}

/// How often a client that is slowed waits for a tenth of a second.
const WAITS: usize = 100;
