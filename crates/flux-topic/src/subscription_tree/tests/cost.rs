//! What a lookup costs, counted: a node costs one hash, and what does not match costs none.

use std::cell::Cell;
use std::hash::DefaultHasher;
use std::rc::Rc;

use super::*;

/// Counts the hashes that are made.
#[derive(Clone, Default)]
struct Counting(Rc<Cell<u32>>);

impl BuildHasher for Counting {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        self.0.set(self.0.get() + 1);
        DefaultHasher::new()
    }
}

/// Returns how many hashes it takes to look up `fleet/17/cmd` among some that match and, times
/// `strangers`, some that do not: other devices, other fleets, levels below, and wildcards that go on
/// elsewhere.
fn hashes(strangers: u32) -> u32 {
    let counting = Counting::default();
    let mut tree = SubscriptionTree::with_hasher(counting.clone());
    for text in ["fleet/17/cmd", "fleet/+/cmd", "fleet/#", "+/17/#", "#"] {
        tree.insert(&filter(text), 0, ());
    }
    for n in 100..100 + strangers {
        for text in [
            format!("fleet/{n}/cmd"),
            format!("fleet/{n}/#"),
            format!("{n}/17/cmd"),
            format!("fleet/17/{n}"),
            format!("fleet/17/cmd/{n}/+"),
            format!("fleet/+/{n}/#"),
            format!("+/{n}/cmd"),
        ] {
            tree.insert(&filter(&text), 0, ());
        }
    }
    counting.0.set(0);
    assert_eq!(visits(&tree, "fleet/17/cmd").len(), 5);
    counting.0.get()
}

#[test]
fn what_does_not_match_costs_nothing() {
    // fleet, fleet/17, fleet/17/cmd; fleet/+/cmd; +/17, and what is below that.
    assert_eq!(hashes(0), 6);
    assert_eq!(hashes(1), 6);
    assert_eq!(hashes(2_000), 6);
}
