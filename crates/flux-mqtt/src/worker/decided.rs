//! What the authorizer says at once of several accesses, and what it must be asked about.

use flux_auth::{Access, AccessRequest, Decision, Verdict};

/// A decision for each of several accesses, as far as there is one.
pub(super) struct Decided(Vec<Option<Verdict>>);

impl Decided {
    pub(super) fn new(decisions: impl Iterator<Item = Decision>) -> Self {
        Self(decisions.map(Decision::verdict).collect())
    }

    /// Returns the verdicts, if there is nothing to ask.
    pub(super) fn all(&self) -> Option<Vec<Verdict>> {
        self.0.iter().copied().collect()
    }

    /// Returns which of these same accesses must be asked about.
    pub(super) fn open<'a>(
        &self,
        accesses: impl Iterator<Item = Access<'a>>,
    ) -> Vec<AccessRequest> {
        let open = accesses.zip(&self.0).filter(|(_, verdict)| verdict.is_none());
        open.map(|(access, _)| access.into()).collect()
    }

    /// Returns a verdict for each access: what was asked has the answer in its order, and what the
    /// answer leaves out is denied.
    pub(super) fn with(self, answer: Vec<Verdict>) -> Vec<Verdict> {
        let mut answer = answer.into_iter();
        let verdict = |known: Option<Verdict>| {
            known.unwrap_or_else(|| answer.next().unwrap_or(Verdict::Deny))
        };
        self.0.into_iter().map(verdict).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_for_what_was_asked_and_changes_nothing_else() {
        use Verdict::{Allow, Deny};
        let decided = || {
            let decisions = [Decision::Deny, Decision::Ask, Decision::Allow, Decision::Ask];
            Decided::new(decisions.into_iter())
        };
        assert_eq!(decided().all(), None);
        let filters = ["a", "b", "c", "d"].map(|filter| Access::Subscribe { filter, qos: 0 });
        let open = decided().open(filters.into_iter());
        assert_eq!(open, [filters[1], filters[3]].map(AccessRequest::from));
        assert_eq!(decided().with(vec![Allow, Allow, Allow]), [Deny, Allow, Allow, Allow]);
        assert_eq!(decided().with(vec![Allow]), [Deny, Allow, Allow, Deny]);
        assert_eq!(Decided::new([Decision::Deny].into_iter()).all(), Some(vec![Deny]));
    }
}
