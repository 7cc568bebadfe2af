//! The page about limits says what is true: `docs/guide/limits.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use flux_eventbus::Limit;

/// A row of the table: its cells.
type Row = Vec<String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs/guide").join(name)).unwrap()
}

fn cells(line: &str) -> Row {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn rows() -> Vec<Row> {
    let page = page("limits.md");
    let table = page.split("|---|---|---|---|---|---|---|---|\n").nth(1).unwrap();
    table.lines().take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// Returns what stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Returns each setting, as `section.name`, with its default, as the guide has them.
fn settings() -> BTreeMap<String, String> {
    let (mut settings, mut section) = (BTreeMap::new(), String::new());
    for line in flux_config::guide().lines() {
        if let Some(header) = line.strip_prefix("## `") {
            section = header.trim_matches(['[', ']', '`']).to_owned();
        } else if let Some(rest) = line.strip_prefix("| `").filter(|_| !section.is_empty()) {
            let (name, _) = rest.split_once('`').unwrap();
            let default = cells(&line.replace("\\|", ""))[3].trim_matches('`').to_owned();
            settings.insert(format!("{section}.{name}"), default);
        }
    }
    settings
}

#[test]
fn each_row_has_a_policy_a_code_a_counter_and_a_test() {
    for row in rows() {
        assert_eq!(row.len(), 8, "{row:?}");
        for place in [0, 4, 5, 6, 7] {
            assert!(!row[place].is_empty(), "{row:?}");
        }
    }
}

#[test]
fn settings_are_there_with_their_defaults_and_none_is_missing() {
    let known = settings();
    let mut named = BTreeSet::new();
    for row in rows() {
        for cell in &row[1..4] {
            for part in cell.split('`').collect::<Vec<_>>().windows(4) {
                let [_, name, " = ", default] = part else { continue };
                assert_eq!(known.get(*name).map(String::as_str), Some(*default), "{name}");
            }
            for name in quoted(cell).filter(|name| known.contains_key(*name)) {
                named.insert(name.to_owned());
            }
        }
        named.extend(quoted(&row[4]).map(str::to_owned));
    }
    // What a page about limits is to know: whatever a new setting is called.
    let sections = ["limits.", "session.", "shared.", "retained."];
    let is_limit = |name: &&String| sections.iter().any(|section| name.starts_with(section));
    for name in known.keys().filter(is_limit).filter(|name| *name != "shared.strategy") {
        assert!(named.contains(name), "{name} is not in the table");
    }
}

#[test]
fn each_limit_is_counted_in_one_row_but_for_the_size_of_packets() {
    let rows = rows();
    let metrics = page("metrics.md");
    let counted: Vec<_> = rows.iter().flat_map(|row| quoted(&row[6])).collect();
    for limit in Limit::ALL {
        let times = counted.iter().filter(|name| **name == limit.name()).count();
        // A CONNECT has a limit of its own.
        assert_eq!(times, if limit == Limit::PacketSize { 2 } else { 1 }, "{}", limit.name());
    }
    for name in counted.iter().filter(|name| name.starts_with("flux_")) {
        assert!(metrics.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn the_tests_that_are_named_exist() {
    let mut sources = String::new();
    for folder in ["apps/flux-broker/tests", "crates/flux-mqtt/src/worker/tests"] {
        read_all(&root().join(folder), &mut sources);
    }
    let text = page("limits.md");
    let (_, below) = text.split_once("Tests: ").unwrap();
    let (below, _) = below.split_once("\n## ").unwrap();
    let rows = rows();
    let named: Vec<_> = rows.iter().flat_map(|row| quoted(&row[7])).chain(quoted(below)).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}

fn read_all(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, sources);
        } else {
            *sources += &fs::read_to_string(&path).unwrap();
        }
    }
}
