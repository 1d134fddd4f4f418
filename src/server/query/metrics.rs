//! Metrics queries as what can be asked, and their answers as messages.

use super::super::generated::tracewell_v1 as proto;
use super::super::literal::key_value;
use super::request::{bad, moment, nanos};
use super::response;
use crate::model::UnixNanos;
use crate::query::{MetricsAnswer, MetricsRequest, QueryError};
use crate::traceql::evaluate::Series;

pub(super) fn request(sent: &proto::QueryMetricsRequest) -> Result<MetricsRequest, QueryError> {
    if sent.query.is_empty() {
        return Err(bad("query", "is required"));
    }
    let required = |field, time: Option<_>| moment(field, time.ok_or_else(|| bad(field, "is required"))?);
    let (start, end) = (required("start_time", sent.start_time)?, required("end_time", sent.end_time)?);
    let step = sent.step.map(|step| nanos("step", step)).transpose()?;
    MetricsRequest::new(&sent.query, start, end, step)
}

pub(super) fn response(answer: MetricsAnswer) -> proto::QueryMetricsResponse {
    let MetricsAnswer { series, times, coverage, .. } = answer;
    proto::QueryMetricsResponse {
        series: series.into_iter().map(|one| self::series(one, &times)).collect(),
        coverage: Some(response::coverage(&coverage)),
    }
}

fn series(series: Series, times: &[UnixNanos]) -> proto::Series {
    let samples = times.iter().zip(series.values).filter_map(|(time, value)| {
        let time = Some(response::timestamp(*time));
        value.map(|value| proto::Sample { time, value })
    });
    proto::Series { samples: samples.collect(), labels: series.labels.into_iter().map(key_value).collect() }
}
