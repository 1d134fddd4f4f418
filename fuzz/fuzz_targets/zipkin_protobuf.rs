//! Any bytes as a Zipkin request in protobuf: what must hold is said in `tests/zipkin/any.rs`.

#![no_main]

#[allow(dead_code, reason = "the other target uses the rest")]
#[path = "../../tests/zipkin/any.rs"]
mod any;

libfuzzer_sys::fuzz_target!(|body: &[u8]| any::protobuf(body));
