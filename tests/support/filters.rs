//! Random filters that mostly hold: their conditions are taken from spans.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use regex::Regex;
use tracewell::model::{AttributeIs, Attributes, Condition, Filter, Span, TextIs, Value, Within};

/// A filter, but for the spans that it is about.
#[derive(Debug, Clone)]
pub(crate) enum AnyFilter {
    Everything,
    All(Vec<AnyFilter>),
    OneOf(Vec<AnyFilter>),
    Is(AnyCondition),
}

/// What is taken from which span, and how.
#[derive(Debug, Clone)]
pub(crate) struct AnyCondition {
    span: Index,
    attribute: Index,
    /// Which condition.
    what: usize,
    /// How exactly it holds, or not.
    how: usize,
}

/// A filter of up to a dozen conditions.
pub(crate) fn filter() -> BoxedStrategy<AnyFilter> {
    let condition = (any::<Index>(), any::<Index>(), 0..18_usize, 0..12_usize)
        .prop_map(|(span, attribute, what, how)| AnyFilter::Is(AnyCondition { span, attribute, what, how }));
    let leaf = prop_oneof![20 => condition, 1 => Just(AnyFilter::Everything)];
    let combined = |inner: BoxedStrategy<AnyFilter>| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(AnyFilter::All), vec(inner, 0..4).prop_map(AnyFilter::OneOf),]
    };
    leaf.prop_recursive(3, 12, 3, combined).boxed()
}

impl AnyFilter {
    /// With what it takes from these spans, of which there must be one.
    pub(crate) fn of(&self, spans: &[Span]) -> Filter {
        let each = |parts: &[Self]| parts.iter().map(|part| part.of(spans)).collect();
        match self {
            Self::Everything => Filter::Everything,
            Self::All(parts) => Filter::All(each(parts)),
            Self::OneOf(parts) => Filter::OneOf(each(parts)),
            Self::Is(condition) => Filter::Is(condition.of(spans)),
        }
    }
}

impl AnyCondition {
    fn of(&self, spans: &[Span]) -> Condition {
        let span = self.span.get(spans);
        match self.what {
            0 => Condition::Service(self.text(span.resource.service())),
            1 => Condition::Name(self.text(&span.name)),
            2 => Condition::Kind(span.kind),
            3 => Condition::Status(span.status.code),
            4 => self.duration(span.duration_nanos()),
            5 => Condition::TraceId(span.trace_id),
            6 => Condition::SpanId(span.span_id),
            7 => span.parent_span_id.map_or(Condition::Root, Condition::ParentSpanId),
            8 => Condition::Root,
            _ => self.attribute(span),
        }
    }

    fn text(&self, text: &str) -> TextIs {
        let escaped = regex::escape(text);
        let pattern = match self.how {
            0..6 => return TextIs::Equal(text.to_owned()),
            6 => format!("^{escaped}$"),
            7 => escaped,
            8 => "(?i)g.t|a".to_owned(),
            9 => "(?s)^.*$".to_owned(),
            10 => r"^\w".to_owned(),
            _ => "^$".to_owned(),
        };
        TextIs::Matching(Regex::new(&pattern).unwrap())
    }

    fn duration(&self, nanos: u64) -> Condition {
        let (min_nanos, max_nanos) = match self.how {
            0..4 => (nanos, nanos),
            4 => (nanos, u64::MAX),
            5 => (0, nanos),
            6 => (nanos.saturating_sub(1), nanos.saturating_add(1)),
            7 => (nanos.saturating_add(1), u64::MAX),
            8 => (u64::MAX, u64::MAX),
            9 => (1, 0),
            10 => (i64::MAX.unsigned_abs(), u64::MAX),
            _ => (0, 0),
        };
        Condition::Duration { min_nanos, max_nanos }
    }

    fn attribute(&self, span: &Span) -> Condition {
        let mut all = Vec::new();
        let mut add = |within, attributes: &Attributes| {
            all.extend(attributes.iter().map(|attribute| (within, attribute.key.clone(), attribute.value.clone())));
        };
        add(Within::Span, &span.attributes);
        add(Within::Resource, &span.resource.attributes);
        span.events.iter().for_each(|event| add(Within::Event, &event.attributes));
        span.links.iter().for_each(|link| add(Within::Link, &link.attributes));
        add(Within::Scope, &span.scope.attributes);
        if all.is_empty() {
            return Condition::Root;
        }
        let (within, key, value) = self.attribute.get(&all).clone();
        let within = match self.what % 4 {
            0 => Within::Anywhere,
            _ => within,
        };
        Condition::Attribute { within, key, is: self.value(&value) }
    }

    fn value(&self, value: &Value) -> AttributeIs {
        match value {
            _ if self.how == 0 => AttributeIs::There,
            Value::String(text) => AttributeIs::Text(self.text(text)),
            Value::Bool(value) => AttributeIs::Bool(*value ^ (self.how == 1)),
            #[expect(clippy::cast_precision_loss, reason = "as filters have it")]
            Value::Int(int) => self.number(*int as f64),
            Value::Double(double) => self.number(*double),
            Value::Array(values) if !values.is_empty() => self.value(self.attribute.get(values)),
            _ => AttributeIs::There,
        }
    }

    fn number(&self, number: f64) -> AttributeIs {
        let (min, max) = match self.how {
            1..6 => (number, number),
            6 => (number, f64::INFINITY),
            7 => (f64::NEG_INFINITY, number),
            8 => (number - 1.0, number + 1.0),
            9 => (number.next_up(), f64::MAX),
            10 => (0.0, 0.0),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        };
        AttributeIs::Number { min, max }
    }
}
