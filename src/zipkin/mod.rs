//! Zipkin's v2 format to the model ([`decode`]) and back ([`encode`]), and what Zipkin means by the spans of a trace.
//!
//! Pure, as `otlp/` is, whose readers of JSON and protobuf it uses: for that it stands a floor higher. Nothing of the
//! database, no sockets, no status codes; the door is `server/zipkin`.
//!
//! ```text
//!  decode/   bytes -> model spans, and the rejected ones       span     what a span is in Zipkin's own words
//!  encode    model spans, Zipkin's and OTLP's -> Span          json     Span -> its JSON
//!  merge     reports about one span id become one span         tree, linker   who calls whom in a trace
//! ```
//!
//! What of a Zipkin span has no place in the model stands in one attribute, [`marks::KEY`]: a map, which no tag can be. A
//! span that came this way is known by its scope, and goes back the way it came; one that came by OTLP goes back as
//! OpenTelemetry's exporters for Zipkin would have sent it.

pub mod decode;
pub mod encode;
mod json;
pub mod linker;
pub mod marks;
pub mod merge;
mod span;
mod tree;

pub use span::{Annotation, Endpoint, Kind, Span};
