//! The page of the ledger, for people.

use std::fmt::Write as _;

use flux_conformance::CHAPTERS;

use super::ledger::{Binds, Ledger, Row, Standard, Status};

/// Returns the page.
pub(super) fn of(ledger: &Ledger) -> String {
    let mut page = String::from(HEAD);
    page.push_str("\n| standard | statements | tested | by choice | not applicable |\n|---|--:|--:|--:|--:|\n");
    for standard in &ledger.standards {
        let [tested, by_choice, not_applicable] = standard.counts();
        let (name, all) = (standard.name, standard.rows.len());
        writeln!(page, "| {name} | {all} | {tested} | {by_choice} | {not_applicable} |")
            .unwrap_or_default();
    }
    for standard in &ledger.standards {
        add_standard(&mut page, standard);
    }
    page.push_str("\n## Without a number\n\n| section | in our words | cases |\n|---|---|---|\n");
    for row in &ledger.also {
        let cases = links(row.tested.iter().map(String::as_str));
        writeln!(page, "| {} | {} | {cases} |", row.section, row.says).unwrap_or_default();
    }
    page
}

fn add_standard(page: &mut String, standard: &Standard) {
    write!(page, "\n## {}\n", standard.name).unwrap_or_default();
    let mut chapter = String::new();
    for (number, row) in &standard.rows {
        if chapter != number.chapter() {
            chapter = number.chapter();
            write!(page, "\n### {} section {chapter}\n\n", standard.name).unwrap_or_default();
            page.push_str(
                "| statement | in our words | binds | status | cases |\n|---|---|---|---|---|\n",
            );
        }
        writeln!(page, "| {number} | {} |", cells(row)).unwrap_or_default();
    }
}

fn cells(row: &Row) -> String {
    let binds = match row.binds {
        Binds::Server => "server",
        Binds::Client => "client",
        Binds::Both => "both",
    };
    let status = match &row.status {
        Status::Tested(_) => "tested".to_owned(),
        Status::NotApplicable(why) => format!("not applicable: {why}"),
        Status::ByChoice(which, _) => format!("by choice: {which}"),
    };
    let same = row.same.as_ref().map(|number| format!(" (5.0: {number})")).unwrap_or_default();
    format!("{}{same} | {binds} | {status} | {}", row.says, links(row.status.cases()))
}

/// Cases by chapter, each with the file that holds them.
fn links<'a>(cases: impl Iterator<Item = &'a str>) -> String {
    let cases: Vec<_> = cases.collect();
    let chapters = CHAPTERS.iter().filter_map(|chapter| {
        let name = chapter.name;
        let is_in = |case: &&&str| chapter.cases.iter().any(|other| other.name == **case);
        let own: Vec<_> = cases.iter().filter(is_in).map(|case| format!("`{case}`")).collect();
        let own = (!own.is_empty()).then(|| own.join(", "))?;
        Some(format!("[{name}](../crates/flux-conformance/src/suite/{name}.rs): {own}"))
    });
    chapters.collect::<Vec<_>>().join("; ")
}

const HEAD: &str = "\
# Conformance

What MQTT 5.0 and MQTT 3.1.1 demand, statement by statement, and what shows that our broker keeps it.
The numbers are the standards' own; the words are ours, and shorter. Read the section before you rely
on a line.

This page is made from `conformance.toml` by `cargo xtask conformance`, and `cargo xtask test` fails if it
is stale, if a statement has no row, if a row names a case that does not exist, or if a case proves
nothing. A case is a program that talks raw bytes; `cargo xtask conformance --addr HOST:PORT` runs all of
them against any broker, with `--transport tls`, `ws` or `wss` (and `--ca FILE`) through that, and
`--transport tcp,tls,ws,wss` alone against a process of ours with every door open.
`apps/flux-broker/tests/it/conformance.rs` runs them with one worker and with four, and `tests/it/tls` over
TLS, WebSocket and both. Beside it, `liar.rs` changes what our broker says on its way to the suite: each such
lie must be noticed.

- **tested**: the cases fail if the broker breaks the statement. Of statements that bind the client,
  the cases test how the broker answers a client that breaks them.
- **by choice**: the standard leaves a choice, and this is ours. [choices.md](guide/choices.md) has all of
  them, with what others do.
- **not applicable**: our broker has nothing that could break it.
";
