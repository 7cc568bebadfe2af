//! Files and what comes of them.

mod layers;
mod mosquitto;
mod pages;
mod problems;
mod round_trip;

use std::path::Path;

use crate::{Flags, InMemory, Loaded, Problems, load};

/// Loads `flux.toml` of these files.
fn load_files<const N: usize>(files: [(&str, &str); N]) -> Result<Loaded, Problems> {
    load(Some(Path::new("flux.toml")), Flags::default(), &InMemory::new(files))
}
