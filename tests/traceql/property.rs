//! What holds for any text that comes as a query. Said once: the fuzz target of `fuzz/` includes this file, and the tests
//! beside it run the same. It uses nothing but what `tracewell` shows to everybody.
//!
//! * Nothing panics, however broken or deep the text is; reading it takes time in proportion to its length.
//! * What is read prints as a text that is read as an equal query, and that prints the same.
//! * What is read can be planned and run.
//! * What is not is refused in one line, which points into the text and is no longer than a screen.

use std::sync::Arc;

use tracewell::model::{Event, Keyed, Resource, Scope, Span, SpanId, SpanKind, Status, TraceId, UnixNanos, Value};
use tracewell::traceql::evaluate::{Intervals, Measurement, MeasurementLimits, Trace, spansets};
use tracewell::traceql::plan::Plan;
use tracewell::traceql::tree::Body;
use tracewell::traceql::{self, Query};

/// A refusal has so many bytes at the most.
const REFUSAL_BYTES_MAX: usize = 1_024;

/// Holds for any bytes; what is no UTF-8 in them is replaced.
pub(crate) fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match traceql::parse(&text) {
        Ok(query) => {
            let printed = query.to_string();
            let again = traceql::parse(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
            assert_eq!(again, query, "{printed}");
            assert_eq!(again.to_string(), printed);
            run(&query);
        }
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column()), "{error}");
            let refusal = error.to_string();
            assert!(!refusal.contains(|char: char| char.is_control()), "{refusal:?}");
            assert!(refusal.len() <= REFUSAL_BYTES_MAX, "{refusal}");
        }
    }
}

fn run(query: &Query) {
    let spans = spans();
    let trace = Trace::new(&spans);
    match &query.body {
        Body::Traces(pipeline) => {
            let plan = Plan::of(pipeline);
            for found in spansets(pipeline, &trace).iter().flat_map(|set| &set.spans) {
                assert!(plan.found.matches(found.span), "the plan leaves out what {query} finds");
            }
        }
        Body::Metrics(metrics) => {
            let Ok(intervals) = Intervals::range(UnixNanos(0), UnixNanos(3_000), 1_000) else { return };
            let mut measurement = Measurement::new(metrics, intervals, MeasurementLimits::default());
            if measurement.add(&trace).is_ok() {
                // There may be too much of it; that is an answer too.
                drop(measurement.finish(0));
            }
        }
    }
}

/// A root and its child.
fn spans() -> Vec<Span> {
    let attributes = [("a", Value::Int(1)), ("b", Value::from("x")), ("c", Value::Array(vec![Value::Bool(true)]))];
    let event = Event {
        name: "e".to_owned(),
        attributes: [("a", Value::Double(0.5))].into_iter().collect(),
        ..Event::default()
    };
    let resource =
        Resource { attributes: [("service.name", Value::from("s"))].into_iter().collect(), ..Resource::default() };
    let span = |id: u8, parent: Option<u8>| Span {
        trace_id: TraceId::from_slice(&[1; 16]).unwrap(),
        span_id: SpanId::from_slice(&[id; 8]).unwrap(),
        parent_span_id: parent.map(|id| SpanId::from_slice(&[id; 8]).unwrap()),
        trace_state: String::new(),
        flags: 0,
        name: format!("span {id}"),
        kind: SpanKind(i32::from(id)),
        start: UnixNanos(u64::from(id)),
        end: UnixNanos(1_000_000_000),
        attributes: attributes.clone().into_iter().collect(),
        dropped_attributes_count: 0,
        events: vec![event.clone()],
        dropped_events_count: 0,
        links: Vec::new(),
        dropped_links_count: 0,
        status: Status::default(),
        resource: Arc::new(Keyed::new(resource.clone())),
        scope: Arc::new(Keyed::new(Scope::default())),
    };
    vec![span(1, None), span(2, Some(1))]
}
