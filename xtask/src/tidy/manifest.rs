//! As much of a `Cargo.toml` as the rules need, with the line of everything.

/// One `key = value` of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    /// The header above it, such as `target.'cfg(unix)'.dependencies`.
    pub(super) table: String,
    pub(super) key: String,
    /// As written, on one line and without comments.
    pub(super) value: String,
}

/// A dependency of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Its version stands in the root manifest.
    pub(super) is_from_workspace: bool,
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Dev,
    Build,
}

/// Returns every entry, in order.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut table = String::new();
    let mut open_brackets = 0;
    for (line, text) in (1..).zip(text.lines()) {
        let text = without_comment(text).trim();
        if open_brackets > 0 {
            if let Some(entry) = entries.last_mut() {
                entry.value.push_str(text);
            }
            open_brackets += bracket_balance(text);
        } else if text.starts_with('[') {
            text.trim_matches(['[', ']']).trim().clone_into(&mut table);
        } else if let Some((key, value)) = text.split_once('=') {
            let (key, value) = (key.trim().replace('"', ""), value.trim().to_owned());
            open_brackets = bracket_balance(&value);
            entries.push(Entry { line, table: table.clone(), key, value });
        }
    }
    entries
}

/// Says whether the manifest is the root of a workspace, and so no member of ours.
pub(super) fn is_workspace(text: &str) -> bool {
    text.lines().any(|line| without_comment(line).trim() == "[workspace]")
}

/// Returns the dependencies of all kinds, each once.
pub(super) fn dependencies(entries: &[Entry]) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    for entry in entries {
        let Some((kind, name)) = dependency_of(entry) else { continue };
        let is_from_workspace = is_from_workspace(entry);
        match found.iter_mut().find(|known| known.kind == kind && known.name == name) {
            Some(known) => known.is_from_workspace |= is_from_workspace,
            None => {
                found.push(Dependency { line: entry.line, name, kind, is_from_workspace });
            }
        }
    }
    found
}

/// A dependency is a key of `[dependencies]`, or a table `[dependencies.NAME]`.
fn dependency_of(entry: &Entry) -> Option<(Kind, String)> {
    if let Some(kind) = kind_of(&entry.table) {
        let name = entry.key.split('.').next().unwrap_or_default();
        return Some((kind, name.to_owned()));
    }
    let (table, name) = entry.table.rsplit_once('.')?;
    Some((kind_of(table)?, name.to_owned()))
}

fn kind_of(table: &str) -> Option<Kind> {
    match table.rsplit('.').next()? {
        "dependencies" => Some(Kind::Normal),
        "dev-dependencies" => Some(Kind::Dev),
        "build-dependencies" => Some(Kind::Build),
        _ => None,
    }
}

/// Written as `name.workspace = true`, `name = { workspace = true }` or in a table of its own.
fn is_from_workspace(entry: &Entry) -> bool {
    let by_key = entry.key.rsplit('.').next() == Some("workspace") && entry.value == "true";
    by_key || entry.value.replace(' ', "").contains("workspace=true")
}

/// A `#` inside quotes is no comment.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let comment = line.char_indices().find(|(_, c)| {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(*c),
            (Some(open), c) if open == *c => quote = None,
            _ => {}
        }
        quote.is_none() && *c == '#'
    });
    comment.map_or(line, |(position, _)| line.split_at(position).0)
}

fn bracket_balance(text: &str) -> i32 {
    text.chars().fold(0, |balance, c| match c {
        '[' | '{' => balance + 1,
        ']' | '}' => balance - 1,
        _ => balance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_know_their_table_and_line() {
        let text = "[package]\nname = \"a#b\" # c\n[features]\nx = [\n  \"y\", # z\n]\n[[bench]]\nname = \"n\"\n";
        let found = entries(text);
        let found: Vec<_> = found.iter().map(|e| (e.line, &*e.table, &*e.key, &*e.value)).collect();
        assert_eq!(
            found,
            [
                (2, "package", "name", "\"a#b\""),
                (4, "features", "x", "[\"y\",]"),
                (8, "bench", "name", "\"n\""),
            ]
        );
    }

    #[test]
    fn dependencies_are_found_in_every_spelling() {
        let text = "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\n\"x\"] }\n\
                    c = \"1\"\nd.version = \"1\"\nd.default-features = false\n\
                    [dev-dependencies.e]\nfeatures = [\"x\"]\nworkspace = true\n\
                    [target.'cfg(a = \"b.c\")'.build-dependencies]\nf = { path = \"../f\" }\n\
                    [dependencies.g]\ngit = \"g\"\n[lints]\nworkspace = true\n";
        let found = dependencies(&entries(text));
        let found: Vec<_> =
            found.iter().map(|d| (d.line, &*d.name, d.kind, d.is_from_workspace)).collect();
        assert_eq!(
            found,
            [
                (2, "a", Kind::Normal, true),
                (3, "b", Kind::Normal, true),
                (5, "c", Kind::Normal, false),
                (6, "d", Kind::Normal, false),
                (9, "e", Kind::Dev, true),
                (12, "f", Kind::Build, false),
                (14, "g", Kind::Normal, false),
            ]
        );
    }

    #[test]
    fn a_workspace_is_told_by_its_header() {
        assert!(is_workspace("# x\n[workspace] # root\n"));
        assert!(!is_workspace("[package]\nversion.workspace = true\n[lints]\nworkspace = true\n"));
    }
}
