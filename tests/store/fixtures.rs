//! Hand-made material of the promises' scripts: spans at their extremes, spans that differ in one field, searches of
//! one condition each.

use std::sync::Arc;

use tracewell::model::{
    AttributeCondition, AttributeScope, Attributes, Event, Keyed, Link, Resource, Scope, SearchFields, Span, SpanKind,
    Status, StatusCode, UnixNanos, Value,
};

use crate::support::{arbitrary, service, span, span_id};

/// This value wherever a span can hold one.
pub(crate) fn everywhere(value: &Value, span: Span) -> Span {
    let attributes: Attributes =
        [("v", value.clone()), ("list", Value::Array(vec![value.clone()]))].into_iter().collect();
    let resource = Resource { attributes: attributes.clone(), ..Resource::default() };
    let scope = Scope { attributes: attributes.clone(), ..Scope::default() };
    Span {
        events: vec![Event { attributes: attributes.clone(), ..Event::default() }],
        links: vec![Link { attributes: attributes.clone(), ..Link::default() }],
        attributes,
        resource: Arc::new(Keyed::new(resource)),
        scope: Arc::new(Keyed::new(scope)),
        ..span
    }
}

/// Each field at both its ends, texts with everything in them, long lists, deep values.
pub(crate) fn extremes() -> Vec<Span> {
    let every_text = arbitrary::TEXTS.concat();
    let long = "long ".repeat(20_000);
    let mut deep = Value::Int(1);
    for level in 0..40 {
        let map = |value| Value::Map([("m", value)].into_iter().collect());
        deep = if level % 2 == 0 { Value::Array(vec![deep]) } else { map(deep) };
    }
    let many: Attributes = (0..2_000).map(|index| (format!("key {index}"), Value::Int(index))).collect();
    vec![
        Span { start: UnixNanos(u64::MAX), end: UnixNanos(0), flags: u32::MAX, ..span(1, 1, 0) },
        Span { start: UnixNanos(0), end: UnixNanos(u64::MAX), kind: SpanKind(i32::MIN), ..span(1, 2, 0) },
        Span { kind: SpanKind(i32::MAX), dropped_attributes_count: u32::MAX, ..span(1, 3, 0) },
        Span { dropped_events_count: u32::MAX, dropped_links_count: u32::MAX, ..span(1, 4, 0) },
        Span { status: Status { code: StatusCode(i32::MIN), message: every_text.clone() }, ..span(1, 5, 0) },
        Span { name: every_text.clone(), trace_state: every_text, ..span(1, 6, 0) },
        Span { name: long.clone(), trace_state: long.clone(), resource: service(&long), ..span(1, 7, 0) },
        Span { parent_span_id: Some(span_id(u64::MAX)), ..span(1, 8, 0) },
        Span { attributes: many, events: vec![Event::default(); 500], ..span(1, 9, 0) },
        Span { links: vec![Link::default(); 500], ..span(1, 10, 0) },
        everywhere(&deep, span(1, 11, 0)),
        everywhere(&Value::Bytes((0..=255).cycle().take(70_000).collect()), span(1, 12, 0)),
        everywhere(&Value::String(long), span(1, 13, 0)),
        everywhere(&Value::Array(Vec::new()), span(1, 14, 0)),
        everywhere(&Value::Map(Attributes::default()), span(1, 15, 0)),
    ]
}

/// One change to each field that leaves trace id, span id and start as they are.
pub(crate) const CHANGES: [fn(&mut Span); 15] = [
    |span| span.parent_span_id = Some(span_id(9)),
    |span| span.trace_state.push('x'),
    |span| span.flags = 2,
    |span| span.name.push('x'),
    |span| span.kind = SpanKind(77),
    |span| span.end = UnixNanos(9),
    |span| span.attributes.0[0].value = Value::Null,
    |span| span.dropped_attributes_count = 9,
    |span| span.events.push(Event::default()),
    |span| span.dropped_events_count = 9,
    |span| span.links.push(Link::default()),
    |span| span.dropped_links_count = 9,
    |span| span.status.code = StatusCode::ERROR,
    |span| span.resource = service("cart"),
    |span| span.scope = Arc::new(Keyed::new(Scope { name: "s".to_owned(), ..Scope::default() })),
];

/// Each condition by itself.
pub(crate) fn single_conditions() -> Vec<SearchFields> {
    let default = SearchFields::default;
    let attribute = |scope, key: &str, value| SearchFields {
        attributes: vec![AttributeCondition { scope, key: key.to_owned(), value }],
        ..default()
    };
    let mut searches = vec![
        SearchFields { start_min: Some(UnixNanos(1_000)), ..default() },
        SearchFields { start_max: Some(UnixNanos(1_000)), ..default() },
        SearchFields { start_min: Some(UnixNanos(999)), start_max: Some(UnixNanos(1_001)), ..default() },
        SearchFields { service: Some("shop".to_owned()), ..default() },
        SearchFields { service: Some("unknown_service".to_owned()), ..default() },
        SearchFields { service: Some(String::new()), ..default() },
        SearchFields { node: Some("n1".to_owned()), ..default() },
        SearchFields { node: Some(String::new()), ..default() },
        SearchFields { span_name: Some("get".to_owned()), ..default() },
        SearchFields { span_name: Some("\u{1}".to_owned()), ..default() },
        SearchFields { kind: Some(SpanKind::CLIENT), ..default() },
        SearchFields { kind: Some(SpanKind(i32::MIN)), ..default() },
        SearchFields { status: Some(StatusCode::ERROR), ..default() },
        SearchFields { status: Some(StatusCode(i32::MAX)), ..default() },
        SearchFields { duration_min_nanos: Some(1), ..default() },
        SearchFields { duration_min_nanos: Some(i64::MAX.unsigned_abs()), ..default() },
        SearchFields { duration_min_nanos: Some(u64::MAX), ..default() },
        SearchFields { duration_max_nanos: Some(0), ..default() },
        SearchFields { duration_max_nanos: Some(u64::MAX), ..default() },
    ];
    for scope in [AttributeScope::Any, AttributeScope::Span, AttributeScope::Resource] {
        for value in [Value::Int(1), Value::Double(1.0), Value::from("1"), Value::from("\0"), Value::Null] {
            searches.push(attribute(scope, "a", value.clone()));
            searches.push(attribute(scope, "$bytes", value.clone()));
            searches.push(attribute(scope, "a\"b", value));
        }
        searches.push(attribute(scope, "a", Value::Double(f64::NAN)));
        searches.push(attribute(scope, "a", Value::Double(-0.0)));
        searches.push(attribute(scope, "b", Value::Bytes(b"1".to_vec())));
        searches.push(attribute(scope, "host.name", Value::from("n1")));
        searches.push(attribute(scope, "service.name", Value::from("shop")));
    }
    searches
}
