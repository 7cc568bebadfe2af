//! The paths a Rust file names: its `use` trees taken apart, and paths written out in full.

/// A path such as `std::time::Instant`, and the line where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedPath {
    pub(super) line: usize,
    pub(super) path: String,
}

/// Returns every path that starts with `std::`, imported or written out.
///
/// `code` is masked: no comments, no literals.
pub(super) fn std_paths(code: &str) -> Vec<NamedPath> {
    let mut paths = Vec::new();
    let mut rest = code;
    let mut line = 1;
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let starts_word = !is_path_char(previous);
        let taken = if starts_word && let Some(tree) = use_tree(rest) {
            expand("", tree, &mut |path| {
                if path.starts_with("std::") {
                    paths.push(NamedPath { line, path });
                }
            });
            "use".len() + tree.len()
        } else if starts_word && rest.trim_start_matches("::").starts_with("std::") {
            let end = rest.find(|c| !is_path_char(c)).unwrap_or(rest.len());
            let (path, _) = rest.split_at(end);
            let path = path.trim_matches(':').to_owned();
            paths.push(NamedPath { line, path });
            end
        } else {
            first.len_utf8()
        };
        let (passed, after) = rest.split_at(taken);
        line += passed.matches('\n').count();
        previous = passed.chars().next_back().unwrap_or(' ');
        rest = after;
    }
    paths
}

/// Returns what stands between `use` and `;`, when `rest` starts with a `use` item.
fn use_tree(rest: &str) -> Option<&str> {
    let tree = rest.strip_prefix("use")?;
    if !tree.starts_with(char::is_whitespace) {
        return None;
    }
    Some(tree.split_once(';').map_or(tree, |(tree, _)| tree))
}

/// Calls `found` with each path of a tree such as `std::{net, time::{self, Instant as I}}`.
fn expand(prefix: &str, tree: &str, found: &mut impl FnMut(String)) {
    let tree = tree.trim().trim_start_matches("::");
    match tree.split_once('{') {
        Some((head, group)) => {
            let prefix = format!("{prefix}{}", head.trim());
            let group = group.rsplit_once('}').map_or(group, |(inner, _)| inner);
            for branch in branches(group) {
                expand(&prefix, branch, found);
            }
        }
        None if tree.is_empty() => {}
        None => {
            let name = tree.split_whitespace().next().unwrap_or_default();
            let path = format!("{prefix}{name}");
            found(path.strip_suffix("::self").map(str::to_owned).unwrap_or(path));
        }
    }
}

/// Splits at the commas that stand outside of braces.
fn branches(group: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    group
        .split(move |c| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        })
        .collect()
}

fn is_path_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: &str, expected: &[(usize, &str)]) {
        let found = std_paths(code);
        let found: Vec<_> = found.iter().map(|named| (named.line, named.path.as_str())).collect();
        assert_eq!(found, expected, "{code}");
    }

    #[test]
    fn trees_are_taken_apart() {
        check("use std::time::Instant;", &[(1, "std::time::Instant")]);
        check("\nuse ::std::net;", &[(2, "std::net")]);
        check("use std::time::{self, Duration};", &[(1, "std::time"), (1, "std::time::Duration")]);
        check(
            "use std::{net::{IpAddr, TcpStream},\n time::Instant as I, thread};",
            &[
                (1, "std::net::IpAddr"),
                (1, "std::net::TcpStream"),
                (1, "std::time::Instant"),
                (1, "std::thread"),
            ],
        );
        check("pub(crate) use std::time::*;", &[(1, "std::time::*")]);
        check("use crate::std_like; user::std::x;", &[]);
    }

    #[test]
    fn paths_in_full_are_found() {
        check("fn f() {\n  std::thread::yield_now();\n}", &[(2, "std::thread::yield_now")]);
        check("x(::std::time::Instant::now())", &[(1, "std::time::Instant::now")]);
        check("my_std::net::x; core::net::IpAddr", &[]);
    }
}
