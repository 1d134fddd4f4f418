//! Random TraceQL queries as trees: well typed, over the same small pools of names and values as the spans of
//! [`super::arbitrary`], so that they find something.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tracewell::model::{SpanKind, StatusCode, UnixNanos};
use tracewell::traceql::pattern::Pattern;
use tracewell::traceql::tree::{
    Aggregate, AggregateFunction, Arithmetic, Body, Column, Compare, Comparison, Field, Hint, HintName, Intrinsic,
    Literal, Math, Metrics, MetricsFunction, MetricsSource, Pipeline, Query, Reference, Scalar, ScalarFilter, Scope,
    SecondStage, SpanMetrics, SpansetExpression, Stage, StructuralOperator, Term,
};

use super::arbitrary;

/// A query of any kind.
pub(crate) fn query() -> BoxedStrategy<Query> {
    let body = prop_oneof![3 => pipeline().prop_map(Body::Traces), 2 => metrics().prop_map(Body::Metrics)];
    (body, vec(hint(), 0..3)).prop_map(|(body, hints)| Query { body, hints }).boxed()
}

fn hint() -> BoxedStrategy<Hint> {
    let hint = |(name, value)| Hint { column: Column(0), name, value };
    let hints = vec![
        (HintName::MostRecent, Literal::Bool(true)),
        (HintName::Exemplars, Literal::Int(3)),
        (HintName::Sample, Literal::Bool(false)),
        (HintName::SpanSample, Literal::Float(0.5)),
        (HintName::TraceSample, Literal::Float(1.0)),
    ];
    select(hints).prop_map(hint).boxed()
}

/// Stages that give spansets.
pub(crate) fn pipeline() -> BoxedStrategy<Pipeline> {
    pipeline_of(condition())
}

/// Stages over filters with such conditions.
pub(super) fn pipeline_of(condition: BoxedStrategy<Field>) -> BoxedStrategy<Pipeline> {
    (vec(stage(condition), 1..4), any::<bool>())
        .prop_map(|(stages, coalesced)| with_coalesce(stages, coalesced))
        .boxed()
}

fn with_coalesce(mut stages: Vec<Stage>, coalesced: bool) -> Pipeline {
    if coalesced {
        stages.insert(1, Stage::Coalesce);
    }
    Pipeline { stages }
}

fn stage(condition: BoxedStrategy<Field>) -> BoxedStrategy<Stage> {
    prop_oneof![
        4 => spansets_of(condition).prop_map(Stage::Spansets),
        1 => scalar_filter().prop_map(Stage::Filter),
        1 => named().prop_map(Stage::By),
        1 => vec(reference(), 1..3).prop_map(Stage::Select),
    ]
    .boxed()
}

/// One or more filters with such conditions, combined.
fn spansets_of(condition: BoxedStrategy<Field>) -> BoxedStrategy<SpansetExpression> {
    let filter = option::weighted(0.9, condition).prop_map(SpansetExpression::Filter);
    let combined = |inner: BoxedStrategy<SpansetExpression>| {
        let structural = (operator(), inner.clone(), inner.clone()).prop_map(|(operator, left, right)| {
            SpansetExpression::Structural(operator, Column(0), Box::new(left), Box::new(right))
        });
        // A pipeline in parentheses is a pipeline only when it is more than its spansets.
        let pipeline = (inner.clone(), scalar_filter()).prop_map(|(spansets, filter)| {
            SpansetExpression::Pipeline(Pipeline { stages: vec![Stage::Spansets(spansets), Stage::Filter(filter)] })
        });
        let all = vec(inner.clone(), 2..4).prop_map(SpansetExpression::All);
        prop_oneof![2 => structural, 1 => all, 1 => vec(inner, 2..4).prop_map(SpansetExpression::Any), 1 => pipeline]
    };
    filter.prop_recursive(3, 8, 3, combined).boxed()
}

fn operator() -> BoxedStrategy<StructuralOperator> {
    let relations = StructuralOperator::SYMBOLS.map(|(relation, _)| relation).to_vec();
    (select(relations), select(StructuralOperator::RESULTS.to_vec()))
        .prop_map(|(relation, result)| StructuralOperator { relation, result })
        .boxed()
}

/// What is true or false of a span.
pub(crate) fn condition() -> BoxedStrategy<Field> {
    let leaf = prop_oneof![
        6 => comparison(),
        2 => matched(),
        2 => (attribute(), equality()).prop_map(|(left, how)| compare(how, left, literal(Literal::Nil))),
        1 => attribute(),
        1 => any::<bool>().prop_map(|value| literal(Literal::Bool(value))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| combined(&inner)).boxed()
}

/// Conditions joined, or turned round.
pub(super) fn combined(inner: &BoxedStrategy<Field>) -> BoxedStrategy<Field> {
    prop_oneof![
        2 => vec(inner.clone(), 2..4).prop_map(|all| field(Term::All(all))),
        2 => vec(inner.clone(), 2..4).prop_map(|any| field(Term::Any(any))),
        1 => inner.clone().prop_map(|inner| field(Term::Not(Box::new(inner)))),
    ]
    .boxed()
}

fn comparison() -> BoxedStrategy<Field> {
    let any_way = select(Comparison::SYMBOLS.to_vec()).prop_map(|(comparison, _)| comparison);
    let pairs = prop_oneof![
        4 => (any_way.clone(), attribute(), value()),
        2 => (any_way.clone(), number(), number()),
        2 => (any_way.clone(), text(), text()),
        1 => (any_way, value(), attribute()),
        1 => (equality(), intrinsic(Intrinsic::Status), status()),
        1 => (equality(), intrinsic(Intrinsic::Kind), kind()),
    ];
    let ordered = |literal: &Field| {
        let unordered = [Literal::Bool(true), Literal::Bool(false)];
        !matches!(&literal.term, Term::Literal(Literal::Status(_) | Literal::Kind(_)))
            && !unordered.iter().any(|value| literal.term == Term::Literal(value.clone()))
    };
    pairs
        .prop_map(move |(how, left, right)| {
            // Truth values, statuses and kinds have no order.
            let how = if ordered(&left) && ordered(&right) && !is_word(&left) && !is_word(&right) {
                how
            } else {
                Comparison::Equal
            };
            compare(how, left, right)
        })
        .boxed()
}

fn is_word(field: &Field) -> bool {
    matches!(field.term, Term::Reference(Reference::Intrinsic(Intrinsic::Status | Intrinsic::Kind)))
}

fn equality() -> BoxedStrategy<Comparison> {
    select(vec![Comparison::Equal, Comparison::NotEqual]).boxed()
}

fn matched() -> BoxedStrategy<Field> {
    let patterns = vec!["", "a", ".*", "a|GET", "g.t", "[^a]+", "(?i)get", r"\w+", "s.?", "n\\d"];
    (any::<bool>(), prop_oneof![attribute(), text_reference()], select(patterns))
        .prop_map(|(negated, value, pattern)| {
            field(Term::Match { negated, value: Box::new(value), pattern: Pattern::new(pattern).unwrap() })
        })
        .boxed()
}

/// A number of the span, or of its trace.
fn number() -> BoxedStrategy<Field> {
    let leaf = prop_oneof![
        2 => number_literal().prop_map(literal),
        2 => number_reference(),
        1 => attribute(),
    ];
    let combined = |inner: BoxedStrategy<Field>| {
        let operators = select(Arithmetic::SYMBOLS.to_vec());
        prop_oneof![
            3 => (operators, inner.clone(), inner.clone()).prop_map(|((operator, _), left, right)| {
                field(Term::Arithmetic(operator, Box::new(left), Box::new(right)))
            }),
            1 => inner.prop_map(|inner| field(Term::Minus(Box::new(inner)))),
        ]
    };
    leaf.prop_recursive(2, 6, 2, combined).boxed()
}

fn number_reference() -> BoxedStrategy<Field> {
    let intrinsics = vec![
        Intrinsic::Duration,
        Intrinsic::TraceDuration,
        Intrinsic::ChildCount,
        Intrinsic::NestedSetLeft,
        Intrinsic::NestedSetRight,
        Intrinsic::NestedSetParent,
        Intrinsic::EventTimeSinceStart,
    ];
    select(intrinsics).prop_map(|one| field(Term::Reference(Reference::Intrinsic(one)))).boxed()
}

fn text() -> BoxedStrategy<Field> {
    prop_oneof![text_reference(), arbitrary::text().prop_map(|text| literal(Literal::Text(text)))].boxed()
}

fn text_reference() -> BoxedStrategy<Field> {
    let intrinsics = vec![
        Intrinsic::Name,
        Intrinsic::StatusMessage,
        Intrinsic::SpanId,
        Intrinsic::ParentId,
        Intrinsic::RootName,
        Intrinsic::RootService,
        Intrinsic::TraceId,
        Intrinsic::EventName,
        Intrinsic::LinkTraceId,
        Intrinsic::LinkSpanId,
        Intrinsic::InstrumentationName,
        Intrinsic::InstrumentationVersion,
    ];
    select(intrinsics).prop_map(|one| field(Term::Reference(Reference::Intrinsic(one)))).boxed()
}

fn intrinsic(intrinsic: Intrinsic) -> BoxedStrategy<Field> {
    Just(field(Term::Reference(Reference::Intrinsic(intrinsic)))).boxed()
}

fn status() -> BoxedStrategy<Field> {
    (0..=2).prop_map(|code| literal(Literal::Status(StatusCode(code)))).boxed()
}

fn kind() -> BoxedStrategy<Field> {
    (0..=5).prop_map(|kind| literal(Literal::Kind(SpanKind(kind)))).boxed()
}

/// A value of any type, as attributes have them.
fn value() -> BoxedStrategy<Field> {
    prop_oneof![
        3 => number_literal().prop_map(literal),
        3 => arbitrary::text().prop_map(|text| literal(Literal::Text(text))),
        1 => any::<bool>().prop_map(|value| literal(Literal::Bool(value))),
        1 => prop_oneof![status(), kind()],
    ]
    .boxed()
}

fn number_literal() -> BoxedStrategy<Literal> {
    let ints = prop_oneof![3 => -2..5_i64, 1 => select(vec![i64::MIN, i64::MAX]), 1 => any::<i64>()];
    let floats = prop_oneof![
        3 => select(vec![0.0, -0.0, 0.5, 1.0, -1.5, 1e300, 5e-324, f64::MAX]),
        1 => any::<f64>().prop_filter("literals are finite", |value| value.is_finite()),
    ];
    prop_oneof![
        3 => ints.clone().prop_map(Literal::Int),
        2 => floats.prop_map(Literal::Float),
        2 => prop_oneof![ints, Just(1_500_000_000)].prop_map(Literal::Duration),
    ]
    .boxed()
}

fn attribute() -> BoxedStrategy<Field> {
    attribute_reference().prop_map(|reference| field(Term::Reference(reference))).boxed()
}

fn attribute_reference() -> BoxedStrategy<Reference> {
    let scopes = [Scope::NAMED.as_slice(), &[Scope::Any, Scope::Any, Scope::Span]].concat();
    (select(scopes), arbitrary::key()).prop_map(|(scope, name)| Reference::Attribute { scope, name }).boxed()
}

/// Anything that a span has a name for.
pub(crate) fn reference() -> BoxedStrategy<Reference> {
    let intrinsics = Intrinsic::SPELLINGS.map(|(intrinsic, _)| Reference::Intrinsic(intrinsic)).to_vec();
    prop_oneof![2 => attribute_reference(), 1 => select(intrinsics)].boxed()
}

/// An expression that says something of the span.
fn named() -> BoxedStrategy<Field> {
    let reference = reference().prop_map(|reference| field(Term::Reference(reference)));
    prop_oneof![4 => reference, 1 => (attribute(), value()).prop_map(|(left, right)| compare(Comparison::Equal, left, right))]
        .boxed()
}

fn scalar_filter() -> BoxedStrategy<ScalarFilter> {
    (scalar(), select(Comparison::SYMBOLS.to_vec()), number_literal(), any::<bool>())
        .prop_map(|(scalar, (comparison, _), number, flipped)| {
            let number = Scalar::Literal(number);
            let (left, right) = if flipped { (number, scalar) } else { (scalar, number) };
            ScalarFilter { column: Column(0), comparison, left, right }
        })
        .boxed()
}

/// A number of a spanset, with at least one aggregate in it.
fn scalar() -> BoxedStrategy<Scalar> {
    let number = prop_oneof![attribute(), number_reference()];
    let functions = select(AggregateFunction::WORDS.to_vec());
    let of = (functions, number).prop_map(|((function, _), number)| Aggregate::Of(function, Box::new(number)));
    let leaf = prop_oneof![Just(Aggregate::Count), of].prop_map(Scalar::Aggregate);
    let combined = |inner: BoxedStrategy<Scalar>| {
        let operand = prop_oneof![inner.clone(), number_literal().prop_map(Scalar::Literal)];
        (select(Arithmetic::SYMBOLS.to_vec()), inner, operand)
            .prop_map(|((operator, _), left, right)| Scalar::Arithmetic(operator, Box::new(left), Box::new(right)))
    };
    leaf.prop_recursive(2, 4, 2, combined).boxed()
}

/// Series over time.
pub(crate) fn metrics() -> BoxedStrategy<Metrics> {
    let plain = (span_metrics(), vec(second_stage(), 0..3))
        .prop_map(|(spans, then)| Metrics { source: MetricsSource::Spans(spans), then });
    let combined = |inner: BoxedStrategy<Metrics>| {
        // Math in parentheses is its own operand, unless something was done with its series.
        let operand = inner.prop_filter_map("math alone is no operand", |metrics| {
            let is_math = matches!(metrics.source, MetricsSource::Math(_)) && metrics.then.is_empty();
            (!is_math).then(|| Math::Metrics(Box::new(metrics)))
        });
        let other = prop_oneof![3 => operand.clone(), 1 => number_literal().prop_map(Math::Number)];
        let operators = vec![Arithmetic::Add, Arithmetic::Subtract, Arithmetic::Multiply, Arithmetic::Divide];
        let binary =
            (select(operators), operand.clone(), other, any::<bool>()).prop_map(|(operator, left, right, flipped)| {
                let (left, right) = if flipped { (right, left) } else { (left, right) };
                Math::Binary(operator, Box::new(left), Box::new(right))
            });
        (prop_oneof![4 => binary, 1 => operand], vec(second_stage(), 0..2))
            .prop_map(|(math, then)| Metrics { source: MetricsSource::Math(math), then })
    };
    plain.prop_recursive(2, 4, 2, combined).boxed()
}

fn span_metrics() -> BoxedStrategy<SpanMetrics> {
    (pipeline(), function(), vec(reference(), 0..3))
        .prop_map(|(spans, function, by)| {
            let by = if matches!(function, MetricsFunction::Compare(_)) { Vec::new() } else { by };
            SpanMetrics { spans, column: Column(0), function, by }
        })
        .boxed()
}

fn function() -> BoxedStrategy<MetricsFunction> {
    let measured = || {
        prop_oneof![attribute(), number_reference()].prop_map(|field| match field.term {
            Term::Reference(reference) => reference,
            other => unreachable!("{other:?}"),
        })
    };
    let quantiles = vec(select(vec![0.0, 0.5, 0.95, 1.0]), 1..3);
    prop_oneof![
        Just(MetricsFunction::Rate),
        Just(MetricsFunction::Count),
        measured().prop_map(MetricsFunction::Min),
        measured().prop_map(MetricsFunction::Max),
        measured().prop_map(MetricsFunction::Average),
        measured().prop_map(MetricsFunction::Sum),
        (measured(), quantiles).prop_map(|(measured, quantiles)| MetricsFunction::Quantile(measured, quantiles)),
        measured().prop_map(MetricsFunction::Histogram),
        compared().prop_map(|compare| MetricsFunction::Compare(Box::new(compare))),
    ]
    .boxed()
}

fn compared() -> BoxedStrategy<Compare> {
    let window = (arbitrary::time(), 1..1_000_u64).prop_filter_map("the end is a time", |(start, length)| {
        Some((start, UnixNanos(start.0.checked_add(length)?))).filter(|(_, end)| i64::try_from(end.0).is_ok())
    });
    (option::of(condition()), option::of((1..4_u64, option::of(window))))
        .prop_map(|(selection, rest)| {
            let (values_max, window) = rest.map_or((None, None), |(values, window)| (Some(values), window));
            Compare { selection, values_max, window }
        })
        .boxed()
}

fn second_stage() -> BoxedStrategy<SecondStage> {
    let filter = (select(Comparison::SYMBOLS.to_vec()), number_literal())
        .prop_map(|((comparison, _), number)| SecondStage::Filter(comparison, number));
    prop_oneof![(1..4_u64).prop_map(SecondStage::Top), (1..4_u64).prop_map(SecondStage::Bottom), filter].boxed()
}

pub(super) fn field(term: Term) -> Field {
    Field { column: Column(0), term }
}

pub(super) fn literal(literal: Literal) -> Field {
    field(Term::Literal(literal))
}

pub(super) fn compare(how: Comparison, left: Field, right: Field) -> Field {
    field(Term::Compare(how, Box::new(left), Box::new(right)))
}
