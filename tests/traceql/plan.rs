//! Plans: a table to be read, and what holds of every plan, on every trace.

use proptest::collection::vec;
use proptest::prelude::*;
use tracewell::model::{Attributes, Parts, Span, SpanKey};
use tracewell::traceql;
use tracewell::traceql::evaluate::{Spanset, Trace, spansets};
use tracewell::traceql::plan::{Plan, Reach, text_of};
use tracewell::traceql::tree::{Body, Pipeline};

use crate::support::outline::outline;
use crate::support::{self, arbitrary, queries, queries_about};

/// Scenario: queries of all kinds. Guarantee: they are planned as the table says.
#[test]
fn queries_are_planned_as_the_table_says() {
    let mut wrong = Vec::new();
    for block in include_str!("plans.txt").split("\n\n").filter(|block| !block.starts_with('#')) {
        let lines: Vec<_> = block.trim().lines().collect();
        let [query, expected @ ..] = lines.as_slice() else { continue };
        let planned = described(query);
        if planned != *expected {
            wrong.push(format!("{query}\n{}\n  instead of\n{}", planned.join("\n"), expected.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Scenario: queries for which a part of each span is enough, and such for which it is not. Guarantee: the part is what they look
/// at.
#[test]
fn outlines_have_what_is_looked_at() {
    let texts = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    let parts = |keys: &[&str], parent, scope, elsewhere: &[&str]| {
        Some(Parts { keys: texts(keys), parent, scope, elsewhere: texts(elsewhere) })
    };
    for (query, expected) in [
        ("{ }", parts(&[], false, false, &[])),
        ("{ duration > 1s } || { kind = server && resource.a = 1 }", parts(&[], false, false, &[])),
        ("{ span.a = 1 && name = `b` } | select(span.c)", parts(&["a", "c"], false, false, &[])),
        ("{ .a = 1 }", parts(&["a"], false, true, &["a"])),
        ("{ span:parentID = `0000000000000001` }", parts(&[], true, false, &[])),
        ("{ nestedSetParent < 0 }", parts(&[], true, false, &[])),
        ("{ instrumentation:name = `a` }", parts(&[], false, true, &[])),
        ("{ instrumentation.a = 1 }", parts(&[], false, true, &[])),
        ("{ statusMessage = `a` }", None),
        ("{ event.a = 1 }", None),
        ("{ link.a = 1 }", None),
        ("{ event:name = `a` }", None),
        ("{ } | select(event.a)", None),
        ("{ traceDuration > 1s }", None),
        ("{ name = `a` } && { name = `b` }", None),
        ("{ } >> { }", None),
        ("{ } | count() > 1", None),
        ("{ } | by(name)", None),
    ] {
        let parsed = traceql::parse(query).unwrap_or_else(|error| panic!("{error}: {query}"));
        let Body::Traces(pipeline) = &parsed.body else { panic!("no search: {query}") };
        assert_eq!(Plan::of(pipeline).outline, expected, "{query}");
    }
}

fn described(query: &str) -> Vec<String> {
    let query = traceql::parse(query).unwrap_or_else(|error| panic!("{error}: {query}"));
    let Body::Traces(pipeline) = &query.body else { panic!("no search: {query}") };
    let plan = Plan::of(pipeline);
    let found = if plan.pushed_down().is_empty() { "{ }".to_owned() } else { plan.pushed_down() };
    let reach = if plan.reach == Reach::Span { "spans" } else { "traces" };
    let needed = plan.needed.iter().map(|needed| format!("needs {}", text_of(needed)));
    [format!("{reach} {found}")].into_iter().chain(needed).collect()
}

/// Spans of one trace with a pipeline, as often as not about them.
fn cases() -> impl Strategy<Value = (Vec<Span>, Pipeline)> {
    vec(arbitrary::span(), 1..8).prop_flat_map(|spans| {
        let spans: Vec<_> = spans.into_iter().map(|span| Span { trace_id: support::trace_id(1), ..span }).collect();
        let pipeline = prop_oneof![2 => queries_about::pipeline(&spans), 1 => queries::pipeline()];
        (Just(spans), pipeline)
    })
}

fn found(pipeline: &Pipeline, spans: &[Span]) -> Vec<SpanKey> {
    let sets = spansets(pipeline, &Trace::new(spans));
    let mut keys: Vec<_> = sets.iter().flat_map(|set| &set.spans).map(|found| found.span.key()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// What is selected of each span that is found, and what is known of each set, as text: a NaN is one.
fn selected(sets: &[Spanset<'_>]) -> Vec<String> {
    let of = |set: &Spanset<'_>| {
        let spans: Vec<_> = set.spans.iter().map(|found| &found.selected).collect();
        format!("{spans:?} {:?}", set.attributes)
    };
    sets.iter().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Scenario: any query on any trace. Guarantee: what the plan says holds: on each span that is found, on some span of
    /// a trace that matches, and of the trace; and where a span is said to be enough, it is.
    #[test]
    fn plans_hold((spans, pipeline) in cases()) {
        let plan = Plan::of(&pipeline);
        let found = found(&pipeline, &spans);
        let summary = support::summary(&spans);
        for span in spans.iter().filter(|span| found.contains(&span.key())) {
            prop_assert!(plan.found.matches(span), "{}: {} leaves out {:?}", pipeline, plan.pushed_down(), span);
        }
        if !found.is_empty() {
            prop_assert!(plan.may_match(&summary), "{}: {:?} does not hold of {:?}", pipeline, plan.trace, summary);
            for needed in &plan.needed {
                prop_assert!(spans.iter().any(|span| needed.matches(span)), "{}: needs {}", pipeline, text_of(needed));
            }
        }
        if plan.reach == Reach::Span {
            for span in &spans {
                let alone = self::found(&pipeline, std::slice::from_ref(span));
                prop_assert_eq!(alone.is_empty(), !found.contains(&span.key()), "{}: {:?}", pipeline, span);
            }
        }
    }

    /// Scenario: a filter that was made of a query is shown as a query. Guarantee: it can be read, and finds no span on
    /// which the filter does not hold (but where a service is shown by the attribute that names it).
    #[test]
    fn what_is_shown_is_what_is_meant((spans, pipeline) in cases()) {
        let plan = Plan::of(&pipeline);
        for filter in plan.needed.iter().chain([&plan.found]) {
            let text = text_of(filter);
            let shown = traceql::parse(if text.is_empty() { "{ }" } else { &text });
            let shown = shown.map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
            let Body::Traces(shown) = shown.body else { unreachable!("{text}") };
            for span in spans.iter().filter(|_| !text.contains("service.name")) {
                let is_found = !self::found(&shown, std::slice::from_ref(span)).is_empty();
                prop_assert!(filter.matches(span) || !is_found, "{} means more than {:?}", text, filter);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Scenario: any query on any trace. Guarantee: where a span in outline is said to be enough, what is found of it, and what
    /// is selected, is what is found of the whole span.
    #[test]
    fn outlines_are_enough((spans, pipeline) in cases()) {
        let plan = Plan::of(&pipeline);
        let Some(parts) = &plan.outline else { return Ok(()) };
        let is_elsewhere = |attributes: &Attributes| parts.elsewhere.iter().any(|key| attributes.get(key).is_some());
        for whole in &spans {
            if whole.events.iter().any(|event| is_elsewhere(&event.attributes))
                || whole.links.iter().any(|link| is_elsewhere(&link.attributes))
            {
                continue;
            }
            let outline = outline(whole, parts);
            let (of_outline, of_whole) = (Trace::new([&outline]), Trace::new([whole]));
            let (found, expected) = (spansets(&pipeline, &of_outline), spansets(&pipeline, &of_whole));
            prop_assert_eq!(selected(&found), selected(&expected), "{}: {:?}", pipeline, whole);
            prop_assert_eq!(plan.found.matches(&outline), plan.found.matches(whole), "{}: {:?}", pipeline, whole);
        }
    }
}
