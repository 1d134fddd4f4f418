//! Searches as questions, and traces that were found as Tempo's messages.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;

use super::super::generated::tempopb::{
    SearchRequest, SearchResponse, ServiceStats, Span, SpanSet, TraceSearchMetadata,
};
use super::super::literal;
use super::parameters::{Parameters, Range};
use super::{bad, search_metrics, tags};
use crate::model::{Search, SearchFields, ServiceSummary};
use crate::query::{
    Coverage, FoundTrace, OwnedQuestion, PAGE_TRACES_DEFAULT, QueryError, SPANS_PER_SET_DEFAULT, SearchPage, ShownSpan,
};
use crate::traceql;
use crate::traceql::tree::{Body, Literal, Reference};

/// The most spans of a set that are shown.
const SPANS_PER_SET_MAX: usize = 100;
const NANOS_PER_MILLISECOND: u64 = 1_000_000;
/// What Tempo calls a root that has not arrived; Grafana shows it as it stands.
const NO_ROOT: &str = "<root span not yet received>";

/// A search as it was sent.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: OwnedQuestion,
    pub(super) limit: i32,
}

/// A search before it is known to make sense.
struct Sent<'a> {
    query: &'a str,
    tags: Vec<(String, String)>,
    duration_min: Option<u64>,
    duration_max: Option<u64>,
    limit: Option<u32>,
    spans_per_set: Option<u32>,
    range: Range,
}

impl Asked {
    /// From the parameters of a path; a page has so many traces at the most.
    pub(super) fn of_parameters(parameters: &Parameters, page_size_max: usize) -> Result<Self, QueryError> {
        let sent = Sent {
            query: parameters.text("q").unwrap_or_default(),
            tags: tags::logfmt(parameters.text("tags").unwrap_or_default())?,
            duration_min: parameters.duration("minDuration")?,
            duration_max: parameters.duration("maxDuration")?,
            limit: parameters.number("limit")?,
            spans_per_set: parameters.number("spss")?,
            range: parameters.range()?,
        };
        sent.asked(page_size_max)
    }

    /// From a message, in which what is 0 is not there.
    pub(super) fn of_message(message: &SearchRequest, page_size_max: usize) -> Result<Self, QueryError> {
        let some = |number: u32| Some(number).filter(|number| *number > 0);
        let nanos = |millis: u32| some(millis).map(|millis| u64::from(millis).saturating_mul(NANOS_PER_MILLISECOND));
        let mut tags: Vec<_> = message.tags.clone().into_iter().collect();
        tags.sort_unstable();
        let sent = Sent {
            query: &message.query,
            tags,
            duration_min: nanos(message.min_duration_ms),
            duration_max: nanos(message.max_duration_ms),
            limit: some(message.limit),
            spans_per_set: some(message.spans_per_span_set),
            range: Range::of(message.start, message.end)?,
        };
        sent.asked(page_size_max)
    }
}

impl Sent<'_> {
    fn asked(self, page_size_max: usize) -> Result<Asked, QueryError> {
        let limit = self.limit.map_or(Some(PAGE_TRACES_DEFAULT), |limit| usize::try_from(limit).ok());
        let limit = limit.filter(|limit| (1..=page_size_max).contains(limit)).and_then(|limit| limit.try_into().ok());
        let limit = limit.ok_or_else(|| bad("limit", format!("must be from 1 to {page_size_max}")))?;
        let spans = self.spans_per_set.map_or(Some(SPANS_PER_SET_DEFAULT), |spans| usize::try_from(spans).ok());
        let spans = spans.filter(|spans| (1..=SPANS_PER_SET_MAX).contains(spans));
        let spans_per_set_max = spans.ok_or_else(|| bad("spss", format!("must be from 1 to {SPANS_PER_SET_MAX}")))?;
        let by_tags = !self.tags.is_empty() || self.duration_min.is_some() || self.duration_max.is_some();
        let query = match (self.query.is_empty(), by_tags) {
            (false, true) => {
                let reason = "can not be together with tags, minDuration or maxDuration: say it in the query, for \
                              instance as traceDuration > 1s";
                return Err(bad("q", reason));
            }
            (false, false) => Some(self.query.to_owned()),
            (true, true) => Some(tags::query(&self.tags, self.duration_min, self.duration_max)?),
            (true, false) => None,
        };
        let query = query.map(|text| pipeline(&text)).transpose()?;
        let Range { start, end } = self.range;
        let search = Search::try_from(SearchFields { start_min: start, start_max: end, ..SearchFields::default() });
        let search = search.map_err(|error| bad(error.field, error.reason))?;
        Ok(Asked { question: OwnedQuestion { search, query, spans_per_set_max }, limit })
    }
}

fn pipeline(text: &str) -> Result<traceql::tree::Pipeline, QueryError> {
    match traceql::parse(text).map_err(|error| bad("q", error.to_string()))?.body {
        Body::Traces(pipeline) => Ok(pipeline),
        Body::Metrics(_) => Err(bad("q", "ends in a metrics function: ask /api/metrics/query_range")),
    }
}

/// A part of what is found, after which so much is covered; `is_last` when nothing comes after it.
pub(super) fn response(traces: Vec<FoundTrace>, covered: &Coverage, is_last: bool) -> SearchResponse {
    let metrics = Some(search_metrics(covered, is_last));
    SearchResponse { traces: traces.into_iter().map(trace).collect(), metrics }
}

/// Whether a page is the last of an answer from which so many traces are still missing.
pub(super) fn is_last(page: &SearchPage<FoundTrace>, traces_missing: usize) -> bool {
    let Coverage { limit_reached, .. } = page.coverage;
    page.next.is_empty() || limit_reached || page.items.len() >= traces_missing
}

fn trace(found: FoundTrace) -> TraceSearchMetadata {
    let FoundTrace { summary, span_sets } = found;
    let duration_ms = summary.duration_nanos() / NANOS_PER_MILLISECOND;
    let (root_service_name, root_trace_name) = summary.root.unwrap_or_else(|| (NO_ROOT.to_owned(), String::new()));
    let span_sets: Vec<_> = span_sets.into_iter().map(span_set).collect();
    TraceSearchMetadata {
        trace_id: summary.trace_id.to_string(),
        root_service_name,
        root_trace_name,
        start_time_unix_nano: summary.start.0,
        duration_ms: u32::try_from(duration_ms).unwrap_or(u32::MAX),
        span_set: span_sets.first().cloned(),
        span_sets,
        service_stats: summary.services.into_iter().map(service).collect::<HashMap<_, _>>(),
    }
}

fn service(service: ServiceSummary) -> (String, ServiceStats) {
    let ServiceSummary { name, span_count, error_count } = service;
    let small = |count| u32::try_from(count).unwrap_or(u32::MAX);
    (name, ServiceStats { span_count: small(span_count), error_count: small(error_count) })
}

fn span_set(set: crate::query::SpanSet) -> SpanSet {
    SpanSet {
        spans: set.spans.into_iter().map(span).collect(),
        matched: u32::try_from(set.matched).unwrap_or(u32::MAX),
        attributes: set.attributes.into_iter().map(label).collect(),
    }
}

fn span(span: ShownSpan) -> Span {
    Span {
        span_id: span.span_id.to_string(),
        name: span.name,
        start_time_unix_nano: span.start.0,
        duration_nanos: span.duration_nanos,
        attributes: span.selected.into_iter().map(|(name, value)| label((bare(name), value))).collect(),
    }
}

/// A label, as Tempo has it: what is missing is the text `nil`.
pub(super) fn label((name, value): (String, Literal)) -> KeyValue {
    match value {
        Literal::Nil => literal::key_value((name, Literal::Text("nil".to_owned()))),
        value => literal::key_value((name, value)),
    }
}

/// The name of an attribute that is selected, without its scope: Grafana makes a column of it.
fn bare(name: String) -> String {
    match traceql::parse_reference(&name) {
        Ok(Reference::Attribute { name, .. }) => name,
        Ok(Reference::Intrinsic(_)) | Err(_) => name,
    }
}
