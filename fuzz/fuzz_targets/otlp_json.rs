//! Any bytes as an OTLP request in JSON: what must hold is said in `tests/otlp/property/`.

#![no_main]

#[allow(dead_code, reason = "the other target uses the rest")]
#[path = "../../tests/otlp/property/mod.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|body: &[u8]| property::json(body));
