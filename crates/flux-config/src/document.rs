//! Text in TOML becomes a tree of nodes.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::node::{Entry, Node, Origin, Text, Value};
use crate::problem::Problem;

/// Reads a source. What is no TOML becomes problems; the rest is there all the same.
pub(crate) fn read(source: usize, text: &str, problems: &mut Vec<Problem>) -> Node {
    let (table, errors) = DeTable::parse_recoverable(text);
    let before = problems.len();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let title = error.message().lines().collect::<Vec<_>>().join(", ");
        problems.push(Problem::error(title).at(&Origin { source, span }, ""));
    }
    let mut reader = Reader { source, problems, is_sound: false };
    reader.is_sound = reader.problems.len() == before;
    let span = table.span();
    reader.table(table.get_ref(), span)
}

struct Reader<'a> {
    source: usize,
    problems: &'a mut Vec<Problem>,
    /// In a text with errors values are missing, which is no news.
    is_sound: bool,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Node {
        let entries = table.iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            origin: self.origin(key.span()),
            node: self.value(value),
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|entry| entry.origin.span.start);
        Node { value: Value::Table(entries), origin: self.origin(span) }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let origin = self.origin(value.span());
        let value = match value.get_ref() {
            DeValue::Table(table) => return self.table(table, value.span()),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.value(item)).collect())
            }
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::String(text) => Value::Text(Text { text: text.to_string(), written: None }),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::Integer(number),
                    Err(_) => {
                        if self.is_sound {
                            let title = format!("{number} is more than a number may be");
                            self.problems.push(Problem::error(title).at(&origin, ""));
                        }
                        Value::Integer(i64::MAX)
                    }
                }
            }
            DeValue::Float(number) => Value::Fraction(number.as_str().to_owned()),
            DeValue::Datetime(_) => Value::Foreign("a date"),
        };
        Node { value, origin }
    }

    const fn origin(&self, span: Range<usize>) -> Origin {
        Origin { source: self.source, span }
    }
}
