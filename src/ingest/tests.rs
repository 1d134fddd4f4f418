//! The queue and its writers against a store that does what the spans' names say, and only when its gate opens.

use std::sync::Mutex as StdMutex;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::model::{Operation, Span, SpanKey, TraceId, TraceSummary};
use crate::otlp::decode::{self, Decoded};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Scan, SpanStream, Watermark, Work};

/// Fails any write that has a span named `bug`, `refused`, `busy` or `panic`, in that way. Each write waits for a
/// permit of the gate, and adds one to `begun` before.
struct ScriptedStore {
    gate: Semaphore,
    begun: Semaphore,
    /// The names of each write that was committed.
    committed: StdMutex<Vec<Vec<String>>>,
    rest: MemoryStore,
}

#[async_trait]
impl SpanStore for ScriptedStore {
    async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        self.begun.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        let names: Vec<_> =
            batches.iter().flat_map(|batch| batch.spans().iter().map(|span| span.name.clone())).collect();
        for name in &names {
            match name.as_str() {
                "bug" => return Err(StoreError::Bug("as the script says".into())),
                "refused" => return Err(StoreError::Refused { reason: "as the script says".into() }),
                "busy" => return Err(StoreError::Busy("as the script says".into())),
                "panic" => panic!("as the script says"),
                _ => {}
            }
        }
        self.committed.lock().unwrap().push(names);
        Ok(vec![Written::Stored; batches.len()])
    }

    async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        self.rest.forget_receipts(age).await
    }

    async fn retain(&self, settings: &crate::store::RetentionSettings) -> Result<crate::store::Retained, StoreError> {
        self.rest.retain(settings).await
    }

    async fn purge(&self) -> Result<(), StoreError> {
        self.rest.purge().await
    }

    fn trace(&self, trace_id: TraceId) -> SpanStream {
        self.rest.trace(trace_id)
    }

    fn traces(&self, trace_ids: Vec<TraceId>, as_of: Option<Watermark>, work: Work) -> SpanStream {
        self.rest.traces(trace_ids, as_of, work)
    }

    fn scan_spans(&self, scan: Scan) -> SpanStream {
        self.rest.scan_spans(scan)
    }

    async fn scan_keys(&self, scan: Scan) -> Result<Vec<SpanKey>, StoreError> {
        self.rest.scan_keys(scan).await
    }

    async fn summaries(&self, ids: &[TraceId], as_of: Option<Watermark>) -> Result<Vec<TraceSummary>, StoreError> {
        self.rest.summaries(ids, as_of).await
    }

    async fn watermark(&self) -> Result<Watermark, StoreError> {
        self.rest.watermark().await
    }

    async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.rest.services(after, limit).await
    }

    async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        self.rest.operations(service, after, limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.rest.ping().await
    }

    async fn close(&self) {
        self.rest.close().await;
    }
}

struct Bench {
    store: Arc<ScriptedStore>,
    ingest: Ingest,
    metrics: Arc<Metrics>,
}

const SETTINGS: IngestSettings =
    IngestSettings { queue_requests_max: 100, queue_bytes_max: 1_000, writers: 1, group_spans_max: 100 };

const A_WHILE: Duration = Duration::from_mins(1);

impl Bench {
    fn new(settings: IngestSettings) -> Self {
        let store = Arc::new(ScriptedStore {
            gate: Semaphore::new(0),
            begun: Semaphore::new(0),
            committed: StdMutex::default(),
            rest: MemoryStore::default(),
        });
        let metrics = Arc::new(Metrics::new());
        let ingest = Ingest::start(Arc::clone(&store) as Arc<dyn SpanStore>, settings, Arc::clone(&metrics));
        Self { store, ingest, metrics }
    }

    /// Lets so many writes through.
    fn open(&self, writes: usize) {
        self.store.gate.add_permits(writes);
    }

    async fn write_begun(&self) {
        self.store.begun.acquire().await.unwrap().forget();
    }

    /// Submits a request of one span and returns when it has its place in the queue.
    async fn send(&self, name: &'static str) -> JoinHandle<Result<(), IngestError>> {
        let place = self.ingest.enter().unwrap();
        let ingest = self.ingest.clone();
        let (queued, is_queued) = oneshot::channel();
        let sent = tokio::spawn(async move {
            let mut commit = std::pin::pin!(ingest.commit(place, delivery(name)));
            assert!(futures::poll!(commit.as_mut()).is_pending());
            queued.send(()).unwrap();
            commit.await
        });
        is_queued.await.unwrap();
        sent
    }

    /// Submits a request and waits for its answer, but not forever.
    async fn submit(&self, delivery: Delivery, request_bytes: usize) -> Result<(), IngestError> {
        tokio::time::timeout(A_WHILE, self.ingest.submit(delivery, request_bytes)).await.expect("no answer")
    }

    fn committed(&self) -> Vec<Vec<String>> {
        self.store.committed.lock().unwrap().clone()
    }

    fn metric(&self, line: &str) {
        let text = self.metrics.text().unwrap();
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

/// One good span of this name.
fn delivery(name: &str) -> Delivery {
    Decoded { spans: vec![Span::example(name)], ..Decoded::default() }.into()
}

/// One answer in a word.
fn word(answer: &Result<(), IngestError>) -> &'static str {
    match answer {
        Ok(()) => "ok",
        Err(IngestError::QueueFull) => "full",
        Err(IngestError::Purging) => "purging",
        Err(IngestError::Occupied) => "occupied",
        Err(IngestError::TooLarge { .. }) => "large",
        Err(IngestError::Stopping) => "stopping",
        Err(IngestError::Store(error)) => match &**error {
            StoreError::Busy(_) => "busy",
            StoreError::Refused { .. } => "refused",
            StoreError::Corrupt { .. } => "corrupt",
            StoreError::Bug(_) => "bug",
        },
    }
}

/// A first request keeps the writer busy, so that the others form one group; then `opened` writes pass. Answers with
/// the others' answers in words.
async fn group(bench: &Bench, names: &[&'static str], opened: usize) -> Vec<&'static str> {
    let first = bench.send("first").await;
    bench.write_begun().await;
    let mut sent = Vec::new();
    for name in names {
        sent.push(bench.send(name).await);
    }
    bench.open(opened);
    assert_eq!(word(&first.await.unwrap()), "ok");
    let mut words = Vec::new();
    for answer in sent {
        words.push(word(&answer.await.unwrap()));
    }
    words
}

#[tokio::test]
async fn what_waits_is_committed_in_one_go_and_only_then_answered() {
    let bench = Bench::new(SETTINGS);
    let answer = bench.send("a").await;
    bench.write_begun().await;
    assert!(!answer.is_finished());
    bench.open(1);
    assert_eq!(word(&answer.await.unwrap()), "ok");
    assert_eq!(group(&bench, &["b", "c", "d"], 2).await, ["ok", "ok", "ok"]);
    assert_eq!(bench.committed(), [vec!["a"], vec!["first"], vec!["b", "c", "d"]]);
    bench.metric("tracewell_spans_stored_total{service=\"unknown_service\"} 5");
    bench.metric("tracewell_commit_seconds_count 3");
}

#[tokio::test]
async fn a_group_ends_with_the_request_that_fills_it() {
    let bench = Bench::new(IngestSettings { group_spans_max: 2, ..SETTINGS });
    assert_eq!(group(&bench, &["b", "c", "d"], 3).await, ["ok", "ok", "ok"]);
    assert_eq!(bench.committed(), [vec!["first"], vec!["b", "c"], vec!["d"]]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_has_room_after_the_answer() {
    let bench = Bench::new(IngestSettings { queue_requests_max: 2, ..SETTINGS });
    let (one, two) = (bench.send("a").await, bench.send("b").await);
    assert_eq!(word(&bench.submit(delivery("c"), 0).await), "full");
    bench.metric("tracewell_queue_requests 2");
    bench.open(2);
    assert_eq!((word(&one.await.unwrap()), word(&two.await.unwrap())), ("ok", "ok"));
    bench.metric("tracewell_queue_requests 0");
    bench.open(1);
    assert_eq!(word(&bench.submit(delivery("d"), 0).await), "ok");
}

#[tokio::test]
async fn bytes_are_bounded_and_what_never_fits_is_told_so() {
    let bench = Bench::new(SETTINGS);
    let (large, other) = (bench.ingest.enter().unwrap(), bench.ingest.enter().unwrap());
    large.hold(600).unwrap();
    assert!(matches!(other.hold(401), Err(IngestError::QueueFull)));
    assert!(matches!(other.hold(1_001), Err(IngestError::TooLarge { queue_bytes_max: 1_000 })));
    other.hold(400).unwrap();
    bench.metric("tracewell_queue_bytes 1000");
    assert!(matches!(large.hold(601), Err(IngestError::QueueFull)));
    large.hold(599).unwrap();
    drop(large);
    other.hold(100).unwrap();
    assert_eq!(word(&bench.submit(delivery("a"), 901).await), "full");
    bench.open(1);
    assert_eq!(word(&bench.submit(delivery("a"), 900).await), "ok");
    bench.metric("tracewell_queue_bytes 100");
    bench.metric("tracewell_queue_requests 1");
}

/// Those who are inside may grow: nobody enters who would take their room.
#[tokio::test]
async fn seven_eighths_are_for_those_inside() {
    let bench = Bench::new(SETTINGS);
    let inside = bench.ingest.enter().unwrap();
    inside.hold(126).unwrap();
    assert!(matches!(bench.ingest.enter(), Err(IngestError::QueueFull)));
    inside.hold(1_000).unwrap();
    inside.hold(125).unwrap();
    assert!(bench.ingest.enter().is_ok());
}

#[tokio::test]
async fn a_bad_request_does_not_fail_its_neighbours() {
    for bad in ["bug", "refused"] {
        let bench = Bench::new(SETTINGS);
        // One write for the first, one for the group, one for each of its three requests.
        assert_eq!(group(&bench, &["b", bad, "c"], 5).await, ["ok", bad, "ok"]);
        assert_eq!(bench.committed(), [["first"], ["b"], ["c"]]);
    }
}

#[tokio::test]
async fn a_busy_database_fails_the_whole_group_with_one_attempt() {
    let bench = Bench::new(SETTINGS);
    assert_eq!(group(&bench, &["b", "busy", "c"], 2).await, ["busy", "busy", "busy"]);
    assert_eq!(bench.committed(), [["first"]]);
}

#[tokio::test]
async fn requests_written_apart_stop_at_a_busy_database() {
    let bench = Bench::new(SETTINGS);
    assert_eq!(group(&bench, &["b", "bug", "busy", "c"], 5).await, ["ok", "bug", "busy", "busy"]);
    bench.metric("tracewell_store_failures_total 2");
}

#[tokio::test]
async fn a_panic_in_the_store_is_an_answer_and_the_writer_lives_on() {
    let bench = Bench::new(SETTINGS);
    assert_eq!(group(&bench, &["b", "panic", "c"], 5).await, ["ok", "bug", "ok"]);
    bench.open(1);
    assert_eq!(word(&bench.submit(delivery("after"), 0).await), "ok");
}

#[tokio::test]
async fn a_caller_that_went_away_is_stored_all_the_same() {
    let bench = Bench::new(SETTINGS);
    let gone = bench.send("a").await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    bench.open(1);
    assert!(bench.ingest.drain(A_WHILE).await);
    assert_eq!(bench.committed(), [["a"]]);
    bench.metric("tracewell_queue_requests 0");
}

#[tokio::test]
async fn a_drain_commits_what_was_received_and_lets_nothing_in() {
    let bench = Bench::new(IngestSettings { writers: 3, group_spans_max: 1, ..SETTINGS });
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.push(bench.send("a").await);
    }
    bench.ingest.begin_drain();
    assert_eq!(word(&bench.submit(delivery("late"), 0).await), "stopping");
    assert!(!bench.ingest.drain(Duration::ZERO).await);
    bench.open(10);
    assert!(bench.ingest.drain(A_WHILE).await);
    for answer in sent {
        assert_eq!(word(&answer.await.unwrap()), "ok");
    }
    assert_eq!(bench.committed().len(), 10);
}

#[tokio::test]
async fn a_place_taken_before_the_drain_ended_is_told_so() {
    let bench = Bench::new(SETTINGS);
    let place = bench.ingest.enter().unwrap();
    assert!(bench.ingest.drain(A_WHILE).await);
    assert_eq!(word(&bench.ingest.commit(place, delivery("late")).await), "stopping");
}

#[tokio::test]
async fn a_request_without_spans_is_done_without_a_write() {
    let bench = Bench::new(SETTINGS);
    assert_eq!(word(&bench.submit(Decoded::default().into(), 10).await), "ok");
    bench.metric("tracewell_queue_bytes 0");
    assert!(bench.ingest.drain(A_WHILE).await);
    assert_eq!(bench.store.begun.available_permits(), 0);
}

/// Many at once, good and bad: everybody gets an answer, and exactly those who hear "ok" are stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_lost_and_every_ok_is_true() {
    let bench = Bench::new(IngestSettings { writers: 3, group_spans_max: 7, queue_requests_max: 40, ..SETTINGS });
    bench.open(Semaphore::MAX_PERMITS / 2);
    let names = ["a", "bug", "b", "busy", "c", "panic", "d", "refused"];
    let callers = (0..400).map(|number| {
        let (ingest, name) = (bench.ingest.clone(), names[number % names.len()]);
        tokio::spawn(async move { (name, ingest.submit(delivery(name), 1).await) })
    });
    let mut stored = 0;
    for caller in callers.collect::<Vec<_>>() {
        let (name, answer) = caller.await.unwrap();
        match word(&answer) {
            "ok" => {
                assert!(name.len() == 1, "{name} can not be stored");
                stored += 1;
            }
            "bug" => assert!(name == "bug" || name == "panic", "{name}"),
            "refused" => assert_eq!(name, "refused"),
            // Of the group, not of the name.
            word => assert!(word == "busy" || word == "full", "{word}"),
        }
    }
    assert_eq!(bench.committed().into_iter().flatten().count(), stored);
    bench.metric("tracewell_queue_requests 0");
}

/// One good span of this name, and a bad one of the service "b".
fn decoded_with_a_bad_span(name: &str) -> Decoded {
    let resource = r#"{"attributes":[{"key":"service.name","value":{"stringValue":"b"}}]}"#;
    let body = format!(r#"{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{{"spans":[{{}}]}}]}}]}}"#);
    let decoded = decode::json(body.as_bytes()).unwrap();
    assert_eq!(decoded.rejected.count(), 1);
    Decoded { spans: vec![Span::example(name)], ..decoded }
}

/// The ledger of a bench to which one such request came, without what is zero.
async fn ledger_after(name: &'static str) -> Vec<String> {
    let bench = Bench::new(SETTINGS);
    bench.open(10);
    if name == "stopping" {
        let place = bench.ingest.enter().unwrap();
        assert!(bench.ingest.drain(A_WHILE).await);
        assert_eq!(word(&bench.ingest.commit(place, decoded_with_a_bad_span(name).into()).await), "stopping");
    } else {
        let _ = bench.submit(decoded_with_a_bad_span(name).into(), 0).await;
    }
    let text = bench.metrics.text().unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("tracewell_spans_"));
    lines.filter(|line| !line.ends_with(" 0")).map(|line| line.replace("unknown_service", "a")).collect()
}

/// For the good span's service and for the bad one's: received is what was stored or rejected, and nothing of a request
/// that is to come again is received.
#[tokio::test]
async fn every_span_is_entered_by_what_became_of_it() {
    let bad = [r#"received_total{service="b"} 1"#, r#"rejected_total{service="b",reason="trace_id"} 1"#];
    for (name, became) in [
        ("good", r#"stored_total{service="a"} 1"#),
        ("refused", r#"rejected_total{service="a",reason="database_refused"} 1"#),
        ("bug", r#"rejected_total{service="a",reason="store_failure"} 1"#),
        ("panic", r#"rejected_total{service="a",reason="store_failure"} 1"#),
    ] {
        let mut expected = vec![r#"received_total{service="a"} 1"#, became];
        expected.extend(bad);
        let mut ledger = ledger_after(name).await;
        expected.sort_unstable();
        ledger.sort_unstable();
        assert_eq!(ledger, expected, "{name}");
    }
    for (name, reason) in [("busy", "database_busy"), ("stopping", "stopping")] {
        let refused = |service| format!(r#"refused_total{{service="{service}",reason="{reason}"}} 1"#);
        let mut ledger = ledger_after(name).await;
        ledger.sort_unstable();
        assert_eq!(ledger, [refused("a"), refused("b")], "{name}");
    }
}

#[tokio::test]
async fn a_request_without_good_spans_is_entered_too() {
    let bench = Bench::new(SETTINGS);
    let decoded = Decoded { spans: Vec::new(), ..decoded_with_a_bad_span("") };
    assert_eq!(word(&bench.submit(decoded.into(), 0).await), "ok");
    assert_eq!(bench.store.begun.available_permits(), 0);
    bench.metric(r#"tracewell_spans_received_total{service="b"} 1"#);
    bench.metric(r#"tracewell_spans_rejected_total{service="b",reason="trace_id"} 1"#);
}

/// Scenario: one request is being committed and one waits behind it when everything is to be removed. Guarantees: both are
/// finished first; who comes meanwhile is told to come again, and is stored afterwards.
#[tokio::test]
async fn what_is_inside_is_finished_before_everything_goes() {
    let bench = Bench::new(SETTINGS);
    let first = bench.send("first").await;
    bench.write_begun().await;
    let second = bench.send("second").await;
    let ingest = bench.ingest.clone();
    let mut purge = std::pin::pin!(ingest.purge(A_WHILE));
    assert!(futures::poll!(purge.as_mut()).is_pending());
    assert_eq!(word(&bench.submit(delivery("third"), 1).await), "purging");
    bench.open(1);
    assert_eq!(word(&first.await.unwrap()), "ok");
    bench.write_begun().await;
    assert!(futures::poll!(purge.as_mut()).is_pending(), "the second is not committed yet");
    bench.open(1);
    assert_eq!(word(&second.await.unwrap()), "ok");
    assert_eq!(word(&purge.await), "ok");
    bench.open(1);
    assert_eq!(word(&bench.submit(delivery("third"), 1).await), "ok");
    assert_eq!(bench.committed(), [["first"], ["second"], ["third"]]);
}

/// Scenario: a request does not end while everything is to be removed. Guarantee: it is given up in time, nothing is
/// removed, and requests enter as before.
#[tokio::test(start_paused = true)]
async fn nothing_goes_when_a_request_does_not_end() {
    let bench = Bench::new(SETTINGS);
    let place = bench.ingest.enter().unwrap();
    assert_eq!(word(&bench.ingest.purge(A_WHILE).await), "occupied");
    assert!(bench.ingest.enter().is_ok());
    drop(place);
}
