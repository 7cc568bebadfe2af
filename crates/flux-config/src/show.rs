//! A config as text: everything in it, and where it comes from.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::config::Config;
use crate::loaded::Loaded;
use crate::reference;
use crate::shape::{Field, Form, Shape};

/// Returns a config as a file. With where it was loaded from, each line says so, and references stay as they were.
pub(crate) fn show(config: &Config, loaded: Option<&Loaded>) -> String {
    let mut shown = Shown { text: String::new(), loaded, is_short: false };
    shown.all(config);
    shown.text
}

/// Returns a config as a file with no more in it than what is not the default.
pub(crate) fn changed(config: &Config) -> String {
    let mut shown = Shown { text: String::new(), loaded: None, is_short: true };
    shown.all(config);
    shown.text
}

/// Returns a value as TOML writes it.
pub(crate) fn toml(value: &Json) -> String {
    match value {
        Json::String(text) => toml::Value::from(text.as_str()).to_string(),
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(entries) => {
            let entries = entries.iter().map(|(name, value)| format!("{name} = {}", toml(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}

/// Returns a key as TOML writes it.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match !name.is_empty() && name.chars().all(is_bare) {
        true => name.to_owned(),
        // Strings of one line: a key may not span several.
        false => {
            let escaped = name.chars().map(|c| match c {
                '"' | '\\' => format!("\\{c}"),
                c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
                c => c.to_string(),
            });
            format!("\"{}\"", escaped.collect::<String>())
        }
    }
}

struct Shown<'a> {
    text: String,
    loaded: Option<&'a Loaded>,
    /// Whether what is the default is left out.
    is_short: bool,
}

impl Shown<'_> {
    fn all(&mut self, config: &Config) {
        let json = serde_json::to_value(config).unwrap_or_default();
        for field in Shape::of_config().fields() {
            if let Some(value) = json.get(&field.name) {
                self.section(field, value, &[&field.name]);
            }
        }
    }

    fn section(&mut self, field: &Field, value: &Json, path: &[&str]) {
        match (&field.shape, value) {
            (Shape::Named(of), Json::Object(entries)) => {
                for (name, value) in entries {
                    let header = format!("[{}.{}]", key(&field.name), key(name));
                    self.table(&header, of, value, &with(path, name));
                }
            }
            (Shape::List(of), Json::Array(items)) => {
                for (number, item) in items.iter().enumerate() {
                    let header = format!("[[{}]]", key(&field.name));
                    self.table(&header, of, item, &with(path, &number.to_string()));
                }
            }
            (shape, value) => {
                let keys: Vec<_> = path.iter().map(|name| key(name)).collect();
                self.table(&format!("[{}]", keys.join(".")), shape, value, path);
                for inner in shape.fields().iter().filter(|inner| inner.is_table()) {
                    if let Some(value) = value.get(&inner.name) {
                        self.section(inner, value, &with(path, &inner.name));
                    }
                }
            }
        }
    }

    fn table(&mut self, header: &str, shape: &Shape, value: &Json, path: &[&str]) {
        let is_default = |field: &Field| {
            value.get(&field.name).is_none_or(|value| Some(value) == field.default.as_ref())
        };
        // Tables inside are sections of their own.
        let fields = || shape.fields().iter().filter(|field| !field.is_table());
        if self.is_short && fields().all(is_default) {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(header);
        self.text.push('\n');
        for field in fields() {
            if let Some(value) = value.get(&field.name)
                && !(self.is_short && is_default(field))
            {
                self.line(field, value, &with(path, &field.name));
            }
        }
    }

    fn line(&mut self, field: &Field, value: &Json, path: &[&str]) {
        let is_hidden =
            field.is_secret && self.loaded.is_some_and(|loaded| loaded.written(path).is_none());
        let written = match (is_hidden, &field.shape) {
            (true, Shape::OneOrMore(of)) => self.hidden_values(value, of, path),
            (true, _) => "\"(hidden)\"".to_owned(),
            (false, _) => self.written(value, &field.shape, path),
        };
        let line = format!("{} = {written}", key(&field.name));
        let _infallible = match self.loaded {
            None => writeln!(self.text, "{line}"),
            Some(loaded) => {
                let origin = loaded.origin(path).unwrap_or_else(|| "default".to_owned());
                writeln!(self.text, "{line:<40} # {}", origin.replace(char::is_control, "?"))
            }
        };
    }

    /// Returns what is written as `name=value` with the names alone.
    fn hidden_values(&self, value: &Json, of: &Shape, path: &[&str]) -> String {
        let hidden = |text: &str| {
            let name = text.split_once('=').map(|(name, _)| format!("{name}="));
            toml(&Json::from(reference::without(&(name.unwrap_or_default() + "(hidden)"))))
        };
        match value {
            Json::Array(items) => {
                let items = items.iter().enumerate().map(|(number, item)| {
                    let number = number.to_string();
                    let path = with(path, &number);
                    match self.loaded.and_then(|loaded| loaded.written(&path)) {
                        Some(_) => self.written(item, of, &path),
                        None => hidden(item.as_str().unwrap_or_default()),
                    }
                });
                format!("[{}]", items.collect::<Vec<_>>().join(", "))
            }
            value => hidden(value.as_str().unwrap_or_default()),
        }
    }

    /// Returns a value as it is to stand in a file: with its references, or with none.
    fn written(&self, value: &Json, shape: &Shape, path: &[&str]) -> String {
        match (value, shape) {
            (Json::String(text), Shape::Text { form, .. }) => {
                let reference = self.loaded.and_then(|loaded| loaded.written(path));
                let text = match (reference, form) {
                    (Some(written), _) => written.to_owned(),
                    (None, Form::Plain | Form::Bind) => reference::without(text),
                    (
                        None,
                        Form::Time
                        | Form::Size
                        | Form::Rate
                        | Form::ByteRate
                        | Form::Ratio
                        | Form::Range
                        | Form::Permissions,
                    ) => text.clone(),
                };
                toml(&Json::String(text))
            }
            (Json::Array(items), Shape::List(of) | Shape::OneOrMore(of)) => {
                let written = |(number, item): (usize, &Json)| {
                    self.written(item, of, &with(path, &number.to_string()))
                };
                let items: Vec<_> = items.iter().enumerate().map(written).collect();
                format!("[{}]", items.join(", "))
            }
            (value, Shape::OneOrMore(of)) => {
                // A list of one is written without brackets, wherever it came from.
                let is_list = self.loaded.is_some_and(|it| it.written(path).is_none());
                let inner = with(path, "0");
                self.written(value, of, if is_list { &inner } else { path })
            }
            (Json::Object(entries), Shape::Table(fields)) => {
                let entries = fields.iter().filter_map(|field| {
                    let value = entries.get(&field.name)?;
                    let inner = with(path, &field.name);
                    Some(format!(
                        "{} = {}",
                        key(&field.name),
                        self.written(value, &field.shape, &inner)
                    ))
                });
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
            (value, _) => toml(value),
        }
    }
}

fn with<'a>(path: &[&'a str], last: &'a str) -> Vec<&'a str> {
    let mut path = path.to_vec();
    path.push(last);
    path
}
