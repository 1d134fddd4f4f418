//! A filter: what a store may go by to leave spans out before it makes them. Whoever asks looks at what is left himself,
//! so a filter may be weaker than what he wants, and a store may use as much of it as it likes; never may a span be left
//! out on which it holds.

use regex::Regex;

use super::{Attributes, Event, Link, Span, SpanId, SpanKind, StatusCode, TraceId, Value};

/// Something that holds on a span, or does not.
#[derive(Debug, Clone, Default)]
pub enum Filter {
    /// Holds on every span.
    #[default]
    Everything,
    /// All of these hold.
    All(Vec<Filter>),
    /// At least one of these holds; of none, none does.
    OneOf(Vec<Filter>),
    /// This condition holds.
    Is(Condition),
}

/// One condition on one span.
#[derive(Debug, Clone)]
pub enum Condition {
    /// [`Resource::service`](super::Resource::service).
    Service(TextIs),
    /// [`Span::name`].
    Name(TextIs),
    /// [`Span::kind`].
    Kind(SpanKind),
    /// The code of [`Span::status`].
    Status(StatusCode),
    /// [`Span::duration_nanos`], both bounds included.
    Duration {
        /// Not shorter than this.
        min_nanos: u64,
        /// Not longer than this.
        max_nanos: u64,
    },
    /// [`Span::trace_id`].
    TraceId(TraceId),
    /// [`Span::span_id`].
    SpanId(SpanId),
    /// [`Span::parent_span_id`].
    ParentSpanId(SpanId),
    /// The span has no parent.
    Root,
    /// An attribute.
    Attribute {
        /// Where it is looked for; any of the places will do.
        within: Within,
        /// Its key.
        key: String,
        /// What it is.
        is: AttributeIs,
    },
}

/// What a text is.
#[derive(Debug, Clone)]
pub enum TextIs {
    /// Exactly this.
    Equal(String),
    /// Something that this finds.
    Matching(Regex),
}

/// What an attribute is. Null is not there; of an array, one element is enough.
#[derive(Debug, Clone)]
pub enum AttributeIs {
    /// Anything.
    There,
    /// A text.
    Text(TextIs),
    /// A boolean.
    Bool(bool),
    /// A number, whole or not, both bounds included.
    Number {
        /// Not less than this.
        min: f64,
        /// Not more than this.
        max: f64,
    },
}

/// Where attributes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Anywhere of the places below.
    Anywhere,
    /// The span's own.
    Span,
    /// Its resource's.
    Resource,
    /// One of its events'.
    Event,
    /// One of its links'.
    Link,
    /// Its instrumentation scope's.
    Scope,
}

impl Filter {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }

    /// Whether it holds on this span.
    #[must_use]
    pub fn matches(&self, span: &Span) -> bool {
        match self {
            Self::Everything => true,
            Self::All(filters) => filters.iter().all(|filter| filter.matches(span)),
            Self::OneOf(filters) => filters.iter().any(|filter| filter.matches(span)),
            Self::Is(condition) => condition.matches(span),
        }
    }
}

impl Condition {
    fn matches(&self, span: &Span) -> bool {
        match self {
            Self::Service(is) => is.matches(span.resource.service()),
            Self::Name(is) => is.matches(&span.name),
            Self::Kind(kind) => span.kind == *kind,
            Self::Status(code) => span.status.code == *code,
            Self::Duration { min_nanos, max_nanos } => (*min_nanos..=*max_nanos).contains(&span.duration_nanos()),
            Self::TraceId(id) => span.trace_id == *id,
            Self::SpanId(id) => span.span_id == *id,
            Self::ParentSpanId(id) => span.parent_span_id == Some(*id),
            Self::Root => span.parent_span_id.is_none(),
            Self::Attribute { within, key, is } => is.matches_one_of(*within, key, span),
        }
    }
}

impl TextIs {
    /// Whether a text is this.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equal(wanted) => text == wanted,
            Self::Matching(regex) => regex.is_match(text),
        }
    }
}

impl AttributeIs {
    fn matches_one_of(&self, within: Within, key: &str, span: &Span) -> bool {
        let is_here = |attributes: &Attributes| attributes.get(key).is_some_and(|value| self.matches(value));
        let in_event = |event: &Event| is_here(&event.attributes);
        let in_link = |link: &Link| is_here(&link.attributes);
        let is_in = |place: Within| within == Within::Anywhere || within == place;
        is_in(Within::Span) && is_here(&span.attributes)
            || is_in(Within::Resource) && is_here(&span.resource.attributes)
            || is_in(Within::Event) && span.events.iter().any(in_event)
            || is_in(Within::Link) && span.links.iter().any(in_link)
            || is_in(Within::Scope) && is_here(&span.scope.attributes)
    }

    /// Whether a value is this.
    #[must_use]
    pub fn matches(&self, value: &Value) -> bool {
        if let (Value::Array(values), false) = (value, matches!(self, Self::There)) {
            return values.iter().any(|value| self.matches(value));
        }
        match self {
            Self::There => *value != Value::Null,
            Self::Text(is) => matches!(value, Value::String(text) if is.matches(text)),
            Self::Bool(wanted) => matches!(value, Value::Bool(bool) if bool == wanted),
            Self::Number { min, max } => number(value).is_some_and(|number| (*min..=*max).contains(&number)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a whole number beyond 2^53 is compared with its nearest double")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(int) => Some(*int as f64),
        Value::Double(double) => Some(*double),
        _ => None,
    }
}
