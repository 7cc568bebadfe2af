//! What clients wanted to do and may: the other side of [`Denial`](flux_eventbus::Denial).

/// What a client may do, by what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Connect.
    Connect,
    /// Publish a message.
    Publish,
    /// Leave a will message, or have it published when its time has come.
    Will,
    /// Subscribe to a filter.
    Subscribe,
}

impl Permission {
    /// Every permission, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Publish, Self::Will, Self::Subscribe];

    /// Returns its name in lower case, as a label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Publish => "publish",
            Self::Will => "will",
            Self::Subscribe => "subscribe",
        }
    }

    /// Returns its place in [`Permission::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_place_of_its_own() {
        for (place, permission) in Permission::ALL.into_iter().enumerate() {
            assert_eq!(permission.index(), place, "{}", permission.name());
        }
    }
}
