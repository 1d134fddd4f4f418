//! The parameters of `/api/v2/traces` as a question.
//!
//! As Zipkin means it: a trace is found when some span of the service has the name, some span of it the remote service,
//! some each annotation and tag, and some the duration; it need not be one span that has all. A span of these must begin
//! in the time that is asked for.

use super::super::clock::now;
use super::super::status::Failure;
use super::parameters::{Parameters, bad};
use super::terms;
use crate::model::{Search, SearchFields, UnixNanos};
use crate::query::OwnedQuestion;
use crate::traceql::tree::{Field, Pipeline, SpansetExpression, Stage};

pub(super) const PARAMETERS: [&str; 9] = [
    "serviceName",
    "remoteServiceName",
    "spanName",
    "annotationQuery",
    "minDuration",
    "maxDuration",
    "endTs",
    "lookback",
    "limit",
];

/// A day, as with Zipkin.
pub(super) const LOOKBACK_MILLIS_DEFAULT: u64 = 86_400_000;
pub(super) const LIMIT_DEFAULT: u64 = 10;
/// How many conditions an `annotationQuery` may have.
const CONDITIONS_MAX: usize = 32;

const NANOS_PER_MILLI: u64 = 1_000_000;
const NANOS_PER_MICRO: u64 = 1_000;

/// What is asked, and how many traces at the most.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: OwnedQuestion,
    pub(super) traces_max: usize,
}

pub(super) fn asked(parameters: &Parameters, traces_max: usize) -> Result<Asked, Failure> {
    let conditions = conditions(parameters)?;
    let service = parameters.text("serviceName");
    let of_service = |condition: Option<Field>| {
        let both: Vec<_> = service.map(terms::service).into_iter().chain(condition).collect();
        SpansetExpression::Filter(Some(terms::all(both)))
    };
    let mut sets: Vec<_> = conditions.into_iter().map(|condition| of_service(Some(condition))).collect();
    if sets.is_empty() && service.is_some() {
        sets.push(of_service(None));
    }
    let expression = match sets.pop() {
        None => None,
        Some(only) if sets.is_empty() => Some(only),
        Some(last) => {
            sets.push(last);
            Some(SpansetExpression::All(sets))
        }
    };
    let query = expression.map(|expression| Pipeline { stages: vec![Stage::Spansets(expression)] });
    let search = in_time(parameters.number("endTs")?, parameters.number("lookback")?)?;
    let limit = usize::try_from(parameters.number("limit")?.unwrap_or(LIMIT_DEFAULT)).unwrap_or(usize::MAX);
    if limit > traces_max {
        return Err(bad("limit", format!("must not be more than {traces_max}")));
    }
    Ok(Asked { question: OwnedQuestion { search, query, spans_per_set_max: 1 }, traces_max: limit })
}

/// Spans that begin so long before a moment, both in milliseconds; the moment is now when nothing is said.
pub(super) fn in_time(end_millis: Option<u64>, lookback_millis: Option<u64>) -> Result<Search, Failure> {
    let end = end_millis.map_or_else(now, |millis| UnixNanos(millis.saturating_mul(NANOS_PER_MILLI)));
    let lookback = lookback_millis.unwrap_or(LOOKBACK_MILLIS_DEFAULT).saturating_mul(NANOS_PER_MILLI);
    let fields = SearchFields {
        start_min: Some(UnixNanos(end.0.saturating_sub(lookback))),
        // The microsecond that is the end belongs to it.
        start_max: Some(UnixNanos(end.0.saturating_add(NANOS_PER_MICRO))),
        ..SearchFields::default()
    };
    Search::try_from(fields).map_err(|error| bad("endTs", error.reason))
}

/// One condition for each that has to hold on some span.
fn conditions(parameters: &Parameters) -> Result<Vec<Field>, Failure> {
    let mut conditions: Vec<Field> = [
        parameters.text("spanName").filter(|name| *name != "all").map(terms::name),
        parameters.text("remoteServiceName").map(terms::remote_service),
        duration(parameters)?,
    ]
    .into_iter()
    .flatten()
    .collect();
    let parts = parameters.text("annotationQuery").unwrap_or_default().split(" and ");
    let parts: Vec<_> = parts.map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > CONDITIONS_MAX {
        return Err(bad("annotationQuery", format!("at most {CONDITIONS_MAX} conditions are possible")));
    }
    for part in parts {
        conditions.push(match part.split_once('=') {
            None => terms::said(part),
            Some(("", _)) => return Err(bad("annotationQuery", format!("{part:?} has no key before the ="))),
            Some((key, value)) => terms::tag(key, value),
        });
    }
    Ok(conditions)
}

fn duration(parameters: &Parameters) -> Result<Option<Field>, Failure> {
    match (parameters.number("minDuration")?, parameters.number("maxDuration")?) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(bad("maxDuration", "is only possible with minDuration")),
        (Some(min), Some(max)) if min > max => Err(bad("maxDuration", "must not be less than minDuration")),
        (Some(min), None) => Ok(Some(terms::duration_min(min))),
        (Some(min), Some(max)) => Ok(Some(terms::all(vec![terms::duration_min(min), terms::duration_max(max)]))),
    }
}

#[cfg(test)]
mod tests;
