//! Floor 2: OTLP's wire formats to the model ([`decode`]) and back ([`encode`], [`encode_json`]).
//!
//! Pure functions from bytes to spans and from spans to messages: no sockets, no compression, no status codes (those
//! are `server/`'s), nothing of the database. Rules of the formats, and what is lenient beyond them, are written where
//! they are applied.

pub mod decode;
pub mod encode;
pub mod encode_json;
