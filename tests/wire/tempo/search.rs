//! `/api/search`: answers that Grafana can read, by query and by tags.

use std::sync::Arc;

use tracewell::model::{Span, UnixNanos};
use tracewell::query::QuerySettings;
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore};

use super::strict::{KeyValue, SearchResponse, ServiceStats, SpanSet};
use super::{SECOND, Served, spans};
use crate::support::{span, trace_id};

async fn search(served: &Served, parameters: &[(&str, &str)]) -> SearchResponse {
    let answer = served.ask("/api/search", parameters).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, Some("application/json")),
        "{parameters:?}"
    );
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

fn ids(found: &SearchResponse) -> Vec<String> {
    found.traces.iter().map(|trace| trace.trace_id.clone()).collect()
}

/// Guarantees: the answer has Tempo's fields and no others, each as protobuf's JSON mapping has it: what is known of the
/// trace, the sets with what is selected, named without its scope, the services.
#[tokio::test]
async fn an_answer_has_tempos_fields_and_no_others() {
    let served = Served::of(spans()).await;
    let query = "{ resource.service.name = `shop` && .items = 3 } | select(span.items, span.http.route) | count() > 0";
    let found = search(&served, &[("q", query), ("start", "5"), ("end", "3600")]).await;
    let [trace] = &found.traces[..] else { panic!("{found:?}") };
    assert_eq!(trace.trace_id, trace_id(1).to_string());
    assert_eq!((trace.root_service_name.as_str(), trace.root_trace_name.as_str()), ("shop", "buy"));
    assert_eq!((trace.start_time_unix_nano.as_str(), trace.duration_ms), ("10000000000", 2));
    assert_eq!(trace.span_set.as_ref(), trace.span_sets.first());
    let [SpanSet { spans, matched: 1, attributes }] = &trace.span_sets[..] else { panic!("{trace:?}") };
    assert_eq!(attributes, &[KeyValue::int("count()", 1)]);
    assert_eq!((spans[0].id.as_str(), spans[0].name.as_str()), ("0000000000000001", "buy"));
    assert_eq!((spans[0].start_time_unix_nano.as_str(), spans[0].duration_nanos.as_str()), ("10000000000", "2500000"));
    assert_eq!(spans[0].attributes, [KeyValue::int("items", 3), KeyValue::text("http.route", "/cart")]);
    assert_eq!(trace.service_stats["shop"], ServiceStats { span_count: 1, error_count: 0 });
    assert_eq!(trace.service_stats["stock"], ServiceStats { span_count: 1, error_count: 1 });
    assert_eq!((found.metrics.completed_jobs, found.metrics.total_jobs), (1, 1));
    assert!(found.metrics.inspected_spans.is_some());
}

/// Guarantees: newest first; a trace without a root is told as Tempo tells it; without any parameter all is found.
#[tokio::test]
async fn the_newest_comes_first_and_a_root_may_be_missing() {
    let served = Served::of(spans()).await;
    let found = search(&served, &[]).await;
    assert_eq!(ids(&found), [trace_id(2).to_string(), trace_id(1).to_string()]);
    assert_eq!(found.traces[0].root_service_name, "<root span not yet received>");
    assert!(found.traces[0].root_trace_name.is_empty() && found.traces[0].span_sets.is_empty());
    assert_eq!(ids(&search(&served, &[("limit", "1")]).await), [trace_id(2).to_string()]);
    assert_eq!(ids(&search(&served, &[("start", "15")]).await), [trace_id(2).to_string()]);
    assert_eq!(ids(&search(&served, &[("end", "15")]).await), [trace_id(1).to_string()]);
    let all_spans = search(&served, &[("q", "{ }"), ("spss", "1")]).await;
    let shown =
        |trace: usize| (all_spans.traces[trace].span_sets[0].matched, all_spans.traces[trace].span_sets[0].spans.len());
    assert_eq!([shown(0), shown(1)], [(1, 1), (2, 1)]);
}

/// Guarantees: tags are parts of texts, in capitals or not, and numbers and truth values; all of them are on one span; the
/// durations are those of traces.
#[tokio::test]
async fn tags_and_durations_find_traces() {
    let served = Served::of(spans()).await;
    let (first, second) = (trace_id(1).to_string(), trace_id(2).to_string());
    for (name, value, found) in [
        ("tags", "service.name=SHO", vec![&second, &first]),
        ("tags", "http.route=\"/CA\" items=3", vec![&first]),
        ("tags", "http.route=/cart name=load", vec![]),
        ("tags", "retry=true", vec![&second]),
        ("tags", "weight=0.5", vec![&second]),
        ("tags", "http.route=.", vec![]),
        ("tags", "name=bu", vec![&first]),
        ("tags", "root.name=buy service.name=stock", vec![&first]),
        ("tags", "error=true", vec![&first]),
        ("tags", "status.code=unset items=3", vec![&first]),
        ("minDuration", "2500us", vec![&first]),
        ("minDuration", "2500001ns", vec![]),
        ("maxDuration", "1ms", vec![&second]),
    ] {
        assert_eq!(ids(&search(&served, &[(name, value)]).await).iter().collect::<Vec<_>>(), found, "{name} {value}");
    }
}

/// Scenario: more traces than one page of the stream behind it has. Guarantee: as many as are asked for come.
#[tokio::test]
async fn many_traces_come_together() {
    let served = Served::of((1..=60).map(|number| span(number, number, number * SECOND)).collect()).await;
    let found = search(&served, &[("q", "{ }"), ("limit", "50")]).await;
    let expected: Vec<_> = (11..=60).rev().map(|number| trace_id(number).to_string()).collect();
    assert_eq!(ids(&found), expected);
}

/// Scenario: traces that are too large to be queried, newer than many that are not. Guarantee: the answer says that they are
/// left out, by path and by the last message of a stream, though only its first part came upon them.
#[tokio::test]
async fn traces_that_are_left_out_are_named() {
    use tracewell::server::generated::tempopb::SearchRequest;
    let store = MemoryStore::default();
    let small = (1..=60).map(|number| span(number, number, number * SECOND));
    let large = (100..112_u64).flat_map(|number| [1, 2].map(|id| span(number, id, number * SECOND + id)));
    store.write(&[Batch::new(small.chain(large).collect())]).await.unwrap();
    let settings = QuerySettings { trace_spans_max: 1, ..QuerySettings::default() };
    let served = Served::with(Arc::new(store), settings).await;
    let answer = served.ask("/api/search", &[("q", "{ } | count() = 1"), ("limit", "50")]).await;
    let found: SearchResponse = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((found.traces.len(), found.metrics.completed_jobs), (50, 0));
    let warning = answer.header("warning").unwrap();
    assert!(warning.contains(&trace_id(100).to_string()) && warning.ends_with(" and 2 more\""), "{warning}");
    let request = SearchRequest { query: "{ } | count() = 1".to_owned(), limit: 50, ..Default::default() };
    let mut stream = served.tempo().search(request).await.unwrap().into_inner();
    let mut messages = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        messages.push(message);
    }
    assert!(messages.len() > 1);
    assert!(messages.iter().all(|message| message.metrics.unwrap().completed_jobs == 0));
}

/// Scenario: the limit on work is reached. Guarantees: the answer is not complete by its metrics, and says in a header how
/// far it goes.
#[tokio::test]
async fn an_answer_that_is_cut_off_says_so() {
    let store = MemoryStore::default();
    let spans = (1..=600).map(|start| Span { end: UnixNanos(start), ..span(start, 1, start) }).collect();
    store.write(&[Batch::new(spans)]).await.unwrap();
    let settings = QuerySettings { work_spans_max: 10, ..QuerySettings::default() };
    let served = Served::with(Arc::new(store), settings).await;
    let answer = served.ask("/api/search", &[("q", "{ } | count() > 2")]).await;
    let found: SearchResponse = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((found.metrics.completed_jobs, found.metrics.total_jobs), (0, 1));
    let warning = answer.header("warning").unwrap();
    assert!(
        warning.starts_with("199 tracewell \"the limit on work was reached: what starts before 1970-01-01T"),
        "{warning}"
    );
}
