//! References in text: `${env:NAME}` is a variable, `${file:PATH}` the text of a file, `$${` is `${` itself.

use std::path::{Path, PathBuf};

use crate::surroundings::Surroundings;

/// Text whose references are replaced.
#[derive(derive_more::Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    #[debug("{} bytes", text.len())]
    pub(crate) text: String,
    /// The files that were read.
    pub(crate) files: Vec<PathBuf>,
}

/// Replaces all references of a text; `None` if there is nothing to replace.
pub(crate) fn replace(
    text: &str,
    surroundings: &dyn Surroundings,
) -> Result<Option<Replaced>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut replaced = Replaced { text: String::new(), files: Vec::new() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            replaced.text.push_str(before);
            replaced.text.push_str("${");
            rest = after;
            continue;
        }
        replaced.text.push_str(before);
        let Some((reference, behind)) = after.split_once('}') else {
            return Err("`${` without `}`: write `$${` for the characters themselves".to_owned());
        };
        match reference.split_once(':') {
            Some(("env", name)) => match surroundings.variable(name) {
                Some(value) => replaced.text.push_str(&value),
                None => return Err(format!("the environment has no variable `{name}`")),
            },
            Some(("file", path)) => {
                let content = surroundings.read(Path::new(path));
                let content = content.map_err(|error| format!("cannot read {path}: {error}"))?;
                replaced.text.push_str(content.trim_end_matches(['\r', '\n']));
                replaced.files.push(path.into());
            }
            _ => {
                // It may be a part of a password.
                return Err("what is in `${` and `}` is neither `env:NAME` nor `file:PATH`; \
                            write `$${` for the characters `${` themselves"
                    .to_owned());
            }
        }
        rest = behind;
    }
    replaced.text.push_str(rest);
    Ok(Some(replaced))
}

/// Writes text so that it has no references.
pub(crate) fn without(text: &str) -> String {
    text.replace("${", "$${")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InMemory;

    #[test]
    fn variables_and_files_are_put_in() {
        #[track_caller]
        fn check(text: &str, expected: Result<&str, &str>) {
            let files = InMemory::new([("/run/secret", "s3cret\n")]).with_variable("HOST", "a.b");
            let found = replace(text, &files);
            match (&found, expected) {
                (Ok(replaced), Ok(expected)) => {
                    assert_eq!(replaced.as_ref().map_or(text, |it| &it.text), expected);
                }
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                _ => panic!("{text}: {found:?}"),
            }
        }
        check("plain $HOST", Ok("plain $HOST"));
        check("a/${env:HOST}/${file:/run/secret}!", Ok("a/a.b/s3cret!"));
        check("$${env:HOST}", Ok("${env:HOST}"));
        check("${env:NONE}", Err("no variable `NONE`"));
        check("${file:/none}", Err("cannot read /none"));
        check("${HOST}", Err("neither `env:NAME` nor `file:PATH`"));
        check("${env:HOST", Err("without `}`"));
        assert_eq!(
            replace(&without("$${a${b"), &InMemory::default()).unwrap().unwrap().text,
            "$${a${b"
        );
    }
}
