//! What a search goes through in the store: the conditions by which it meets what it looks for.

use super::Question;
use crate::model::{
    AttributeIs, AttributeScope, Condition, Filter, Parts, Search, SearchFields, TextIs, UnixNanos, Value, Within,
};
use crate::traceql::plan::{Plan, Reach, text_of};

/// The spans to go through.
#[derive(Debug, Clone)]
pub(super) struct Drive {
    pub(super) search: Search,
    pub(super) filter: Filter,
    /// How much of each is wanted.
    pub(super) reads: Reads,
}

/// How much of a span is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reads {
    /// Its place.
    Places,
    /// What an outline has, with these parts; all of it where the store has no outlines.
    Outlines(Parts),
    /// All of it.
    Spans,
}

impl Drive {
    /// All spans that can be found; of a query that spans alone decide, they are looked at as they come.
    pub(super) fn by_found(search: &Search, plan: Option<&Plan>) -> Self {
        Self {
            search: search.clone(),
            filter: plan.map(|plan| plan.found.clone()).unwrap_or_default(),
            reads: match plan {
                Some(Plan { outline: Some(parts), .. }) => Reads::Outlines(parts.clone()),
                Some(Plan { reach: Reach::Span, .. }) => Reads::Spans,
                _ => Reads::Places,
            },
        }
    }

    /// Other spans, when traces that match must have some that are clearly rarer. The conditions beside the query, times
    /// too, hold on the spans that are found, and need not hold on these.
    pub(super) fn by_needed(search: &Search, plan: &Plan) -> Option<Self> {
        if plan.reach == Reach::Span || rarity(&filter_of(search)).max(rarity(&plan.found)) > Rarity::Common {
            return None;
        }
        let rare = plan.needed.iter().filter(|needed| rarity(needed) >= Rarity::Value);
        let filter = rare.max_by_key(|needed| rarity(needed))?.clone();
        Some(Self { search: Search::default(), filter, reads: Reads::Places })
    }

    /// What traces are found by.
    pub(super) fn of_traces(question: &Question<'_>, plan: Option<&Plan>) -> Self {
        let by_needed = plan.and_then(|plan| Self::by_needed(question.search, plan));
        by_needed.unwrap_or_else(|| Self::by_found(question.search, plan))
    }

    /// Whether few spans of a trace are met, as far as can be told: it has one of a name, and few that are long or fail.
    pub(super) fn is_of_few(&self) -> bool {
        let search = &self.search;
        search.span_name.is_some()
            || search.status.is_some()
            || search.duration_min_nanos.is_some()
            || rarity(&self.filter) > Rarity::Common
    }

    /// The same from a time on; `None` when nothing is left.
    pub(super) fn search_since(&self, start: UnixNanos) -> Option<Search> {
        let fields: &SearchFields = &self.search;
        let start_min = fields.start_min.max(Some(start));
        Search::try_from(SearchFields { start_min, ..fields.clone() }).ok()
    }

    /// As text of the language; empty when nothing is left out.
    pub(super) fn text(&self) -> String {
        let filters = [filter_of(&self.search), self.filter.clone()];
        let filters = filters.into_iter().filter(|filter| !filter.is_everything());
        text_of(&flat(filters.collect()))
    }
}

/// How rare spans are on which a filter holds, as far as can be told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rarity {
    /// Any span may be one.
    Common,
    /// Of a service, of a name, long ones, …
    Some,
    /// An attribute has one value.
    Value,
    /// An id says which.
    Id,
}

fn rarity(filter: &Filter) -> Rarity {
    match filter {
        Filter::Everything => Rarity::Common,
        Filter::All(filters) => filters.iter().map(rarity).max().unwrap_or(Rarity::Common),
        Filter::OneOf(filters) => filters.iter().map(rarity).min().unwrap_or(Rarity::Id),
        Filter::Is(condition) => match condition {
            Condition::Root => Rarity::Common,
            Condition::TraceId(_) | Condition::SpanId(_) | Condition::ParentSpanId(_) => Rarity::Id,
            Condition::Attribute { is, .. } => rarity_of_attribute(is),
            Condition::Service(_)
            | Condition::Name(_)
            | Condition::Kind(_)
            | Condition::Status(_)
            | Condition::Duration { .. } => Rarity::Some,
        },
    }
}

fn rarity_of_attribute(is: &AttributeIs) -> Rarity {
    match is {
        AttributeIs::There => Rarity::Common,
        AttributeIs::Text(TextIs::Equal(_)) => Rarity::Value,
        AttributeIs::Number { min, max } if min.total_cmp(max).is_eq() => Rarity::Value,
        AttributeIs::Text(TextIs::Matching(_)) | AttributeIs::Number { .. } | AttributeIs::Bool(_) => Rarity::Some,
    }
}

/// What a filter can say of a search; times and nodes it can not.
fn filter_of(search: &Search) -> Filter {
    let equal = |text: &String| TextIs::Equal(text.clone());
    let min_nanos = search.duration_min_nanos.unwrap_or(0);
    let max_nanos = search.duration_max_nanos.unwrap_or(u64::MAX);
    let duration = (min_nanos > 0 || max_nanos < u64::MAX).then_some(Condition::Duration { min_nanos, max_nanos });
    let fields = [
        search.service.as_ref().map(|service| Condition::Service(equal(service))),
        search.span_name.as_ref().map(|name| Condition::Name(equal(name))),
        search.kind.map(Condition::Kind),
        search.status.map(Condition::Status),
        duration,
    ];
    let attributes = search.attributes.iter().map(|condition| {
        let within = match condition.scope {
            AttributeScope::Any => Within::Anywhere,
            AttributeScope::Span => Within::Span,
            AttributeScope::Resource => Within::Resource,
        };
        Condition::Attribute { within, key: condition.key.clone(), is: attribute_is(&condition.value) }
    });
    flat(fields.into_iter().flatten().chain(attributes).map(Filter::Is).collect())
}

fn attribute_is(value: &Value) -> AttributeIs {
    match value {
        Value::String(text) => AttributeIs::Text(TextIs::Equal(text.clone())),
        Value::Bool(value) => AttributeIs::Bool(*value),
        Value::Double(value) => AttributeIs::Number { min: *value, max: *value },
        Value::Int(value) => AttributeIs::Number { min: nearest(*value), max: nearest(*value) },
        Value::Null | Value::Bytes(_) | Value::Array(_) | Value::Map(_) => AttributeIs::There,
    }
}

#[expect(clippy::cast_precision_loss, reason = "only how rare it is matters, and what is shown")]
fn nearest(value: i64) -> f64 {
    value as f64
}

fn flat(mut filters: Vec<Filter>) -> Filter {
    match (filters.len(), filters.pop()) {
        (1, Some(filter)) => filter,
        (_, Some(filter)) => {
            filters.push(filter);
            Filter::All(filters)
        }
        (_, None) => Filter::Everything,
    }
}
