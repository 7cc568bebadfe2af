//! What people write for a time, a size, a rate, an address: each a type that reads and writes it.

mod address_range;
mod bind;
mod one_or_more;
mod period;
mod permissions;
mod rate;
mod ratio;
mod secret;
mod size;

pub use address_range::AddressRange;
pub use bind::Bind;
pub use one_or_more::OneOrMore;
pub use period::Period;
pub use permissions::Permissions;
pub use rate::{ByteRate, Rate};
pub use ratio::Ratio;
pub use secret::Secret;
pub use size::Size;

/// Gives a type that reads and writes itself as text what a value of a file needs: serde, and a schema that
/// names its form.
macro_rules! written {
    ($type:ident, $form:literal, $json_type:tt, [$($example:literal),+]) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = $crate::value::text(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": $json_type,
                    "examples": [$($example),+],
                    "x-form": $form,
                })
            }
        }
    };
}
use written;

/// Reads text, or a whole number as its text.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Number(u64),
    }
    let written = <Written as serde::Deserialize>::deserialize(deserializer)?;
    Ok(match written {
        Written::Text(text) => text,
        Written::Number(number) => number.to_string(),
    })
}

/// Why text is not what it should be. `Display` says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseValueError {
    text: String,
    expected: &'static str,
}

impl ParseValueError {
    fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }
}
