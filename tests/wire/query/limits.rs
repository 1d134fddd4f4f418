//! Answers that are cut short: by the size of a page, by time, by the client, and by a store that fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::sync::oneshot;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracewell::model::{Span, Value};
use tracewell::query::QuerySettings;
use tracewell::server::generated::tracewell_v1::{
    GetTraceRequest, ListOperationsRequest, ListServicesRequest, SearchRequest,
};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore, SpanStream};

use super::scripted::{Scripted, busy};
use super::{Served, attributes, resource, served_with, span};

async fn served_trace(trace: SpanStream, query_timeout: Duration) -> Served {
    let store = Scripted { trace: Mutex::new(Some(trace)), ..Scripted::default() };
    served_with(Arc::new(store), QuerySettings { query_timeout, ..QuerySettings::default() }).await
}

/// Reads a trace to its end: the number of spans, and the error if there is one.
async fn read(served: &Served) -> (usize, Option<Status>) {
    let request = GetTraceRequest { trace_id: "01".repeat(16) };
    let mut stream = served.client().get_trace(request).await.unwrap().into_inner();
    let mut spans = 0;
    loop {
        match stream.message().await {
            Ok(Some(chunk)) => spans += chunk.spans.len(),
            Ok(None) => return (spans, None),
            Err(status) => return (spans, Some(status)),
        }
    }
}

/// A span of half a MiB, so that every second one fills a message.
fn large_span() -> Span {
    Span { attributes: attributes([("payload", Value::Bytes(vec![7; 512 << 10]))]), ..span(1, 1, 1) }
}

/// Guarantees: a page larger than the server's limit is read as one of that limit, and a page that is too large in
/// bytes ends early; no item is lost by either.
#[tokio::test]
async fn pages_are_limited_in_items_and_bytes() {
    let spans = || (1..6).map(|trace| Span { resource: resource(&format!("s{trace}")), ..span(trace, 1, 1) });
    for (page_size_max, page_bytes_max) in [(2, 2 << 20), (1_000, 700)] {
        let store = MemoryStore::default();
        store.write(&[Batch { spans: spans().collect() }]).await.unwrap();
        let settings = QuerySettings { page_size_max, page_bytes_max, ..QuerySettings::default() };
        let served = served_with(Arc::new(store), settings).await;
        let mut request = SearchRequest { page_size: i32::MAX, ..SearchRequest::default() };
        let (mut pages, mut items) = (0, 0);
        while pages == 0 || !request.page_token.is_empty() {
            let page = served.client().search_spans(request.clone()).await.unwrap().into_inner();
            assert!((1..=2).contains(&page.spans.len()));
            (pages, items) = (pages + 1, items + page.spans.len());
            request.page_token = page.next_page_token;
        }
        assert_eq!(items, 5);
        assert!(pages >= 3);
    }
}

/// Scenario: the store does not come to an end. Guarantees: the caller hears that time is up, from a search as from a
/// stream that is under way.
#[tokio::test]
async fn a_query_that_takes_too_long_ends() {
    let endless = stream::repeat_with(|| Ok(large_span())).boxed();
    let served = served_trace(endless, Duration::from_millis(300)).await;
    let (spans, status) = read(&served).await;
    assert!(spans > 0);
    assert_eq!(status.unwrap().code(), Code::DeadlineExceeded);
    for status in [
        served.client().search_traces(SearchRequest::default()).await.map(|_| ()),
        served.client().search_spans(SearchRequest::default()).await.map(|_| ()),
    ] {
        assert_eq!(status.unwrap_err().code(), Code::DeadlineExceeded);
    }
}

/// Scenario: the store fails after the first spans. Guarantees: the stream ends with an error, never as if it were
/// whole.
#[tokio::test]
async fn a_trace_that_breaks_off_says_so() {
    let breaking = stream::iter((0..6).map(|_| Ok(large_span()))).chain(stream::iter([Err(busy())])).boxed();
    let served = served_trace(breaking, Duration::from_mins(1)).await;
    let (spans, status) = read(&served).await;
    assert!(spans > 0);
    let status = status.unwrap();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some());
}

/// Scenario: a client reads the beginning of a trace and goes away. Guarantees: the store's query is dropped.
#[tokio::test]
async fn a_client_that_goes_away_stops_its_query() {
    let (held, dropped) = oneshot::channel::<()>();
    let endless = stream::repeat_with(move || {
        let _ = &held;
        Ok(large_span())
    });
    let served = served_trace(endless.boxed(), Duration::from_mins(10)).await;
    let request = GetTraceRequest { trace_id: "01".repeat(16) };
    let mut stream = served.client().get_trace(request).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    drop(stream);
    let gone = tokio::time::timeout(Duration::from_mins(1), dropped).await;
    assert!(gone.unwrap().is_err(), "the sender is dropped with the query");
}

/// Scenario: the same, while the store itself is silent. Guarantees: the same.
#[tokio::test]
async fn a_client_that_goes_away_stops_a_silent_query() {
    let (held, dropped) = oneshot::channel::<()>();
    let silent = stream::iter((0..4).map(|_| Ok(large_span()))).chain(stream::once(async move {
        let _held = held;
        std::future::pending().await
    }));
    let served = served_trace(silent.boxed(), Duration::from_mins(10)).await;
    let request = GetTraceRequest { trace_id: "01".repeat(16) };
    let mut stream = served.client().get_trace(request).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    drop(stream);
    let gone = tokio::time::timeout(Duration::from_mins(1), dropped).await;
    assert!(gone.unwrap().is_err(), "the sender is dropped with the query");
}

/// Guarantees: a busy store is told with when to come again, and what a bug says stays inside.
#[tokio::test]
async fn a_store_that_fails_is_answered_by_the_table() {
    let served = served_with(Arc::new(Scripted::default()), QuerySettings::default()).await;
    let status = served.client().list_services(ListServicesRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some());
    let request = ListOperationsRequest { service: "s".to_owned(), ..Default::default() };
    let status = served.client().list_operations(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!format!("{status:?}").contains("secret"));
}
