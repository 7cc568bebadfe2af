//! Runs cases side by side and says how each of them went.

use std::any::Any;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use crate::case::{NotTestable, Trial};
use crate::{Case, Version};

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The broker keeps the statement.
    Passed,
    /// The broker breaks it: how, and where the case says so.
    Failed(String),
    /// This broker cannot be asked, and why.
    NotTestable(String),
}

/// A case in one version, and how it went.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The case.
    pub case: Case,
    /// The version that the clients spoke.
    pub version: Version,
    /// How it went.
    pub outcome: Outcome,
}

/// Runs each case in each of its versions, many at once: most of them wait.
///
/// `patience` is how long a broker may take for one answer.
#[must_use]
pub fn run(address: SocketAddr, cases: &[Case], patience: Duration) -> Vec<Verdict> {
    let runs: Vec<(Case, Version)> = cases
        .iter()
        .flat_map(|case| case.versions.iter().map(|version| (*case, *version)))
        .collect();
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(runs.len()) {
            scope.spawn(|| {
                while let Some((case, version)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = judge(case, &Trial::new(address, *version, patience));
                    let verdict = Verdict { case: *case, version: *version, outcome };
                    verdicts.lock().unwrap_or_else(PoisonError::into_inner).push(verdict);
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let order = |verdict: &Verdict| {
        let is_this = |(case, version): &(Case, Version)| {
            case.name == verdict.case.name && *version == verdict.version
        };
        runs.iter().position(is_this)
    };
    verdicts.sort_by_key(order);
    verdicts
}

fn judge(case: &Case, trial: &Trial) -> Outcome {
    keep_quiet();
    PLACE.with_borrow_mut(|place| *place = Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(|| (case.run)(trial)));
    let place = PLACE.take().unwrap_or_default();
    let Err(payload) = result else { return Outcome::Passed };
    match payload.downcast::<NotTestable>() {
        Ok(not_testable) => Outcome::NotTestable(not_testable.0),
        Err(payload) => Outcome::Failed(format!("{} ({place})", sentence(&*payload))),
    }
}

/// What a panic says.
pub(crate) fn sentence(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

thread_local! {
    /// Where the case on this thread failed, while one runs.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What a case says is in its outcome; other panics of the process are printed as before.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_case = PLACE.with_borrow_mut(|place| {
                let is_case = place.is_some();
                if let Some(place) = place {
                    *place = info.location().map(ToString::to_string).unwrap_or_default();
                }
                is_case
            });
            if !is_case {
                before(info);
            }
        }));
    });
}

const AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Level, not_testable};

    #[test]
    fn an_outcome_says_what_the_case_said() {
        let case = |name, run| Case { name, versions: &[Version::V5], level: Level::Must, run };
        let cases = [
            case("passes", |_| {}),
            case("fails", |_| panic!("no answer comes")),
            case("asks", |_| not_testable("it has no limit")),
        ];
        let outcomes: Vec<_> = run(([127, 0, 0, 1], 1).into(), &cases, Duration::ZERO)
            .into_iter()
            .map(|verdict| verdict.outcome)
            .collect();
        assert_eq!(outcomes[0], Outcome::Passed);
        let is_told = |outcome: &Outcome| matches!(outcome, Outcome::Failed(why) if why.starts_with("no answer comes (") && why.contains("run.rs"));
        assert!(is_told(&outcomes[1]), "{outcomes:?}");
        assert_eq!(outcomes[2], Outcome::NotTestable("it has no limit".to_owned()));
    }
}
