//! Rules for the manifest of every member.

use super::Violation;
use super::files::Manifest;
use super::manifest::dependencies;

/// Every crate inherits the lints of the workspace.
pub(super) fn inherits_the_lints(manifest: &Manifest) -> Vec<Violation> {
    let inherits = manifest.entries.iter().any(|entry| {
        let key = [entry.table.as_str(), entry.key.as_str()].join(".");
        key.trim_start_matches('.') == "lints.workspace" && entry.value == "true"
    });
    if inherits {
        return Vec::new();
    }
    vec![manifest.violation(1, "`[lints] workspace = true` is missing")]
}

/// Versions stand in the root manifest, once.
pub(super) fn dependencies_come_from_the_workspace(manifest: &Manifest) -> Vec<Violation> {
    dependencies(&manifest.entries)
        .into_iter()
        .filter(|dependency| !dependency.is_from_workspace)
        .map(|dependency| {
            let name = dependency.name;
            let sentence =
                format!("{name} must come from the workspace: `{name}.workspace = true`");
            manifest.violation(dependency.line, sentence)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: fn(&Manifest) -> Vec<Violation>, text: &str, lines: &[usize]) {
        let found = rule(&Manifest::new("crates/a/Cargo.toml", text));
        let found: Vec<_> = found.iter().map(|violation| violation.line).collect();
        assert_eq!(found, lines, "{text}");
    }

    #[test]
    fn lints_are_inherited() {
        check(inherits_the_lints, "[package]\nname = \"a\"\n[lints]\nworkspace = true\n", &[]);
        check(inherits_the_lints, "lints.workspace = true\n[package]\n", &[]);
        check(inherits_the_lints, "[package]\nedition.workspace = true\n", &[1]);
        check(inherits_the_lints, "[lints]\n# workspace = true\n[lints.rust]\n", &[1]);
    }

    #[test]
    fn versions_stand_in_the_root_manifest() {
        let rule = dependencies_come_from_the_workspace;
        check(rule, "[dependencies]\na.workspace = true\n", &[]);
        check(
            rule,
            "[dependencies]\na = \"1\"\n[dev-dependencies]\nb = { path = \"b\" }\n",
            &[2, 4],
        );
    }
}
