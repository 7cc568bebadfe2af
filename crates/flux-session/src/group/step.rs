//! [`Step`]: what a group wants next, and [`Ask`]: whom it wants asked.

use super::aside::Position;

/// What to do next.
#[derive(Debug)]
#[must_use = "a message is on its way"]
pub enum Step<K, T, M> {
    /// Offer this message to this member's session, then tell the group: [`accepted`](super::Group::accepted),
    /// [`declined`](super::Group::declined) or [`barred`](super::Group::barred). Whoever has handed out enough for now calls
    /// [`took`](super::Group::took) in place of `accepted`, and [`ready`](super::Group::ready) later.
    Ask(Ask<K, T, M>),
    /// The message just published waits in the group. Nothing else to do.
    Queued,
    /// The message just published cannot wait: the queue is full. Nothing else to do.
    Full(M),
    /// Nothing to do.
    Idle,
}

/// A question to a member: will its session take the message?
#[derive(Debug)]
pub struct Ask<K, T, M> {
    /// Who is asked.
    pub key: K,
    /// What the caller keeps of it.
    pub member: T,
    /// What is offered.
    pub message: M,
    /// The number that was drawn for the message.
    pub(super) draw: u64,
    pub(super) origin: Origin,
    pub(super) position: Position,
    /// Who was asked and may not have it, while it is nowhere else.
    pub(super) barred: Vec<K>,
    /// Which look of the member at what waits this question is of.
    pub(super) look: u64,
}

/// Where a message was before somebody was asked to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Not here: the limits apply if it has to wait.
    New,
    /// Among those for anybody.
    Pool,
    /// Among those that some may not have.
    Aside,
}
