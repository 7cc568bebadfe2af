//! [`Shape`]: what a value may be, read from the schema of the types.

use serde_json::Value as Json;

use crate::schema::json_schema;
use crate::value::{
    AddressRange, Bind, ByteRate, ParseValueError, Period, Permissions, Rate, Ratio, Size,
};

/// What a value may be.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A table with these keys.
    Table(Vec<Field>),
    /// A table whose keys are names that the operator chooses.
    Named(Box<Self>),
    /// A list.
    List(Box<Self>),
    /// One, or a list.
    OneOrMore(Box<Self>),
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    /// One of these words.
    Choice(Vec<Word>),
    Text {
        form: Form,
        min: Option<String>,
        max: Option<String>,
    },
}

/// A key of a table.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) default: Option<Json>,
    /// What stands in a file to start from, where there is no default.
    pub(crate) example: Option<Json>,
    pub(crate) is_required: bool,
    /// Whether nobody is to see it.
    pub(crate) is_secret: bool,
    pub(crate) changes: Changes,
    pub(crate) shape: Shape,
}

/// When a changed setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    AtStart,
    OnReload,
}

/// A word that may be chosen.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) word: String,
    pub(crate) doc: String,
}

/// What text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Time,
    Size,
    Rate,
    ByteRate,
    Ratio,
    Bind,
    Range,
    Permissions,
}

impl Shape {
    /// Returns the shape of a whole file.
    pub(crate) fn of_config() -> Self {
        Self::of(&json_schema(), Changes::AtStart)
    }

    /// Returns what a file consists of: the fields of the whole, each followed by the tables inside it, with its header
    /// where `name` stands for whatever its operator chooses.
    pub(crate) fn sections(name: &str) -> Vec<(String, Field)> {
        let mut sections = Vec::new();
        for field in Self::of_config().fields() {
            let header = match &field.shape {
                Self::Named(_) => format!("[{}.{name}]", field.name),
                Self::List(_) => format!("[[{}]]", field.name),
                _tables => format!("[{}]", field.name),
            };
            sections.push((header, field.clone()));
            let tables = field.shape.fields().iter().filter(|inner| inner.is_table());
            for inner in tables {
                sections.push((format!("[{}.{}]", field.name, inner.name), inner.clone()));
            }
        }
        sections
    }

    /// What the schema does not say is inherited: when changes take effect.
    fn of(schema: &Json, changes: Changes) -> Self {
        if let Some(form) = schema.get("x-form").and_then(Json::as_str).and_then(Form::named) {
            return Self::text(form, schema);
        }
        if let Some(words) = words(schema) {
            return Self::Choice(words);
        }
        if let Some(one) = schema.pointer("/anyOf/0") {
            return Self::OneOrMore(Box::new(Self::of(one, changes)));
        }
        match schema.get("type").and_then(Json::as_str) {
            Some("object") => match schema.get("properties").and_then(Json::as_object) {
                Some(fields) => {
                    Self::Table(fields.iter().map(|field| Field::of(field, changes)).collect())
                }
                None => {
                    Self::Named(Box::new(Self::of_part(schema, "additionalProperties", changes)))
                }
            },
            Some("array") => Self::List(Box::new(Self::of_part(schema, "items", changes))),
            Some("boolean") => Self::Boolean,
            Some("integer") => Self::Integer {
                min: schema.get("minimum").and_then(Json::as_i64).unwrap_or(0),
                max: schema
                    .get("maximum")
                    .and_then(Json::as_i64)
                    .unwrap_or_else(|| largest(schema)),
            },
            _ => Self::text(Form::Plain, schema),
        }
    }

    fn of_part(schema: &Json, part: &str, changes: Changes) -> Self {
        Self::of(schema.get(part).unwrap_or(&Json::Null), changes)
    }

    fn text(form: Form, schema: &Json) -> Self {
        let bound = |name| schema.get(name).and_then(Json::as_str).map(str::to_owned);
        Self::Text { form, min: bound("x-minimum"), max: bound("x-maximum") }
    }

    /// Returns the fields of a table, else none.
    pub(crate) fn fields(&self) -> &[Field] {
        match self {
            Self::Table(fields) => fields,
            Self::Named(_)
            | Self::List(_)
            | Self::OneOrMore(_)
            | Self::Boolean
            | Self::Integer { .. }
            | Self::Choice(_)
            | Self::Text { .. } => &[],
        }
    }

    /// Says what it may be, in a few words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Table(_) | Self::Named(_) => "a table".to_owned(),
            Self::List(of) if of.fields().is_empty() => format!("a list, each {}", of.words()),
            Self::List(_) => "a list of tables".to_owned(),
            Self::OneOrMore(of) => format!("{}, or a list of them", of.words()),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min, max } if *max >= i64::from(u32::MAX) => {
                format!("a whole number from {min}")
            }
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Choice(words) => {
                let words: Vec<_> = words.iter().map(|it| format!("`{}`", it.word)).collect();
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => {
                        format!("{} or {last}", rest.join(", "))
                    }
                    _ => words.join(""),
                }
            }
            Self::Text { form, .. } => form.words().to_owned(),
        }
    }
}

impl Field {
    fn of((name, schema): (&String, &Json), inherited: Changes) -> Self {
        let changes = match schema.get("x-changes").and_then(Json::as_str) {
            Some("reload") => Changes::OnReload,
            Some(_) => Changes::AtStart,
            None => inherited,
        };
        Self {
            name: name.clone(),
            doc: doc(schema),
            default: schema.get("default").cloned(),
            example: schema.get("x-example").cloned(),
            is_required: schema.get("x-required").is_some(),
            is_secret: schema.get("x-secret").is_some(),
            changes,
            shape: Shape::of(schema, changes),
        }
    }

    /// Returns whether it is a table, whose keys are known.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.shape, Shape::Table(_))
    }

    /// Returns whether there is something below it: it is a section of a file, not a line.
    pub(crate) fn is_section(&self) -> bool {
        match &self.shape {
            Shape::Table(_) | Shape::Named(_) => true,
            Shape::List(of) => !of.fields().is_empty(),
            Shape::OneOrMore(_)
            | Shape::Boolean
            | Shape::Integer { .. }
            | Shape::Choice(_)
            | Shape::Text { .. } => false,
        }
    }
}

impl Form {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "time" => Self::Time,
            "size" => Self::Size,
            "rate" => Self::Rate,
            "byte-rate" => Self::ByteRate,
            "ratio" => Self::Ratio,
            "bind" => Self::Bind,
            "range" => Self::Range,
            "permissions" => Self::Permissions,
            _ => return None,
        })
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Plain => "text",
            Self::Time => "a time such as `30s`",
            Self::Size => "a size such as `16MiB`",
            Self::Rate => "a rate such as `50/s`, or `unlimited`",
            Self::ByteRate => "bytes in a second such as `1MiB/s`, or `unlimited`",
            Self::Ratio => "a number from 0 to 1",
            Self::Bind => "an address such as `0.0.0.0:1883`",
            Self::Range => "an address or a range such as `10.0.0.0/8`",
            Self::Permissions => "permissions such as `660`",
        }
    }

    /// Returns whether it may also be a number without a unit.
    pub(crate) const fn may_be_a_number(self) -> bool {
        match self {
            Self::Size | Self::Rate | Self::ByteRate | Self::Ratio => true,
            Self::Plain | Self::Time | Self::Bind | Self::Range | Self::Permissions => false,
        }
    }

    /// Checks text, and that it lies between the bounds, which have the same form.
    pub(crate) fn check(
        self,
        text: &str,
        min: Option<&str>,
        max: Option<&str>,
    ) -> Result<(), String> {
        let is_between = match self {
            Self::Plain => true,
            Self::Time => between::<Period>(text, min, max)?,
            Self::Size => between::<Size>(text, min, max)?,
            Self::Rate => text.parse::<Rate>().map(|_| true).map_err(|it| it.to_string())?,
            Self::ByteRate => {
                text.parse::<ByteRate>().map(|_| true).map_err(|it| it.to_string())?
            }
            Self::Ratio => text.parse::<Ratio>().map(|_| true).map_err(|it| it.to_string())?,
            Self::Bind => text.parse::<Bind>().map(|_| true).map_err(|it| it.to_string())?,
            Self::Range => {
                text.parse::<AddressRange>().map(|_| true).map_err(|it| it.to_string())?
            }
            Self::Permissions => {
                text.parse::<Permissions>().map(|_| true).map_err(|it| it.to_string())?
            }
        };
        match (is_between, min, max) {
            (true, ..) => Ok(()),
            (false, Some(min), Some(max)) => Err(format!("`{text}` is not from {min} to {max}")),
            (false, Some(min), None) => Err(format!("`{text}` is less than {min}")),
            (false, None, max) => Err(format!("`{text}` is more than {}", max.unwrap_or_default())),
        }
    }
}

fn between<T>(text: &str, min: Option<&str>, max: Option<&str>) -> Result<bool, String>
where
    T: std::str::FromStr<Err = ParseValueError> + PartialOrd,
{
    let parse = |text: &str| text.parse::<T>().map_err(|error| error.to_string());
    let value = parse(text)?;
    let is_over = min.is_none_or(|min| parse(min).is_ok_and(|min| value >= min));
    Ok(is_over && max.is_none_or(|max| parse(max).is_ok_and(|max| value <= max)))
}

/// Returns the words of a choice, if it is one.
fn words(schema: &Json) -> Option<Vec<Word>> {
    let choices = schema.get("oneOf")?.as_array()?;
    let word = |choice: &Json| {
        let word = choice.get("const")?.as_str()?.to_owned();
        Some(Word { word, doc: doc(choice) })
    };
    choices.iter().map(word).collect()
}

/// Returns the comment of a type or a field, as one line.
fn doc(schema: &Json) -> String {
    let text = schema.get("description").and_then(Json::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\[", "[").replace("\\]", "]")
}

/// Returns the largest number of an integer type.
fn largest(schema: &Json) -> i64 {
    match schema.get("format").and_then(Json::as_str) {
        Some("uint8") => u8::MAX.into(),
        Some("uint16") => u16::MAX.into(),
        Some("uint32") => u32::MAX.into(),
        _ => i64::MAX,
    }
}
