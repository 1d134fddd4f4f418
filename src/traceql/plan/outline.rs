//! What of a span a query looks at, when that is little: then no more than that has to be read to know what it says of it.

use super::reach::Reach;
use crate::model::Parts;
use crate::traceql::tree::{Field, Intrinsic, Pipeline, Reference, Scope, SpansetExpression, Stage, Term};

/// The parts that are looked at, of a pipeline that looks at each span alone and at nothing else than what there can be of an
/// outline.
pub(super) fn of_pipeline(pipeline: &Pipeline) -> Option<Parts> {
    let mut parts = Parts::default();
    (Reach::of_pipeline(pipeline) == Reach::Span && is_of_outlines(pipeline, &mut parts)).then_some(parts)
}

fn is_of_outlines(pipeline: &Pipeline, parts: &mut Parts) -> bool {
    pipeline.stages.iter().all(|stage| match stage {
        Stage::Spansets(expression) => spansets(expression, parts),
        Stage::Select(references) => references.iter().all(|named| reference(named, parts)),
        Stage::Coalesce => true,
        Stage::Filter(_) | Stage::By(_) => false,
    })
}

fn spansets(expression: &SpansetExpression, parts: &mut Parts) -> bool {
    match expression {
        SpansetExpression::Filter(filter) => filter.as_ref().is_none_or(|filter| field(filter, parts)),
        SpansetExpression::Any(operands) => operands.iter().all(|operand| spansets(operand, parts)),
        SpansetExpression::Pipeline(pipeline) => is_of_outlines(pipeline, parts),
        SpansetExpression::All(_) | SpansetExpression::Structural(..) => false,
    }
}

fn field(expression: &Field, parts: &mut Parts) -> bool {
    match &expression.term {
        Term::Literal(_) => true,
        Term::Reference(named) => reference(named, parts),
        Term::Not(inner) | Term::Minus(inner) | Term::Match { value: inner, .. } => field(inner, parts),
        Term::All(operands) | Term::Any(operands) => operands.iter().all(|operand| field(operand, parts)),
        Term::Compare(_, left, right) | Term::Arithmetic(_, left, right) => field(left, parts) && field(right, parts),
    }
}

fn reference(named: &Reference, parts: &mut Parts) -> bool {
    match named {
        Reference::Attribute { scope, name } => attribute(*scope, name, parts),
        Reference::Intrinsic(named) => intrinsic(*named, parts),
    }
}

fn attribute(scope: Scope, name: &str, parts: &mut Parts) -> bool {
    match scope {
        Scope::Span => {
            parts.keys.insert(name.to_owned());
        }
        Scope::Resource => {}
        Scope::Instrumentation => parts.scope = true,
        // It may be in an event or in a link, but seldom is.
        Scope::Any => {
            parts.keys.insert(name.to_owned());
            parts.elsewhere.insert(name.to_owned());
            parts.scope = true;
        }
        Scope::Event | Scope::Link => return false,
    }
    true
}

fn intrinsic(named: Intrinsic, parts: &mut Parts) -> bool {
    match named {
        Intrinsic::Duration
        | Intrinsic::Name
        | Intrinsic::Status
        | Intrinsic::Kind
        | Intrinsic::SpanId
        | Intrinsic::TraceId => {}
        // Of a span alone, the number says whether it is a root.
        Intrinsic::ParentId | Intrinsic::NestedSetParent => parts.parent = true,
        Intrinsic::InstrumentationName | Intrinsic::InstrumentationVersion => parts.scope = true,
        _ => return false,
    }
    true
}
