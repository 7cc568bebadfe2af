//! [`Secret`]: text that is not to be logged.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// Text like any other, which `Debug` does not show.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Flags, InMemory, load};

    #[test]
    fn no_secret_of_a_config_is_shown_for_debugging() {
        let text = "[admin]\ntoken = \"s3cret-1\"\n\
                    [auth.http]\nurl = \"http://[::1]/\"\ntoken = \"${file:secret}\"\n\
                    [otlp]\nendpoint = \"http://[::1]\"\nheaders = [\"a=s3cret-3\", \"b=s3cret-4\"]\n";
        let files = InMemory::new([("flux.toml", text), ("secret", "s3cret-2\n")]);
        let loaded = load(Some("flux.toml".as_ref()), Flags::default(), &files).unwrap();
        assert_eq!(loaded.config.auth.http.token.as_deref(), Some("s3cret-2"));
        assert_eq!(loaded.config.otlp.headers().last(), Some(("b", "s3cret-4")));
        let shown = format!("{:?} {:#?}", loaded.config, loaded.config);
        assert!(shown.contains("token: Some((hidden))") && !shown.contains("s3cret"), "{shown}");
    }
}
