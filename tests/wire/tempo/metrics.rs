//! Metrics over a range and of a range as a whole.

use std::sync::Arc;

use tracewell::model::{Span, UnixNanos};
use tracewell::query::QuerySettings;
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore};

use super::strict::{KeyValue, QueryInstantResponse, QueryRangeResponse};
use super::{NOW, SECOND, Served, spans};
use crate::support::span;

const RANGE: &str = "/api/metrics/query_range";
const INSTANT: &str = "/api/metrics/query";

async fn range(served: &Served, parameters: &[(&str, &str)]) -> QueryRangeResponse {
    let answer = served.ask(RANGE, parameters).await;
    assert_eq!(answer.status, 200, "{parameters:?}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

async fn instant(served: &Served, parameters: &[(&str, &str)]) -> QueryInstantResponse {
    let answer = served.ask(INSTANT, parameters).await;
    assert_eq!(answer.status, 200, "{parameters:?}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

fn samples(found: &QueryRangeResponse, series: usize) -> Vec<(&str, f64)> {
    found.series[series].samples.iter().map(|sample| (sample.timestamp_ms.as_str(), sample.value)).collect()
}

/// Guarantees: samples stand at the ends of their intervals, as texts of milliseconds; labels have types; a time may be
/// spelled in each way that Tempo reads.
#[tokio::test]
async fn samples_stand_at_the_ends_of_intervals() {
    let served = Served::of(spans()).await;
    let query = "{ } | count_over_time() by (resource.service.name, .items)";
    for (start, end) in
        [("0", "30"), ("0.0", "30.0"), ("1970-01-01T00:00:00Z", "1970-01-01T00:00:30Z"), ("00000000000", "30000000000")]
    {
        for step in ["10s", "10", "10000ms", "10.0"] {
            let asked = [("q", query), ("start", start), ("end", end), ("step", step), ("exemplars", "100")];
            let found = range(&served, &asked).await;
            let labels = |items| vec![KeyValue::text("resource.service.name", "shop"), items];
            let one = found.series.iter().find(|one| one.labels == labels(KeyValue::int(".items", 3))).unwrap();
            let at = |sample: &super::strict::Sample| (sample.timestamp_ms.clone(), sample.value);
            let expected = [("0", 0.0), ("10000", 0.0), ("20000", 1.0), ("30000", 0.0)];
            let expected = expected.map(|(time, value)| (time.to_owned(), value));
            assert_eq!(one.samples.iter().map(at).collect::<Vec<_>>(), expected, "{start} {step}");
            assert_eq!((found.series.len(), found.status, found.message), (3, None, None));
        }
    }
}

/// Guarantees: without times it is the last hour, `since` says which part of it; without a step there are about as many
/// samples as a graph is wide.
#[tokio::test]
async fn what_is_not_said_has_a_default() {
    let served = Served::of(vec![span(1, 1, NOW.0 - 10 * SECOND), span(2, 2, NOW.0 - 1_000 * SECOND)]).await;
    let sum = |found: &QueryRangeResponse| samples(found, 0).iter().map(|(_, value)| value).sum::<f64>();
    let hour = range(&served, &[("q", "{ } | count_over_time()")]).await;
    assert_eq!((sum(&hour), samples(&hour, 0).len()), (2.0, 241));
    assert_eq!(samples(&hour, 0)[240].0, "3600000");
    let minute = range(&served, &[("query", "{ } | count_over_time()"), ("since", "1m")]).await;
    assert_eq!((sum(&minute), samples(&minute, 0).len()), (1.0, 61));
    let instant = instant(&served, &[("q", "{ } | count_over_time()")]).await;
    assert_eq!((instant.series.len(), instant.series[0].value), (1, 2.0));
}

/// Guarantee: an answer over the range as a whole has Tempo's fields and no others.
#[tokio::test]
async fn an_instant_answer_has_tempos_fields_and_no_others() {
    let served = Served::of(spans()).await;
    let asked = [("q", "{ } | count_over_time() by (status)"), ("start", "5"), ("end", "60")];
    let found = instant(&served, &asked).await;
    let series: Vec<_> = found.series.iter().map(|series| (series.labels.clone(), series.value)).collect();
    let label = |status| vec![KeyValue::text("status", status)];
    assert_eq!(series, [(label("error"), 1.0), (label("unset"), 2.0)]);
    assert_eq!((found.metrics.completed_jobs, found.metrics.total_jobs, found.status), (1, 1, None));
}

/// Guarantee: a label that is missing is the text nil, as in Tempo.
#[tokio::test]
async fn a_missing_label_is_nil() {
    let served = Served::of(spans()).await;
    let found =
        instant(&served, &[("q", "{ .retry = true } | count_over_time() by (.no)"), ("start", "5"), ("end", "60")])
            .await;
    assert_eq!(found.series[0].labels, [KeyValue::text(".no", "nil")]);
}

/// Scenarios: more series than are asked for; more work than is allowed. Guarantees: the answer is partial, and says what
/// is missing.
#[tokio::test]
async fn a_partial_answer_says_so() {
    let served = Served::of(spans()).await;
    let times = [("start", "5"), ("end", "60"), ("step", "10s")];
    let query = ("q", "{ } | count_over_time() by (name)");
    let found = range(&served, &[&[query, ("maxSeries", "1")], &times[..]].concat()).await;
    assert_eq!((found.series.len(), found.status.as_deref()), (1, Some("PARTIAL")));
    assert!(found.message.unwrap().contains("1 of 3 series"));

    let store = MemoryStore::default();
    let spans = (1..=6_000).map(|at| Span { end: UnixNanos(at * SECOND), ..span(at, 1, at * SECOND) }).collect();
    store.write(&[Batch::new(spans)]).await.unwrap();
    let settings = QuerySettings { work_spans_max: 10, ..QuerySettings::default() };
    let served = Served::with(Arc::new(store), settings).await;
    let asked = [("q", "{ .http.route = `/` } | rate()"), ("start", "1"), ("end", "6000"), ("step", "10s")];
    let answer = served.ask(RANGE, &asked).await;
    let found: QueryRangeResponse = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((found.status.as_deref(), found.metrics.completed_jobs), (Some("PARTIAL"), 0));
    assert!(found.message.unwrap().contains("was not looked at"));
    assert!(answer.header("warning").is_some());
    // One number over a part of the time would be none.
    let answer = served.ask(INSTANT, &[("q", "{ .http.route = `/` } | rate()"), ("start", "1"), ("end", "6000")]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().starts_with("start: "), "{}", answer.text());
}
