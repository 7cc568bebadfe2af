//! Arbitrary bytes as a request for WebSocket, or as its frames.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flux_websocket::fuzz::check(data));
