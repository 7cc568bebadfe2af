//! A network connection as the model knows it.

use std::collections::VecDeque;

use super::answers::Answer;
use crate::packet::{Connect, Reader, Sent, Version};
use crate::plan::ClientPlan;

/// A network connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Whose it is.
    pub client: usize,
    pub(super) version: Version,
    pub(super) reader: Reader,
    /// The CONNECT that came over it.
    pub(super) connect: Option<Connect>,
    /// It has its CONNACK and was not closed.
    pub(super) is_online: bool,
    /// A frame that waits for the authorizer.
    pub(super) parked: Option<Sent>,
    /// The authorizer has answered.
    pub(super) answered: bool,
    /// What the client must be sent, in this order.
    pub(super) answers: VecDeque<Answer>,
    /// When something came last.
    pub(super) heard: u64,
}

impl Link {
    pub(super) fn new(client: usize, plan: &ClientPlan, now: u64) -> Self {
        Self {
            client,
            version: plan.version,
            reader: reader(plan),
            connect: None,
            is_online: false,
            parked: None,
            answered: false,
            answers: VecDeque::new(),
            heard: now,
        }
    }
}

/// Returns the reader of a client's connection.
pub(crate) fn reader(plan: &ClientPlan) -> Reader {
    let size = plan.packet_size.filter(|_| plan.version.is_5());
    let size = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
    Reader::new(plan.version, size, plan.aliases)
}
