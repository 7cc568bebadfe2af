//! The dashboards and alerts in `deploy/` name metrics that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::{Family, Times};

#[test]
fn dashboards_and_alerts_name_metrics_that_there_are() {
    let mut known: BTreeSet<String> = Family::ALL.iter().map(Family::full_name).collect();
    for times in Times::ALL {
        known.extend(["bucket", "count", "sum"].map(|it| format!("flux_{}_{it}", times.name)));
    }
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let mut named = BTreeSet::new();
    for folder in ["grafana", "prometheus"] {
        for entry in fs::read_dir(deploy.join(folder)).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            named.extend(metrics(&text));
        }
    }
    assert!(named.len() > 20, "{named:?}");
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Returns all words that begin like a metric.
fn metrics(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("flux_")).map(str::to_owned)
}
