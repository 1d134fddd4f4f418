//! Every change to a span is noticed, and named.

use super::*;
use crate::model::UnixNanos;

fn trace() -> Vec<Span> {
    let shop = Shop::new(1);
    let number = (0..100).find(|number| shop.trace_spans(*number) > 20).unwrap();
    shop.trace(number, UnixNanos(1_790_000_000_000_000_001))
}

/// The message of a span, as the query service would send it.
fn message(span: &Span) -> sent::Span {
    use crate::otlp::encode;
    let time = |time: UnixNanos| prost_types::Timestamp {
        seconds: i64::try_from(time.0 / 1_000_000_000).unwrap(),
        nanos: i32::try_from(time.0 % 1_000_000_000).unwrap(),
    };
    let duration = span.duration_nanos();
    let event = |event: &crate::model::Event| sent::Event {
        time: Some(time(event.time)),
        name: event.name.clone(),
        attributes: encode::key_values(&event.attributes),
        dropped_attributes_count: event.dropped_attributes_count,
    };
    let link = |link: &crate::model::Link| sent::Link {
        trace_id: link.trace_id.unwrap().to_string(),
        span_id: link.span_id.unwrap().to_string(),
        trace_state: link.trace_state.clone(),
        attributes: encode::key_values(&link.attributes),
        dropped_attributes_count: link.dropped_attributes_count,
        flags: link.flags,
    };
    sent::Span {
        trace_id: span.trace_id.to_string(),
        span_id: span.span_id.to_string(),
        parent_span_id: span.parent_span_id.map(|id| id.to_string()).unwrap_or_default(),
        service: span.resource.service().to_owned(),
        node: span.resource.node().unwrap().to_owned(),
        name: span.name.clone(),
        kind: span.kind.0,
        start_time: Some(time(span.start)),
        end_time: Some(time(span.end)),
        duration: Some(prost_types::Duration {
            seconds: i64::try_from(duration / 1_000_000_000).unwrap(),
            nanos: i32::try_from(duration % 1_000_000_000).unwrap(),
        }),
        status: Some(sent::Status { code: span.status.code.0, message: span.status.message.clone() }),
        attributes: encode::key_values(&span.attributes),
        dropped_attributes_count: span.dropped_attributes_count,
        events: span.events.iter().map(event).collect(),
        dropped_events_count: span.dropped_events_count,
        links: span.links.iter().map(link).collect(),
        dropped_links_count: span.dropped_links_count,
        trace_state: span.trace_state.clone(),
        flags: span.flags,
        resource: Some(sent::Resource {
            attributes: encode::key_values(&span.resource.attributes),
            dropped_attributes_count: span.resource.dropped_attributes_count,
            schema_url: span.resource.schema_url.clone(),
            entity_refs: Vec::new(),
        }),
        scope: Some(sent::Scope {
            name: span.scope.name.clone(),
            version: span.scope.version.clone(),
            attributes: encode::key_values(&span.scope.attributes),
            dropped_attributes_count: span.scope.dropped_attributes_count,
            schema_url: span.scope.schema_url.clone(),
        }),
    }
}

/// The trace as it comes back, by start time.
fn messages(trace: &[Span]) -> Vec<sent::Span> {
    let mut spans: Vec<&Span> = trace.iter().collect();
    spans.sort_by_key(|span| span.start);
    spans.into_iter().map(message).collect()
}

#[test]
fn a_trace_that_came_back_whole_is_right() {
    let shop = Shop::new(1);
    for number in 0..100 {
        let trace = shop.trace(number, UnixNanos(1_790_000_000_000_000_001));
        assert_eq!(difference(&trace, Ok(messages(&trace))), None);
    }
}

type Change = fn(&mut sent::Span);

#[test]
fn every_field_counts() {
    let trace = trace();
    let changes: [(&str, Change); 19] = [
        ("parent_span_id", |span| span.parent_span_id = "00000000000000ff".to_owned()),
        ("service", |span| span.service.push('x')),
        ("node", |span| span.node.clear()),
        ("name", |span| span.name.push('x')),
        ("kind", |span| span.kind = 9),
        ("start_time", |span| span.start_time.as_mut().unwrap().nanos -= 1),
        ("end_time", |span| span.end_time.as_mut().unwrap().nanos += 1),
        ("duration", |span| span.duration.as_mut().unwrap().nanos += 1),
        ("status", |span| span.status.as_mut().unwrap().code = 7),
        ("trace_state", |span| span.trace_state.push('x')),
        ("flags", |span| span.flags += 1),
        ("attributes[", |span| span.attributes.reverse()),
        ("dropped_attributes_count", |span| span.dropped_attributes_count += 1),
        ("dropped_events_count", |span| span.dropped_events_count += 1),
        ("dropped_links_count", |span| span.dropped_links_count += 1),
        ("resource.attributes[", |span| drop(span.resource.as_mut().unwrap().attributes.pop())),
        ("resource.schema_url", |span| span.resource.as_mut().unwrap().schema_url.clear()),
        ("scope.version", |span| span.scope.as_mut().unwrap().version.push('x')),
        ("events[", |span| span.events.push(sent::Event { time: span.start_time, ..sent::Event::default() })),
    ];
    for (field, change) in changes {
        let mut found = messages(&trace);
        let id = found[2].span_id.clone();
        change(&mut found[2]);
        let sentence = difference(&trace, Ok(found)).unwrap_or_default();
        let expected = [trace[0].trace_id.to_string(), id, field.to_owned()];
        assert!(expected.iter().all(|part| sentence.contains(part)), "{field}: {sentence}");
    }
}

#[test]
fn what_is_missing_too_much_or_unreadable_is_said() {
    let trace = trace();
    let said = |change: fn(&mut Vec<sent::Span>)| {
        let mut found = messages(&trace);
        change(&mut found);
        difference(&trace, Ok(found)).unwrap_or_default()
    };
    let lacks = said(|found| drop(found.pop()));
    assert!(lacks.contains(&format!("lacks 1 of its {} spans", trace.len())), "{lacks}");
    let twice = said(|found| found.push(found[1].clone()));
    assert!(twice.contains("twice"), "{twice}");
    let foreign = said(|found| found[1].span_id = "00000000000000ff".to_owned());
    assert!(foreign.contains("that was not sent"), "{foreign}");
    let swapped = said(|found| found.reverse());
    assert!(swapped.contains("started later"), "{swapped}");
    for change in [
        (|found| found[1].scope = None) as fn(&mut Vec<sent::Span>),
        |found| found[1].end_time = None,
        |found| {
            found[1].span_id = "7".to_owned();
        },
    ] {
        let sentence = said(change);
        assert!(sentence.contains("can not be read"), "{sentence}");
    }
    let away = difference(&trace, Err(Status::not_found("no"))).unwrap();
    assert_eq!(away, format!("trace {} is not found", trace[0].trace_id));
    let broken = difference(&trace, Err(Status::internal("why"))).unwrap();
    assert!(broken.ends_with("can not be read: Internal: why"), "{broken}");
}
