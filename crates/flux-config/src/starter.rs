//! [`starter`]: a file to start from.

use crate::shape::{Field, Shape};
use crate::show::toml;

/// Returns a file in which every setting stands with what it is for, as a comment: what is not changed need not be there.
#[must_use]
pub fn starter() -> String {
    let mut text = String::from(HEAD);
    for (header, field) in Shape::sections("public") {
        let fields = match &field.shape {
            Shape::Named(of) | Shape::List(of) => of.fields(),
            shape => shape.fields(),
        };
        text.push('\n');
        add_comment(&mut text, &field.doc, "## ");
        // What there may be several of begins with a header, so it is a comment as a whole.
        let mark = if field.is_table() { "" } else { "# " };
        text.push_str(&format!("{mark}{header}\n"));
        for field in fields {
            add(&mut text, field);
        }
    }
    text
}

fn add(text: &mut String, field: &Field) {
    if field.is_section() {
        return;
    }
    let value = field.example.as_ref().or(field.default.as_ref());
    let Some(value) = value else { return };
    let mut doc = field.doc.clone();
    if let Shape::Choice(_) = field.shape {
        doc = format!("{doc} {}.", field.shape.words());
    }
    add_comment(text, &doc, "## ");
    text.push_str(&format!("# {} = {}\n", field.name, toml(value)));
}

fn add_comment(text: &mut String, doc: &str, mark: &str) {
    let mut line = String::new();
    for word in doc.split(' ') {
        if !line.is_empty() && line.len() + word.len() >= WIDTH {
            text.push_str(&format!("{mark}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    text.push_str(&format!("{mark}{line}\n"));
}

const WIDTH: usize = 96;

const HEAD: &str = "\
## What the broker does. A line that begins with one `#` has a default, or an example where there is none: take the `# `
## away to change it. `flux-broker config check FILE` says whether all is right.
##
## Text may have `${env:NAME}` and `${file:PATH}` in it. Files beside this one in conf.d/*.toml are laid over it.
";
