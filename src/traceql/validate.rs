//! Whether a tree makes sense: its types, and what tracewell does not do. Attributes may be of any type, so much is
//! only known once spans are there; what is refused here could never be true.

use std::fmt;

use super::METRICS_GROUPS_MAX;
use super::error::QueryError;
use super::tree::{
    Aggregate, Body, Column, Comparison, Field, Hint, HintName, Intrinsic, Literal, Math, Metrics, MetricsFunction,
    MetricsSource, Pipeline, Query, Reference, Scalar, ScalarFilter, SpanMetrics, SpansetExpression, Stage, Term,
};

type Checked = Result<(), QueryError>;

/// Refuses a query that makes no sense.
pub(super) fn validate(query: &Query) -> Checked {
    match &query.body {
        Body::Traces(check) => pipeline(check)?,
        Body::Metrics(check) => metrics(check)?,
    }
    query.hints.iter().try_for_each(hint)
}

fn hint(hint: &Hint) -> Checked {
    let expected = match (hint.name, &hint.value) {
        (HintName::MostRecent | HintName::Sample | HintName::Exemplars, Literal::Bool(_))
        | (HintName::Exemplars, Literal::Int(0..)) => return Ok(()),
        (HintName::SpanSample | HintName::TraceSample, Literal::Float(part)) if *part > 0.0 && *part <= 1.0 => {
            return Ok(());
        }
        (HintName::MostRecent | HintName::Sample, _) => "true or false",
        (HintName::Exemplars, _) => "true, false or how many",
        (HintName::SpanSample | HintName::TraceSample, _) => "a part such as 0.1",
    };
    let what = format!("the hint {} must be {expected}, not {}", hint.name.word(), hint.value);
    Err(QueryError::wrong(hint.column.0, what))
}

fn pipeline(pipeline: &Pipeline) -> Checked {
    pipeline.stages.iter().try_for_each(|stage| match stage {
        Stage::Spansets(check) => spansets(check),
        Stage::Filter(filter) => scalar_filter(filter),
        Stage::By(field) => {
            type_of(field)?;
            of_span(field, "by()")
        }
        Stage::Coalesce | Stage::Select(_) => Ok(()),
    })
}

fn spansets(expression: &SpansetExpression) -> Checked {
    match expression {
        SpansetExpression::Filter(field) => field.as_ref().map_or(Ok(()), condition),
        SpansetExpression::All(operands) | SpansetExpression::Any(operands) => operands.iter().try_for_each(spansets),
        SpansetExpression::Structural(operator, column, left, right) => {
            if [left, right].into_iter().any(|operand| is_grouped(operand)) {
                let what = format!("by() inside an operand of {}, without coalesce() after it,", operator.symbol());
                return Err(QueryError::not_supported(column.0, what));
            }
            spansets(left)?;
            spansets(right)
        }
        SpansetExpression::Pipeline(check) => pipeline(check),
    }
}

/// Whether several spansets may come of one.
fn is_grouped(expression: &SpansetExpression) -> bool {
    let SpansetExpression::Pipeline(pipeline) = expression else { return false };
    pipeline.stages.iter().fold(false, |grouped, stage| match stage {
        Stage::By(_) => true,
        Stage::Coalesce => false,
        Stage::Spansets(spansets) => grouped || is_grouped(spansets),
        Stage::Filter(_) | Stage::Select(_) => grouped,
    })
}

/// What stands in braces must be true or false; an attribute may be.
fn condition(field: &Field) -> Checked {
    match type_of(field)? {
        Type::Bool | Type::Any => Ok(()),
        other => Err(QueryError::wrong(
            field.column.0,
            format!("what stands in braces must be true or false, and this is {other}"),
        )),
    }
}

/// Groups and aggregates of a constant say nothing of the spans.
fn of_span(field: &Field, what: &str) -> Checked {
    if names_something(field) {
        Ok(())
    } else {
        Err(QueryError::wrong(field.column.0, format!("{what} needs an attribute or an intrinsic")))
    }
}

fn names_something(field: &Field) -> bool {
    match &field.term {
        Term::Literal(_) => false,
        Term::Reference(_) => true,
        Term::Not(inner) | Term::Minus(inner) | Term::Match { value: inner, .. } => names_something(inner),
        Term::All(all) | Term::Any(all) => all.iter().any(names_something),
        Term::Compare(_, left, right) | Term::Arithmetic(_, left, right) => {
            names_something(left) || names_something(right)
        }
    }
}

fn scalar_filter(filter: &ScalarFilter) -> Checked {
    let aggregates = [scalar(&filter.left)?, scalar(&filter.right)?];
    if aggregates.contains(&true) {
        Ok(())
    } else {
        let what = "a comparison outside of braces needs an aggregate, such as count()";
        Err(QueryError::wrong(filter.column.0, what))
    }
}

/// Whether there is an aggregate in it.
fn scalar(part: &Scalar) -> Result<bool, QueryError> {
    match part {
        Scalar::Literal(_) | Scalar::Aggregate(Aggregate::Count) => Ok(matches!(part, Scalar::Aggregate(_))),
        Scalar::Aggregate(Aggregate::Of(function, field)) => {
            let kind = type_of(field)?;
            if !kind.may_be_number() {
                return Err(QueryError::wrong(field.column.0, format!("{function}() needs numbers, not {kind}")));
            }
            of_span(field, &format!("{function}()")).map(|()| true)
        }
        Scalar::Arithmetic(_, left, right) => {
            let aggregates = [scalar(left)?, scalar(right)?];
            Ok(aggregates.contains(&true))
        }
    }
}

fn metrics(check: &Metrics) -> Checked {
    match &check.source {
        MetricsSource::Spans(spans) => span_metrics(spans),
        MetricsSource::Math(check) => math(check),
    }
}

fn math(check: &Math) -> Checked {
    match check {
        Math::Number(_) => Ok(()),
        Math::Metrics(check) => metrics(check),
        Math::Binary(_, left, right) => {
            math(left)?;
            math(right)
        }
    }
}

fn span_metrics(check: &SpanMetrics) -> Checked {
    pipeline(&check.spans)?;
    let column = check.column.0;
    if check.by.len() > METRICS_GROUPS_MAX {
        let what = format!("{}() can be grouped by at most {METRICS_GROUPS_MAX} attributes", check.function.word());
        return Err(QueryError::wrong(column, what));
    }
    if let MetricsFunction::Compare(compare) = &check.function {
        if !check.by.is_empty() {
            return Err(QueryError::not_supported(column, "by() after compare()"));
        }
        return compare.selection.as_ref().map_or(Ok(()), condition);
    }
    match check.function.measured().map(reference_type) {
        Some(kind) if !kind.may_be_number() => {
            Err(QueryError::wrong(column, format!("{}() needs numbers, not {kind}", check.function.word())))
        }
        _ => Ok(()),
    }
}

/// What is known of a value before there are spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Any,
    Nil,
    Bool,
    Int,
    Float,
    Duration,
    Text,
    Status,
    Kind,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "an attribute",
            Self::Nil => "nil",
            Self::Bool => "a truth value",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Duration => "a duration",
            Self::Text => "a string",
            Self::Status => "a status",
            Self::Kind => "a kind",
        })
    }
}

impl Type {
    fn may_be_number(self) -> bool {
        matches!(self, Self::Any | Self::Int | Self::Float | Self::Duration)
    }

    fn may_be_bool(self) -> bool {
        matches!(self, Self::Any | Self::Bool)
    }

    /// Whether one can be less than another.
    fn may_be_ordered(self) -> bool {
        self.may_be_number() || self == Self::Text
    }

    /// Whether a value of this type may equal one of the other.
    fn may_meet(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any || (self.may_be_number() && other.may_be_number())
    }
}

/// The type of an expression, all of whose parts make sense.
fn type_of(field: &Field) -> Result<Type, QueryError> {
    let column = field.column;
    match &field.term {
        Term::Literal(literal) => Ok(literal_type(literal)),
        Term::Reference(reference) => Ok(reference_type(reference)),
        Term::Not(inner) => {
            needs(type_of(inner)?, Type::may_be_bool, column, "! needs a truth value").map(|_| Type::Bool)
        }
        Term::Minus(inner) => needs(type_of(inner)?, Type::may_be_number, column, "- needs a number"),
        Term::All(operands) => logical(operands, "&& needs truth values").map(|()| Type::Bool),
        Term::Any(operands) => logical(operands, "|| needs truth values").map(|()| Type::Bool),
        Term::Compare(comparison, left, right) => {
            comparable(*comparison, type_of(left)?, type_of(right)?, column).map(|()| Type::Bool)
        }
        Term::Match { value, .. } => {
            let is_text = |kind| matches!(kind, Type::Any | Type::Text);
            needs(type_of(value)?, is_text, column, "a regular expression needs a string").map(|_| Type::Bool)
        }
        Term::Arithmetic(operator, left, right) => {
            let (left, right) = (type_of(left)?, type_of(right)?);
            let what = format!("{} needs numbers", operator.symbol());
            needs(left, Type::may_be_number, column, &what)?;
            needs(right, Type::may_be_number, column, &what)?;
            Ok(match (left, right) {
                (Type::Int, Type::Int) => Type::Int,
                (Type::Duration, _) | (_, Type::Duration) => Type::Duration,
                _ => Type::Float,
            })
        }
    }
}

/// The same type, when it is a wanted one.
fn needs(kind: Type, wanted: impl Fn(Type) -> bool, column: Column, what: &str) -> Result<Type, QueryError> {
    if wanted(kind) { Ok(kind) } else { Err(QueryError::wrong(column.0, format!("{what}, not {kind}"))) }
}

fn logical(operands: &[Field], what: &str) -> Checked {
    operands.iter().try_for_each(|operand| {
        needs(type_of(operand)?, Type::may_be_bool, operand.column, what)?;
        Ok(())
    })
}

fn comparable(comparison: Comparison, left: Type, right: Type, column: Column) -> Checked {
    let wrong = |what: String| Err(QueryError::wrong(column.0, what));
    let is_equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if (left == Type::Nil || right == Type::Nil) && is_equality {
        return Ok(());
    }
    if let Some(unordered) = [left, right].into_iter().find(|kind| !is_equality && !kind.may_be_ordered()) {
        return wrong(format!("{} can not compare {unordered}, only = and != can", comparison.symbol()));
    }
    if left.may_meet(right) { Ok(()) } else { wrong(format!("{left} can not be compared with {right}")) }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Nil => Type::Nil,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Float(_) => Type::Float,
        Literal::Text(_) => Type::Text,
        Literal::Duration(_) => Type::Duration,
        Literal::Status(_) => Type::Status,
        Literal::Kind(_) => Type::Kind,
    }
}

fn reference_type(reference: &Reference) -> Type {
    let Reference::Intrinsic(intrinsic) = reference else { return Type::Any };
    match intrinsic {
        Intrinsic::Duration | Intrinsic::TraceDuration | Intrinsic::EventTimeSinceStart => Type::Duration,
        Intrinsic::ChildCount | Intrinsic::NestedSetLeft | Intrinsic::NestedSetRight | Intrinsic::NestedSetParent => {
            Type::Int
        }
        Intrinsic::Status => Type::Status,
        Intrinsic::Kind => Type::Kind,
        Intrinsic::Name
        | Intrinsic::StatusMessage
        | Intrinsic::SpanId
        | Intrinsic::ParentId
        | Intrinsic::RootName
        | Intrinsic::RootService
        | Intrinsic::TraceId
        | Intrinsic::EventName
        | Intrinsic::LinkTraceId
        | Intrinsic::LinkSpanId
        | Intrinsic::InstrumentationName
        | Intrinsic::InstrumentationVersion => Type::Text,
    }
}
