//! Rules for the manifest of every member.

use super::Violation;
use super::files::Manifest;
use super::manifest::{Kind, dependencies};

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

/// A broker has OpenTelemetry in it only if it was built for that.
pub(super) fn telemetry_is_optional(manifest: &Manifest) -> Vec<Violation> {
    if manifest.path == "crates/flux-otlp/Cargo.toml" {
        return Vec::new();
    }
    let is_optional = |name: &str| {
        let mut entries = manifest.entries.iter().filter(|entry| entry.key == name);
        entries.any(|entry| entry.value.contains("optional = true"))
    };
    let needed = dependencies(&manifest.entries).into_iter().filter(|dependency| {
        let name = dependency.name.as_str();
        dependency.kind == Kind::Normal
            && (name.starts_with("opentelemetry") || name == "flux-otlp")
            && !is_optional(name)
    });
    let needed = needed.map(|dependency| {
        manifest.violation(dependency.line, format!("{} must be optional", dependency.name))
    });
    let default = manifest.entries.iter().filter(|entry| {
        entry.table == "features" && entry.key == "default" && entry.value.contains("otlp")
    });
    let default =
        default.map(|entry| manifest.violation(entry.line, "otlp must not be a default feature"));
    needed.chain(default).collect()
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
    fn nobody_has_telemetry_without_asking_for_it() {
        let (deps, rule) = ("[dependencies]\n", telemetry_is_optional);
        check(rule, &format!("{deps}flux-otlp = {{ workspace = true, optional = true }}\n"), &[]);
        check(rule, &format!("{deps}flux-otlp.workspace = true\n"), &[2]);
        check(rule, &format!("{deps}opentelemetry_sdk = {{ workspace = true }}\n"), &[2]);
        check(rule, "[dev-dependencies]\nopentelemetry.workspace = true\n", &[]);
        check(rule, "[features]\ndefault = [\"otlp\"]\n", &[2]);
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
