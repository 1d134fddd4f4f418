//! Searches with TraceQL: what is shown of what they find, streams of pages, explanations, and what is refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost_types::Timestamp;
use tokio::sync::oneshot;
use tonic::Code;
use tracewell::model::{Span, Status, StatusCode, Value};
use tracewell::query::QuerySettings;
use tracewell::server::generated::tracewell_v1::explain_request::Question;
use tracewell::server::generated::tracewell_v1::{
    Evaluation, ExplainRequest, FoundSpan, SearchRequest, SearchTracesResponse, SpanSet,
};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore};
use tracewell::traceql::QUERY_BYTES_MAX;

use super::scripted::Scripted;
use super::{Served, attributes, bad_fields, resource, served, served_with, span, span_id};

const SECOND: u64 = 1_000_000_000;

/// Traces of a root of "shop" and two failed children of "bank"; the first one is the oldest.
fn traces(count: u8) -> Vec<Span> {
    let of = |trace: u8| {
        let start = u64::from(trace) * SECOND;
        let child = |id: u8| Span {
            parent_span_id: Some(span_id(1)),
            name: format!("pay {id}"),
            attributes: attributes([("amount", Value::Int(id.into()))]),
            status: Status { code: StatusCode::ERROR, message: String::new() },
            resource: resource("bank"),
            ..span(trace, id, start + u64::from(id))
        };
        [span(trace, 1, start), child(2), child(3)]
    };
    (1..=count).flat_map(of).collect()
}

fn asked(query: &str) -> SearchRequest {
    SearchRequest { query: query.to_owned(), ..SearchRequest::default() }
}

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Guarantees: a trace is shown with what the query found in it: groups, aggregates, the first spans with what is
/// selected, and how many there are.
#[tokio::test]
async fn what_is_found_is_shown() {
    let served = served(traces(1)).await;
    let query =
        "{ status = error } | by(resource.service.name) | max(duration) > 1ns | select(span.amount, kind, duration)";
    let request = SearchRequest { spans_per_span_set: 1, ..asked(query) };
    let page = served.client().search_traces(request).await.unwrap().into_inner();
    let text = |text: &str| Any::StringValue(text.to_owned());
    let first = FoundSpan {
        span_id: "0202020202020202".to_owned(),
        name: "pay 2".to_owned(),
        service: "bank".to_owned(),
        start_time: Some(Timestamp { seconds: 1, nanos: 2 }),
        duration: Some(prost_types::Duration { seconds: 0, nanos: 10 }),
        attributes: vec![
            pair("span.amount", Any::IntValue(2)),
            pair("kind", text("server")),
            pair("duration", text("10ns")),
        ],
    };
    let expected = SpanSet {
        matched: 2,
        spans: vec![first],
        attributes: vec![pair("by(resource.service.name)", text("bank")), pair("max(duration)", text("10ns"))],
    };
    assert_eq!(page.traces.len(), 1);
    assert_eq!(page.traces[0].span_sets, [expected]);
    let coverage = page.coverage.unwrap();
    assert_eq!((coverage.limit_reached, coverage.covered_since, coverage.traces_read), (false, None, 1));
}

/// Guarantees: the plain fields hold on the spans that are found; three of a set are shown when nothing is said, and no
/// more than a hundred.
#[tokio::test]
async fn plain_fields_hold_on_what_is_found() {
    let many = (1..=200).map(|id| span(9, id, u64::from(id)));
    let served = served(traces(2).into_iter().chain(many).collect()).await;
    let request = SearchRequest { span_name: "pay 3".to_owned(), ..asked("{ } >> { status = error }") };
    let page = served.client().search_traces(request.clone()).await.unwrap().into_inner();
    let sets: Vec<_> = page.traces.iter().flat_map(|trace| &trace.span_sets).map(|set| set.matched).collect();
    assert_eq!(sets, [1, 1]);
    let page = served.client().search_spans(request).await.unwrap().into_inner();
    assert_eq!(page.spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["pay 3", "pay 3"]);
    for (asked_for, shown) in [(0, 3), (150, 100)] {
        let request = SearchRequest {
            spans_per_span_set: asked_for,
            ..asked("{ trace:id = `09090909090909090909090909090909` }")
        };
        let page = served.client().search_traces(request).await.unwrap().into_inner();
        assert_eq!((page.traces[0].span_sets[0].matched, page.traces[0].span_sets[0].spans.len()), (200, shown));
    }
}

async fn read(served: &Served, request: SearchRequest) -> Vec<SearchTracesResponse> {
    let mut stream = served.client().stream_traces(request).await.unwrap().into_inner();
    let mut pages = Vec::new();
    while let Some(page) = stream.message().await.unwrap() {
        pages.push(page);
    }
    pages
}

fn ids(pages: &[SearchTracesResponse]) -> Vec<u8> {
    let ids = pages.iter().flat_map(|page| &page.traces).map(|trace| trace.trace_id[..2].to_owned());
    ids.map(|id| u8::from_str_radix(&id, 16).unwrap()).collect()
}

/// Guarantees: a stream has the traces in order, in several messages, as many as were asked for; its last token goes on
/// from there, in a stream or in a page.
#[tokio::test]
async fn traces_come_in_a_stream() {
    let served = served(traces(100)).await;
    let request = SearchRequest { page_size: 50, ..asked("{ } >> { status = error }") };
    let pages = read(&served, request.clone()).await;
    assert!(pages.len() > 1);
    assert_eq!(ids(&pages), (51..=100).rev().collect::<Vec<_>>());
    let page_token = pages.last().unwrap().next_page_token.clone();
    let next = SearchRequest { page_token, page_size: 1_000, ..request };
    let page = served.client().search_traces(next.clone()).await.unwrap().into_inner();
    assert_eq!(ids(&[page]), (1..=50).rev().collect::<Vec<_>>());
    let pages = read(&served, next).await;
    assert_eq!(ids(&pages), (1..=50).rev().collect::<Vec<_>>());
    assert_eq!(pages.last().unwrap().next_page_token, "");
}

/// Guarantees: the limit on work is one for the whole stream, and its end says so.
#[tokio::test]
async fn a_stream_has_one_limit() {
    let store = MemoryStore::default();
    store.write(&[Batch::new(traces(100))]).await.unwrap();
    let settings = QuerySettings { work_spans_max: 150, ..QuerySettings::default() };
    let served = served_with(Arc::new(store), settings).await;
    let pages = read(&served, SearchRequest { page_size: 100, ..asked("{ } | count() > 2") }).await;
    let (last, before) = pages.split_last().unwrap();
    assert!(before.iter().all(|page| !page.coverage.as_ref().unwrap().limit_reached));
    let coverage = last.coverage.as_ref().unwrap();
    assert!(coverage.limit_reached && coverage.spans_read >= 150 && !last.next_page_token.is_empty());
    assert!(coverage.covered_since.is_some() && ids(&pages).len() < 100);
}

/// Scenario: a client asks and goes away while the store works. Guarantees: the store's work is dropped.
#[tokio::test]
async fn a_client_that_goes_away_stops_its_search() {
    for is_stream in [false, true] {
        let (held, dropped) = oneshot::channel();
        let (begun, has_begun) = oneshot::channel();
        let store = Scripted { held: Mutex::new(Some((begun, held))), ..Scripted::default() };
        let long = Duration::from_hours(1);
        let settings = QuerySettings { query_timeout: long, work_time_max: long, ..QuerySettings::default() };
        let served = served_with(Arc::new(store), settings).await;
        let mut client = served.client();
        let asking = tokio::spawn(async move {
            if is_stream {
                drop(client.stream_traces(asked("{ }")).await);
            } else {
                drop(client.search_traces(asked("{ }")).await);
            }
        });
        has_begun.await.unwrap();
        asking.abort();
        let gone = tokio::time::timeout(Duration::from_mins(1), dropped).await;
        assert!(gone.unwrap().is_err(), "what was held is dropped with the question");
    }
}

async fn explained(served: &Served, request: SearchRequest) -> (String, String, Evaluation, u64) {
    let request = ExplainRequest { question: Some(Question::Search(request)) };
    let explained = served.client().explain(request).await.unwrap().into_inner();
    assert!(explained.duration.is_some());
    let evaluation = explained.evaluation();
    (explained.query, explained.pushed_down, evaluation, explained.cost.unwrap().traces_read)
}

/// Guarantees: it is said how a query was understood, what of it the store goes by, what the rest is computed over, and
/// what the first page cost.
#[tokio::test]
async fn searches_are_explained() {
    let served = served(traces(30)).await;
    for (request, expected) in [
        (asked(""), ("", "", Evaluation::Spans, 0)),
        (
            SearchRequest { service: "bank".to_owned(), ..asked("") },
            ("", "{ resource.service.name = \"bank\" }", Evaluation::Spans, 0),
        ),
        (
            asked("{status=error&&.amount>1}"),
            ("{ status = error && .amount > 1 }", "{ status = error && .amount >= 1.0 }", Evaluation::Spans, 0),
        ),
        (asked("{ } >> { kind = client }"), ("{ } >> { kind = client }", "{ kind = client }", Evaluation::Traces, 0)),
        (asked("{ .amount = 2 } ~ { }"), ("{ .amount = 2 } ~ { }", "{ .amount = 2.0 }", Evaluation::Traces, 20)),
    ] {
        let (query, pushed_down, evaluation, traces_read) = explained(&served, request).await;
        assert_eq!((query.as_str(), pushed_down.as_str(), evaluation, traces_read), expected);
    }
    let status = served.client().explain(ExplainRequest { question: None }).await.unwrap_err();
    assert_eq!((status.code(), bad_fields(&status)), (Code::InvalidArgument, vec!["question".to_owned()]));
}

/// Guarantees: what can not be asked is refused by every method that takes it, and the answer says where the query is wrong.
#[tokio::test]
async fn wrong_queries_are_refused() {
    let served = served(vec![]).await;
    let enormous = |text: &str, times: usize| text.repeat(times);
    for (request, field, reason) in [
        (asked("{ .a = }"), "query", "column 8: found `}`, expected"),
        (asked("{ name > 1 }"), "query", "column 8: "),
        (asked("{ parent.a = 1 }"), "query", "is not supported"),
        (asked("{ } | rate()"), "query", "QueryMetrics"),
        (asked(&enormous("{", 1_000)), "query", "column"),
        (asked(&enormous(" ", QUERY_BYTES_MAX + 1)), "query", "bytes"),
        (asked(&enormous("{ } || ", 100_000)), "query", "bytes"),
        (asked(&format!("{{ .a =~ `{}` }}", enormous("(a{1000})", 100))), "query", "compiles to more"),
        (SearchRequest { spans_per_span_set: -1, ..asked("{ }") }, "spans_per_span_set", "negative"),
        (SearchRequest { page_size: -1, ..asked("{ }") }, "page_size", "negative"),
        (SearchRequest { page_token: "x".to_owned(), ..asked("{ }") }, "page_token", "no token"),
    ] {
        let mut client = served.client();
        let explained = ExplainRequest { question: Some(Question::Search(request.clone())) };
        for status in [
            client.search_traces(request.clone()).await.unwrap_err(),
            client.search_spans(request.clone()).await.unwrap_err(),
            client.stream_traces(request.clone()).await.map(drop).unwrap_err(),
            client.explain(explained).await.unwrap_err(),
        ] {
            assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status:?}");
            assert_eq!(bad_fields(&status), [field]);
            assert!(status.message().contains(reason), "{} instead of {reason}", status.message());
        }
    }
}

/// Scenario: a token comes back with another query. Guarantees: it is refused; how many spans are shown may change.
#[tokio::test]
async fn a_token_goes_with_its_query() {
    let served = served(traces(5)).await;
    let request = SearchRequest { page_size: 1, ..asked("{ status = error }") };
    let page = served.client().search_traces(request.clone()).await.unwrap().into_inner();
    let next = SearchRequest { page_token: page.next_page_token, ..request };
    let changed = SearchRequest { query: "{ status = ok }".to_owned(), ..next.clone() };
    assert_eq!(served.client().search_traces(changed).await.unwrap_err().code(), Code::InvalidArgument);
    let plain = SearchRequest { query: String::new(), ..next.clone() };
    assert_eq!(served.client().search_traces(plain).await.unwrap_err().code(), Code::InvalidArgument);
    let same = SearchRequest { spans_per_span_set: 1, query: "{status=error}".to_owned(), ..next };
    assert_eq!(ids(&[served.client().search_traces(same).await.unwrap().into_inner()]), [4]);
}
