//! [`load`]: files, those in `conf.d` beside the first, and flags become one config.

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::document;
use crate::flags::Flags;
use crate::loaded::Loaded;
use crate::node::{Node, Origin, Value};
use crate::problem::{Problem, Problems, Source};
use crate::reader::{self, Reader};
use crate::rules;
use crate::shape::Shape;
use crate::surroundings::Surroundings;

/// Reads a config: the file, if there is one, the files `conf.d/*.toml` beside it in the order of their names, and flags. What
/// is read later is laid over what was read before; listeners are joined by their names.
///
/// # Errors
///
/// With all that is wrong, and all that there is to warn of.
pub fn load(
    file: Option<&Path>,
    flags: Flags,
    surroundings: &dyn Surroundings,
) -> Result<Loaded, Problems> {
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    let origin = Origin { source: 0, span: 0..0 };
    let mut tree = Node { value: Value::Table(Vec::new()), origin };
    for path in file.map(|file| files(file, surroundings, &mut problems)).unwrap_or_default() {
        match surroundings.read(&path) {
            Ok(text) => {
                tree.lay_over(document::read(sources.len(), &text, &mut problems));
                sources.push(Source::File { path: path.display().to_string(), text });
            }
            Err(error) => {
                let title = format!("cannot read {}: {error}", path.display());
                let help = "name a file that this user can read; `flux-broker config init` writes one to start from";
                problems.push(Problem::error(title).help(help));
            }
        }
    }
    flags.lay_over(&mut tree, &mut sources);
    check(tree, sources.into(), problems, surroundings)
}

/// Returns the file and those beside it.
fn files(
    file: &Path,
    surroundings: &dyn Surroundings,
    problems: &mut Vec<Problem>,
) -> Vec<std::path::PathBuf> {
    let beside = file.parent().unwrap_or(Path::new("")).join("conf.d");
    let mut files = vec![file.to_owned()];
    match surroundings.list(&beside, "toml") {
        Ok(fragments) => files.extend(fragments),
        Err(error) => {
            let title = format!("cannot list {}: {error}", beside.display());
            let help = "let this user read it, or remove it: what is in it is laid over the config";
            problems.push(Problem::error(title).help(help));
        }
    }
    files
}

fn check(
    mut tree: Node,
    sources: Arc<[Source]>,
    syntax: Vec<Problem>,
    surroundings: &dyn Surroundings,
) -> Result<Loaded, Problems> {
    let is_sound = syntax.is_empty();
    let (broken, secret_files) = (Vec::new(), Vec::new());
    let mut reader = Reader { surroundings, problems: syntax, broken, secret_files };
    // In a text that is no TOML nobody knows what was meant by the rest.
    if is_sound {
        reader.check(&mut tree, &Shape::of_config(), "");
    }
    let Reader { mut problems, broken, secret_files, .. } = reader;
    let config = serde_json::from_value::<Config>(reader::json(&tree));
    if let Err(error) = &config
        && problems.is_empty()
    {
        problems.push(Problem::error(format!("this cannot be read: {error}")));
    }
    let config = config.unwrap_or_default();
    if is_sound {
        problems.extend(rules::check(&config, &tree, &broken));
        problems.extend(rules::readable_secrets(
            &config,
            &tree,
            &sources,
            &secret_files,
            surroundings,
        ));
    }
    let mut problems = Problems { sources, problems };
    problems.sort();
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(Loaded { config, tree, warnings: problems })
}
