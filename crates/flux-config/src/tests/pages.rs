//! What is made from the types: the guide, the schema, the file to start from.

use expect_test::expect_file;

use super::load_files;
use crate::{Config, guide, json_schema, starter};

#[test]
fn the_guide_is_what_the_types_say() {
    expect_file!["../../../../docs/guide/configuration.md"].assert_eq(&guide());
}

#[test]
fn the_file_to_start_from_changes_nothing() {
    let loaded = load_files([("flux.toml", &starter())]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.warnings.list().is_empty());
}

#[test]
fn every_line_of_the_file_to_start_from_is_right_without_its_mark() {
    let text = starter();
    let taken = text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let taken: Vec<_> = taken.collect();
    // The example of a listener has certificates and origins, and would be wrong without either.
    let text = taken.join("\n").replace("transport = \"mqtt\"", "transport = \"wss\"");
    let loaded = load_files([("flux.toml", &text)]);
    let config = loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}")).config;
    assert_eq!(config.limits, Config::default().limits);
    assert_eq!(config.tls.len(), 1);
    assert_eq!(config.broker.workers.map(u32::from), Some(4));
}

#[test]
fn every_setting_is_documented_and_has_a_default_or_says_what_happens_without() {
    fn walk(schema: &serde_json::Value, path: &str, seen: &mut usize) {
        let properties = schema.get("properties").and_then(serde_json::Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            let path = format!("{path}.{name}");
            let doc = schema.get("description").and_then(serde_json::Value::as_str);
            let doc = doc.unwrap_or_else(|| panic!("{path} has no comment"));
            let is_told = schema.get("default").is_some()
                || schema.get("x-required").is_some()
                || doc.to_lowercase().contains("without")
                || schema.get("items").is_some();
            assert!(is_told, "{path}: what holds without it?");
            *seen += 1;
            walk(schema, &path, seen);
            for inner in ["items", "additionalProperties"] {
                walk(schema.get(inner).unwrap_or(&serde_json::Value::Null), &path, seen);
            }
        }
    }
    let mut seen = 0;
    walk(&json_schema(), "", &mut seen);
    assert!(seen > 60, "{seen}");
}
