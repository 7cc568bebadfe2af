//! Routes as tests of the workers see them.

use super::Routes;

impl Routes {
    /// Returns how many subscriptions there are.
    pub(crate) fn len(&self) -> usize {
        self.map.read().tree.len()
    }

    /// Keeps everybody else away from the routes until the guard is dropped.
    pub(crate) fn hold(&self) -> impl Drop {
        self.map.write()
    }
}
