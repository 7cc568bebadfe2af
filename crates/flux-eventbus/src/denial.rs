//! What a client may not do.

/// Something that a client wanted to do, and may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Denial {
    /// Connect, or stay connected, though it is known who it is.
    Connect,
    /// Publish to a topic.
    Publish,
    /// Leave a will message for a topic, or have it published when its time has come.
    Will,
    /// Subscribe to a filter.
    Subscribe,
    /// Keep a subscription: when its session is resumed, when rights change, or when it authenticates once more.
    Resume,
    /// Have the session of another user: the client identifier is taken.
    Session,
}

impl Denial {
    /// Every denial, in the order of declaration.
    pub const ALL: [Self; 6] =
        [Self::Connect, Self::Publish, Self::Will, Self::Subscribe, Self::Resume, Self::Session];

    /// Returns its name in lower case, as a label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Publish => "publish",
            Self::Will => "will",
            Self::Subscribe => "subscribe",
            Self::Resume => "resume",
            Self::Session => "session",
        }
    }

    /// Returns its place in [`Denial::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_denial_stands_at_its_index() {
        for (index, denial) in Denial::ALL.into_iter().enumerate() {
            assert_eq!(denial.index(), index);
        }
        assert_eq!(Denial::Session.index() + 1, Denial::ALL.len(), "the last one is in the list");
    }
}
