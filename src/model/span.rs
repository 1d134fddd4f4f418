//! The span as OTLP `trace.proto` has it, every field, and the resource and scope it came with.
//!
//! What is normalised on the way in, and nothing else: an absent resource, scope or status is an empty one; a parent
//! id of eight zero bytes is no parent; a `KeyValue` without a value holds [`Value::Null`](super::Value::Null).
//! Numbers that OTLP does not define (kinds, status codes, flags) are kept as sent.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Attributes, SpanId, TraceId, UnixNanos, digest};

/// One timed operation of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its own id within the trace.
    pub span_id: SpanId,
    /// The span that caused it; `None` for a root.
    pub parent_span_id: Option<SpanId>,
    /// W3C `tracestate`, verbatim.
    pub trace_state: String,
    /// Bits 0-7 are the W3C trace flags, 8 and 9 say whether the parent is remote; the others are kept too.
    pub flags: u32,
    /// What the operation is called.
    pub name: String,
    /// Its role in a call.
    pub kind: SpanKind,
    /// When it began.
    pub start: UnixNanos,
    /// When it ended; may lie before `start` when clocks are wrong.
    pub end: UnixNanos,
    /// What is known of this operation.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// What happened during it, in the order sent.
    pub events: Vec<Event>,
    /// How many events the sender left out.
    pub dropped_events_count: u32,
    /// Other spans it is related to, in the order sent.
    pub links: Vec<Link>,
    /// How many links the sender left out.
    pub dropped_links_count: u32,
    /// How it ended.
    pub status: Status,
    /// Who produced it.
    pub resource: Arc<Keyed<Resource>>,
    /// Which instrumentation produced it.
    pub scope: Arc<Keyed<Scope>>,
}

/// Something that happened at one moment of a span.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// When.
    pub time: UnixNanos,
    /// What, for instance `exception`.
    pub name: String,
    /// Its details.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
}

/// A pointer to another span, in this trace or another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// The other span's trace; `None` when it was sent empty or all zero.
    pub trace_id: Option<TraceId>,
    /// The other span; `None` when it was sent empty or all zero.
    pub span_id: Option<SpanId>,
    /// The other span's W3C `tracestate`, verbatim.
    pub trace_state: String,
    /// What is known of the relation.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// As [`Span::flags`], of the other span.
    pub flags: u32,
}

/// How a span ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Unset, ok or error; other numbers are kept as sent.
    pub code: StatusCode,
    /// What a developer may want to read about an error.
    pub message: String,
}

/// A span's role in a call; OTLP's `SpanKind`, with numbers that it does not define kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpanKind(pub i32);

impl SpanKind {
    /// Not said.
    pub const UNSPECIFIED: Self = Self(0);
    /// Inside one process.
    pub const INTERNAL: Self = Self(1);
    /// Answers a remote call.
    pub const SERVER: Self = Self(2);
    /// Makes a remote call.
    pub const CLIENT: Self = Self(3);
    /// Hands a message to a broker.
    pub const PRODUCER: Self = Self(4);
    /// Takes a message from a broker.
    pub const CONSUMER: Self = Self(5);
}

/// OTLP's `Status.StatusCode`, with numbers that it does not define kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StatusCode(pub i32);

impl StatusCode {
    /// Nobody said how it ended.
    pub const UNSET: Self = Self(0);
    /// Somebody said that it went well.
    pub const OK: Self = Self(1);
    /// It failed. The only thing that makes a span an error; an HTTP status never does.
    pub const ERROR: Self = Self(2);
}

/// Who produces spans: a process, a pod, a device. OTLP's `Resource` with the schema URL of its `ResourceSpans`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resource {
    /// Its description.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// Which attributes identify which entity.
    pub entity_refs: Vec<EntityRef>,
    /// The semantic conventions that the attributes follow.
    pub schema_url: String,
}

/// OTLP's `EntityRef`: says which attributes of a resource identify or describe one entity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntityRef {
    /// The semantic conventions that the entity follows.
    pub schema_url: String,
    /// The entity's type, for instance `host`.
    pub entity_type: String,
    /// Keys of the attributes that identify it.
    pub id_keys: Vec<String>,
    /// Keys of the attributes that describe it.
    pub description_keys: Vec<String>,
}

/// Which instrumentation produces spans: OTLP's `InstrumentationScope` with the schema URL of its `ScopeSpans`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The library's or module's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its description.
    pub attributes: Attributes,
    /// How many attributes the sender left out.
    pub dropped_attributes_count: u32,
    /// The semantic conventions that its spans follow.
    pub schema_url: String,
}

/// The name of a service that does not say its own, as the semantic conventions default `service.name`.
pub const SERVICE_UNKNOWN: &str = "unknown_service";

impl Resource {
    /// `service.name` when it is a text and not empty, else [`SERVICE_UNKNOWN`].
    #[must_use]
    pub fn service(&self) -> &str {
        self.attributes.get_text("service.name").unwrap_or(SERVICE_UNKNOWN)
    }

    /// The node: `service.instance.id`, else `host.name`, when it is a text and not empty.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.attributes.get_text("service.instance.id").or_else(|| self.attributes.get_text("host.name"))
    }
}

/// A value with a key made from its whole content, by which it is stored once. Equal content has an equal key, on
/// every machine and in every version; that different content has one is as likely as a 64-bit hash says.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyed<T> {
    key: i64,
    value: T,
}

impl<T: digest::Content> Keyed<T> {
    /// Computes the key of `value`.
    #[must_use]
    pub fn new(value: T) -> Self {
        let key = digest::low_half(digest::of(&value));
        Self { key, value }
    }
}

impl<T> Keyed<T> {
    /// The key, as the signed 64 bits that a database holds.
    #[must_use]
    pub fn key(&self) -> i64 {
        self.key
    }
}

impl<T> Deref for Keyed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Keyed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A span's place in the order of all spans: by start, then by ids, then by content. Equal keys are exact copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanKey {
    /// [`Span::start`].
    pub start: UnixNanos,
    /// [`Span::trace_id`].
    pub trace_id: TraceId,
    /// [`Span::span_id`].
    pub span_id: SpanId,
    /// The lower half of [`Span::digest`], as the signed 64 bits that a database holds and orders.
    pub digest: i64,
}

impl SpanKey {
    /// The least key of the spans of this trace that begin then.
    #[must_use]
    pub fn least(start: UnixNanos, trace_id: TraceId) -> Self {
        Self { start, trace_id, span_id: SpanId::MIN, digest: i64::MIN }
    }
}

impl Span {
    /// 128 bits made from the whole content, resource and scope included: two spans are the same only if these are.
    /// Stable across machines and versions, since it is stored.
    #[must_use]
    pub fn digest(&self) -> u128 {
        digest::of(self)
    }

    /// The span's place in the order of all spans.
    #[must_use]
    pub fn key(&self) -> SpanKey {
        self.key_with(self.digest())
    }

    /// The same for whoever has the span's digest already.
    #[must_use]
    pub fn key_with(&self, digest: u128) -> SpanKey {
        let digest = digest::low_half(digest);
        SpanKey { start: self.start, trace_id: self.trace_id, span_id: self.span_id, digest }
    }

    /// How long it took, in nanoseconds, clamped as [`UnixNanos::nanos_since`] says.
    #[must_use]
    pub fn duration_nanos(&self) -> u64 {
        self.end.nanos_since(self.start)
    }

    /// Whether it failed: its status says so, nothing else does.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.status.code == StatusCode::ERROR
    }
}

/// What tests start from.
#[cfg(test)]
impl Span {
    /// A span of the trace 01…01 with this name, and with nothing that may be left out.
    pub(crate) fn example(name: &str) -> Self {
        Self {
            trace_id: TraceId::from_slice(&[1; 16]).unwrap(),
            span_id: SpanId::from_slice(&[2; 8]).unwrap(),
            parent_span_id: None,
            trace_state: String::new(),
            flags: 0,
            name: name.to_owned(),
            kind: SpanKind::default(),
            start: UnixNanos(1),
            end: UnixNanos(2),
            attributes: Attributes::default(),
            dropped_attributes_count: 0,
            events: Vec::new(),
            dropped_events_count: 0,
            links: Vec::new(),
            dropped_links_count: 0,
            status: Status::default(),
            resource: Arc::new(Keyed::new(Resource::default())),
            scope: Arc::new(Keyed::new(Scope::default())),
        }
    }
}
