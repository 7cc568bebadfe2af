//! Arbitrary text as a config file.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| flux_config::fuzz::check(text));
