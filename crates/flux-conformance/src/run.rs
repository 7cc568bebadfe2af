//! Runs cases side by side and says how each of them went.

use std::any::Any;
use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use crate::case::{NotTestable, Trial};
use crate::{Case, Layer, Version};

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

/// Runs cases against a broker.
#[derive(Clone, Debug)]
pub struct Judge {
    address: SocketAddr,
    layer: Layer,
    patience: Duration,
    /// In the names of all clients and topics; a judge that runs a case again uses them again.
    mark: u32,
}

impl Judge {
    /// A judge of the broker at this address, which may take so long for one answer.
    #[must_use]
    pub fn new(address: SocketAddr, patience: Duration) -> Self {
        let random = RandomState::new().hash_one(address);
        let mark = u32::try_from(random >> 32).expect("32 bits are left");
        Self { address, layer: Layer::default(), patience, mark }
    }

    /// The same, whose clients lay this over their sockets.
    #[must_use]
    pub fn over(self, layer: Layer) -> Self {
        Self { layer, ..self }
    }

    /// Runs each case in each of its versions, many at once: most of them wait.
    #[must_use]
    pub fn run(&self, cases: &[Case]) -> Vec<Verdict> {
        let runs: Vec<(Case, Version)> = cases
            .iter()
            .flat_map(|case| case.versions.iter().map(|version| (*case, *version)))
            .collect();
        let next = AtomicUsize::new(0);
        let verdicts = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(runs.len()) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some((case, version)) = runs.get(index) else { break };
                        let outcome = judge(case, &self.trial(*version, index));
                        let verdict = Verdict { case: *case, version: *version, outcome };
                        let mut verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
                        verdicts.push((index, verdict));
                    }
                });
            }
        });
        let mut verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
        verdicts.sort_by_key(|(index, _)| *index);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    }

    fn trial(&self, version: Version, index: usize) -> Trial {
        let mark = format!("{:08x}{index:04x}", self.mark);
        Trial::new(self.address, self.layer.clone(), version, self.patience, mark)
    }
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
        let judge = Judge::new(([127, 0, 0, 1], 1).into(), Duration::ZERO);
        let outcomes: Vec<_> =
            judge.run(&cases).into_iter().map(|verdict| verdict.outcome).collect();
        assert_eq!(outcomes[0], Outcome::Passed);
        let is_told = |outcome: &Outcome| matches!(outcome, Outcome::Failed(why) if why.starts_with("no answer comes (") && why.contains("run.rs"));
        assert!(is_told(&outcomes[1]), "{outcomes:?}");
        assert_eq!(outcomes[2], Outcome::NotTestable("it has no limit".to_owned()));
    }
}
