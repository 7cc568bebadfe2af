//! A tree of nodes is held against the shape of the types: all that is wrong is told, all that is right stays.

use std::path::PathBuf;

use serde_json::{Map, Value as Json};

use crate::node::{Entry, Node, Origin, Text, Value};
use crate::problem::Problem;
use crate::reference;
use crate::shape::{Field, Form, Shape};
use crate::surroundings::Surroundings;

/// What was found out on the way.
pub(crate) struct Reader<'a> {
    pub(crate) surroundings: &'a dyn Surroundings,
    pub(crate) problems: Vec<Problem>,
    /// Tables with something wrong in them, as paths with dots: what else is wrong there may follow from it.
    pub(crate) broken: Vec<String>,
    /// Files whose text was put in, and where.
    pub(crate) secret_files: Vec<(PathBuf, Origin)>,
}

impl Reader<'_> {
    /// Removes what is wrong from a tree, and tells it.
    pub(crate) fn check(&mut self, node: &mut Node, shape: &Shape, path: &str) {
        match (&mut node.value, shape) {
            (Value::Table(entries), Shape::Table(fields)) => self.table(entries, fields, path),
            (Value::Table(entries), Shape::Named(of)) => {
                for entry in entries.iter_mut() {
                    let path = join(path, &entry.key);
                    if self.is_right(&mut entry.node, of, &path) {
                        self.check(&mut entry.node, of, &path);
                    }
                }
            }
            (Value::List(items), Shape::List(of) | Shape::OneOrMore(of)) => {
                let mut number = 0;
                items.retain_mut(|item| {
                    let path = join(path, &number.to_string());
                    number += 1;
                    let is_right = self.is_right(item, of, &path);
                    if is_right {
                        self.check(item, of, &path);
                    } else {
                        self.broken.push(path);
                    }
                    is_right
                });
            }
            _leaves_are_right => {}
        }
    }

    fn table(&mut self, entries: &mut Vec<Entry>, fields: &[Field], path: &str) {
        entries.retain_mut(|entry| {
            let Some(field) = fields.iter().find(|field| field.name == entry.key) else {
                self.unknown_key(entry, fields, path);
                return false;
            };
            let inner = join(path, &entry.key);
            let is_right = self.is_right(&mut entry.node, &field.shape, &inner);
            if is_right {
                self.check(&mut entry.node, &field.shape, &inner);
            } else {
                self.broken.push(path.to_owned());
            }
            is_right
        });
    }

    fn unknown_key(&mut self, entry: &Entry, fields: &[Field], path: &str) {
        self.broken.push(path.to_owned());
        let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
        let known = fields.iter().map(|field| field.name.as_str());
        let problem = Problem::error(format!("unknown key `{}`{place}", entry.key));
        let help = match nearest(&entry.key, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.problems.push(problem.at(&entry.origin, "").help(help));
    }

    /// Looks at a value itself, not at what is in it, and replaces references.
    fn is_right(&mut self, node: &mut Node, shape: &Shape, path: &str) -> bool {
        if let Value::Text(text) = &mut node.value
            && let Err(error) = self.replace(text, &node.origin)
        {
            let problem = Problem::error(format!("`{path}`: {error}"));
            let help = "`${env:NAME}` is a variable of the environment, `${file:PATH}` the text of a file that this user can read";
            self.problems.push(problem.at(&node.origin, "").help(help));
            return false;
        }
        match complaint(&node.value, shape) {
            None => true,
            Some(Complaint { label, help }) => {
                let is_other = help.is_none();
                let title = match is_other {
                    true => format!("`{path}` is to be {}", shape.words()),
                    false => format!("`{path}` cannot be this"),
                };
                let problem = Problem::error(title).at(&node.origin, label);
                let problem = match help {
                    Some(help) if !help.is_empty() => problem.help(help),
                    _ => problem,
                };
                self.problems.push(problem);
                false
            }
        }
    }

    fn replace(&mut self, text: &mut Text, origin: &Origin) -> Result<(), String> {
        if let Some(replaced) = reference::replace(&text.text, self.surroundings)? {
            let files = replaced.files.into_iter().map(|path| (path, origin.clone()));
            self.secret_files.extend(files);
            text.written = Some(std::mem::replace(&mut text.text, replaced.text));
        }
        Ok(())
    }
}

/// What is wrong about a value: said beside it, and below.
struct Complaint {
    label: String,
    /// `None` if it is another kind of value than it should be.
    help: Option<String>,
}

fn complaint(value: &Value, shape: &Shape) -> Option<Complaint> {
    let other = |kind: &str| Some(Complaint { label: format!("this is {kind}"), help: None });
    let wrong = |label: String, help: String| Some(Complaint { label, help: Some(help) });
    match (value, shape) {
        (Value::Table(_), Shape::Table(_) | Shape::Named(_))
        | (Value::List(_), Shape::List(_) | Shape::OneOrMore(_))
        | (Value::Boolean(_), Shape::Boolean) => None,
        (value, Shape::OneOrMore(of)) => complaint(value, of),
        (Value::Integer(number), Shape::Integer { min, max }) => {
            let is_within = (min..=max).contains(&number);
            if is_within {
                None
            } else {
                wrong(format!("it is to be {}", shape.words()), String::new())
            }
        }
        (Value::Integer(number), Shape::Text { form, min, max }) if form.may_be_a_number() => {
            checked(*form, &number.to_string(), min.as_deref(), max.as_deref())
        }
        (Value::Fraction(number), Shape::Text { form: form @ Form::Ratio, min, max }) => {
            checked(*form, number, min.as_deref(), max.as_deref())
        }
        (Value::Integer(number), Shape::Text { form: Form::Time, .. }) => {
            wrong("the unit is missing".to_owned(), format!("write \"{number}s\" for seconds"))
        }
        (Value::Text(text), Shape::Text { form, min, max }) => {
            checked(*form, &text.text, min.as_deref(), max.as_deref())
        }
        (Value::Text(text), Shape::Choice(words)) => {
            let mut known = words.iter().map(|it| it.word.as_str());
            if known.clone().any(|word| word == text.text) {
                return None;
            }
            let near = nearest(&text.text, &mut known);
            let help = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
            wrong(format!("it is to be {}", shape.words()), help)
        }
        (Value::Text(_), _) => other("text"),
        (Value::Boolean(_), _) => other("true or false"),
        (Value::Integer(_), _) => other("a number"),
        (Value::Fraction(_), _) => other("a number with a fraction"),
        (Value::List(_), _) => other("a list"),
        (Value::Table(_), _) => other("a table"),
        (Value::Foreign(kind), _) => other(kind),
    }
}

fn checked(form: Form, text: &str, min: Option<&str>, max: Option<&str>) -> Option<Complaint> {
    let label = form.check(text, min, max).err()?;
    Some(Complaint { label, help: Some(String::new()) })
}

/// Returns the word that somebody may have meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |other: &&str| strsim::damerau_levenshtein(word, other);
    let near = known.into_iter().min_by_key(distance)?;
    // A third of it may be wrong.
    (distance(&near) * 3 <= near.chars().count().max(3)).then_some(near)
}

/// Returns the tree as the types read it.
pub(crate) fn json(node: &Node) -> Json {
    match &node.value {
        Value::Boolean(value) => Json::Bool(*value),
        Value::Integer(number) => Json::from(*number),
        Value::Fraction(number) => Json::String(number.clone()),
        Value::Text(text) => Json::String(text.text.clone()),
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Table(entries) => {
            let entries = entries.iter().map(|entry| (entry.key.clone(), json(&entry.node)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
        Value::Foreign(_) => Json::Null,
    }
}

pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
