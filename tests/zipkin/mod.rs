//! Zipkin's format, without a server: what a request is in the model, and what the model is in Zipkin's words.

pub(crate) mod any;
mod decode;
mod encode;
mod merge;
mod mutation;
mod property;
pub(crate) mod protobuf;

use serde_json::Value;
use tracewell::model::{Span, UnixNanos};
use tracewell::zipkin::{decode as zipkin, encode as back};

/// When every request arrives.
const ARRIVAL: UnixNanos = UnixNanos(9_000_000_000);

/// The good spans of a JSON request that is wholly good.
fn decoded(json: &Value) -> Vec<Span> {
    let decoded = zipkin::json(json.to_string().as_bytes(), ARRIVAL).unwrap();
    assert_eq!(decoded.rejected.message(), "");
    decoded.spans
}

/// Spans as Zipkin would show them, each for itself.
fn shown(spans: &[Span]) -> Value {
    serde_json::to_value(spans.iter().map(back::span).collect::<Vec<_>>()).unwrap()
}
