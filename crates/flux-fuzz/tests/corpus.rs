//! Replays what the fuzzer found worth keeping, and the plans that it began with.

use std::path::Path;

#[test]
fn the_corpus_holds() {
    for folder in ["corpus", "seeds"] {
        let inputs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        let inputs = inputs.join(folder).join("connections");
        let mut files: Vec<_> =
            std::fs::read_dir(&inputs).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", inputs.display());
        for file in files {
            // Shown when the test fails: the last one is the one.
            println!("{}", file.display());
            flux_fuzz::connections(&std::fs::read(&file).unwrap());
        }
    }
}
