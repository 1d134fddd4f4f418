//! The values of attributes and intrinsics on a span.

use super::Trace;
use super::number::Number;
use super::value::Value;
use crate::model::{Attributes, Event, Span};
use crate::traceql::tree::{Intrinsic, Reference, Scope};

/// All values that the span at this place has for what is named.
pub(super) fn values<'v>(reference: &Reference, trace: &'v Trace<'v>, at: usize) -> Vec<Value<'v>> {
    let Some(span) = trace.span(at) else { return Vec::new() };
    match reference {
        Reference::Attribute { scope: Scope::Any, name } => {
            let scopes = Scope::NAMED.iter().map(|scope| attributes(*scope, name, span));
            scopes.into_iter().find(|values| !values.is_empty()).unwrap_or_default()
        }
        Reference::Attribute { scope, name } => attributes(*scope, name, span),
        Reference::Intrinsic(intrinsic) => intrinsics(*intrinsic, trace, at, span),
    }
}

/// The attribute's values in one scope.
fn attributes<'v>(scope: Scope, name: &str, span: &'v Span) -> Vec<Value<'v>> {
    let of = |attributes: &'v Attributes| attributes.get(name).and_then(Value::of);
    match scope {
        Scope::Any => Vec::new(),
        Scope::Span => of(&span.attributes).into_iter().collect(),
        Scope::Resource => of(&span.resource.attributes).into_iter().collect(),
        Scope::Instrumentation => of(&span.scope.attributes).into_iter().collect(),
        Scope::Event => span.events.iter().filter_map(|event| of(&event.attributes)).collect(),
        Scope::Link => span.links.iter().filter_map(|link| of(&link.attributes)).collect(),
    }
}

fn intrinsics<'v>(intrinsic: Intrinsic, trace: &'v Trace<'v>, at: usize, span: &'v Span) -> Vec<Value<'v>> {
    let one = match intrinsic {
        Intrinsic::EventName => return span.events.iter().map(|event| Value::Text(&event.name)).collect(),
        Intrinsic::EventTimeSinceStart => {
            return span.events.iter().map(|event| Value::Number(since_start(span, event))).collect();
        }
        Intrinsic::LinkTraceId => {
            return span.links.iter().filter_map(|link| link.trace_id).map(|id| Value::Id(id.to_string())).collect();
        }
        Intrinsic::LinkSpanId => {
            return span.links.iter().filter_map(|link| link.span_id).map(|id| Value::Id(id.to_string())).collect();
        }
        Intrinsic::Duration => Some(duration(span.duration_nanos())),
        Intrinsic::Name => Some(Value::Text(&span.name)),
        Intrinsic::Status => Some(Value::Status(span.status.code)),
        Intrinsic::StatusMessage => Some(Value::Text(&span.status.message)),
        Intrinsic::Kind => Some(Value::Kind(span.kind)),
        Intrinsic::SpanId => Some(Value::Id(span.span_id.to_string())),
        Intrinsic::ParentId => span.parent_span_id.map(|id| Value::Id(id.to_string())),
        Intrinsic::TraceId => Some(Value::Id(span.trace_id.to_string())),
        Intrinsic::ChildCount => Some(int(i64::try_from(trace.children(at).count()).unwrap_or(i64::MAX))),
        Intrinsic::NestedSetLeft => Some(int(trace.nested(at).left)),
        Intrinsic::NestedSetRight => Some(int(trace.nested(at).right)),
        Intrinsic::NestedSetParent => Some(int(trace.nested(at).parent)),
        Intrinsic::TraceDuration => trace.summary().map(|summary| duration(summary.duration_nanos())),
        Intrinsic::RootName => root(trace).map(|(_, name)| Value::Text(name)),
        Intrinsic::RootService => root(trace).map(|(service, _)| Value::Text(service)),
        Intrinsic::InstrumentationName => Some(Value::Text(&span.scope.name)),
        Intrinsic::InstrumentationVersion => Some(Value::Text(&span.scope.version)),
    };
    one.into_iter().collect()
}

/// The service and the name of the trace's root; none while no root has arrived.
fn root<'v>(trace: &'v Trace<'v>) -> Option<&'v (String, String)> {
    trace.summary().and_then(|summary| summary.root.as_ref())
}

/// How long after the span's start an event happened; less than nothing when it was before.
fn since_start(span: &Span, event: &Event) -> Number {
    let nanos = i128::from(event.time.0).saturating_sub(i128::from(span.start.0));
    let nearest = if nanos < 0 { i64::MIN } else { i64::MAX };
    Number::Duration(i64::try_from(nanos).unwrap_or(nearest))
}

fn duration<'v>(nanos: u64) -> Value<'v> {
    Value::Number(Number::Duration(i64::try_from(nanos).unwrap_or(i64::MAX)))
}

fn int<'v>(value: i64) -> Value<'v> {
    Value::Number(Number::Int(value))
}
