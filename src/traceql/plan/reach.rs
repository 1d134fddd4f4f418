//! How much of a trace has to be there to know what a query says of one of its spans.

use super::range;
use crate::traceql::tree::{
    Comparison, Field, Intrinsic, Literal, Pipeline, Reference, SpansetExpression, Stage, Term,
};

/// What decides about a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The span alone: evaluated as a trace of its own, the answer about it is the same.
    Span,
    /// All spans of its trace.
    Trace,
}

impl Reach {
    /// Of all stages.
    #[must_use]
    pub fn of_pipeline(pipeline: &Pipeline) -> Self {
        widest(pipeline.stages.iter().map(|stage| match stage {
            Stage::Spansets(expression) => Self::of_spansets(expression),
            Stage::Select(references) => widest(references.iter().map(Self::of_reference)),
            Stage::Coalesce => Self::Span,
            Stage::Filter(_) | Stage::By(_) => Self::Trace,
        }))
    }

    fn of_spansets(expression: &SpansetExpression) -> Self {
        match expression {
            SpansetExpression::Filter(field) => field.as_ref().map_or(Self::Span, Self::of_field),
            SpansetExpression::Any(operands) => widest(operands.iter().map(Self::of_spansets)),
            SpansetExpression::Pipeline(pipeline) => Self::of_pipeline(pipeline),
            SpansetExpression::All(_) | SpansetExpression::Structural(..) => Self::Trace,
        }
    }

    /// Of an expression over a span.
    #[must_use]
    pub fn of_field(field: &Field) -> Self {
        match &field.term {
            Term::Literal(_) => Self::Span,
            Term::Reference(named) => Self::of_reference(named),
            Term::Not(inner) | Term::Minus(inner) | Term::Match { value: inner, .. } => Self::of_field(inner),
            Term::All(operands) | Term::Any(operands) => widest(operands.iter().map(Self::of_field)),
            Term::Compare(comparison, left, right) if tells_roots(*comparison, left, right) => Self::Span,
            Term::Compare(_, left, right) | Term::Arithmetic(_, left, right) => {
                Self::of_field(left).max(Self::of_field(right))
            }
        }
    }

    /// Of what is named.
    #[must_use]
    pub fn of_reference(named: &Reference) -> Self {
        match named {
            Reference::Intrinsic(
                Intrinsic::ChildCount
                | Intrinsic::NestedSetLeft
                | Intrinsic::NestedSetRight
                | Intrinsic::NestedSetParent
                | Intrinsic::TraceDuration
                | Intrinsic::RootName
                | Intrinsic::RootService,
            ) => Self::Trace,
            Reference::Attribute { .. } | Reference::Intrinsic(_) => Self::Span,
        }
    }
}

fn widest(all: impl IntoIterator<Item = Reach>) -> Reach {
    all.into_iter().max().unwrap_or(Reach::Span)
}

/// `nestedSetParent < 0` is how many ask for roots: a span has -1 when it is one, and never less than 0 otherwise.
fn tells_roots(comparison: Comparison, left: &Field, right: &Field) -> bool {
    let is_parent = |field: &Field| field.term == Term::Reference(Reference::Intrinsic(Intrinsic::NestedSetParent));
    let is_nil = |literal: &Literal| *literal == Literal::Nil;
    match (&left.term, &right.term) {
        (_, Term::Literal(literal)) if is_parent(left) => {
            is_nil(literal) || range::is_same_from_zero(comparison, literal)
        }
        (Term::Literal(literal), _) if is_parent(right) => {
            is_nil(literal) || range::is_same_from_zero(super::implied::flipped(comparison), literal)
        }
        _ => false,
    }
}
