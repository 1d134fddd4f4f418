//! Metrics queries, over a range and of a range as a whole, and their answers.
//!
//! A sample stands at the end of its interval, as Tempo's do, so that Grafana draws it at the same place; which interval a
//! span belongs to that starts at the very nanosecond between two is the one difference (docs/traceql.md).

use std::fmt::Write as _;

use super::super::generated::tempopb::{
    InstantSeries, PartialStatus, QueryInstantRequest, QueryInstantResponse, QueryRangeRequest, QueryRangeResponse,
    Sample, TimeSeries,
};
use super::parameters::Parameters;
use super::search::label;
use super::{Answer, Door, bad, missing, search_metrics};
use crate::model::UnixNanos;
use crate::query::{MetricsAnswer, MetricsRequest, QueryError};
use crate::traceql::evaluate::Series;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLISECOND: u64 = 1_000_000;
/// How far back a query looks that does not say.
const SINCE_DEFAULT: u64 = 3_600 * NANOS_PER_SECOND;
/// So many samples are about as many as a graph is wide.
const SAMPLES_WANTED: u64 = 240;
/// Steps that people like, in seconds: a default step is a multiple of the longest that it is not shorter than.
const STEP_SECONDS: [u64; 6] = [3_600, 300, 60, 15, 5, 1];
/// Ranges shorter than this have steps of less than a second.
const SHORT_RANGE: u64 = 60 * NANOS_PER_SECOND;
/// Of these their steps are multiples.
const SHORT_STEP: u64 = 50_000_000;

/// A metrics query as it was sent.
pub(super) struct Asked {
    request: MetricsRequest,
    series_max: Option<usize>,
}

impl Asked {
    /// `/api/metrics/query_range`
    pub(super) fn range(parameters: &Parameters, now: UnixNanos) -> Result<Self, QueryError> {
        let (start, end) = times(parameters, now)?;
        let step = parameters.duration_or_seconds("step")?.unwrap_or_else(|| step_default(start, end));
        // Asks for at most so many, and none are.
        parameters.number("exemplars")?;
        let series_max = parameters.number("maxSeries")?.unwrap_or(0);
        Self::of(query(parameters)?, start, end, Some(step), series_max)
    }

    /// `/api/metrics/query`
    pub(super) fn instant(parameters: &Parameters, now: UnixNanos) -> Result<Self, QueryError> {
        let (start, end) = times(parameters, now)?;
        parameters.without("step", "there is one value over all of the time; ask /api/metrics/query_range")?;
        Self::of(query(parameters)?, start, end, None, 0)
    }

    pub(super) fn of_range_message(message: &QueryRangeRequest, now: UnixNanos) -> Result<Self, QueryError> {
        let (start, end) = message_times(message.start, message.end, now)?;
        let step = match (message.instant, message.step) {
            (true, _) => None,
            (false, 0) => Some(step_default(start, end)),
            (false, step) => Some(step),
        };
        Self::of(&message.query, start, end, step, message.max_series)
    }

    pub(super) fn of_instant_message(message: &QueryInstantRequest, now: UnixNanos) -> Result<Self, QueryError> {
        let (start, end) = message_times(message.start, message.end, now)?;
        Self::of(&message.query, start, end, None, 0)
    }

    fn of(
        query: &str,
        start: UnixNanos,
        end: UnixNanos,
        step: Option<u64>,
        series_max: u32,
    ) -> Result<Self, QueryError> {
        if query.is_empty() {
            return Err(bad("q", "is required: a query such as { status = error } | rate()"));
        }
        let request = MetricsRequest::new(query, start, end, step).map_err(in_tempos_names)?;
        let series_max = usize::try_from(series_max).ok().filter(|max| *max > 0);
        Ok(Self { request, series_max })
    }
}

/// An error with Tempo's name of what the query service calls otherwise.
fn in_tempos_names(error: QueryError) -> QueryError {
    let QueryError::BadRequest { field, reason } = error else { return error };
    let field = match field {
        "query" => "q",
        "start_time" => "start",
        "end_time" => "end",
        same => same,
    };
    bad(field, reason)
}

/// Either name of the parameter.
fn query(parameters: &Parameters) -> Result<&str, QueryError> {
    match (parameters.text("q"), parameters.text("query")) {
        (Some(_), Some(_)) => Err(bad("q", "can not be together with query, which is another name of it")),
        (query, other) => Ok(query.or(other).unwrap_or_default()),
    }
}

/// From when until when; by default the last hour.
fn times(parameters: &Parameters, now: UnixNanos) -> Result<(UnixNanos, UnixNanos), QueryError> {
    let (start, end) = (parameters.time("start")?, parameters.time("end")?);
    let since = parameters.duration("since")?;
    if start.is_some() && since.is_some() {
        return Err(bad("since", "can not be together with start: both say where the time begins"));
    }
    let end = end.unwrap_or(now);
    let before = UnixNanos(end.0.saturating_sub(since.unwrap_or(SINCE_DEFAULT)));
    Ok((start.unwrap_or(before), end))
}

/// The same of a message, in which what is 0 is not there.
fn message_times(start: u64, end: u64, now: UnixNanos) -> Result<(UnixNanos, UnixNanos), QueryError> {
    let end = if end == 0 { now } else { UnixNanos(end) };
    let start = if start == 0 { end.0.saturating_sub(SINCE_DEFAULT) } else { start };
    if end.0 <= start {
        return Err(bad("end", "must be later than start"));
    }
    Ok((UnixNanos(start), end))
}

/// The step of a range for which none is asked.
fn step_default(start: UnixNanos, end: UnixNanos) -> u64 {
    let length = end.0.saturating_sub(start.0);
    let wanted = length / SAMPLES_WANTED;
    let unit = if length < SHORT_RANGE {
        SHORT_STEP
    } else {
        let seconds = STEP_SECONDS.into_iter().find(|seconds| seconds.saturating_mul(NANOS_PER_SECOND) <= wanted);
        seconds.unwrap_or(1).saturating_mul(NANOS_PER_SECOND)
    };
    wanted.max(1).checked_next_multiple_of(unit).unwrap_or(wanted)
}

impl Door {
    /// Series over time.
    pub(super) async fn range(&self, asked: &Asked) -> Result<Answer<QueryRangeResponse>, QueryError> {
        let MetricsAnswer { mut series, times, coverage, .. } =
            self.query.metrics(&asked.request).await.map_err(in_tempos_names)?;
        let metrics = Some(search_metrics(&coverage, true));
        let (status, missing) = told(&mut series, asked.series_max, missing(&coverage));
        let series = series.into_iter().map(|one| time_series(one, &times)).collect();
        let message = QueryRangeResponse { series, metrics, status: status.into(), message: missing.clone() };
        Ok(Answer { message, missing: Some(missing).filter(|missing| !missing.is_empty()) })
    }

    /// One number a series.
    pub(super) async fn instant(&self, asked: &Asked) -> Result<Answer<QueryInstantResponse>, QueryError> {
        let MetricsAnswer { mut series, coverage, .. } =
            self.query.metrics(&asked.request).await.map_err(in_tempos_names)?;
        let metrics = Some(search_metrics(&coverage, true));
        let (status, missing) = told(&mut series, asked.series_max, missing(&coverage));
        let value = |one: Series| {
            let value = one.values.into_iter().flatten().next()?;
            Some(InstantSeries { labels: one.labels.into_iter().map(label).collect(), value })
        };
        let series = series.into_iter().filter_map(value).collect();
        let message = QueryInstantResponse { series, metrics, status: status.into(), message: missing.clone() };
        Ok(Answer { message, missing: Some(missing).filter(|missing| !missing.is_empty()) })
    }
}

/// Leaves out series that are too many; says whether that is all, and what is missing.
fn told(series: &mut Vec<Series>, series_max: Option<usize>, missing: Option<String>) -> (PartialStatus, String) {
    let mut message = missing.unwrap_or_default();
    if let Some(max) = series_max.filter(|max| series.len() > *max) {
        let before = if message.is_empty() { "" } else { "; " };
        // Writing to a String can not fail.
        let _ = write!(message, "{before}these are {max} of {} series: maxSeries asks for no more", series.len());
        series.truncate(max);
    }
    (if message.is_empty() { PartialStatus::Complete } else { PartialStatus::Partial }, message)
}

fn time_series(series: Series, times: &[UnixNanos]) -> TimeSeries {
    let samples = times.iter().zip(series.values).filter_map(|(time, value)| {
        let timestamp_ms = i64::try_from(time.0 / NANOS_PER_MILLISECOND).unwrap_or(i64::MAX);
        value.map(|value| Sample { value, timestamp_ms })
    });
    TimeSeries {
        samples: samples.collect(),
        labels: series.labels.into_iter().map(label).collect(),
        exemplars: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_steps_suit_the_range() {
        let second = NANOS_PER_SECOND;
        for (length, step) in [
            (1, SHORT_STEP),
            (30 * second, 150_000_000),
            (60 * second, second),
            (3_600 * second, 15 * second),
            (6 * 3_600 * second, 120 * second),
            (24 * 3_600 * second, 600 * second),
            (30 * 24 * 3_600 * second, 3 * 3_600 * second),
        ] {
            assert_eq!(step_default(UnixNanos(0), UnixNanos(length)), step, "{length}");
        }
    }
}
