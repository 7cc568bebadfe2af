//! Pure crates have no clock, socket, thread or randomness: time and chance are arguments.

use super::files::{Manifest, SourceFile};
use super::manifest::{Kind, dependencies};
use super::{Violation, imports};

/// A pure crate names no clock, socket or thread in its code; its tests may.
pub(super) fn uses_nothing_impure(file: &SourceFile) -> Vec<Violation> {
    let Some(name) = pure_crate(&file.path, "src/") else { return Vec::new() };
    if is_test_file(&file.path) {
        return Vec::new();
    }
    imports::std_paths(&without_test_modules(&file.code))
        .into_iter()
        .filter(|named| is_impure_path(&named.path))
        .map(|named| {
            let sentence = format!("{name} is pure and must not use {}", named.path);
            file.violation(named.line, sentence)
        })
        .collect()
}

/// A pure crate has no runtime, no socket and no randomness among its dependencies.
pub(super) fn depends_on_nothing_impure(manifest: &Manifest) -> Vec<Violation> {
    let Some(name) = pure_crate(&manifest.path, "Cargo.toml") else { return Vec::new() };
    dependencies(&manifest.entries)
        .into_iter()
        .filter(|dependency| dependency.kind == Kind::Normal)
        .filter(|dependency| {
            IMPURE_CRATES.contains(&dependency.name.as_str()) || dependency.name.starts_with("ntex")
        })
        .map(|dependency| {
            let sentence = format!("{name} is pure and must not depend on {}", dependency.name);
            manifest.violation(dependency.line, sentence)
        })
        .collect()
}

/// Returns the pure crate that a path belongs to, if it lies under `inside` of that crate.
fn pure_crate(path: &str, inside: &str) -> Option<&'static str> {
    PURE_CRATES.into_iter().find(|name| {
        path.strip_prefix("crates/")
            .and_then(|rest| rest.strip_prefix(name))
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|rest| rest.starts_with(inside))
    })
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// An import of all of `std::time` would hide the clock from us.
fn is_impure_path(path: &str) -> bool {
    let mut parts = path.split("::").skip(1);
    match parts.next() {
        Some("net" | "thread") => true,
        Some("time") => matches!(parts.next(), None | Some("*" | "Instant" | "SystemTime")),
        _ => false,
    }
}

/// Blanks out every `mod` that is compiled for tests only.
fn without_test_modules(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut pending = false;
    let mut end_of_module: Option<String> = None;
    for line in code.lines() {
        let indent = line.len() - line.trim_start().len();
        if let Some(end) = &end_of_module {
            if line.trim_end() == end {
                end_of_module = None;
            }
        } else if pending && line.trim_start().starts_with("mod ") && line.contains('{') {
            end_of_module = Some(format!("{}}}", " ".repeat(indent)));
        } else {
            kept.push_str(line);
        }
        // Other attributes may stand between this one and the module.
        pending = line.contains("#[cfg(test)]") || (pending && line.trim_start().starts_with('#'));
        kept.push('\n');
    }
    kept
}

const PURE_CRATES: [&str; 4] = ["flux-retained", "flux-session", "flux-time", "flux-topic"];
const IMPURE_CRATES: [&str; 7] =
    ["fastrand", "getrandom", "libc", "mio", "rand", "socket2", "tokio"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, lines: &[usize]) {
        let found = uses_nothing_impure(&SourceFile::new(path, text));
        let found: Vec<_> = found.iter().map(|violation| violation.line).collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn a_pure_crate_uses_no_clock_socket_or_thread() {
        let own = "crates/flux-session/src/window.rs";
        check(own, "//! x\nuse std::time::{Duration, Instant};", &[2]);
        check(own, "use std::time::Duration;\nfn f() { std::thread::yield_now() }", &[2]);
        check(own, "use std::{net, time};", &[1, 1]);
        check(own, "// std::net\nconst X: &str = \"std::thread\";", &[]);
        check(own, "use std::time::Duration;", &[]);
        check("crates/flux-mqtt/src/lib.rs", "use std::net::TcpStream;", &[]);
        check("crates/flux-session-extra/src/lib.rs", "use std::net::TcpStream;", &[]);
    }

    #[test]
    fn tests_of_a_pure_crate_may_use_them() {
        let own = "crates/flux-topic/src/tree.rs";
        let inner = "#[cfg(test)]\nmod tests {\n    use std::thread;\n    mod a {\n    }\n}\n";
        check(own, inner, &[]);
        check(own, &format!("{inner}use std::thread;"), &[7]);
        check(own, "#[cfg(test)]\nmod tests;\nuse std::thread;", &[3]);
        check("crates/flux-topic/src/tests/model.rs", "use std::thread;", &[]);
        check("crates/flux-topic/benches/tree.rs", "use std::time::Instant;", &[]);
    }

    #[test]
    fn a_pure_crate_depends_on_no_runtime() {
        let text = "[dependencies]\nbytes.workspace = true\ntokio.workspace = true\n\
                    ntex-bytes = { workspace = true }\n[dev-dependencies]\nrand.workspace = true\n";
        let found = depends_on_nothing_impure(&Manifest::new("crates/flux-topic/Cargo.toml", text));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "crates/flux-topic/Cargo.toml:3: flux-topic is pure and must not depend on tokio",
                "crates/flux-topic/Cargo.toml:4: flux-topic is pure and must not depend on ntex-bytes",
            ]
        );
        let edge = Manifest::new("crates/flux-mqtt/Cargo.toml", text);
        assert_eq!(depends_on_nothing_impure(&edge), []);
    }
}
