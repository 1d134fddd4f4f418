//! A trace in a few words, and who calls whom, as Jaeger has them.

use std::collections::BTreeMap;

use super::super::generated::jaeger::api_v3 as proto;
use super::super::status::Failure;
use super::parameters::bad;
use super::traces;
use crate::model::{TraceSummary, UnixNanos};
use crate::query::Query;

/// The summaries of traces that were found.
pub(super) async fn of(query: &Query, found: &[TraceSummary]) -> Result<Vec<proto::TraceSummary>, Failure> {
    let mut summaries = Vec::with_capacity(found.len());
    for summary in found {
        let orphans = traces::orphans(query, summary.trace_id).await?;
        summaries.push(self::summary(summary, orphans));
    }
    Ok(summaries)
}

fn summary(summary: &TraceSummary, orphans: u64) -> proto::TraceSummary {
    let (root_service_name, root_operation_name) = summary.root.clone().unwrap_or_default();
    let service = |service: &crate::model::ServiceSummary| proto::ServiceSummary {
        name: service.name.clone(),
        span_count: number(service.span_count),
        error_span_count: number(service.error_count),
    };
    proto::TraceSummary {
        trace_id: summary.trace_id.to_string(),
        root_service_name,
        root_operation_name,
        min_start_time_unix_nano: summary.start.0,
        max_end_time_unix_nano: summary.end.0,
        span_count: number(summary.span_count),
        error_span_count: number(summary.error_count),
        orphan_span_count: number(orphans),
        services: summary.services.iter().map(service).collect(),
    }
}

fn number(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Who calls whom, and how often, in the minutes of this time.
pub(super) async fn calls(
    query: &Query,
    start: UnixNanos,
    end: Option<UnixNanos>,
) -> Result<BTreeMap<(String, String), u64>, Failure> {
    if end.is_some_and(|end| end <= start) {
        return Err(bad("end_time", "must be later than the start time"));
    }
    let calls = query.calls(start, end).await?;
    Ok(calls.into_iter().map(|(services, counts)| (services, counts.calls)).collect())
}
