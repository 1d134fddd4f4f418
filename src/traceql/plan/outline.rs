//! What of a span a query looks at, when that is little: then no more than that has to be read to know what it says of it.

use std::collections::BTreeSet;

use super::reach::Reach;
use crate::traceql::tree::{Field, Intrinsic, Pipeline, Reference, Scope, SpansetExpression, Stage, Term};

/// The keys of the span's own attributes that are looked at, of a pipeline that looks at nothing else than these, the
/// resource, ids, times, name, kind and the code of the status, each of one span; else nothing.
pub(super) fn of_pipeline(pipeline: &Pipeline) -> Option<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    (Reach::of_pipeline(pipeline) == Reach::Span && is_of_outlines(pipeline, &mut keys)).then_some(keys)
}

fn is_of_outlines(pipeline: &Pipeline, keys: &mut BTreeSet<String>) -> bool {
    pipeline.stages.iter().all(|stage| match stage {
        Stage::Spansets(expression) => spansets(expression, keys),
        Stage::Select(references) => references.iter().all(|named| reference(named, keys)),
        Stage::Coalesce => true,
        Stage::Filter(_) | Stage::By(_) => false,
    })
}

fn spansets(expression: &SpansetExpression, keys: &mut BTreeSet<String>) -> bool {
    match expression {
        SpansetExpression::Filter(filter) => filter.as_ref().is_none_or(|filter| field(filter, keys)),
        SpansetExpression::Any(operands) => operands.iter().all(|operand| spansets(operand, keys)),
        SpansetExpression::Pipeline(pipeline) => is_of_outlines(pipeline, keys),
        SpansetExpression::All(_) | SpansetExpression::Structural(..) => false,
    }
}

fn field(expression: &Field, keys: &mut BTreeSet<String>) -> bool {
    match &expression.term {
        Term::Literal(_) => true,
        Term::Reference(named) => reference(named, keys),
        Term::Not(inner) | Term::Minus(inner) | Term::Match { value: inner, .. } => field(inner, keys),
        Term::All(operands) | Term::Any(operands) => operands.iter().all(|operand| field(operand, keys)),
        Term::Compare(_, left, right) | Term::Arithmetic(_, left, right) => field(left, keys) && field(right, keys),
    }
}

fn reference(named: &Reference, keys: &mut BTreeSet<String>) -> bool {
    match named {
        Reference::Attribute { scope: Scope::Span, name } => {
            keys.insert(name.clone());
            true
        }
        Reference::Attribute { scope: Scope::Resource, .. } => true,
        // Events, links and the instrumentation are not in an outline.
        Reference::Attribute { scope: Scope::Any | Scope::Event | Scope::Link | Scope::Instrumentation, .. } => false,
        Reference::Intrinsic(intrinsic) => matches!(
            intrinsic,
            Intrinsic::Duration
                | Intrinsic::Name
                | Intrinsic::Status
                | Intrinsic::Kind
                | Intrinsic::SpanId
                | Intrinsic::ParentId
                | Intrinsic::TraceId
                // Of a span alone, only whether it is a root.
                | Intrinsic::NestedSetParent
        ),
    }
}
