//! What the summary of a trace tells of its spans: whether one of them may be what a filter asks for. Summaries are there
//! before the spans are read, and name each service with what failed of it.

use crate::model::{Condition, Filter, ServiceSummary, StatusCode, TraceSummary};

/// Whether the filter may hold on a span of the trace.
pub(super) fn may_have(summary: &TraceSummary, filter: &Filter) -> bool {
    filter.is_everything() || summary.services.iter().any(|service| may_hold(filter, service, summary))
}

/// Whether it may hold on a span of this service.
fn may_hold(filter: &Filter, service: &ServiceSummary, summary: &TraceSummary) -> bool {
    match filter {
        Filter::Everything => true,
        Filter::All(filters) => filters.iter().all(|filter| may_hold(filter, service, summary)),
        Filter::OneOf(filters) => filters.iter().any(|filter| may_hold(filter, service, summary)),
        Filter::Is(condition) => match condition {
            Condition::Service(is) => is.matches(&service.name),
            Condition::Status(StatusCode::ERROR) => service.error_count > 0,
            Condition::Status(_) => service.error_count < service.span_count,
            Condition::Duration { min_nanos, .. } => *min_nanos <= summary.duration_nanos(),
            Condition::TraceId(id) => *id == summary.trace_id,
            Condition::Root => summary.root.is_some(),
            Condition::Name(_)
            | Condition::Kind(_)
            | Condition::SpanId(_)
            | Condition::ParentSpanId(_)
            | Condition::Attribute { .. } => true,
        },
    }
}
