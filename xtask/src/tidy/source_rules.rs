//! Rules for every Rust file.

use super::Violation;
use super::files::SourceFile;

/// The first line is `//!` and says what the file is for.
pub(super) fn starts_with_a_doc_line(file: &SourceFile) -> Vec<Violation> {
    let first = file.text.lines().next().unwrap_or_default();
    if first.strip_prefix("//!").is_some_and(|purpose| !purpose.trim().is_empty()) {
        return Vec::new();
    }
    vec![file.violation(1, "the first line must start with `//!` and say what the file is for")]
}

/// A file has one subject, and one subject has an end.
pub(super) fn is_short_enough(file: &SourceFile) -> Vec<Violation> {
    let lines = file.text.lines().count();
    if lines <= MAX_LINES {
        return Vec::new();
    }
    vec![file.violation(MAX_LINES + 1, format!("{lines} lines, the limit is {MAX_LINES}"))]
}

/// A module is `name.rs`, so that an editor's tabs have names.
pub(super) fn is_not_mod_rs(file: &SourceFile) -> Vec<Violation> {
    if file.path.rsplit('/').next() != Some("mod.rs") {
        return Vec::new();
    }
    vec![file.violation(1, "a module is name.rs beside the folder name/, not name/mod.rs")]
}

/// A module is named for its subject.
pub(super) fn modules_have_nouns(file: &SourceFile) -> Vec<Violation> {
    each_line(file, |line| {
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.find(|word| *word == "mod")?;
        let name = words.next().filter(|name| VAGUE_MODULES.contains(name))?;
        Some(format!("a module named {name} says nothing: name its subject"))
    })
}

/// A test that does not run protects nothing.
pub(super) fn no_test_is_ignored(file: &SourceFile) -> Vec<Violation> {
    each_line(file, |line| {
        line.contains("#[ignore").then(|| "an ignored test protects nothing: repair it".to_owned())
    })
}

/// What was written in passing is finished or removed.
pub(super) fn nothing_is_left_over(file: &SourceFile) -> Vec<Violation> {
    each_line(file, |line| {
        let leftover = LEFTOVERS.into_iter().find(|leftover| line.contains(leftover))?;
        Some(format!("{leftover}..) is a leftover"))
    })
}

/// The one crate with unsafe code is for that.
pub(super) fn nothing_is_unsafe(file: &SourceFile) -> Vec<Violation> {
    if file.path.starts_with("crates/flux-heap/") {
        return Vec::new();
    }
    each_line(file, |line| {
        let is_unsafe = line.contains("unsafe_code");
        is_unsafe.then(|| "unsafe code is for a crate whose purpose it is".to_owned())
    })
}

/// Applies a rule to every line of code.
fn each_line(file: &SourceFile, rule: impl Fn(&str) -> Option<String>) -> Vec<Violation> {
    (1..)
        .zip(file.code.lines())
        .filter_map(|(number, line)| Some(file.violation(number, rule(line)?)))
        .collect()
}

const MAX_LINES: usize = 800;
const VAGUE_MODULES: [&str; 5] = ["common", "helpers", "prelude", "types", "utils"];
const LEFTOVERS: [&str; 2] = ["todo!(", "dbg!("];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: fn(&SourceFile) -> Vec<Violation>, path: &str, text: &str, lines: &[usize]) {
        let found = rule(&SourceFile::new(path, text));
        assert!(found.iter().all(|violation| violation.path == path), "{found:?}");
        let found: Vec<_> = found.iter().map(|violation| violation.line).collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn a_file_starts_by_saying_what_it_is_for() {
        check(starts_with_a_doc_line, "a.rs", "//! A subject.\nfn f() {}", &[]);
        check(starts_with_a_doc_line, "a.rs", "// A comment.\n//! Late.", &[1]);
        check(starts_with_a_doc_line, "a.rs", "//!\n//! Late.", &[1]);
        check(starts_with_a_doc_line, "build.rs", "", &[1]);
    }

    #[test]
    fn a_file_ends_before_the_limit() {
        check(is_short_enough, "a.rs", &"x\n".repeat(MAX_LINES), &[]);
        check(is_short_enough, "a.rs", &"x\n".repeat(MAX_LINES + 5), &[MAX_LINES + 1]);
    }

    #[test]
    fn a_module_is_not_mod_rs() {
        check(is_not_mod_rs, "crates/a/src/b/mod.rs", "", &[1]);
        check(is_not_mod_rs, "crates/a/src/b_mod.rs", "", &[]);
    }

    #[test]
    fn a_module_has_a_subject() {
        check(modules_have_nouns, "a.rs", "mod tree;\nmod utils;", &[2]);
        check(modules_have_nouns, "a.rs", "pub(crate) mod types {\n}", &[1]);
        check(modules_have_nouns, "a.rs", "// mod common;\nmod common_sense;", &[]);
        check(modules_have_nouns, "a.rs", "use proptest::prelude::*;", &[]);
    }

    #[test]
    fn a_test_is_never_ignored() {
        check(no_test_is_ignored, "a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", &[2]);
        check(no_test_is_ignored, "a.rs", "//! No `#[ignore]`.\nlet a = \"#[ignore]\";", &[]);
    }

    #[test]
    fn nothing_stays_that_was_written_in_passing() {
        check(nothing_is_left_over, "a.rs", "fn f() {\n  todo!()\n}\nfn g() { dbg!(1); }", &[2, 4]);
        check(nothing_is_left_over, "a.rs", "// todo!()\nlet a = \"dbg!(\";", &[]);
    }
}
