//! [`Node`]: a value of a file, and where it stands.

use std::ops::Range;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// A value as a file has it.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Boolean(bool),
    Integer(i64),
    /// A number with a fraction, as it was written.
    Fraction(String),
    Text(Text),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// Something that no setting is, by the name that TOML gives it.
    Foreign(&'static str),
}

/// Text, and how it was written where that has references in it.
#[derive(Clone, derive_more::Debug)]
pub(crate) struct Text {
    #[debug("{} bytes", text.len())]
    pub(crate) text: String,
    pub(crate) written: Option<String>,
}

/// A key of a table with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) origin: Origin,
    pub(crate) node: Node,
}

/// A place in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Which of the sources.
    pub(crate) source: usize,
    /// In bytes.
    pub(crate) span: Range<usize>,
}

impl Node {
    pub(crate) fn text(text: impl Into<String>, origin: Origin) -> Self {
        Self { value: Value::Text(Text { text: text.into(), written: None }), origin }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(&text.text),
            _other_kinds => None,
        }
    }

    /// Returns what a path leads to: keys, and numbers in lists.
    pub(crate) fn at<'a>(&'a self, path: &[&str]) -> Option<&'a Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let inner = match &self.value {
            Value::Table(entries) => &entries.iter().find(|entry| entry.key == *first)?.node,
            Value::List(items) => items.get(first.parse::<usize>().ok()?)?,
            _leaves => return None,
        };
        inner.at(rest)
    }

    /// Lays another value over this one: tables are joined, and so are lists whose tables have names; all else is
    /// replaced.
    pub(crate) fn lay_over(&mut self, upper: Self) {
        match (&mut self.value, upper.value) {
            (Value::Table(entries), Value::Table(others)) => {
                for other in others {
                    match entries.iter_mut().find(|entry| entry.key == other.key) {
                        Some(entry) => entry.node.lay_over(other.node),
                        None => entries.push(other),
                    }
                }
            }
            (Value::List(items), Value::List(others)) if has_names(items) && has_names(&others) => {
                lay_by_name(items, others);
            }
            (_, value) => *self = Self { value, origin: upper.origin },
        }
    }
}

fn has_names(items: &[Node]) -> bool {
    !items.is_empty() && items.iter().all(|item| item.at(&["name"]).is_some())
}

/// Two of the same name in one file stay two, and are refused later.
fn lay_by_name(items: &mut Vec<Node>, others: Vec<Node>) {
    let mut is_taken = vec![false; items.len()];
    for other in others {
        let name = other.at(&["name"]).and_then(Node::as_text);
        let same = |item: &Node| item.at(&["name"]).and_then(Node::as_text) == name;
        let mut free = items.iter_mut().zip(&mut is_taken).filter(|(_, taken)| !**taken);
        match free.find(|(item, _)| same(item)) {
            Some((item, taken)) => {
                *taken = true;
                item.lay_over(other);
            }
            None => items.push(other),
        }
    }
}
