//! What holds of every query on every trace, and structural operators against their definition, pair by pair.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tracewell::model::{Span, UnixNanos};
use tracewell::traceql::evaluate::{Intervals, Measurement, MeasurementLimits, Trace, spansets};
use tracewell::traceql::tree::{Body, Relation, StructuralOperator, StructuralResult};
use tracewell::traceql::{self, Query};

use crate::support::{self, arbitrary, queries};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Scenario: any query on any trace, whose spans come in another order, some of them twice. Guarantee: an answer,
    /// and the same one.
    #[test]
    fn answers_do_not_depend_on_order_and_copies(query in queries::query(), spans in vec(arbitrary::span(), 0..12)) {
        let spans: Vec<_> = spans.into_iter().map(|span| Span { trace_id: support::trace_id(1), ..span }).collect();
        let mut others = spans.clone();
        others.reverse();
        others.extend(spans.iter().take(3).cloned());
        prop_assert_eq!(answer(&query, &spans), answer(&query, &others));
    }

    /// Scenario: a structural operator on a trace in which spans share ids, name themselves or missing spans as their
    /// parents, and go in circles. Guarantee: it gives what its definition says, pair by pair.
    #[test]
    fn structure_is_what_its_definition_says(
        ids in vec((1..6_u64, option::of(1..7_u64), any::<[bool; 2]>()), 1..9),
        relation in select(StructuralOperator::SYMBOLS.to_vec()),
        result in select(StructuralOperator::RESULTS.to_vec()),
    ) {
        let spans: Vec<_> = ids.iter().enumerate().map(|(at, one)| related_span(at, one)).collect();
        let operator = StructuralOperator { relation: relation.0, result };
        let query = traceql::parse(&format!("{{ .left = true }} {} {{ .right = true }}", operator.symbol())).unwrap();
        let Body::Traces(pipeline) = &query.body else { unreachable!("{query}") };
        let trace = Trace::new(&spans);
        let found = spansets(pipeline, &trace).into_iter().flat_map(|set| set.spans).map(|found| found.span.start.0);
        prop_assert_eq!(found.collect::<Vec<_>>(), defined(operator, &spans, &ids));
    }
}

/// Scenario: a trace that is one chain, deeper than any stack. Guarantee: it is walked all the same.
#[test]
fn a_deep_trace_is_walked() {
    let depth = 20_000_usize;
    let ids = (1..=depth).map(|id| (id as u64, (id > 1).then(|| id as u64 - 1), [true; 2]));
    let spans: Vec<_> = ids.enumerate().map(|(at, one)| related_span(at, &one)).collect();
    let query = traceql::parse(&format!("{{ }} >> {{ nestedSetLeft = {depth} }} | count() = 1")).unwrap();
    assert!(answer(&query, &spans).starts_with("[Spanset"), "{}", answer(&query, &spans));
}

/// The text of an answer.
fn answer(query: &Query, spans: &[Span]) -> String {
    let trace = Trace::new(spans);
    match &query.body {
        Body::Traces(pipeline) => format!("{:?}", spansets(pipeline, &trace)),
        Body::Metrics(metrics) => {
            let intervals = Intervals::range(UnixNanos(0), UnixNanos(u64::MAX), u64::MAX / 4).unwrap();
            let mut measurement = Measurement::new(metrics, intervals, MeasurementLimits::default());
            measurement.add(&trace).unwrap();
            format!("{:?}", measurement.finish(0).unwrap())
        }
    }
}

fn related_span(at: usize, (id, parent, sides): &(u64, Option<u64>, [bool; 2])) -> Span {
    let mut span = support::span(1, *id, at as u64);
    span.parent_span_id = parent.map(support::span_id);
    span.attributes = ["left", "right"].into_iter().zip(sides.map(tracewell::model::Value::Bool)).collect();
    span
}

/// The operator's result, by trying every pair.
fn defined(operator: StructuralOperator, spans: &[Span], ids: &[(u64, Option<u64>, [bool; 2])]) -> Vec<u64> {
    let all = 0..spans.len();
    let is_child = |parent: usize, child: usize| parent != child && ids[child].1 == Some(ids[parent].0);
    let mut below = vec![vec![false; spans.len()]; spans.len()];
    for (parent, child) in all.clone().flat_map(|parent| all.clone().map(move |child| (parent, child))) {
        below[parent][child] = is_child(parent, child);
    }
    for middle in all.clone() {
        for (above, under) in all.clone().flat_map(|above| all.clone().map(move |under| (above, under))) {
            below[above][under] |= below[above][middle] && below[middle][under];
        }
    }
    let holds = |left: usize, right: usize| match operator.relation {
        Relation::Child => is_child(left, right),
        Relation::Parent => is_child(right, left),
        Relation::Descendant => below[left][right],
        Relation::Ancestor => below[right][left],
        Relation::Sibling => left != right && ids[left].1.is_some() && ids[left].1 == ids[right].1,
    };
    let (on_left, on_right) = (|at: usize| ids[at].2[0], |at: usize| ids[at].2[1]);
    let as_right = |right: usize| on_right(right) && all.clone().any(|left| on_left(left) && holds(left, right));
    let as_left = |left: usize| on_left(left) && all.clone().any(|right| on_right(right) && holds(left, right));
    let is_result = |at: &usize| match operator.result {
        StructuralResult::Related => as_right(*at),
        StructuralResult::Unrelated => on_right(*at) && !as_right(*at),
        StructuralResult::Both => as_right(*at) || as_left(*at),
    };
    all.clone().filter(is_result).map(|at| at as u64).collect()
}
