//! What a request should come out as after a way through the model, said in prost's types alone: spans with bad ids
//! are gone, what is absent is empty, and spans of equal resources and scopes stand together.

use std::collections::HashMap;
use std::mem;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::Link;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// The good spans, each with its own envelopes, as bytes (so that a NaN equals itself); and how many were bad.
pub(crate) fn normal(sent: Vec<ResourceSpans>) -> (Vec<Vec<u8>>, usize) {
    let (mut spans, mut bad) = (Vec::new(), 0);
    for mut resource_spans in sent {
        for mut scope_spans in mem::take(&mut resource_spans.scope_spans) {
            for span in mem::take(&mut scope_spans.spans) {
                if is_good(&span) {
                    spans.push(alone(&resource_spans, &scope_spans, span));
                } else {
                    bad += 1;
                }
            }
        }
    }
    (grouped(&spans), bad)
}

/// In the order of first appearance of the resource, then of the scope, then as sent.
fn grouped(spans: &[ResourceSpans]) -> Vec<Vec<u8>> {
    let resource = |span: &ResourceSpans| ResourceSpans { scope_spans: vec![], ..span.clone() }.encode_to_vec();
    let both = |span: &ResourceSpans| {
        let scope_spans = vec![ScopeSpans { spans: vec![], ..span.scope_spans[0].clone() }];
        ResourceSpans { scope_spans, ..span.clone() }.encode_to_vec()
    };
    let (resources, scopes) = (firsts(spans.iter().map(resource)), firsts(spans.iter().map(both)));
    let mut order: Vec<_> = resources.into_iter().zip(scopes).zip(spans).collect();
    order.sort_by_key(|(place, _)| *place);
    order.into_iter().map(|(_, span)| span.encode_to_vec()).collect()
}

/// For each key, the place of the first that equals it.
fn firsts(keys: impl Iterator<Item = Vec<u8>>) -> Vec<usize> {
    let mut places = HashMap::new();
    keys.enumerate().map(|(place, key)| *places.entry(key).or_insert(place)).collect()
}

fn is_good(span: &Span) -> bool {
    let needed = |id: &[u8], length| id.len() == length && id.iter().any(|byte| *byte != 0);
    let optional = |id: &[u8], length| id.is_empty() || id.len() == length;
    needed(&span.trace_id, 16)
        && needed(&span.span_id, 8)
        && optional(&span.parent_span_id, 8)
        && span.links.iter().all(|link| optional(&link.trace_id, 16) && optional(&link.span_id, 8))
}

fn alone(resource_spans: &ResourceSpans, scope_spans: &ScopeSpans, mut span: Span) -> ResourceSpans {
    let mut resource = resource_spans.resource.clone().unwrap_or_default();
    let mut scope = scope_spans.scope.clone().unwrap_or_default();
    for attributes in [&mut resource.attributes, &mut scope.attributes, &mut span.attributes] {
        attributes.iter_mut().for_each(normal_pair);
    }
    span.events.iter_mut().flat_map(|event| &mut event.attributes).for_each(normal_pair);
    span.links.iter_mut().for_each(normal_link);
    unless_zero(&mut span.parent_span_id);
    span.status.get_or_insert_default();
    let scope_spans = ScopeSpans { scope: Some(scope), spans: vec![span], schema_url: scope_spans.schema_url.clone() };
    ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans],
        schema_url: resource_spans.schema_url.clone(),
    }
}

fn normal_link(link: &mut Link) {
    link.attributes.iter_mut().for_each(normal_pair);
    unless_zero(&mut link.trace_id);
    unless_zero(&mut link.span_id);
}

fn unless_zero(id: &mut Vec<u8>) {
    if id.iter().all(|byte| *byte == 0) {
        id.clear();
    }
}

fn normal_pair(pair: &mut KeyValue) {
    pair.key_strindex = 0;
    normal_value(pair.value.get_or_insert_default());
}

fn normal_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(any_value::Value::ArrayValue(array)) => array.values.iter_mut().for_each(normal_value),
        Some(any_value::Value::KvlistValue(list)) => list.values.iter_mut().for_each(normal_pair),
        Some(any_value::Value::StringValueStrindex(_)) => value.value = None,
        _ => {}
    }
}
