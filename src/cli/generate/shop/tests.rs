//! The shop, measured over a hundred thousand spans.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use prost::Message;

use super::super::plan::Window;
use super::*;
use crate::model::{SpanKind, StatusCode, Value};
use crate::otlp::encode;

const START: UnixNanos = UnixNanos(1_790_000_000_000_000_000);
const SPANS: usize = 100_000;

/// Whole traces of seed 1, so many spans or a few more.
fn traces() -> &'static [Vec<Span>] {
    static TRACES: LazyLock<Vec<Vec<Span>>> = LazyLock::new(make_traces);
    &TRACES
}

fn make_traces() -> Vec<Vec<Span>> {
    let shop = Shop::new(1);
    let mut spans = 0;
    let traces = (0..).map(|number| shop.trace(number, START));
    traces
        .take_while(|trace| {
            let enough = spans >= SPANS;
            spans += trace.len();
            !enough
        })
        .collect()
}

fn share(spans: &[Span], is: impl Fn(&Span) -> bool) -> f64 {
    spans.iter().filter(|span| is(span)).count() as f64 / spans.len() as f64
}

#[test]
fn a_trace_is_a_function_of_seed_number_and_start() {
    let bytes = |seed, number, start| encode::traces_data(&Shop::new(seed).trace(number, start)).encode_to_vec();
    for number in 0..50 {
        assert_eq!(bytes(7, number, START), bytes(7, number, START));
        assert_ne!(bytes(7, number, START), bytes(8, number, START));
        assert_ne!(bytes(7, number, START), bytes(7, number, UnixNanos(START.0 + 1)));
    }
}

#[test]
fn traces_have_the_size_and_the_id_that_was_said_before() {
    let shop = Shop::new(3);
    for number in 0..500 {
        let trace = shop.trace(number, START);
        assert_eq!(trace.len(), shop.trace_spans(number) as usize);
        assert!(trace.iter().all(|span| span.trace_id == shop.trace_id(number)));
    }
}

#[test]
fn sizes_reach_far_and_have_an_end() {
    let shop = Shop::new(1);
    let mut sizes: Vec<_> = (0..400_000).map(|number| shop.trace_spans(number)).collect();
    sizes.sort_unstable();
    assert!((17..=19).contains(&sizes[200_000]), "median {}", sizes[200_000]);
    assert!((450..750).contains(&sizes[396_000]), "99th percentile {}", sizes[396_000]);
    assert_eq!(sizes[399_999], TRACE_SPANS_MAX);
    assert_eq!(sizes[0], 1);
}

#[test]
fn spans_are_like_real_ones() {
    let spans: Vec<Span> = traces().iter().flatten().cloned().collect();
    let count = spans.len() as f64;
    let attributes = spans.iter().map(|span| span.attributes.0.len()).sum::<usize>() as f64 / count;
    assert!((8.0..12.0).contains(&attributes), "{attributes} attributes a span");
    let events = share(&spans, |span| !span.events.is_empty());
    assert!((0.11..0.15).contains(&events), "{events} of the spans have events");
    let errors = share(&spans, Span::is_error);
    assert!((0.004..0.03).contains(&errors), "{errors} of the spans fail");
    let thrown = share(&spans, |span| span.events.iter().any(|event| event.name == "exception"));
    assert!((0.002..0.01).contains(&thrown), "{thrown} of the spans throw");
    for kind in 1..=5 {
        let share = share(&spans, |span| span.kind == SpanKind(kind));
        assert!((0.005..0.66).contains(&share), "{share} of the spans have kind {kind}");
    }
    let services: HashSet<_> = spans.iter().map(|span| span.resource.service()).collect();
    assert_eq!(services.len(), 17);
}

#[test]
fn ids_are_unique_and_parents_exist() {
    let traces = traces();
    let ids: HashSet<_> = traces.iter().flatten().map(|span| span.span_id).collect();
    assert_eq!(ids.len(), traces.iter().flatten().count());
    for trace in traces {
        let own: HashSet<_> = trace.iter().map(|span| span.span_id).collect();
        assert_eq!(trace.iter().filter(|span| span.parent_span_id.is_none()).count(), 1);
        assert!(trace[0].parent_span_id.is_none());
        assert!(trace.iter().filter_map(|span| span.parent_span_id).all(|parent| own.contains(&parent)));
    }
}

#[test]
fn what_is_inside_a_span_ends_before_it_does() {
    for trace in traces() {
        let by_id: HashMap<_, _> = trace.iter().map(|span| (span.span_id, span)).collect();
        for span in trace {
            assert!(span.end > span.start);
            assert!(span.events.iter().all(|event| (span.start..=span.end).contains(&event.time)));
            let Some(parent) = span.parent_span_id.map(|id| by_id[&id]) else { continue };
            assert!(parent.start < span.start);
            match span.kind {
                SpanKind::CONSUMER => assert_eq!(parent.kind, SpanKind::PRODUCER),
                SpanKind::SERVER => {
                    assert_eq!(parent.kind, SpanKind::CLIENT);
                    assert_ne!(parent.resource.service(), span.resource.service());
                    assert!(span.end < parent.end);
                }
                _ => {
                    assert_eq!(parent.resource.key(), span.resource.key());
                    assert!(span.end < parent.end);
                }
            }
        }
    }
}

#[test]
fn consumers_link_to_producers_also_of_other_traces() {
    let traces = traces();
    let kinds: HashMap<_, _> = traces.iter().flatten().map(|span| ((span.trace_id, span.span_id), span.kind)).collect();
    let mut elsewhere = 0;
    for span in traces.iter().flatten() {
        assert!(span.links.is_empty() || span.kind == SpanKind::CONSUMER);
        assert!(span.kind != SpanKind::CONSUMER || span.parent_span_id.is_none() || span.links.len() == 1);
        for link in &span.links {
            assert_eq!(kinds[&(link.trace_id.unwrap(), link.span_id.unwrap())], SpanKind::PRODUCER);
            elsewhere += u32::from(link.trace_id != Some(span.trace_id));
        }
    }
    assert!(elsewhere > 50, "{elsewhere} links to other traces");
}

type Is = fn(&Span) -> bool;

/// Not everything that a span can hold is usual, but all of it is there, so that a check of a run means something.
#[test]
fn every_field_is_used() {
    let spans: Vec<Span> = traces().iter().flatten().cloned().collect();
    let uses: [(&str, Is); 8] = [
        ("trace_state", |span| !span.trace_state.is_empty()),
        ("dropped_attributes_count", |span| span.dropped_attributes_count > 0),
        ("dropped_events_count", |span| span.dropped_events_count > 0),
        ("dropped_links_count", |span| span.dropped_links_count > 0),
        ("status ok", |span| span.status.code == StatusCode::OK),
        ("status message", |span| !span.status.message.is_empty()),
        ("scope attributes", |span| !span.scope.attributes.is_empty()),
        ("remote flag", |span| span.flags & 0x200 != 0),
    ];
    for (name, is) in uses {
        assert!(spans.iter().any(is), "no span has {name}");
    }
}

/// What is measured by searches rests on this: some values are on many spans, some on a few traces, some on one span.
#[test]
fn values_are_frequent_rare_and_single() {
    let spans: Vec<Span> = traces().iter().flatten().cloned().collect();
    let has = |key: &'static str, value: Value| move |span: &Span| span.attributes.get(key) == Some(&value);
    for (key, value, least, most) in [
        ("network.transport", Value::from("tcp"), 0.4, 0.8),
        ("shop.currency", Value::from("EUR"), 0.02, 0.3),
        ("http.response.status_code", Value::Int(404), 0.000_01, 0.005),
        ("http.response.status_code", Value::Int(500), 0.000_5, 0.01),
    ] {
        let found = share(&spans, has(key, value.clone()));
        assert!((least..most).contains(&found), "{found} of the spans have {key} = {value:?}");
    }
    let mut sessions: HashMap<&str, (HashSet<TraceId>, usize)> = HashMap::new();
    for span in &spans {
        let Some(session) = span.attributes.get_text("session.id") else { continue };
        let (traces, count) = sessions.entry(session).or_default();
        traces.insert(span.trace_id);
        *count += 1;
    }
    assert!(sessions.values().all(|(traces, _)| traces.len() == 1), "a session in two traces");
    let alone: Vec<_> = traces().iter().filter(|trace| trace.len() == 1).collect();
    let needles = alone.iter().filter_map(|trace| trace[0].attributes.get_text("session.id"));
    let needles = needles.filter(|session| sessions[session].1 == 1).count();
    assert!(needles * 40 > traces().len(), "{needles} needles in {} traces", traces().len());
}

/// A day in a run: traces follow each other in time, so that what arrives later also began later.
#[test]
fn later_traces_start_later() {
    let window = Window { start: START, nanos: 86_400_000_000_000, traces: 1_000 };
    let starts: Vec<_> =
        (0..1_000).map(|number| Shop::new(1).trace(number, window.start_of(number))[0].start).collect();
    assert!(starts.is_sorted());
    assert_eq!(starts[0], START);
    assert_eq!(starts[999].0 - START.0, 86_313_600_000_000);
}
