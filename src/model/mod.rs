//! Floor 1: what a trace is made of, in OTLP's words, and how one asks for it.
//!
//! Plain values and pure functions. There is no I/O here, no async, no protobuf, no SQL and no serde: a format that
//! wants to show a value converts it by hand on its own floor (`otlp/`, `store/`, `server/`), and that conversion is
//! where versions meet. Start with [`Span`], then [`Search`].

pub mod attribute;
mod digest;
pub mod filter;
pub mod histogram;
pub mod id;
pub mod listing;
pub mod parts;
pub mod search;
pub mod span;
pub mod time;
pub mod trace;

pub use attribute::{Attribute, Attributes, Value};
pub use filter::{AttributeIs, Condition, Filter, TextIs, Within};
pub use histogram::Histogram;
pub(crate) use id::hex;
pub use id::{IdError, SpanId, TraceId};
pub use listing::{Listed, Listing};
pub use parts::Parts;
pub use search::{AttributeCondition, AttributeScope, Search, SearchError, SearchFields};
pub use span::{
    EntityRef, Event, Keyed, Link, Resource, SERVICE_UNKNOWN, Scope, Span, SpanKey, SpanKind, Status, StatusCode,
};
pub use time::{DURATION_NANOS_MAX, UnixNanos};
pub use trace::{Operation, ServiceSummary, SpanFacts, TraceFold, TraceSummary};
