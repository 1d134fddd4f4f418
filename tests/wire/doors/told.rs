//! What the doors' answers have in common: traces, and lines of spans, from each of the forms in which they come.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, TracesData};
use serde_json::Value as Json;
use tonic::Streaming;
use tracewell::model::{Span, SpanId, TraceId};
use tracewell::server::generated::tracewell_v1 as own;

/// A span, as far as every door tells of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    id: String,
    service: String,
    name: String,
    start_nanos: u64,
    duration_nanos: u64,
}

/// A trace that was found, by 32 digits, and what else the door says of it.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) id: String,
    pub(super) told: Told,
}

#[derive(Debug)]
pub(super) enum Told {
    Nothing,
    /// How many spans it has.
    Count(usize),
    /// All of them, in order.
    Spans(Vec<Line>),
}

impl Line {
    pub(super) fn of(span: &Span) -> Self {
        Self {
            id: span.span_id.to_string(),
            service: span.resource.service().to_owned(),
            name: span.name.clone(),
            start_nanos: span.start.0,
            duration_nanos: span.duration_nanos(),
        }
    }

    fn of_own(span: own::Span) -> Self {
        let (start, duration) = (span.start_time.unwrap(), span.duration.unwrap());
        let nanos = |seconds: i64, nanos: i32| u64::try_from(seconds * 1_000_000_000 + i64::from(nanos)).unwrap();
        Self {
            id: span.span_id,
            service: span.service,
            name: span.name,
            start_nanos: nanos(start.seconds, start.nanos),
            duration_nanos: nanos(duration.seconds, duration.nanos),
        }
    }

    /// A span of the older API of Jaeger.
    fn of_older(span: &Json, processes: &Json) -> Self {
        Self {
            id: text(&span["spanID"]),
            service: text(&processes[span["processID"].as_str().unwrap()]["serviceName"]),
            name: text(&span["operationName"]),
            start_nanos: number(&span["startTime"]) * 1_000,
            duration_nanos: number(&span["duration"]) * 1_000,
        }
    }

    fn of_zipkin(span: &Json) -> Self {
        Self {
            id: text(&span["id"]),
            service: text(&span["localEndpoint"]["serviceName"]),
            name: text(&span["name"]),
            start_nanos: number(&span["timestamp"]) * 1_000,
            duration_nanos: number(&span["duration"]) * 1_000,
        }
    }
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn number(value: &Json) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}

fn padded(id: &str) -> String {
    format!("{id:0>32}")
}

impl Trace {
    pub(super) fn counted(id: &str, count: usize) -> Self {
        Self { id: padded(id), told: Told::Count(count) }
    }

    pub(super) fn named(id: &[u8]) -> Self {
        Self { id: TraceId::from_slice(id).unwrap().to_string(), told: Told::Nothing }
    }

    fn whole(id: &str, mut lines: Vec<Line>) -> Self {
        lines.sort();
        Self { id: padded(id), told: Told::Spans(lines) }
    }

    /// The spans, where they are told.
    pub(super) fn lines(self) -> Vec<Line> {
        let Told::Spans(lines) = self.told else { panic!("{} without its spans", self.id) };
        lines
    }
}

/// Of a trace by `tracewell.v1`; none when it is not there.
pub(super) async fn of_own(mut parts: Streaming<own::GetTraceResponse>) -> Vec<Line> {
    let mut lines = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        lines.extend(part.spans.into_iter().map(Line::of_own));
    }
    lines.sort();
    lines
}

/// The traces of OTLP's messages, in the order of their first spans.
pub(super) fn of_otlp(groups: Vec<ResourceSpans>) -> Vec<Trace> {
    let mut traces: Vec<(String, Vec<Line>)> = Vec::new();
    for group in groups {
        let named = group.resource.unwrap().attributes.into_iter().find(|attribute| attribute.key == "service.name");
        let Some(Any::StringValue(service)) = named.unwrap().value.unwrap().value else { panic!("no service") };
        for span in group.scope_spans.into_iter().flat_map(|group| group.spans) {
            let line = Line {
                id: SpanId::from_slice(&span.span_id).unwrap().to_string(),
                service: service.clone(),
                name: span.name,
                start_nanos: span.start_time_unix_nano,
                duration_nanos: span.end_time_unix_nano - span.start_time_unix_nano,
            };
            push(&mut traces, TraceId::from_slice(&span.trace_id).unwrap().to_string(), line);
        }
    }
    in_order(traces)
}

/// The same of all messages of a stream.
pub(super) async fn of_stream(mut parts: Streaming<TracesData>) -> Vec<Trace> {
    let mut groups = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        groups.extend(part.resource_spans);
    }
    of_otlp(groups)
}

/// The same of OTLP in JSON.
pub(super) fn of_otlp_json(groups: &Json) -> Vec<Trace> {
    let mut traces: Vec<(String, Vec<Line>)> = Vec::new();
    for group in groups.as_array().unwrap() {
        let mut attributes = group["resource"]["attributes"].as_array().unwrap().iter();
        let service = &attributes.find(|one| one["key"] == "service.name").unwrap()["value"]["stringValue"];
        for span in group["scopeSpans"].as_array().unwrap().iter().flat_map(|group| group["spans"].as_array().unwrap())
        {
            let start_nanos = number(&span["startTimeUnixNano"]);
            let line = Line {
                id: text(&span["spanId"]),
                service: text(service),
                name: text(&span["name"]),
                start_nanos,
                duration_nanos: number(&span["endTimeUnixNano"]) - start_nanos,
            };
            push(&mut traces, text(&span["traceId"]), line);
        }
    }
    in_order(traces)
}

fn push(traces: &mut Vec<(String, Vec<Line>)>, id: String, line: Line) {
    match traces.iter_mut().find(|(other, _)| *other == id) {
        Some((_, lines)) => lines.push(line),
        None => traces.push((id, vec![line])),
    }
}

fn in_order(traces: Vec<(String, Vec<Line>)>) -> Vec<Trace> {
    traces.into_iter().map(|(id, lines)| Trace::whole(&id, lines)).collect()
}

/// The traces of the older API of Jaeger.
pub(super) fn of_older(data: &Json) -> Vec<Trace> {
    let trace = |trace: &Json| {
        let spans = trace["spans"].as_array().unwrap().iter();
        Trace::whole(&text(&trace["traceID"]), spans.map(|span| Line::of_older(span, &trace["processes"])).collect())
    };
    data.as_array().unwrap().iter().map(trace).collect()
}

/// The traces of Zipkin.
pub(super) fn of_zipkin(traces: &Json) -> Vec<Trace> {
    let trace = |trace: &Json| {
        let spans = trace.as_array().unwrap();
        Trace::whole(&text(&spans[0]["traceId"]), spans.iter().map(Line::of_zipkin).collect())
    };
    traces.as_array().unwrap().iter().map(trace).collect()
}
