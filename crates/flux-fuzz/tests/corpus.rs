//! Replays what the fuzzer found worth keeping.

use std::path::Path;

#[test]
fn the_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/connections");
    let mut files: Vec<_> =
        std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", corpus.display());
    for file in files {
        // Shown when the test fails: the last one is the one.
        println!("{}", file.display());
        flux_fuzz::connections(&std::fs::read(&file).unwrap());
    }
}
