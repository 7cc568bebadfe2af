//! The rule for `Debug`: what it shows is logged some day, and payloads, passwords and keys are bytes.

use super::Violation;
use super::files::SourceFile;

/// A field with bytes says what `Debug` shows of it, such as how many they are: `#[debug("{} bytes", field.len())]`.
pub(super) fn debug_shows_no_bytes(file: &SourceFile) -> Vec<Violation> {
    let is_crate = ["crates/", "apps/"].into_iter().any(|folder| file.path.starts_with(folder));
    let is_of_tests = file.path.contains("/tests/") || file.path.ends_with("tests.rs");
    let is_for_developers = FOR_DEVELOPERS.into_iter().any(|it| file.path.starts_with(it));
    if !is_crate || is_of_tests || is_for_developers {
        return Vec::new();
    }
    let mut violations = Vec::new();
    // Whether the item here has a derived `Debug`, and whether the next field says what that shows.
    let (mut is_shown, mut depth, mut says) = (false, 0_usize, false);
    for (number, line) in (1..).zip(file.code.lines()) {
        let code = line.trim();
        if code.starts_with("#[derive(") {
            let mut words = code.split(|c: char| !c.is_alphanumeric());
            is_shown = words.any(|word| word == "Debug");
        }
        let is_attribute = code.starts_with("#[");
        says |= code.starts_with("#[debug(");
        if is_shown && !is_attribute && !code.is_empty() {
            if has_bytes(code) && !says {
                let sentence = "`Debug` would show these bytes: #[debug(\"{} bytes\", ..len())]";
                violations.push(file.violation(number, sentence));
            }
            let opened = code.matches(['{', '(']).count();
            let closed = code.matches(['}', ')']).count();
            depth = (depth + opened).saturating_sub(closed);
            // An item ends where all is closed; before its name stands nothing but attributes.
            if depth == 0 && code.ends_with(['}', ';']) {
                is_shown = false;
            }
        }
        // What it says is for the next line that is no attribute.
        says &= is_attribute || code.is_empty();
    }
    violations
}

/// Whether a field is bytes, or has some in it.
fn has_bytes(code: &str) -> bool {
    // What somebody else's type is made of is its own concern.
    let code = code.replace("Full<Bytes>", "");
    let Some(start) = code.find([':', '(']) else { return false };
    let types = code.get(start..).unwrap_or_default();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = types.split(|c: char| !is_part(c));
    words.any(|word| ["Bytes", "BytesMut"].contains(&word))
        || ["Vec<u8>", "[u8]"].into_iter().any(|bytes| types.contains(bytes))
}

/// What no client of a broker reaches.
const FOR_DEVELOPERS: [&str; 4] =
    ["crates/flux-bench/", "crates/flux-conformance/", "crates/flux-fuzz/", "crates/flux-sim/"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, lines: &[usize]) {
        check_in("crates/a/src/b.rs", text, lines);
    }

    #[track_caller]
    fn check_in(path: &str, text: &str, lines: &[usize]) {
        let found = debug_shows_no_bytes(&SourceFile::new(path, text));
        let found: Vec<_> = found.iter().map(|violation| violation.line).collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn bytes_that_would_be_shown_are_found() {
        for derive in ["Debug", "Clone, Debug, Default", "Clone, derive_more::Debug"] {
            for bytes in
                ["Bytes", "Option<Bytes>", "Vec<u8>", "Box<[u8]>", "&'a [u8]", "(u8, Vec<u8>)"]
            {
                check(
                    &format!("#[derive({derive})]\nstruct A {{\n    a: u8,\n    b: {bytes},\n}}"),
                    &[4],
                );
                check(
                    &format!("#[derive({derive})]\nenum A {{\n    B({bytes}),\n    C,\n}}"),
                    &[3],
                );
                check(&format!("#[derive({derive})]\npub struct A({bytes});"), &[2]);
            }
        }
        let two = "#[derive(Debug)]\nstruct A {\n    #[debug(\"{}\", b.len())]\n    b: Bytes,\n    c: Bytes,\n}";
        check(two, &[5]);
        check("#[derive(Debug)]\nenum A {\n    B {\n        c: Bytes,\n    },\n}", &[4]);
        check("#[derive(Debug)]\n#[must_use]\nstruct A {\n    /// Doc.\n    b: Bytes,\n}", &[5]);
    }

    #[test]
    fn what_says_what_is_shown_is_right() {
        check(
            "#[derive(Debug)]\nstruct A {\n    #[debug(\"{} bytes\", b.len())]\n    b: Bytes,\n}",
            &[],
        );
        check(
            "#[derive(Debug)]\nstruct A {\n    #[debug(\"x\")]\n    /// Doc.\n    b: Bytes,\n}",
            &[],
        );
    }

    #[test]
    fn what_shows_nothing_or_no_bytes_is_right() {
        check("#[derive(Clone)]\nstruct A {\n    b: Bytes,\n}", &[]);
        check("#[derive(Debug)]\nstruct A {\n    b: u8,\n}\nstruct B {\n    b: Bytes,\n}", &[]);
        check("#[derive(Debug)]\nstruct A;\nfn f(b: &[u8]) {}", &[]);
        check("#[derive(Debug)]\nenum A {\n    Bytes,\n    B,\n}", &[]);
        check("#[derive(Debug)]\nstruct A {\n    b: Client<Full<Bytes>>,\n}", &[]);
        check("// #[derive(Debug)]\nstruct A {\n    b: Bytes,\n}", &[]);
        let bytes = "#[derive(Debug)]\nstruct A {\n    b: Bytes,\n}";
        check_in("crates/flux-sim/src/a.rs", bytes, &[]);
        check_in("crates/a/src/tests/b.rs", bytes, &[]);
    }
}
