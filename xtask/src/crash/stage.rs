//! What the clients of one life of the broker share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::link::Gone;

/// One life of the broker.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) address: SocketAddr,
    is_killed: AtomicBool,
}

impl Stage {
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self { address, is_killed: AtomicBool::new(false) }
    }

    /// From here on nobody wonders that connections break.
    pub(super) fn kill(&self) {
        self.is_killed.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::SeqCst)
    }
}

/// Plays a part; that the connection breaks is no failure if the broker was killed.
pub(super) fn play(stage: &Stage, part: impl FnOnce() -> Result<()>) -> Result<()> {
    match part() {
        Err(error) if error.is::<Gone>() && stage.is_killed() => Ok(()),
        end => end,
    }
}
