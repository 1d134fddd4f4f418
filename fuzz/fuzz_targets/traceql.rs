//! Any bytes as a TraceQL query: what must hold is said in `tests/traceql/property.rs`.

#![no_main]

#[path = "../../tests/traceql/property.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|query: &[u8]| property::query(query));
