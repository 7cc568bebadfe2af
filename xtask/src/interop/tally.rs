//! Counting checks, and the table at the end.

use std::fmt;

/// The checks of one client against one broker, printed as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u32,
    pub(super) failed: u32,
    /// Suites, not checks: what is not installed cannot be counted.
    pub(super) skipped: u32,
}

impl Tally {
    pub(super) fn pass(&mut self, check: &str) {
        println!("    ok    {check}");
        self.passed += 1;
    }

    pub(super) fn fail(&mut self, check: &str, reason: &str) {
        println!("    FAIL  {check}: {reason}");
        self.failed += 1;
    }

    /// What a broker says whose clients are through.
    pub(super) fn of_end(end: anyhow::Result<()>) -> Self {
        let mut tally = Self::default();
        match end {
            Ok(()) => tally.pass("the broker still runs"),
            Err(error) => tally.fail("the broker still runs", &format!("{error:#}")),
        }
        tally
    }

    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    pub(super) fn skip(&mut self, client: &str, hint: &str) {
        println!("    skip  {client} is not installed; install it with: {hint}");
        self.skipped += 1;
    }
}

/// All tallies of a run.
#[derive(Debug, Default)]
pub(super) struct Sheet(Vec<(String, String, Tally)>);

impl Sheet {
    pub(super) fn add(&mut self, client: &str, broker: &str, tally: Tally) {
        self.0.push((client.to_owned(), broker.to_owned(), tally));
    }

    pub(super) fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.0.iter().for_each(|(_, _, tally)| total.add(*tally));
        total
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |client: &str, broker: &str, tally: &Tally| {
            let Tally { passed, failed, skipped } = tally;
            writeln!(
                f,
                "{client:<19} {broker:<14} {passed:>4} passed {failed:>4} failed {skipped:>4} skipped"
            )
        };
        for (client, broker, tally) in &self.0 {
            line(client, broker, tally)?;
        }
        line("total", "", &self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_sums_up() {
        let mut sheet = Sheet::default();
        sheet.add("a", "1 worker", Tally { passed: 3, failed: 1, skipped: 0 });
        sheet.add("b", "1 worker", Tally { passed: 0, failed: 0, skipped: 1 });
        assert_eq!(sheet.total(), Tally { passed: 3, failed: 1, skipped: 1 });
        let text = sheet.to_string();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("   3 passed    1 failed    0 skipped"), "{text}");
    }
}
