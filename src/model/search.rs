//! A search: conditions that must all hold on one span.

use std::ops::Deref;

use super::{Resource, Span, SpanKind, StatusCode, UnixNanos, Value, digest};

/// At most so many attribute conditions in one search.
pub const ATTRIBUTE_CONDITIONS_MAX: usize = 32;

/// What to search for, as a caller fills it in. A condition that is `None` or empty holds on every span.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchFields {
    /// The span starts at this time or later.
    pub start_min: Option<UnixNanos>,
    /// The span starts before this time.
    pub start_max: Option<UnixNanos>,
    /// [`Resource::service`] is this.
    pub service: Option<String>,
    /// [`Resource::node`] is this.
    pub node: Option<String>,
    /// The span's name is this.
    pub span_name: Option<String>,
    /// The span's kind is this.
    pub kind: Option<SpanKind>,
    /// The code of the span's status is this.
    pub status: Option<StatusCode>,
    /// [`Span::duration_nanos`] is this or more.
    pub duration_min_nanos: Option<u64>,
    /// [`Span::duration_nanos`] is this or less.
    pub duration_max_nanos: Option<u64>,
    /// All of these attributes are there.
    pub attributes: Vec<AttributeCondition>,
}

/// An attribute with this key has this value, of this type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeCondition {
    /// Where to look.
    pub scope: AttributeScope,
    /// The attribute's key.
    pub key: String,
    /// The value that [`Attributes::get`](super::Attributes::get) finds equals this one.
    pub value: Value,
}

/// Where an attribute condition looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AttributeScope {
    /// In the span's own attributes or in its resource's: one of the two is enough.
    #[default]
    Any,
    /// In the span's own attributes.
    Span,
    /// In the resource's attributes.
    Resource,
}

/// Which condition can not be searched for, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct SearchError {
    /// The name of the field, as in [`SearchFields`].
    pub field: &'static str,
    /// What is wrong with it and what to do.
    pub reason: String,
}

/// A search that can be run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search(SearchFields);

impl Deref for Search {
    type Target = SearchFields;

    fn deref(&self) -> &SearchFields {
        &self.0
    }
}

impl TryFrom<SearchFields> for Search {
    type Error = SearchError;

    /// Refuses bounds that exclude everything, more than [`ATTRIBUTE_CONDITIONS_MAX`] attributes, an empty key, and
    /// U+0000 in a text (no database can compare it; spans that hold it are stored and shown all the same).
    fn try_from(fields: SearchFields) -> Result<Self, SearchError> {
        let refuse = |field, reason: &str| Err(SearchError { field, reason: reason.to_owned() });
        if matches!((fields.start_min, fields.start_max), (Some(min), Some(max)) if min >= max) {
            return refuse("start_max", "must be later than the lower bound");
        }
        if matches!((fields.duration_min_nanos, fields.duration_max_nanos), (Some(min), Some(max)) if min > max) {
            return refuse("duration_max", "must not be shorter than the lower bound");
        }
        for (field, text) in [("service", &fields.service), ("node", &fields.node), ("span_name", &fields.span_name)] {
            if text.as_ref().is_some_and(|text| text.contains('\0')) {
                return refuse(field, "must not contain U+0000");
            }
        }
        if fields.attributes.len() > ATTRIBUTE_CONDITIONS_MAX {
            return refuse("attributes", &format!("at most {ATTRIBUTE_CONDITIONS_MAX} conditions are possible"));
        }
        if fields.attributes.iter().any(|condition| condition.key.is_empty() || condition.key.contains('\0')) {
            return refuse("attributes.key", "must not be empty nor contain U+0000");
        }
        Ok(Self(fields))
    }
}

impl Search {
    /// Whether every condition holds on this span. This is the meaning of a search: what a store does in its own
    /// language must agree with it.
    #[must_use]
    pub fn matches(&self, span: &Span) -> bool {
        let duration = span.duration_nanos();
        self.start_min.is_none_or(|min| span.start >= min)
            && self.start_max.is_none_or(|max| span.start < max)
            && self.matches_resource(&span.resource)
            && self.span_name.as_ref().is_none_or(|name| span.name == *name)
            && self.kind.is_none_or(|kind| span.kind == kind)
            && self.status.is_none_or(|status| span.status.code == status)
            && self.duration_min_nanos.is_none_or(|min| duration >= min)
            && self.duration_max_nanos.is_none_or(|max| duration <= max)
            && self.attributes.iter().all(|condition| condition.matches(span))
    }

    /// 128 bits made from all conditions: two searches are the same only if these are.
    #[must_use]
    pub fn digest(&self) -> u128 {
        digest::of(self)
    }

    fn matches_resource(&self, resource: &Resource) -> bool {
        self.service.as_ref().is_none_or(|service| resource.service() == service)
            && self.node.as_ref().is_none_or(|node| resource.node() == Some(node))
    }
}

impl AttributeCondition {
    fn matches(&self, span: &Span) -> bool {
        let in_span = || span.attributes.get(&self.key) == Some(&self.value);
        let in_resource = || span.resource.attributes.get(&self.key) == Some(&self.value);
        match self.scope {
            AttributeScope::Any => in_span() || in_resource(),
            AttributeScope::Span => in_span(),
            AttributeScope::Resource => in_resource(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_searched_for_names_its_field() {
        let nul = || Some("a\0".to_owned());
        let condition =
            |key: &str| AttributeCondition { scope: AttributeScope::Any, key: key.into(), value: Value::Null };
        let default = SearchFields::default;
        let (time, later) = (Some(UnixNanos(1)), Some(UnixNanos(2)));
        let cases = [
            ("start_max", SearchFields { start_min: time, start_max: time, ..default() }),
            ("start_max", SearchFields { start_min: later, start_max: time, ..default() }),
            ("duration_max", SearchFields { duration_min_nanos: Some(2), duration_max_nanos: Some(1), ..default() }),
            ("service", SearchFields { service: nul(), ..default() }),
            ("node", SearchFields { node: nul(), ..default() }),
            ("span_name", SearchFields { span_name: nul(), ..default() }),
            ("attributes", SearchFields { attributes: vec![condition("k"); 33], ..default() }),
            ("attributes.key", SearchFields { attributes: vec![condition("")], ..default() }),
            ("attributes.key", SearchFields { attributes: vec![condition("\0")], ..default() }),
        ];
        for (field, fields) in cases {
            assert_eq!(Search::try_from(fields).map_err(|error| error.field), Err(field));
        }
        assert!(Search::try_from(SearchFields { start_min: time, start_max: later, ..default() }).is_ok());
    }

    #[test]
    fn every_condition_makes_another_digest() {
        let default = SearchFields::default;
        let text = |text: &str| Some(text.to_owned());
        let condition = |scope, key: &str, value| vec![AttributeCondition { scope, key: key.to_owned(), value }];
        let searches = [
            default(),
            SearchFields { start_min: Some(UnixNanos(0)), ..default() },
            SearchFields { start_max: Some(UnixNanos(1)), ..default() },
            SearchFields { service: text(""), ..default() },
            SearchFields { service: text("a"), ..default() },
            SearchFields { node: text("a"), ..default() },
            SearchFields { span_name: text("a"), ..default() },
            SearchFields { kind: Some(SpanKind(0)), ..default() },
            SearchFields { status: Some(StatusCode(0)), ..default() },
            SearchFields { duration_min_nanos: Some(0), ..default() },
            SearchFields { duration_max_nanos: Some(0), ..default() },
            SearchFields { attributes: condition(AttributeScope::Any, "a", Value::Null), ..default() },
            SearchFields { attributes: condition(AttributeScope::Span, "a", Value::Null), ..default() },
            SearchFields { attributes: condition(AttributeScope::Resource, "a", Value::Null), ..default() },
            SearchFields { attributes: condition(AttributeScope::Any, "b", Value::Null), ..default() },
            SearchFields { attributes: condition(AttributeScope::Any, "a", Value::Int(0)), ..default() },
        ];
        let digests = searches.map(|fields| Search::try_from(fields).unwrap().digest());
        assert_eq!(digests.iter().collect::<std::collections::HashSet<_>>().len(), digests.len());
    }
}
