//! The steps of a plan.

use std::sync::Arc;

use flux_auth::Refusal;
use flux_mqtt::{Command, Input, Letter};
use flux_topic::TopicFilter;

use crate::ending;
use crate::packets::{self, CLIENT_IDS, FILTERS};
use crate::plan::{Plan, Setup};
use crate::scene::{Place, Scene};

/// Does what the plan says, and then ends everything.
///
/// # Panics
///
/// Where the broker does not do what it must: see the crate.
pub fn connections(data: &[u8]) {
    let mut plan = Plan::new(data);
    let mut scene = Scene::new(Setup::read(&mut plan));
    for _ in 0..MAX_STEPS {
        if plan.is_over() {
            break;
        }
        step(&mut scene, &mut plan);
    }
    ending::end(scene);
}

/// One step: what, by whom, and whether its bytes stay under way, or are spoilt.
fn step(scene: &mut Scene, plan: &mut Plan<'_>) {
    let first = plan.byte();
    let slot = usize::from(first >> 4 & 3);
    let stays = first & 0x40 != 0;
    let is_spoilt = first & 0x80 != 0;
    match first & 0x0F {
        0..=3 => say(scene, plan, slot, stays, is_spoilt),
        4 => connect(scene, plan, slot, stays, is_spoilt),
        5 => {
            let len = usize::from(plan.byte() & 0x3F);
            if let Some(place) = scene.slot(slot) {
                scene.write(place, plan.bytes(len), stays);
            }
        }
        6 => {
            let len = usize::from(plan.byte());
            if let Some(place) = scene.slot(slot) {
                scene.arrive(place, len);
            }
        }
        7 => {
            if let Some(place) = scene.slot(slot) {
                acknowledge(scene, place, stays);
            }
        }
        8 => scene.turn(slot),
        9 => {
            let now = scene.now;
            for _ in 0..=plan.byte() & 3 {
                scene.node(slot).deliver(now);
                scene.post(slot);
            }
        }
        10 => {
            let millis = plan.one_of(&[1, 50, 100, 1_000, 5_000, 10_000, 100_000, 4_000_000]);
            scene.sleep(millis);
        }
        11 => stall(scene, plan, slot),
        12 => answer(scene, plan, slot),
        13 => command(scene, plan, slot),
        14 => scene.settle(),
        _ => leave(scene, plan, slot),
    }
}

fn say(scene: &mut Scene, plan: &mut Plan<'_>, slot: usize, stays: bool, is_spoilt: bool) {
    let Some(place) = scene.slot(slot) else { return connect(scene, plan, slot, stays, is_spoilt) };
    let Some(socket) = scene.socket(place) else { return };
    let mut packet = packets::packet(plan, socket.version);
    if is_spoilt {
        spoil(plan, &mut packet);
    }
    scene.write(place, &packet, stays);
}

/// Says CONNECT: on a new connection if there is none, and otherwise as the plan wants.
fn connect(scene: &mut Scene, plan: &mut Plan<'_>, slot: usize, stays: bool, is_spoilt: bool) {
    let kind = plan.byte();
    if kind & 2 == 0 || scene.slot(slot).is_none() {
        scene.open_slot(slot, usize::from(kind & 1));
    }
    let (version, mut packet) = packets::connect(plan);
    if is_spoilt {
        spoil(plan, &mut packet);
    }
    if let Some(place) = scene.slot(slot) {
        if let Some(socket) = scene.socket(place) {
            socket.version = version;
        }
        scene.write(place, &packet, stays);
    }
}

/// Changes one byte of a packet.
fn spoil(plan: &mut Plan<'_>, packet: &mut [u8]) {
    let (at, change) = (usize::from(plan.byte()), plan.byte());
    let len = packet.len().max(1);
    if let Some(byte) = packet.get_mut(at % len) {
        *byte ^= change;
    }
}

/// Acknowledges all that the client owes, step by step.
fn acknowledge(scene: &mut Scene, place: Place, stays: bool) {
    let Some(socket) = scene.socket(place) else { return };
    let owed = std::mem::take(&mut socket.conversation.to_acknowledge);
    let bytes: Vec<u8> = owed.iter().flat_map(|(first, id)| packets::ack(*first, *id)).collect();
    scene.write(place, &bytes, stays);
}

/// The client stops reading, or reads some or all of what waits.
fn stall(scene: &mut Scene, plan: &mut Plan<'_>, slot: usize) {
    let (Some(place), kind) = (scene.slot(slot), plan.byte()) else { return };
    let Some(socket) = scene.socket(place) else { return };
    match kind & 3 {
        0 => socket.is_stalled = true,
        1 => {
            socket.is_stalled = false;
            socket.read(usize::MAX);
        }
        2 => socket.read(usize::from(kind)),
        _ => socket.is_dead |= kind & 0x80 != 0,
    }
    let now = scene.now;
    scene.node(place.node).tell_writable(now);
    scene.post(place.node);
}

fn answer(scene: &mut Scene, plan: &mut Plan<'_>, slot: usize) {
    let (now, kind) = (scene.now, plan.byte());
    let refusal = match kind & 7 {
        0 => Some(Refusal::BadUserNameOrPassword),
        1 => Some(Refusal::ServerUnavailable),
        _ => None,
    };
    let node = scene.node(slot);
    if kind & 0x80 == 0 {
        node.introduce(now, refusal);
    } else {
        node.authorize(now, kind);
    }
    scene.post(slot);
}

fn command(scene: &mut Scene, plan: &mut Plan<'_>, slot: usize) {
    let client_id: Arc<str> = plan.one_of(&CLIENT_IDS).into();
    if &*client_id == crate::rights::BYSTANDER {
        return;
    }
    let filter = TopicFilter::parse(plan.one_of(&FILTERS));
    let command = match filter {
        Ok(filter) if plan.byte() & 1 == 0 && filter.share_name().is_none() => {
            Command::Subscribe { client_id, filter, done: Box::new(drop) }
        }
        _ => Command::Kick { client_id, done: Box::new(drop) },
    };
    scene.input(slot, Input::Letter(Letter::Command(command)));
}

/// The connection breaks; or everybody is left alone and the bystander is asked.
fn leave(scene: &mut Scene, plan: &mut Plan<'_>, slot: usize) {
    if plan.byte() & 1 == 0 {
        if let Some(place) = scene.slot(slot) {
            scene.lose(place);
        }
    } else if !scene.is_scarce
        && let Some(mut bystander) = scene.bystander.take()
    {
        bystander.check(scene);
        scene.bystander = Some(bystander);
    }
}

/// Longer plans say nothing new.
const MAX_STEPS: usize = 400;
