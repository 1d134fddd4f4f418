//! Answers that are cut short, or would be too large.

use std::sync::Arc;
use std::time::Duration;

use tracewell::model::{Span, UnixNanos, Value};
use tracewell::query::{QueryError, QuerySettings};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore};

use super::{Asked, HOUR, MINUTE};
use crate::support;

/// 20 spans a minute for two hours; every one has another number.
fn spans() -> Vec<Span> {
    let span = |number: u64| Span {
        attributes: [("n", Value::Int(number.cast_signed()))].into_iter().collect(),
        ..support::span(number / 5 + 1, number + 1, HOUR + number * MINUTE / 20)
    };
    (0..2_400).map(span).collect()
}

async fn stored(spans: Vec<Span>) -> Arc<dyn SpanStore> {
    let store = MemoryStore::default();
    store.write(&[Batch::new(spans)]).await.unwrap();
    Arc::new(store)
}

fn asked(query: &str, step: Option<u64>) -> Asked {
    Asked { query: query.to_owned(), start: HOUR, end: HOUR + 120 * MINUTE, step }
}

/// Scenario: a limit on work that is reached in the middle. Guarantee: the values of finished intervals are there and
/// right, the others are not, and it is said since when everything was looked at; one step further, nothing is.
#[tokio::test]
async fn an_answer_that_is_cut_short_has_whole_intervals_only() {
    let spans = spans();
    let store = stored(spans.clone()).await;
    for query in [
        "{ .n >= 0 } | count_over_time() by (name)",
        "{ } >> { } | rate()",
        "{ } | quantile_over_time(.n, .5) by (rootName)",
    ] {
        let asked = asked(query, Some(5 * MINUTE));
        let whole = asked.expected(&spans);
        let settings = QuerySettings { work_spans_max: 900, ..QuerySettings::default() };
        let answer = asked.answer(&store, settings).await.unwrap();
        assert!(answer.coverage.limit_reached, "{query}");
        let first = answer.times.iter().position(|time| Some(*time) > answer.coverage.since).unwrap();
        assert!(first > 1 && first < answer.times.len(), "{first} {query}");
        for series in &answer.series {
            assert!(series.values[..first].iter().all(Option::is_none));
            let expected = whole.iter().find(|expected| expected.labels == series.labels).unwrap();
            assert_eq!(series.values[first..], expected.values[first..], "{query}");
        }
        assert!(!answer.series.is_empty(), "{query}");
        let nothing = asked.answer(&store, QuerySettings { work_spans_max: 0, ..settings }).await.unwrap();
        assert!(nothing.coverage.limit_reached && nothing.series.is_empty());
        assert_eq!(nothing.coverage.since, Some(UnixNanos(HOUR + 120 * MINUTE)));
    }
}

/// Scenario: the same for a single value, by spans and by time. Guarantee: an error that says how far it came.
#[tokio::test]
async fn a_single_value_is_whole_or_an_error() {
    let store = stored(spans()).await;
    let of_spans = QuerySettings { work_spans_max: 900, ..QuerySettings::default() };
    let of_time = QuerySettings { work_time_max: Duration::ZERO, ..QuerySettings::default() };
    for (settings, reason) in [(of_spans, "900 spans"), (of_time, "0ns")] {
        let error = asked("{ .n >= 0 } | rate()", None).answer(&store, settings).await.unwrap_err();
        let QueryError::BadRequest { field, reason: said } = &error else { panic!("{error}") };
        assert_eq!(*field, "start_time");
        assert!(said.contains(reason) && said.contains("only the last "), "{said}");
    }
}

/// Scenario: more groups, more values and more bytes than an answer may have. Guarantee: each is refused in a sentence
/// that says what to do.
#[tokio::test]
async fn what_is_too_large_is_refused() {
    let many = (0..12_000).map(|number| Span {
        attributes: [("n", Value::Int(number))].into_iter().collect(),
        ..support::span(1, number.cast_unsigned() + 1, HOUR)
    });
    let cases = [
        ("{ } | rate() by (span.n)", None, many.collect(), "more than 10000 series: group by less"),
        ("{ } | rate() by (span.n)", Some(MINUTE / 20), spans(), "more than 2000000 values"),
        ("{ } | rate() by (span.n)", Some(MINUTE / 2), spans(), "more than 4000000 bytes"),
    ];
    for (query, step, spans, reason) in cases {
        let store = stored(spans).await;
        let error = asked(query, step).answer(&store, QuerySettings::default()).await.unwrap_err();
        let QueryError::BadRequest { field, reason: said } = &error else { panic!("{error}") };
        assert!(*field == "query" && said.contains(reason), "{said}");
    }
}

/// Scenario: more values of an attribute than are told apart. Guarantee: none of them is shown, but the total and a sign;
/// other attributes have theirs.
#[tokio::test]
async fn of_an_attribute_with_too_many_values_the_total_is_shown() {
    let spans = spans();
    let asked = asked("{ } | compare({ .n < 0 }, 3)", None);
    let answer = asked.answer(&stored(spans.clone()).await, QuerySettings::default()).await.unwrap();
    asked.check(&answer.series, &spans).unwrap();
    let shown = answer.series.iter().map(|series| {
        let texts: Vec<_> = series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (texts.join(" "), series.values.clone())
    });
    let shown: Vec<_> = shown.filter(|(labels, _)| labels.contains(" span.n=") || labels.contains(" name=")).collect();
    let expected = [
        (r#"__meta_error="__too_many_values__" span.n=nil"#, 0.0),
        (r#"__meta_type="baseline" name="get""#, 2_400.0),
        (r#"__meta_type="baseline_total" name=nil"#, 2_400.0),
        (r#"__meta_type="baseline_total" span.n=nil"#, 2_400.0),
    ];
    assert_eq!(shown, expected.map(|(labels, value)| (labels.to_owned(), vec![Some(value)])));
}

/// Scenario: traces that are too large to be read as a whole, and one that is not. Guarantee: of a metric of whole traces
/// the large ones are left out, all of their spans, and named; of one of spans, they are not.
#[tokio::test]
async fn large_traces_are_left_out_and_named() {
    let of = |trace: u64, spans: u64| (1..=spans).map(move |id| support::span(trace, id, HOUR + trace * MINUTE + id));
    let store = stored([of(1, 3), of(2, 2), of(3, 4)].into_iter().flatten().collect()).await;
    let settings = QuerySettings { trace_spans_max: 2, ..QuerySettings::default() };
    let large = [support::trace_id(1), support::trace_id(3)];
    for (query, value, left_out) in [
        ("{ } | count_over_time() by (rootName)", 2.0, &large[..]),
        ("{ .n = nil } | count_over_time() by (name)", 9.0, &[]),
    ] {
        let answer = asked(query, None).answer(&store, settings).await.unwrap();
        assert_eq!(answer.series[0].values, [Some(value)], "{query}");
        assert_eq!(answer.coverage.trace_ids_too_large, left_out, "{query}");
    }
}

/// Scenario: a span that begins in the last nanosecond there is. Guarantee: an interval that ends there has it, and a single
/// one, which has not its end, has it not.
#[tokio::test]
async fn the_last_nanosecond_belongs_to_the_last_interval() {
    let last = UnixNanos(u64::MAX);
    let spans = vec![Span { start: last, end: last, ..support::span(1, 1, 0) }];
    let store = stored(spans.clone()).await;
    for query in ["{ .n = nil } | count_over_time()", "{ rootName = `get` } | count_over_time()"] {
        for (step, counted) in [(Some(10), 1.0), (None, 0.0)] {
            let asked = Asked { query: query.to_owned(), start: u64::MAX - 15, end: u64::MAX, step };
            let answer = asked.answer(&store, QuerySettings::default()).await.unwrap();
            asked.check(&answer.series, &spans).unwrap();
            assert_eq!(answer.series[0].values.last(), Some(&Some(counted)), "{asked:?}");
        }
    }
}
