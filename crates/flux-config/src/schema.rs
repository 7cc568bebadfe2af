//! The JSON schema of the types, for editors.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::config::Config;

/// Returns the JSON schema (draft 2020-12) of a file.
///
/// Besides what the standard knows it says of a setting what form its text has (`x-form`), between which times or sizes it
/// lies (`x-minimum`, `x-maximum`), and whether SIGHUP changes it (`x-changes`).
#[must_use]
pub fn json_schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}
