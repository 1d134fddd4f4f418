//! Clients that read slowly, or no more: what is not read is not made. The client calls the service without a connection between them,
//! whose windows would have room for some messages more; and nothing runs beside the test, so that after some turns of the
//! one thread all has been done that is done without the client.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tonic::service::Routes;
use tracewell::model::{Operation, Span, SpanKey, TraceId, TraceSummary, Value};
use tracewell::query::{Query, QuerySettings};
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;
use tracewell::server::generated::tracewell_v1::{GetTraceRequest, SearchRequest};
use tracewell::server::query;
use tracewell::store::memory::MemoryStore;
use tracewell::store::{
    Batch, Counted, Retained, RetentionSettings, Scan, SpanStore, SpanStream, StoreError, Watermark, Work, Written,
};

use super::scripted::Scripted;
use super::{attributes, span};

/// Traces in a message of a stream.
const PAGE_TRACES: u64 = 20;
/// A message waits in the queue, and the next one for a place there.
const MESSAGES_AHEAD: u64 = 2;

fn client(store: impl SpanStore + 'static) -> TraceQueryClient<Routes> {
    TraceQueryClient::new(query::routes(Arc::new(Query::new(Arc::new(store), QuerySettings::default()))))
}

/// Until whoever else has something to do has done it.
async fn all_is_quiet() {
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
}

/// Scenario: 400 traces in a stream, of which a client takes one message after the other. Guarantees: before it takes the
/// next one, whole traces were read for no more messages than those that it has and two; and in the end it has all.
#[tokio::test]
async fn a_stream_of_traces_does_not_run_ahead() {
    let store = MemoryStore::default();
    // A message of 20 of them is more than is encoded at once.
    let name = || "n".repeat(4 << 10);
    let of = |trace: u64| [1, 2].map(|id| Span { name: name(), ..crate::support::span(trace, id, trace * 1_000 + id) });
    store.write(&[Batch::new((1..=400).flat_map(of).collect())]).await.unwrap();
    let work = Arc::new(Mutex::new(None));
    let mut client = client(Watched { store, work: Arc::clone(&work), held: Mutex::default() });
    let request = SearchRequest { query: "{ } | count() > 1".to_owned(), page_size: 1_000, ..SearchRequest::default() };
    let mut stream = client.stream_traces(request).await.unwrap().into_inner();
    let work = work.lock().unwrap().take().unwrap();
    let (mut messages, mut traces) = (0, 0);
    loop {
        all_is_quiet().await;
        let read = work.of(Counted::TracesRead);
        assert!(read <= (messages + MESSAGES_AHEAD) * PAGE_TRACES, "{read} traces were read for {messages} messages");
        let Some(page) = stream.message().await.unwrap() else { break };
        (messages, traces) = (messages + 1, traces + page.traces.len());
    }
    assert_eq!((traces, work.of(Counted::TracesRead)), (400, 400));
}

/// Scenario: a client takes the first message of a stream, and goes away while the store works at the second. Guarantee: the
/// store's work is dropped.
#[tokio::test]
async fn a_stream_that_nobody_reads_stops_its_search() {
    let store = MemoryStore::default();
    let spans = (1..=100).map(|trace| crate::support::span(trace, 1, trace));
    store.write(&[Batch::new(spans.collect())]).await.unwrap();
    let (held, mut dropped) = oneshot::channel();
    let held = Mutex::new(VecDeque::from([None, Some(held)]));
    let mut client = client(Watched { store, work: Arc::default(), held });
    let request = SearchRequest { query: "{ } | count() > 0".to_owned(), page_size: 100, ..SearchRequest::default() };
    let mut stream = client.stream_traces(request).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().traces.len(), 20);
    all_is_quiet().await;
    assert_eq!(dropped.try_recv(), Err(TryRecvError::Empty), "the store is at work");
    drop(stream);
    all_is_quiet().await;
    assert_eq!(dropped.try_recv(), Err(TryRecvError::Closed), "what was held is dropped with the stream");
}

/// Scenario: the spans of one trace, every second of which fills a message, are taken so. Guarantee: no more are read than fill two messages.
#[tokio::test]
async fn a_trace_does_not_run_ahead() {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let payload = || attributes([("payload", Value::Bytes(vec![7; 400 << 10]))]);
    let spans = stream::iter(0..60).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(Span { attributes: payload(), ..span(1, 1, 1) })
    });
    let mut client = client(Scripted { trace: Mutex::new(Some(spans.boxed())), ..Scripted::default() });
    let request = GetTraceRequest { trace_id: "01".repeat(16) };
    let mut stream = client.get_trace(request).await.unwrap().into_inner();
    let (mut messages, mut spans) = (0, 0);
    loop {
        all_is_quiet().await;
        let read = read.load(Ordering::Relaxed);
        // A message is sent when there is a span that does not fit.
        assert!(read <= (messages + 2) * 2 + 1, "{read} spans were read for {messages} messages");
        let Some(chunk) = stream.message().await.unwrap() else { break };
        (messages, spans) = (messages + 1, spans + chunk.spans.len());
    }
    assert_eq!(spans, 60);
}

/// A store that shows what counts the work of the last question for whole traces.
struct Watched {
    store: MemoryStore,
    work: Arc<Mutex<Option<Work>>>,
    /// Of the next questions for whole traces, what those hold that are not answered.
    held: Mutex<VecDeque<Option<oneshot::Sender<()>>>>,
}

#[async_trait]
impl SpanStore for Watched {
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        self.store.write(batches).await
    }
    async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        self.store.forget_receipts(age).await
    }
    async fn retain(&self, settings: &RetentionSettings) -> Result<Retained, StoreError> {
        self.store.retain(settings).await
    }
    async fn purge(&self) -> Result<(), StoreError> {
        self.store.purge().await
    }
    fn trace(&self, trace_id: TraceId) -> SpanStream {
        self.store.trace(trace_id)
    }
    fn traces(&self, trace_ids: Vec<TraceId>, as_of: Option<Watermark>, work: Work) -> SpanStream {
        *self.work.lock().unwrap() = Some(work.clone());
        if let Some(Some(held)) = self.held.lock().unwrap().pop_front() {
            return stream::poll_fn(move |_| {
                let _ = &held;
                Poll::Pending
            })
            .boxed();
        }
        self.store.traces(trace_ids, as_of, work)
    }
    fn scan_spans(&self, scan: Scan) -> SpanStream {
        self.store.scan_spans(scan)
    }
    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError> {
        self.store.scan_keys(scan).await
    }
    async fn summaries(&self, ids: &[TraceId], as_of: Option<Watermark>) -> Result<Vec<TraceSummary>, StoreError> {
        self.store.summaries(ids, as_of).await
    }
    async fn watermark(&self) -> Result<Watermark, StoreError> {
        self.store.watermark().await
    }
    async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.store.services(after, limit).await
    }
    async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        self.store.operations(service, after, limit).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
    async fn close(&self) {
        self.store.close().await;
    }
}
