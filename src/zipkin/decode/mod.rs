//! From Zipkin to the model: a request's bytes in, its good spans and the rejected ones out.
//!
//! [`json_within`] and [`protobuf_within`] each read their format's fields into a [`Report`](report::Report), with the
//! readers that OTLP has; what follows is common to both and stands in `report.rs`. As with OTLP, one bad span costs its
//! neighbours nothing, and whatever is made of the bytes is counted as [`Memory`].

mod json;
mod protobuf;
mod report;

pub use json::json_within;
pub use protobuf::protobuf_within;

use crate::model::UnixNanos;
use crate::otlp::decode::{DecodeError, Decoded, Memory};

/// Reads a JSON array of spans that arrived then, whatever it takes.
pub fn json(body: &[u8], arrival: UnixNanos) -> Result<Decoded, DecodeError> {
    json_within(body, arrival, &Memory::unbounded())
}

/// Reads a `zipkin.proto3.ListOfSpans` that arrived then, whatever it takes.
pub fn protobuf(body: &[u8], arrival: UnixNanos) -> Result<Decoded, DecodeError> {
    protobuf_within(body, arrival, &Memory::unbounded())
}
