//! Random spans of some hours, and random queries about them.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tracewell::model::{Attributes, Keyed, Resource, Span, SpanKind, Status, StatusCode, UnixNanos, Value};

use super::{Asked, HOUR, MINUTE, SECOND};
use crate::support::{self, span_id};

/// Spans that begin in four hours, many at the edges of minutes and hours.
pub(super) fn spans() -> BoxedStrategy<Vec<Span>> {
    vec(span(), 1..50).boxed()
}

fn span() -> BoxedStrategy<Span> {
    let edges = (0..240_u64, -1..=1_i64).prop_map(|(minute, add)| (HOUR + minute * MINUTE).saturating_add_signed(add));
    let hours = (0..4_u64, -1..=1_i64).prop_map(|(hour, add)| (HOUR + 60 * hour * MINUTE).saturating_add_signed(add));
    let start = prop_oneof![edges, hours, HOUR..HOUR + 240 * MINUTE];
    let duration = prop_oneof![
        1 => Just(-1_i64),
        3 => select(vec![0, 1, 99, 100, 1_000, 1_500_000_000]),
        4 => 0..100_000_000_000_i64,
        1 => 0..i64::MAX / 8,
    ];
    let ids = (1..8_u64, 1..9_u64, option::of(1..9_u64));
    let names = select(vec!["get", "put", "", "n\0"]);
    let kind = select(vec![0, 2, 2, 3, 77]).prop_map(SpanKind);
    let code = select(vec![0, 0, 1, 2, 2, 9]).prop_map(StatusCode);
    (start, duration, ids, names, kind, code, service(), attributes())
        .prop_map(|(start, duration, (trace, id, parent), name, kind, code, resource, attributes)| Span {
            end: UnixNanos(start.saturating_add_signed(duration)),
            parent_span_id: parent.map(span_id),
            name: name.to_owned(),
            kind,
            status: Status { code, message: String::new() },
            attributes,
            resource,
            ..support::span(trace, id, start)
        })
        .boxed()
}

/// A resource that says its service, or not, or in no text.
fn service() -> BoxedStrategy<Arc<Keyed<Resource>>> {
    let named = ["shop", "cart", "unknown_service", "", "s\0"].map(|name| Some(Value::from(name)));
    let values = [named.to_vec(), vec![Some(Value::Int(7)), None]].concat();
    let resource = |value: Option<Value>| {
        let attributes: Attributes = value.into_iter().map(|value| ("service.name", value)).collect();
        Arc::new(Keyed::new(Resource { attributes, ..Resource::default() }))
    };
    select(values).prop_map(resource).boxed()
}

/// Numbers whose sums are exact, in whichever order.
fn attributes() -> BoxedStrategy<Attributes> {
    let number = prop_oneof![
        3 => (-9..300_i64).prop_map(Value::Int),
        2 => (-900..900_i32).prop_map(|eighths| Value::Double(f64::from(eighths) / 8.0)),
        1 => select(vec![Value::Double(f64::NAN), Value::from("3"), Value::Null]),
    ];
    (option::of(number), option::of(select(vec!["x", "y"])))
        .prop_map(|(number, text)| {
            let number = number.map(|number| ("n", number));
            number.into_iter().chain(text.map(|text| ("t", Value::from(text)))).collect()
        })
        .boxed()
}

/// A query of any kind, over a time in which there are spans.
pub(super) fn asked() -> BoxedStrategy<Asked> {
    let edge = || {
        prop_oneof![
            (0..240_u64).prop_map(|minute| HOUR + minute * MINUTE),
            (0..5_u64).prop_map(|hour| HOUR + hour * 60 * MINUTE),
            HOUR..HOUR + 240 * MINUTE,
        ]
    };
    let steps = [30 * SECOND, MINUTE, 7 * MINUTE, 60 * MINUTE, 90 * MINUTE, 120 * MINUTE];
    (query(), edge(), edge(), option::weighted(0.6, select(steps.to_vec())))
        .prop_map(|(query, a, b, step)| Asked { query, start: a.min(b), end: a.max(b) + 1, step })
        .boxed()
}

fn query() -> BoxedStrategy<String> {
    let filters = [" > 1", " | topk(2)", " | bottomk(1)", " >= 0.5 | topk(1)"];
    let single =
        prop_oneof![3 => plain().boxed(), 1 => (plain(), select(filters.to_vec())).prop_map(|(a, b)| a + b).boxed()];
    let math =
        (plain(), select(vec!["+", "-", "*", "/"]), plain()).prop_map(|(a, how, b)| format!("({a}) {how} ({b})"));
    prop_oneof![4 => single, 1 => math].boxed()
}

/// One function over spans.
fn plain() -> BoxedStrategy<String> {
    let counts = ["rate()", "count_over_time()", "compare({ status = error })"];
    let durations = [
        "sum_over_time(duration)",
        "avg_over_time(duration)",
        "quantile_over_time(duration, 0, .5, .9, 1)",
        "min_over_time(duration)",
        "max_over_time(traceDuration)",
        "histogram_over_time(duration)",
    ];
    let numbers =
        ["sum_over_time(.n)", "avg_over_time(span.n)", "max_over_time(.n)", "quantile_over_time(.n, .5, .99)"];
    let functions = [counts.to_vec(), durations.to_vec(), durations.to_vec(), numbers.to_vec()].concat();
    let named = ["resource.service.name", "name", "kind", "status", "resource.service.name", "span.t", "rootName"];
    let by = prop_oneof![1 => Just(Vec::new()).boxed(), 2 => vec(select(named.to_vec()), 1..3).boxed()];
    (spansets(), select(functions), by)
        .prop_map(|(spansets, function, by)| {
            let by = if by.is_empty() || function.starts_with("compare") {
                String::new()
            } else {
                format!(" by ({})", by.join(", "))
            };
            format!("{spansets} | {function}{by}")
        })
        .boxed()
}

fn spansets() -> BoxedStrategy<String> {
    let one = condition(false).prop_map(|condition| format!("{{ {condition} }}"));
    let other = condition(true).prop_map(|condition| format!("{{ {condition} }}")).boxed();
    let joints = select(vec![">", "&&", "||", ">>", "~"]);
    let joined = (other.clone(), joints, other.clone()).prop_map(|(a, how, b)| format!("{a} {how} {b}"));
    let counted = other.clone().prop_map(|spans| format!("{spans} | count() > 1"));
    prop_oneof![5 => one, 1 => Just("{ }".to_owned()), 2 => other, 1 => joined, 1 => counted].boxed()
}

/// What stands in braces; of anything, or only of what rollups tell.
fn condition(of_anything: bool) -> BoxedStrategy<String> {
    let told = [
        "resource.service.name = `shop`",
        "resource.service.name != `shop`",
        "resource.service.name = `unknown_service`",
        "resource.service.name = nil",
        "resource.service.name != nil",
        "resource.service.name = 7",
        "resource.service.name =~ `s.*|unknown.*`",
        "resource.service.name !~ `shop`",
        "resource.service.name > `d`",
        "name = `get`",
        "name != `get`",
        "name =~ `.*t`",
        "kind = server",
        "kind != client",
        "status = error",
        "status != ok",
    ];
    let others = ["span.n > 2", ".t = `x`", ".n != nil", "duration > 1s", "rootName = `get`", "traceDuration > 1m"];
    let all = if of_anything { [told.as_slice(), &others, &others].concat() } else { told.to_vec() };
    let leaf = select(all).prop_map(str::to_owned);
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), select(vec!["&&", "||"]), inner.clone()).prop_map(|(a, how, b)| format!("({a} {how} {b})")),
            inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
    .boxed()
}
