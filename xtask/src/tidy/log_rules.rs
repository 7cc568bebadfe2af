//! The rule for lines of the log: each that is a warning or an error says what to do next.

use super::Violation;
use super::files::SourceFile;

/// Whoever reads a warning or an error in the log wants to know what to do next. What is only for information has no such level.
pub(super) fn trouble_says_what_to_do(file: &SourceFile) -> Vec<Violation> {
    if is_of_tests(&file.path) {
        return Vec::new();
    }
    let text: Vec<char> = file.text.chars().collect();
    let code = without_tests(&file.code);
    let mut violations = Vec::new();
    for call in calls(&code) {
        let fields = fields(&code, call.from, call.to);
        if call.is_for_trouble(&code, &fields) && !fields.iter().any(|it| it.is_help(&code, &text))
        {
            violations.push(file.violation(
                line(&code, call.from),
                "a warning or an error says what to do next: help = \"..\"",
            ));
        }
    }
    violations.extend(renamed(&code).map(|at| {
        let sentence = "a macro of tracing keeps its name, so that what it says can be looked at";
        file.violation(line(&code, at), sentence)
    }));
    violations
}

/// A call of a macro that writes a line.
struct Call {
    name: String,
    /// The first character of its arguments.
    from: usize,
    /// The delimiter behind them.
    to: usize,
}

/// One argument of such a call.
struct Field {
    from: usize,
    to: usize,
}

impl Call {
    /// Where the level is only known when it is called, it may be one of trouble.
    fn is_for_trouble(&self, code: &[char], fields: &[Field]) -> bool {
        if self.name != "event" {
            return true;
        }
        let is_level = |field: &Field, level: &&str| {
            let words = field.words(code);
            words == *level || words.ends_with(&format!("::{level}"))
        };
        !fields.iter().any(|field| QUIET.iter().any(|level| is_level(field, level)))
    }
}

impl Field {
    /// Returns its code, without blanks.
    fn words(&self, code: &[char]) -> String {
        let code = code.get(self.from..self.to).unwrap_or_default();
        code.iter().filter(|c| !c.is_whitespace()).collect()
    }

    fn is_help(&self, code: &[char], text: &[char]) -> bool {
        let words = self.words(code);
        let name = words.trim_start_matches(['%', '?']);
        if name == "help" {
            return true;
        }
        let Some(value) = name.strip_prefix("help=") else { return false };
        // A literal is blank in the code.
        let literal: String = text.get(self.from..self.to).unwrap_or_default().iter().collect();
        !value.is_empty() || literal.split('"').nth(1).is_some_and(|it| !it.trim().is_empty())
    }
}

fn is_of_tests(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("/tests.rs")
}

/// Returns code in which items that are for tests only are blank.
fn without_tests(code: &str) -> Vec<char> {
    let mut code: Vec<char> = code.chars().collect();
    let mut at = 0;
    while let Some(from) = position(&code, at, "#[cfg(test)]") {
        let opening = (from..code.len()).find(|at| matches!(code.get(*at), Some('{' | ';')));
        let to = opening.map_or(code.len(), |at| match code.get(at) {
            Some('{') => closing(&code, at),
            _ => at,
        });
        for c in code.iter_mut().take(to).skip(from).filter(|c| **c != '\n') {
            *c = ' ';
        }
        at = to;
    }
    code
}

/// Returns each call of a macro that warns, tells an error, or may do so.
fn calls(code: &[char]) -> Vec<Call> {
    let mut calls = Vec::new();
    for bang in (0..code.len()).filter(|at| code.get(*at) == Some(&'!')) {
        let is_part = |c: &&char| c.is_alphanumeric() || **c == '_';
        let before = code.get(..bang).unwrap_or_default();
        let before = before.iter().rev().skip_while(|c| c.is_whitespace());
        let name: Vec<char> = before.take_while(is_part).copied().collect();
        let name: String = name.into_iter().rev().collect();
        let blanks = code.iter().skip(bang + 1).take_while(|c| c.is_whitespace()).count();
        let opening = bang + 1 + blanks;
        if NAMES.contains(&&*name) && matches!(code.get(opening), Some('(' | '[' | '{')) {
            calls.push(Call { name, from: opening + 1, to: closing(code, opening) });
        }
    }
    calls
}

/// Returns the places where a macro is imported under another name.
fn renamed(code: &[char]) -> impl Iterator<Item = usize> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let from = position(code, at, "use tracing")?;
        let to = position(code, from, ";").unwrap_or(code.len());
        at = to;
        Some((from, to))
    })
    .filter(|(from, to)| {
        let import: String = code.get(*from..*to).unwrap_or_default().iter().collect();
        let words: Vec<&str> = import.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        words.windows(2).any(|pair| matches!(pair, [name, "as"] if NAMES.contains(name)))
    })
    .map(|(from, _)| from)
}

/// Returns the arguments between two places: what commas part, but not those in brackets.
fn fields(code: &[char], from: usize, to: usize) -> Vec<Field> {
    let mut fields = Vec::new();
    let (mut start, mut depth) = (from, 0_usize);
    for (at, c) in code.iter().enumerate().take(to).skip(from) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' | ';' if depth == 0 => {
                fields.push(Field { from: start, to: at });
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(Field { from: start, to });
    fields
}

/// Returns where what is opened here is closed.
fn closing(code: &[char], opening: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.iter().enumerate().skip(opening) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

fn position(code: &[char], from: usize, wanted: &str) -> Option<usize> {
    let wanted: Vec<char> = wanted.chars().collect();
    let found = code.get(from..)?.windows(wanted.len()).position(|it| *it == *wanted)?;
    Some(from + found)
}

fn line(code: &[char], at: usize) -> usize {
    1 + code.iter().take(at).filter(|c| **c == '\n').count()
}

/// The macros by which a line may be one of trouble.
const NAMES: [&str; 3] = ["warn", "error", "event"];
/// The levels of lines that are for information only.
const QUIET: [&str; 3] = ["INFO", "DEBUG", "TRACE"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, lines: &[usize]) {
        check_in("crates/a/src/b.rs", text, lines);
    }

    #[track_caller]
    fn check_in(path: &str, text: &str, lines: &[usize]) {
        let found = trouble_says_what_to_do(&SourceFile::new(path, text));
        let found: Vec<_> = found.iter().map(|violation| violation.line).collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn a_line_that_says_what_to_do_is_right() {
        check("tracing::error!(%error, help = \"buy a disk\", \"no; room\");", &[]);
        check("warn!(%error, help = HELP, \"no room\")", &[]);
        check("let help = f(); warn!(error, help, \"no room\");", &[]);
        check("warn!(help = %f(a, b), \"no room\");", &[]);
        check("warn!(?help, \"no room\");", &[]);
        check("event!(target: A, Level::WARN, help = \"buy a disk\", \"no room\");", &[]);
        check("warn! {\n  help = r#\"buy \"big\" disks\"#,\n  \"no room\"\n}", &[]);
    }

    #[test]
    fn a_line_that_does_not_is_wrong_however_it_is_written() {
        for text in [
            "tracing::error!(\"no room\");",
            "tracing::warn!(\"no room\");",
            "error!(\"no room\")",
            "warn![\"no room\"]",
            "::tracing::warn ! { \"no room\" }",
            "warn!(target: \"a\", %error, \"no room\")",
            "tracing::event!(Level::WARN, \"no room\");",
            "event!(tracing::Level::ERROR, \"no room\");",
            "event!(target: A, $level, \"no room\");",
            "a.unwrap_or_else(|error| warn!(%error, \"no room\"))",
            "warn!(help = \"\", \"no room\");",
            "warn!(help = \" \", \"no room\");",
            "warn!(\"help = buy a disk\");",
            "warn!(/* help = \"buy a disk\" */ \"no room\");",
            "warn!(helpless = 1, \"no room\");",
            "warn!(a = f(help), \"no room\");",
            "warn!(\"no room\"); let help = 1;",
            "use tracing::warn as complain;",
            "use tracing::{debug, error as complain};",
        ] {
            check(text, &[1]);
        }
        let right = "tracing::error!(%error, help = \"buy a disk — soon\", \"no; room\");";
        check(&format!("{right}\n{right}\n  tracing::error!(\n\"help =\");\n{right}"), &[3]);
        check("match a {\n  A => warn!(\"a\"),\n  B => warn!(help = \"b\", \"b\"),\n}", &[2]);
        check("match a {\n  A => warn!(help = \"a\", \"a\"),\n  B => warn!(\"b\"),\n}", &[3]);
    }

    #[test]
    fn what_is_for_information_needs_no_help() {
        check("info!(\"a\"); debug!(\"b\"); let a = warn_span!(\"c\");", &[]);
        check("event!(Level::INFO, \"a\"); event!(target: A, tracing::Level::DEBUG, \"b\");", &[]);
        check("if error != a { warn(a) }", &[]);
        check("// warn!(\"a\")\nlet a = \"warn!()\";", &[]);
        check("use tracing::{Level, Subscriber as _, error};", &[]);
    }

    #[test]
    fn tests_may_say_what_they_like() {
        check("#[cfg(test)]\nmod tests {\n  fn f() { warn!(\"a\"); }\n}\nwarn!(\"b\");", &[5]);
        check("#[cfg(test)]\nuse tracing::warn;\nfn f() { warn!(\"b\"); }", &[3]);
        check_in("crates/a/src/tests/b.rs", "warn!(\"a\");", &[]);
        check_in("crates/a/src/tests.rs", "warn!(\"a\");", &[]);
        check_in("crates/a/benches/b.rs", "warn!(\"a\");", &[]);
    }
}
