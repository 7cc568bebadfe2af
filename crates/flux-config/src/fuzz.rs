//! What holds for any text as a file: the function that the fuzzer calls, and a test with its corpus.
#![expect(clippy::panic, reason = "a fuzz target fails by a panic")]

use std::path::Path;

use crate::{Flags, InMemory, Loaded, load, show};

/// Reads any text as a file, and checks that problems can be told, and that what is shown is read as the same.
///
/// # Panics
///
/// When something does not hold.
pub fn check(text: &str) {
    let loaded = match read(text) {
        Ok(loaded) => loaded,
        Err(told) => {
            assert!(!told.is_empty(), "nothing is told about {text:?}");
            assert!(!told.contains("this cannot be read"), "shape and types differ: {told}");
            return;
        }
    };
    let shown = show::show(&loaded.config, None);
    let again = read(&shown).unwrap_or_else(|told| panic!("{told}\nin:\n{shown}"));
    assert_eq!(again.config, loaded.config, "{shown}");
    // Here secrets are hidden.
    let shown = loaded.show();
    let mut again = read(&shown).unwrap_or_else(|told| panic!("{told}\nin:\n{shown}"));
    again.config.admin.token.clone_from(&loaded.config.admin.token);
    again.config.auth.http.token.clone_from(&loaded.config.auth.http.token);
    again.config.otlp.headers.clone_from(&loaded.config.otlp.headers);
    assert_eq!(again.config, loaded.config, "{shown}");
}

fn read(text: &str) -> Result<Loaded, String> {
    let files = InMemory::new([("flux.toml", text), ("secret", "s3cret\n")]);
    let files = files.with_variable("NAME", "value");
    load(Some(Path::new("flux.toml")), Flags::default(), &files).map_err(|told| told.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn the_corpus_holds() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/config");
        let mut inputs = 0;
        for input in fs::read_dir(corpus).unwrap() {
            let bytes = fs::read(input.unwrap().path()).unwrap();
            super::check(&String::from_utf8_lossy(&bytes));
            inputs += 1;
        }
        assert!(inputs > 0);
    }
}
