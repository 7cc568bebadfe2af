//! Files and what comes of them.

mod layers;
mod mosquitto;
mod pages;
mod problems;
mod redacted;
mod round_trip;

use std::path::Path;

use crate::{Flags, InMemory, Loaded, Problems, load};

/// Loads `flux.toml` of these files.
fn load_files<const N: usize>(files: [(&str, &str); N]) -> Result<Loaded, Problems> {
    load(Some(Path::new("flux.toml")), Flags::default(), &InMemory::new(files))
}

#[test]
fn no_secret_is_in_what_was_loaded_or_is_wrong() {
    let good = "[admin]\nbind = \"0.0.0.0:1\"\ntoken = \"s3cret\"\n";
    let loaded = load_files([("flux.toml", good)]).unwrap();
    assert_eq!(loaded.config.admin.token.as_deref(), Some("s3cret"));
    let bad = load_files([("flux.toml", &format!("{good}tokn = \"s3cret\"\n"))]).unwrap_err();
    for shown in [format!("{loaded:?}"), format!("{bad:?}")] {
        assert!(shown.contains("flux.toml"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
