//! From OTLP to the model: a request's bytes in, its good spans and the rejected ones out.
//!
//! [`protobuf`] and [`json`] each read their format's fields into drafts of spans, straight from the bytes, without
//! OTLP's message types in between. What follows is common to both and stands in `draft.rs`: ids are checked, spans are
//! joined with their resource and scope, and bad ones, or ones too large for a database (`size.rs`), are set aside in
//! `rejected.rs`; all that is made is counted in `memory.rs`. One bad span never costs its neighbours anything; only a
//! request whose envelopes can not be read, or for which there is no room, fails as a whole.
//!
//! [`value`] is for what comes inside other messages, by way of prost.

use crate::model::Span;

pub(crate) mod draft;
pub(crate) mod json;
pub(crate) mod memory;
mod message;
mod protobuf;
mod rejected;
mod size;
pub(crate) mod wire;

pub use json::{VALUE_DEPTH_JSON_MAX, json_within};
pub use memory::Memory;
pub use message::value;
pub use protobuf::protobuf_within;
pub use rejected::{MESSAGE_BYTES_MAX, RejectReason, Rejected};
pub use size::STORED_BYTES_MAX;
pub use wire::Malformed;

/// Messages are read so many deep, as protobuf's own decoders read them: 47 lists in each other, or 31 maps. A value that
/// lies deeper costs its span; who asks for the span could not read the answer. Nothing recurses further.
pub const MESSAGE_DEPTH_MAX: usize = 100;

/// At most so many bytes of what the JSON parser says are kept: it quotes the request.
const JSON_ERROR_BYTES_MAX: usize = 256;

/// What a request holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The good spans, in the order sent.
    pub spans: Vec<Span>,
    /// The others, counted.
    pub rejected: Rejected,
    /// How many texts were not UTF-8; each invalid part of them is U+FFFD now.
    pub repaired: u64,
    /// Which of the good spans begin when they arrived, by their index, since nobody said when they did.
    pub begun_on_arrival: Vec<usize>,
}

/// Reads an `ExportTraceServiceRequest` (or `TracesData`, which has the same bytes), whatever it takes.
pub fn protobuf(body: &[u8]) -> Result<Decoded, DecodeError> {
    protobuf_within(body, &Memory::unbounded())
}

/// Reads an `ExportTraceServiceRequest` (or `TracesData`, which has the same text) in JSON, whatever it takes.
pub fn json(body: &[u8]) -> Result<Decoded, DecodeError> {
    json_within(body, &Memory::unbounded())
}

/// Why a request can not be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not an `ExportTraceServiceRequest`.
    #[error("invalid protobuf: {0}")]
    Protobuf(Malformed),
    /// The text is not an `ExportTraceServiceRequest` in JSON.
    #[error("invalid JSON at line {line} column {column}: {what}")]
    Json {
        /// What is wrong.
        what: String,
        /// Where, counted from 1.
        line: usize,
        /// Where in the line, in bytes.
        column: usize,
    },
    /// There is no [`Memory`] for what it holds.
    #[error("there is no room for what the request holds")]
    Full,
}

impl From<Malformed> for DecodeError {
    fn from(malformed: Malformed) -> Self {
        Self::Protobuf(malformed)
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let what = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
        Self::Json { what: cut(what, JSON_ERROR_BYTES_MAX).to_owned(), line, column }
    }
}

/// As much of a text as fits into so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}
