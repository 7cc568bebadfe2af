//! [`Flags`]: what the command line says, laid over the files.

use crate::node::{Entry, Node, Origin, Text, Value};
use crate::problem::Source;

/// Settings of the command line, each with the flag it comes from.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    settings: Vec<Setting>,
    every_listener: Vec<Setting>,
    /// Their paths begin with the name of a listener.
    further_listeners: Vec<Setting>,
}

#[derive(Clone, Debug)]
struct Setting {
    path: Vec<String>,
    value: Vec<String>,
    kind: Kind,
    flag: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Boolean,
    Integer,
    Text,
    Reference,
    List,
}

impl Flags {
    /// Sets text: `flags.text(&["storage", "data_dir"], "/data", "--data-dir")`. A number in a path is a place in a list.
    pub fn text(&mut self, path: &[&str], value: impl Into<String>, flag: &'static str) {
        self.set(path, vec![value.into()], Kind::Text, flag);
    }

    /// Sets the text of a file.
    pub fn text_of(&mut self, path: &[&str], file: &str, flag: &'static str) {
        self.set(path, vec![format!("${{file:{file}}}")], Kind::Reference, flag);
    }

    /// Sets a list of texts.
    pub fn list(&mut self, path: &[&str], values: Vec<String>, flag: &'static str) {
        self.set(path, values, Kind::List, flag);
    }

    /// Sets a number.
    pub fn number(&mut self, path: &[&str], value: u32, flag: &'static str) {
        self.set(path, vec![value.to_string()], Kind::Integer, flag);
    }

    /// Sets text of a listener that is there beside all others, those of files included.
    pub fn further_listener(&mut self, name: &str, key: &str, value: &str, flag: &'static str) {
        let (path, value) = (vec![name.to_owned(), key.to_owned()], vec![value.to_owned()]);
        self.further_listeners.push(Setting { path, value, kind: Kind::Text, flag });
    }

    /// Sets a list of texts of such a listener.
    pub fn further_listener_list(
        &mut self,
        name: &str,
        key: &str,
        value: Vec<String>,
        flag: &'static str,
    ) {
        let path = vec![name.to_owned(), key.to_owned()];
        self.further_listeners.push(Setting { path, value, kind: Kind::List, flag });
    }

    /// Sets a list of texts for all listeners, those of files included.
    pub fn every_listener(&mut self, key: &str, values: Vec<String>, flag: &'static str) {
        self.every_listener.push(Setting {
            path: vec![key.to_owned()],
            value: values,
            kind: Kind::List,
            flag,
        });
    }

    /// Lets anybody connect to all listeners, and those who say nothing where there are passwords.
    pub fn allow_anonymous(&mut self, flag: &'static str) {
        let path = vec!["allow_anonymous".to_owned()];
        self.every_listener.push(Setting { path, value: Vec::new(), kind: Kind::Boolean, flag });
        self.set(&["auth", "allow_anonymous"], Vec::new(), Kind::Boolean, flag);
    }

    fn set(&mut self, path: &[&str], value: Vec<String>, kind: Kind, flag: &'static str) {
        let path = path.iter().map(|key| (*key).to_owned()).collect();
        self.settings.push(Setting { path, value, kind, flag });
    }

    /// Lays them over a tree. Listeners of flags take the place of all others.
    pub(crate) fn lay_over(self, tree: &mut Node, sources: &mut Vec<Source>) {
        let has_listeners =
            self.settings.iter().any(|it| it.path.first().is_some_and(|key| key == "listener"));
        if has_listeners && let Value::Table(entries) = &mut tree.value {
            entries.retain(|entry| entry.key != "listener");
        }
        for setting in self.settings {
            let origin = origin(sources, setting.flag);
            put(tree, &setting.path, &setting.node(&origin), &origin);
        }
        lay_beside(&self.further_listeners, tree, sources);
        for setting in self.every_listener {
            let origin = origin(sources, setting.flag);
            name_the_first_listener(tree, &origin);
            let Value::Table(entries) = &mut tree.value else { return };
            let listeners = entries.iter_mut().find(|entry| entry.key == "listener");
            let Some(Value::List(items)) = listeners.map(|entry| &mut entry.node.value) else {
                return;
            };
            for item in items {
                put(item, &setting.path, &setting.node(&origin), &origin);
            }
        }
    }
}

/// Adds listeners behind those that are there.
fn lay_beside(settings: &[Setting], tree: &mut Node, sources: &mut Vec<Source>) {
    let mut names: Vec<&str> = Vec::new();
    for setting in settings {
        let origin = origin(sources, setting.flag);
        name_the_first_listener(tree, &origin);
        let [name, key] = setting.path.as_slice() else { continue };
        if !names.contains(&name.as_str()) {
            names.push(name);
            let Some(Value::List(items)) = tree.at(&["listener"]).map(|it| &it.value) else {
                return;
            };
            let number = items.len().to_string();
            put(tree, &["listener", &number, "name"], &Node::text(name, origin.clone()), &origin);
        }
        let Some(Value::List(items)) = tree.at(&["listener"]).map(|it| &it.value) else { return };
        let number = (items.len() - 1).to_string();
        put(tree, &["listener", &number, key], &setting.node(&origin), &origin);
    }
}

/// Writes down the listener that is there by itself, if there is no other, so that more can be said about it.
fn name_the_first_listener(tree: &mut Node, origin: &Origin) {
    if tree.at(&["listener", "0"]).is_none() {
        let name = Node::text("mqtt", origin.clone());
        put(tree, &["listener", "0", "name"], &name, origin);
    }
}

impl Setting {
    fn node(&self, origin: &Origin) -> Node {
        // What a flag says is meant as it is written there.
        let text = |text: &String| {
            let text = crate::reference::without(text);
            Value::Text(Text { text, written: None })
        };
        let value = match (self.kind, self.value.first()) {
            (Kind::Boolean, _) => Value::Boolean(true),
            (Kind::Integer, Some(number)) => Value::Integer(number.parse().unwrap_or(i64::MAX)),
            (Kind::Text, Some(value)) => text(value),
            (Kind::Reference, Some(value)) => {
                Value::Text(Text { text: value.clone(), written: None })
            }
            (Kind::List | Kind::Integer | Kind::Text | Kind::Reference, _) => {
                let node = |value| Node { value: text(value), origin: origin.clone() };
                Value::List(self.value.iter().map(node).collect())
            }
        };
        Node { value, origin: origin.clone() }
    }
}

fn origin(sources: &mut Vec<Source>, flag: &str) -> Origin {
    let is_it = |source: &Source| matches!(source, Source::Flag(other) if other == flag);
    let source = sources.iter().position(is_it).unwrap_or_else(|| {
        sources.push(Source::Flag(flag.to_owned()));
        sources.len() - 1
    });
    Origin { source, span: 0..0 }
}

/// Puts a value where a path leads, and makes the tables and lists on the way.
fn put(tree: &mut Node, path: &[impl AsRef<str>], value: &Node, origin: &Origin) {
    let Some((first, rest)) = path.split_first() else {
        *tree = value.clone();
        return;
    };
    let first = first.as_ref();
    let empty = |next: Option<&str>| {
        let is_number = next.is_some_and(|key| key.bytes().all(|it| it.is_ascii_digit()));
        let value = if is_number { Value::List(Vec::new()) } else { Value::Table(Vec::new()) };
        Node { value, origin: origin.clone() }
    };
    match (&mut tree.value, first.parse::<usize>()) {
        (Value::List(items), Ok(number)) => {
            while items.len() <= number {
                items.push(empty(rest.first().map(AsRef::as_ref)));
            }
            if let Some(item) = items.get_mut(number) {
                put(item, rest, value, origin);
            }
        }
        (Value::Table(entries), _) => {
            let at = entries.iter().position(|entry| entry.key == first).unwrap_or_else(|| {
                let (key, node) = (first.to_owned(), empty(rest.first().map(AsRef::as_ref)));
                entries.push(Entry { key, origin: origin.clone(), node });
                entries.len() - 1
            });
            if let Some(entry) = entries.get_mut(at) {
                put(&mut entry.node, rest, value, origin);
            }
        }
        _a_leaf_in_the_way => {
            *tree = empty(Some(first));
            put(tree, path, value, origin);
        }
    }
}
