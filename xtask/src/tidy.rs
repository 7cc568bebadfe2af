//! What lints cannot hold: how files begin, what they are called, what pure crates may use, and
//! where dependencies come from.

mod debug_rules;
pub(crate) mod files;
mod imports;
mod log_rules;
mod manifest;
mod manifest_rules;
mod mask;
mod purity;
mod source_rules;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

use self::files::{Manifest, SourceFile};

/// Checks every file of the repository and prints all that is wrong.
///
/// # Errors
///
/// When a rule is violated, or the files cannot be read.
pub(crate) fn run(root: &Path) -> Result<()> {
    let (sources, manifests) = files::read_all(root)?;
    let mut violations: Vec<_> = SOURCE_RULES
        .iter()
        .flat_map(|rule| sources.iter().flat_map(rule))
        .chain(MANIFEST_RULES.iter().flat_map(|rule| manifests.iter().flat_map(rule)))
        .collect();
    violations.sort();
    for violation in &violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        bail!("{} violations", violations.len());
    }
    println!("    {} source files and {} manifests are tidy", sources.len(), manifests.len());
    Ok(())
}

/// A place that breaks a rule; its order is the order of printing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    sentence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.sentence)
    }
}

const SOURCE_RULES: [fn(&SourceFile) -> Vec<Violation>; 10] = [
    source_rules::starts_with_a_doc_line,
    source_rules::is_short_enough,
    source_rules::is_not_mod_rs,
    source_rules::modules_have_nouns,
    source_rules::no_test_is_ignored,
    source_rules::nothing_is_left_over,
    source_rules::nothing_is_unsafe,
    debug_rules::debug_shows_no_bytes,
    log_rules::trouble_says_what_to_do,
    purity::uses_nothing_impure,
];

const MANIFEST_RULES: [fn(&Manifest) -> Vec<Violation>; 4] = [
    manifest_rules::inherits_the_lints,
    manifest_rules::dependencies_come_from_the_workspace,
    manifest_rules::telemetry_is_optional,
    purity::depends_on_nothing_impure,
];
