//! What the paths took when somebody last looked, kept in the repository.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// Instructions for each unit, by path.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    /// With another one the counts are others.
    pub(super) compiler: String,
    pub(super) counts: BTreeMap<String, u64>,
}

/// How a count compares with the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    counted: u64,
    /// `None` for a path that is not in the baseline.
    baseline: Option<u64>,
}

impl Baseline {
    /// Returns the baseline of a file, an empty one where there is none.
    pub(super) fn read(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(file).context("cannot read the baseline")?;
        toml::from_str(&text).with_context(|| format!("{} is no baseline", file.display()))
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        fs::write(file, self.text()).with_context(|| format!("cannot write {}", file.display()))
    }

    pub(super) fn judge(&self, name: &str, counted: u64) -> Judgement {
        Judgement { counted, baseline: self.counts.get(name).copied() }
    }

    fn text(&self) -> String {
        let mut text = format!("{HEAD}compiler = {:?}\n\n[counts]\n", self.compiler);
        for (name, count) in &self.counts {
            // Writing to a text cannot fail.
            writeln!(text, "{name} = {count}").unwrap_or_default();
        }
        text
    }
}

impl Judgement {
    /// Whether it takes more than is allowed, or nobody has said how much that is.
    pub(super) fn is_failure(self) -> bool {
        let Self { counted, baseline } = self;
        baseline.is_none_or(|baseline| counted * 100 > baseline * (100 + TOLERANCE))
    }
}

/// The baseline, and by how much the count differs from it.
impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(baseline) = self.baseline else { return f.pad("-       new") };
        let tenths = (self.counted.abs_diff(baseline) * 1_000).div_ceil(baseline.max(1));
        let sign = if self.counted < baseline { '-' } else { '+' };
        let change = format!("{sign}{}.{}", tenths / 10, tenths % 10);
        let mark = if self.is_failure() { '!' } else { '%' };
        f.pad(&format!("{baseline}  {change:>6}{mark}"))
    }
}

/// How many per cent above the baseline are let pass.
pub(super) const TOLERANCE: u64 = 2;

const HEAD: &str = "\
# Instructions of the broker core for each unit of its hot paths: docs/performance.md.
# Written by `cargo xtask bench --counts --bless`.

";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(counted: u64, baseline: Option<u64>, is_failure: bool, shown: &str) {
        let judgement = Judgement { counted, baseline };
        assert_eq!(judgement.is_failure(), is_failure);
        assert_eq!(judgement.to_string(), shown);
    }

    #[test]
    fn two_per_cent_are_let_pass() {
        check(1_000, Some(1_000), false, "1000    +0.0%");
        check(1_020, Some(1_000), false, "1000    +2.0%");
        check(1_021, Some(1_000), true, "1000    +2.1!");
        check(500, Some(1_000), false, "1000   -50.0%");
        check(7, None, true, "-       new");
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let counts = BTreeMap::from([("pairs-qos0".to_owned(), 2_357), ("connect".to_owned(), 9)]);
        let baseline = Baseline { compiler: "rustc 1.95.0".to_owned(), counts };
        assert_eq!(toml::from_str::<Baseline>(&baseline.text()).unwrap(), baseline);
    }
}
