//! Requests of the query service as model values; what is wrong with one is said with the field's name.

use prost_types::{Duration, Timestamp};

use super::super::generated::tracewell_v1 as proto;
use crate::model::{
    AttributeCondition, AttributeScope, Search, SearchError, SearchFields, SpanKind, StatusCode, TraceId, UnixNanos,
};
use crate::otlp::decode;
use crate::query::{OwnedQuestion, PageRequest, QueryError, SPANS_PER_SET_DEFAULT};
use crate::traceql;
use crate::traceql::tree::{Body, Pipeline};

/// A request for more spans of a set is read as one for this many.
const SPANS_PER_SET_MAX: usize = 100;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

pub(super) fn trace_id(hex: &str) -> Result<TraceId, QueryError> {
    TraceId::parse_hex(hex).map_err(|error| bad("trace_id", error.to_string()))
}

pub(super) fn service(name: &str) -> Result<&str, QueryError> {
    if name.is_empty() { Err(bad("service", "must not be empty")) } else { Ok(name) }
}

/// What is wrong when nothing is asked.
pub(super) fn no_question() -> QueryError {
    bad("question", "must be a search or a metrics query")
}

/// A search as it was sent.
pub(super) struct Asked {
    pub(super) question: OwnedQuestion,
    pub(super) page_size: i32,
    pub(super) page_token: String,
}

impl Asked {
    pub(super) fn page(&self) -> PageRequest<'_> {
        PageRequest { size: Some(self.page_size), token: &self.page_token }
    }
}

/// What is searched for, and which page of it.
pub(super) fn search(request: proto::SearchRequest) -> Result<Asked, QueryError> {
    let query = pipeline(&request.query)?;
    let spans_per_set_max = spans_per_set(request.spans_per_span_set)?;
    let attributes = request.attributes.into_iter().enumerate();
    let fields = SearchFields {
        start_min: request.start_time_min.map(|time| moment("start_time_min", time)).transpose()?,
        start_max: request.start_time_max.map(|time| moment("start_time_max", time)).transpose()?,
        service: some_text(request.service),
        node: some_text(request.node),
        span_name: some_text(request.span_name),
        kind: request.kind.map(SpanKind),
        status: request.status.map(StatusCode),
        duration_min_nanos: request.duration_min.map(|duration| nanos("duration_min", duration)).transpose()?,
        duration_max_nanos: request.duration_max.map(|duration| nanos("duration_max", duration)).transpose()?,
        attributes: attributes.map(|(at, sent)| condition(at, sent)).collect::<Result<_, _>>()?,
    };
    let search = Search::try_from(fields).map_err(|error| bad(field_name(&error), error.reason))?;
    let question = OwnedQuestion { search, query, spans_per_set_max };
    Ok(Asked { question, page_size: request.page_size, page_token: request.page_token })
}

/// A query of spans; `None` for an empty text.
fn pipeline(text: &str) -> Result<Option<Pipeline>, QueryError> {
    if text.is_empty() {
        return Ok(None);
    }
    match traceql::parse(text).map_err(|error| bad("query", error.to_string()))?.body {
        Body::Traces(pipeline) => Ok(Some(pipeline)),
        Body::Metrics(_) => Err(bad("query", "ends in a metrics function: ask QueryMetrics")),
    }
}

fn spans_per_set(sent: i32) -> Result<usize, QueryError> {
    let number = usize::try_from(sent).map_err(|_| bad("spans_per_span_set", "must not be negative"))?;
    Ok(if number == 0 { SPANS_PER_SET_DEFAULT } else { number.min(SPANS_PER_SET_MAX) })
}

fn some_text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// The request's name of the field that the model refuses.
fn field_name(error: &SearchError) -> &'static str {
    match error.field {
        "start_max" => "start_time_max",
        same => same,
    }
}

pub(super) fn moment(field: &'static str, time: Timestamp) -> Result<UnixNanos, QueryError> {
    let refused = || bad(field, "must be in the years 1970 to 2554, its nanos from 0 to 999999999");
    total_nanos(time.seconds, time.nanos).map(UnixNanos).ok_or_else(refused)
}

pub(super) fn nanos(field: &'static str, duration: Duration) -> Result<u64, QueryError> {
    let refused = || bad(field, "must be from 0 to 584 years, its nanos from 0 to 999999999");
    total_nanos(duration.seconds, duration.nanos).ok_or_else(refused)
}

fn total_nanos(seconds: i64, nanos: i32) -> Option<u64> {
    let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < NANOS_PER_SECOND)?;
    u64::try_from(seconds).ok()?.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)
}

fn condition(at: usize, sent: proto::AttributeCondition) -> Result<AttributeCondition, QueryError> {
    let scope = match proto::AttributeScope::try_from(sent.scope) {
        Ok(proto::AttributeScope::Unspecified) => AttributeScope::Any,
        Ok(proto::AttributeScope::Span) => AttributeScope::Span,
        Ok(proto::AttributeScope::Resource) => AttributeScope::Resource,
        Err(_) => return Err(bad("attributes.scope", format!("attributes[{at}] has no known scope"))),
    };
    let no_value = || {
        let reason = format!("attributes[{at}] has none; to search for a null value, send a value with nothing set");
        bad("attributes.value", reason)
    };
    let value = decode::value(sent.value.ok_or_else(no_value)?);
    Ok(AttributeCondition { scope, key: sent.key, value })
}

pub(super) fn bad(field: &'static str, reason: impl Into<String>) -> QueryError {
    QueryError::BadRequest { field, reason: reason.into() }
}
