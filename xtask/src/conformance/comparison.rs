//! Our broker and mosquitto, judged by the same cases, as a page.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use flux_conformance::{CHAPTERS, Outcome, Verdict};

use super::judgement::{Counts, judge, shown, word};
use crate::bench::contender::Contender;
use crate::repository::{self, Profile};

/// Judges both brokers and writes the page.
///
/// # Errors
///
/// When a broker is missing or does not start, or ours fails a case.
pub(super) fn run(root: &Path) -> Result<()> {
    let binaries = repository::build(&["flux-broker"], Profile::Debug)?;
    let mosquitto =
        Contender::mosquitto().context("mosquitto is missing: apt-get install mosquitto")?;
    let version = version_of(mosquitto.program())?;
    let ours = judged(&Contender::ours(&binaries))?;
    let theirs = judged(&mosquitto)?;
    let page = page(&version, &ours, &theirs);
    fs::write(root.join(PAGE), page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("    wrote {PAGE}");
    ensure!(Counts::of(&ours).failed == 0, "our broker fails: {}", Counts::of(&ours));
    Ok(())
}

fn judged(contender: &Contender) -> Result<Vec<Verdict>> {
    let broker = contender.start().with_context(|| format!("cannot start {}", contender.name()))?;
    println!("==> {} at {}", contender.name(), broker.address());
    let verdicts = judge(broker.address(), "")?;
    println!("    {}", Counts::of(&verdicts));
    Ok(verdicts)
}

/// The version that mosquitto says it is.
fn version_of(program: &str) -> Result<String> {
    let help = Command::new(program).arg("-h").output().context("cannot ask mosquitto")?;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let line = help.lines().next().unwrap_or_default();
    Ok(line.rsplit(' ').next().unwrap_or_default().to_owned())
}

fn page(version: &str, ours: &[Verdict], theirs: &[Verdict]) -> String {
    let mut page = HEAD.replace("{ours}", env!("CARGO_PKG_VERSION")).replace("{theirs}", version);
    for (name, verdicts) in [("flux-broker", ours), ("mosquitto", theirs)] {
        let Counts { passed, failed, differs, not_testable } = Counts::of(verdicts);
        writeln!(page, "| {name} | {passed} | {failed} | {differs} | {not_testable} |")
            .unwrap_or_default();
    }
    page.push_str("\n## Where they differ\n\n| case | version | flux-broker | mosquitto |\n|---|---|---|---|\n");
    for (our, their) in ours.iter().zip(theirs) {
        if our.outcome == Outcome::Passed && their.outcome == Outcome::Passed {
            continue;
        }
        let (name, version) = (our.case.name, shown(our.version));
        writeln!(page, "| {name} | {version} | {} | {} |", told(our), told(their))
            .unwrap_or_default();
    }
    page.push_str("\n## All chapters\n\n| chapter | runs | flux-broker passes | mosquitto passes |\n|---|--:|--:|--:|\n");
    for chapter in CHAPTERS {
        let is_in = |verdict: &&Verdict| chapter.cases.iter().any(|c| c.name == verdict.case.name);
        let passes = |verdicts: &[Verdict]| Counts::of(verdicts.iter().filter(is_in)).passed;
        let (name, all) = (chapter.name, ours.iter().filter(is_in).count());
        writeln!(page, "| {name} | {all} | {} | {} |", passes(ours), passes(theirs))
            .unwrap_or_default();
    }
    page
}

/// An outcome in a cell of a table, without the place in our source.
fn told(verdict: &Verdict) -> String {
    let text = match &verdict.outcome {
        Outcome::Passed => return "pass".to_owned(),
        Outcome::NotTestable(why) => format!("not testable: {why}"),
        Outcome::Failed(why) => {
            let why = why.rsplit_once(" (").map_or(why.as_str(), |(why, _)| why);
            format!("{}: {}", word(verdict.case.level), in_words(why))
        }
    };
    let text = text.replace('\n', " ").replace('|', "\\|");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= LONGEST {
        return words;
    }
    let cut: String = words.chars().take(LONGEST).collect();
    format!("{cut} ...")
}

/// What an assertion says, without how it says it.
fn in_words(why: &str) -> String {
    let different = why.replace("assertion `left != right` failed: ", "");
    if different != why {
        return different.split("left:").next().unwrap_or_default().to_owned();
    }
    let why = why.replace("assertion `left == right` failed: ", "");
    why.replace("left:", "got").replace("right:", "instead of")
}

const LONGEST: usize = 240;
const PAGE: &str = "docs/conformance-mosquitto.md";
const HEAD: &str = "\
# Two brokers, one suite

`cargo xtask conformance --compare` runs every case of [conformance.md](conformance.md) against flux-broker
{ours} and against mosquitto {theirs} as Debian packs it, each as it comes, without a configuration. A case
that needs a setting is not testable then; the tests of flux-broker set it. A case runs once for each
version of the protocol that it is about. Later releases of mosquitto may have mended what this one does.

*Differs* means that the standard recommends or leaves open what the case asks for; we hold our broker to
it, and nobody else has to. A *FAIL* is our reading of the standard; where we are wrong, the case is wrong.

| broker | passed | failed | differs | not testable |
|---|--:|--:|--:|--:|
";
