//! What of a changed config waits for the next start.

use serde_json::Value as Json;

use crate::config::Config;
use crate::shape::{Changes, Shape};

impl Config {
    /// Returns the names of the settings that another config has otherwise, and that a broker takes over only when it starts:
    /// `storage.data_dir` say.
    #[must_use]
    pub fn changes_at_start(&self, other: &Self) -> Vec<String> {
        let json = |config: &Self| serde_json::to_value(config).unwrap_or_default();
        let (ours, others) = (json(self), json(other));
        let mut names = Vec::new();
        for section in Shape::of_config().fields() {
            let part = |json: &Json| json.get(&section.name).cloned().unwrap_or_default();
            let (ours, others) = (part(&ours), part(&others));
            let at_start =
                section.shape.fields().iter().filter(|it| it.changes == Changes::AtStart);
            let changed = at_start.filter(|field| ours.get(&field.name) != others.get(&field.name));
            names.extend(changed.map(|field| format!("{}.{}", section.name, field.name)));
        }
        names
    }
}
