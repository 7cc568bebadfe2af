//! [`guide`]: the page about every setting.

use crate::shape::{Changes, Field, Form, Shape};
use crate::show::toml;

/// Returns the page of the guide, in Markdown.
#[must_use]
pub fn guide() -> String {
    let mut page = String::from(HEAD);
    for (header, field) in Shape::sections("NAME") {
        let fields = match &field.shape {
            Shape::Named(of) | Shape::List(of) => of.fields(),
            shape => shape.fields(),
        };
        page.push_str(&format!("\n## `{header}`\n\n{}\n\n{TABLE}", field.doc));
        for field in fields.iter().filter(|field| !field.is_table()) {
            add(&mut page, field, "");
        }
        for field in fields {
            add_words(&mut page, field);
        }
    }
    page
}

fn add(page: &mut String, field: &Field, prefix: &str) {
    let default = match &field.default {
        Some(value) => format!("`{}`", toml(value)),
        None if field.is_required => "must be there".to_owned(),
        None => "-".to_owned(),
    };
    let changes = match field.changes {
        Changes::AtStart => "at start",
        Changes::OnReload => "on reload",
    };
    let (name, doc) = (&field.name, field.doc.replace('|', "\\|"));
    let default = if field.is_required { "must be there".to_owned() } else { default };
    page.push_str(&format!(
        "| `{prefix}{name}` | {doc} | {} | {default} | {changes} |\n",
        values(&field.shape)
    ));
    if let Shape::List(of) = &field.shape {
        for inner in of.fields() {
            add(page, inner, &format!("{name}[]."));
        }
    }
}

/// Says what a setting may be, with its unit and its range.
fn values(shape: &Shape) -> String {
    match shape {
        Shape::Text {
            form:
                Form::Plain
                | Form::Bind
                | Form::Range
                | Form::Rate
                | Form::ByteRate
                | Form::Ratio
                | Form::Permissions,
            ..
        } => shape.words(),
        Shape::Text { form: Form::Time | Form::Size, min, max } => {
            let (mut words, bound) = (shape.words(), |it: &Option<String>| it.clone());
            if let Some(min) = bound(min) {
                words.push_str(&format!(", from {min}"));
            }
            if let Some(max) = bound(max) {
                words.push_str(&format!(" to {max}"));
            }
            words
        }
        Shape::Table(_)
        | Shape::Named(_)
        | Shape::List(_)
        | Shape::OneOrMore(_)
        | Shape::Boolean
        | Shape::Integer { .. }
        | Shape::Choice(_) => shape.words(),
    }
}

fn add_words(page: &mut String, field: &Field) {
    let Shape::Choice(words) = &field.shape else { return };
    page.push_str(&format!("\n`{}`:\n\n", field.name));
    for word in words {
        page.push_str(&format!("- `{}`: {}\n", word.word, word.doc));
    }
}

const TABLE: &str = "\
| setting | what it is | what it may be | default | changes |
|---|---|---|---|---|
";

const HEAD: &str = "\
# Configuration

This page is made from the types in `crates/flux-config/src/config`; a test fails when it is stale
(`UPDATE_EXPECT=1 cargo test -p flux-config` writes it anew).

One TOML file says what the broker does: `flux-broker --config FILE`, or `FLUX_CONFIG`. Everything in it may be left out.

| command | what it does |
|---|---|
| `flux-broker config init` | writes a file to start from, with every setting as a comment |
| `flux-broker config check FILE` | tells all that is wrong at once, with file, line and column; exit code 1 if something is |
| `flux-broker config show FILE` | writes what holds, and where each value comes from: file and line, flag, or default |
| `flux-broker config schema` | writes a JSON schema, with which editors complete and check |
| `flux-broker config import-mosquitto FILE` | makes a file of a mosquitto.conf, and lists what it could not carry over |

- **Later wins.** Files `conf.d/*.toml` beside the file are laid over it in the order of their names, then flags. Tables are joined key
  by key, listeners by their names; other lists are replaced. A flag that says where to listen (`--bind`, `--port`,
  `--tls-cert`, ...) takes the place of all listeners of the files; `--ws`, `--wss` and `--unix` add one.
- **References.** In text `${env:NAME}` is a variable of the environment, `${file:PATH}` the text of a file without the line end behind it, and `$${`
  stands for `${`. `config show` shows references, not what they stand for.
- **Paths** are relative to the directory that the broker is started in.
- **Times** have units (`500ms`, `30s`, `1h 30m`, `7d`). **Sizes** may (`64kB`, `16MiB`, `4GiB`); a number alone is bytes.
- **Changes**: \"at start\" says that the broker must be started again for a changed value. SIGHUP has
  the file read again, and those that it names: all is checked first, then all of it holds at once, or the broker goes on as it was
  and says why. Connections stay; what waits for the next start is named in the log. What was agreed on with a client holds
  until it leaves, and `session` for sessions that begin.
- **Nobody gets in by accident.** A listener that other machines reach refuses to start unless clients are asked for
  passwords or certificates, or `allow_anonymous = true` stands there.
";
