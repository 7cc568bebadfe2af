//! Arbitrary bytes as a stream of frames.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flux_mqtt::fuzz_frames(data));
