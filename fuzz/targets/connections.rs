//! Whole connections fed arbitrary bytes in arbitrary cuts.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flux_fuzz::connections(data));
