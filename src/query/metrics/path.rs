//! From what each function over spans is answered: from rollups when they tell all that it asks for, else from spans one
//! by one when the answer about a span needs no other span, else from whole traces.

use crate::model::Filter;
use crate::query::Evaluation;
use crate::store::{MINUTE_NANOS, RollupDetail};
use crate::traceql::evaluate::Intervals;
use crate::traceql::plan::{Plan, Reach};
use crate::traceql::tree::{
    Field, Intrinsic, MetricsFunction, Pipeline, Reference, Scope, SpanMetrics, SpansetExpression, Stage, Term,
};

/// How one function over spans is answered.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) evaluation: Evaluation,
    /// Holds on every span that is measured.
    pub(super) found: Filter,
    /// What is asked of rollups.
    pub(super) rollups: Option<RollupPath>,
}

/// What is asked of rollups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RollupPath {
    pub(super) detail: RollupDetail,
    /// Whether the attribute `service.name` of the resource matters. A rollup has the service, which is another thing
    /// where the resource does not name one.
    pub(super) asks_for_service: bool,
}

impl Path {
    pub(super) fn of(spans: &SpanMetrics, intervals: &Intervals) -> Self {
        let plan = Plan::of(&spans.spans);
        let rollups = RollupPath::of(spans).filter(|_| are_whole_minutes(intervals));
        let evaluation = match (rollups, reach(spans, &plan)) {
            (Some(_), _) => Evaluation::Rollups,
            (None, Reach::Span) => Evaluation::Spans,
            (None, Reach::Trace) => Evaluation::Traces,
        };
        Self { evaluation, found: plan.found, rollups }
    }
}

/// A single interval may begin and end at any time: what is not whole minutes of it is looked at span by span.
fn are_whole_minutes(intervals: &Intervals) -> bool {
    let is_whole = |nanos: u64| nanos.checked_rem(MINUTE_NANOS) == Some(0);
    intervals.count() == 1 || is_whole(intervals.step_nanos())
}

/// How much of a trace decides about one of its spans.
fn reach(spans: &SpanMetrics, plan: &Plan) -> Reach {
    let of_function = match &spans.function {
        // It compares the names of roots, too.
        MetricsFunction::Compare(_) => Reach::Trace,
        function => function.measured().map_or(Reach::Span, Reach::of_reference),
    };
    spans.by.iter().map(Reach::of_reference).fold(plan.reach.max(of_function), Ord::max)
}

impl RollupPath {
    /// `None` when rollups do not tell enough.
    fn of(spans: &SpanMetrics) -> Option<Self> {
        let mut named = named_in_only_filter(&spans.spans)?;
        let detail = match &spans.function {
            MetricsFunction::Rate | MetricsFunction::Count => RollupDetail::Count,
            MetricsFunction::Sum(of) | MetricsFunction::Average(of) if is_duration(of) => RollupDetail::Sum,
            MetricsFunction::Quantile(of, _) if is_duration(of) => RollupDetail::Histogram,
            _ => return None,
        };
        named.extend(&spans.by);
        let are_told = named.iter().all(|named| is_told(named));
        let asks_for_service = named.iter().any(|named| is_service(named));
        are_told.then_some(Self { detail, asks_for_service })
    }
}

/// What is named in the braces of a pipeline that has nothing else; `None` when it has.
fn named_in_only_filter(pipeline: &Pipeline) -> Option<Vec<&Reference>> {
    let [Stage::Spansets(SpansetExpression::Filter(condition))] = pipeline.stages.as_slice() else { return None };
    let mut named = Vec::new();
    if let Some(condition) = condition {
        collect_named(condition, &mut named);
    }
    Some(named)
}

fn is_duration(named: &Reference) -> bool {
    *named == Reference::Intrinsic(Intrinsic::Duration)
}

/// Whether a rollup tells it of its spans.
fn is_told(named: &Reference) -> bool {
    let told = [Intrinsic::Name, Intrinsic::Kind, Intrinsic::Status];
    is_service(named) || matches!(named, Reference::Intrinsic(one) if told.contains(one))
}

fn is_service(named: &Reference) -> bool {
    matches!(named, Reference::Attribute { scope: Scope::Resource, name } if name == "service.name")
}

fn collect_named<'q>(field: &'q Field, named: &mut Vec<&'q Reference>) {
    match &field.term {
        Term::Literal(_) => {}
        Term::Reference(reference) => named.push(reference),
        Term::Not(inner) | Term::Minus(inner) | Term::Match { value: inner, .. } => collect_named(inner, named),
        Term::All(operands) | Term::Any(operands) => {
            for operand in operands {
                collect_named(operand, named);
            }
        }
        Term::Compare(_, left, right) | Term::Arithmetic(_, left, right) => {
            collect_named(left, named);
            collect_named(right, named);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixNanos;
    use crate::traceql;
    use crate::traceql::tree::Body;

    fn path(query: &str, step_nanos: u64) -> (Evaluation, Option<RollupPath>) {
        let query = traceql::parse(query).unwrap();
        let Body::Metrics(metrics) = &query.body else { unreachable!("{query}") };
        let intervals = Intervals::range(UnixNanos(0), UnixNanos(30 * MINUTE_NANOS), step_nanos).unwrap();
        let path = Path::of(metrics.leaves()[0], &intervals);
        (path.evaluation, path.rollups)
    }

    #[test]
    fn each_function_is_answered_from_the_least_that_is_enough() {
        use Evaluation::{Rollups, Spans, Traces};
        for (query, expected) in [
            ("{ } | rate()", Rollups),
            ("{ } | count_over_time() by (name, kind, status, resource.service.name)", Rollups),
            ("{ resource.service.name =~ `a|b` && (name = `x` || !(kind = server)) } | rate() by (status)", Rollups),
            ("{ status = error && resource.service.name = nil } | avg_over_time(duration)", Rollups),
            ("{ 1 = 1 } | sum_over_time(duration)", Rollups),
            ("{ } | quantile_over_time(span:duration, .5)", Rollups),
            ("{ } | max_over_time(duration)", Spans),
            ("{ } | histogram_over_time(duration)", Spans),
            ("{ } | sum_over_time(span.bytes)", Spans),
            ("{ duration > 1s } | rate()", Spans),
            ("{ .service.name = `a` } | rate()", Spans),
            ("{ } | rate() by (span.a)", Spans),
            ("{ name = `a` } | { kind = server } | rate()", Spans),
            ("{ } | select(span.a) | rate()", Spans),
            ("{ } | avg_over_time(traceDuration)", Traces),
            ("{ } | rate() by (rootName)", Traces),
            ("{ name = `a` } > { } | rate()", Traces),
            ("{ name = `a` } && { } | rate()", Traces),
            ("{ } | count() > 1 | rate()", Traces),
            ("{ } | compare({ status = error })", Traces),
        ] {
            assert_eq!(path(query, MINUTE_NANOS).0, expected, "{query}");
        }
    }

    #[test]
    fn rollups_need_whole_minutes_and_say_what_is_asked_of_them() {
        assert_eq!(path("{ } | rate()", MINUTE_NANOS / 2).0, Evaluation::Spans);
        assert_eq!(path("{ } | rate()", 30 * MINUTE_NANOS - 1).0, Evaluation::Spans);
        // One step is one interval, from the very start to the very end.
        assert_eq!(path("{ } | rate()", 30 * MINUTE_NANOS).0, Evaluation::Rollups);
        for (query, detail, asks_for_service) in [
            ("{ } | rate() by (name)", RollupDetail::Count, false),
            ("{ } | sum_over_time(duration) by (resource.service.name)", RollupDetail::Sum, true),
            ("{ !(resource.service.name = `a`) } | quantile_over_time(duration, .5)", RollupDetail::Histogram, true),
        ] {
            assert_eq!(path(query, MINUTE_NANOS).1, Some(RollupPath { detail, asks_for_service }), "{query}");
        }
    }
}
