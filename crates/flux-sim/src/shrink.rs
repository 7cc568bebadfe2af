//! A failure made shorter: steps are left out as long as something is still wrong.

use crate::plan::Plan;

/// Leaves out as many steps as it can so that the plan still fails, and returns what is left.
///
/// Halves first, then quarters, and so on to single steps, until no single step can go. What fails in the
/// end may be another sentence: every failure is one.
#[must_use]
pub fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut plan = plan.clone();
    let mut size = plan.steps.len().div_ceil(2);
    let mut runs = 0;
    while size > 0 && runs < MOST_RUNS {
        let mut start = 0;
        let mut has_shrunk = false;
        while start < plan.steps.len() && runs < MOST_RUNS {
            let mut shorter = plan.clone();
            let end = (start + size).min(shorter.steps.len());
            shorter.steps.drain(start..end);
            runs += 1;
            if fails(&shorter) {
                plan = shorter;
                has_shrunk = true;
            } else {
                start = end;
            }
        }
        if size == 1 && !has_shrunk {
            break;
        }
        size = if size == 1 { 1 } else { size.div_ceil(2) };
    }
    plan
}

/// After so many tries it is short enough.
const MOST_RUNS: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_are_the_steps_that_are_needed_together() {
        let plan = (0..).map(Plan::draw).find(|plan| plan.steps.len() > 40).unwrap();
        let has = |plan: &Plan, number| plan.steps.iter().any(|step| step.number == number);
        let shorter = shrink(&plan, |plan| has(plan, 3) && has(plan, 17) && has(plan, 38));
        assert!(shorter.steps.iter().map(|step| step.number).eq([3, 17, 38]));
    }
}
