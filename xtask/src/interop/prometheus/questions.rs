//! What the alerts and panels in `deploy/` ask Prometheus.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::repository;

/// An expression and who asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// As it stands in the file.
    pub(super) expression: String,
    /// The alert that it is for, if any.
    pub(super) alert: Option<String>,
}

impl Question {
    /// Returns what is asked to have an answer: of an alert, what it compares.
    pub(super) fn asked(&self) -> String {
        let expression =
            self.expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
        let compared = COMPARISONS.iter().find_map(|sign| expression.rsplit_once(sign));
        match (&self.alert, compared) {
            (Some(_), Some((left, _))) => left.to_owned(),
            _ => expression,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.alert {
            Some(alert) => write!(f, "{alert} has something to compare"),
            None => write!(f, "{}", self.expression),
        }
    }
}

/// Returns all of them.
///
/// # Errors
///
/// When a file cannot be read, or names none.
pub(super) fn all() -> Result<Vec<Question>> {
    let deploy = repository::root().join("deploy");
    let mut all = Vec::new();
    for file in files(&deploy.join("prometheus"))? {
        all.extend(alerts(&fs::read_to_string(file)?));
    }
    for file in files(&deploy.join("grafana"))? {
        let board: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        let before = all.len();
        panels(&board, &mut all);
        ensure!(all.len() > before, "{} asks nothing", file.display());
    }
    Ok(all)
}

/// Returns the metrics that an expression names.
pub(super) fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("flux_")).map(str::to_owned).collect()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Reads rules, in which each alert and each expression has a line of its own.
fn alerts(text: &str) -> Vec<Question> {
    let mut name = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(alert) = line.strip_prefix("- alert: ") {
            name = Some(alert.to_owned());
        } else if let Some(expression) = line.strip_prefix("expr: ") {
            found.push(Question { expression: expression.to_owned(), alert: name.take() });
        }
    }
    found
}

/// Finds what has an expression, however deep it is.
fn panels(value: &Value, found: &mut Vec<Question>) {
    match value {
        Value::Object(fields) => {
            if let Some(expression) = fields.get("expr").and_then(Value::as_str) {
                found.push(Question { expression: expression.to_owned(), alert: None });
            }
            fields.values().for_each(|value| panels(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| panels(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const COMPARISONS: [&str; 3] = [" == ", " > ", " < "];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_asked_for_what_it_compares() {
        let rules = "- alert: A\n  expr: rate(flux_a_total{x=~\"b|c\"}[5m]) > 1\n";
        let [question] = alerts(rules).try_into().unwrap();
        assert_eq!(question.alert.as_deref(), Some("A"));
        assert_eq!(question.asked(), "rate(flux_a_total{x=~\"b|c\"}[5m])");
        assert_eq!(metrics(&question.expression), BTreeSet::from(["flux_a_total".to_owned()]));
    }

    #[test]
    fn each_alert_and_each_panel_asks_something() {
        let all = all().unwrap();
        let rules = all.iter().filter(|question| question.alert.is_some()).count();
        assert!(rules >= 8 && all.len() >= rules + 30, "{rules} of {}", all.len());
        assert!(all.iter().all(|question| !question.asked().contains('$')), "{all:?}");
    }
}
