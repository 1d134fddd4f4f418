//! The same question through two doors: Tempo's, by path and by stream, gives the traces that `tracewell.v1` gives, in the
//! same order and with the same spans, whatever the spans, the query and the store.

use std::sync::Arc;

use opentelemetry_proto::tonic::trace::v1::TracesData;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;
use prost::Message;
use prost_types::Timestamp;
use tracewell::model::{Span, SpanId};
use tracewell::query::QuerySettings;
use tracewell::server::generated::tempopb::{self, TraceByIdResponse};
use tracewell::server::generated::tracewell_v1::{FoundSpan, GetTraceRequest, SearchRequest};
use tracewell::store::Batch;

use super::Served;
use super::strict::SearchResponse;
use crate::support::database::Database;
use crate::support::property::{self, on_databases};
use crate::support::{arbitrary, queries, queries_about};

on_databases!(check; memory: 200, sqlite: 40, postgres: 12, postgres_compacted: 10);

fn check(cases: u32, run: impl Fn(Case) -> TestCaseResult) {
    property::check(property::config(cases, 200), &cases_of(), run);
}

#[derive(Debug, Clone)]
struct Case {
    spans: Vec<Span>,
    /// Several, since a server and its database cost more than a question.
    queries: Vec<String>,
    /// Seconds since 1970; 0 is none.
    start: u32,
    end: u32,
    limit: u32,
    trace_spans_max: u64,
}

/// The pool of times has one in 2026, and both ends of what there is.
const SECONDS: [(u32, u32); 6] =
    [(0, 0), (0, 1), (1, 0), (1, u32::MAX), (1_790_000_000, 1_790_000_001), (1_790_000_001, 1_790_100_000)];

fn cases_of() -> impl Strategy<Value = Case> {
    arbitrary::spans(14).prop_flat_map(|spans| {
        let query = prop_oneof![6 => queries_about::pipeline(&spans), 1 => queries::pipeline()];
        let queries = proptest::collection::vec(query.prop_map(|query| query.to_string()), 1..6);
        let more = (queries, select(SECONDS.as_slice()), 1..6_u32, select(vec![2, u64::MAX]));
        more.prop_map(move |(queries, (start, end), limit, trace_spans_max)| Case {
            spans: spans.clone(),
            queries,
            start,
            end,
            limit,
            trace_spans_max,
        })
    })
}

/// What is compared of a trace: its id, its start, and of each set how many spans it has and the ids of the first.
type Line = (String, u64, Vec<(u64, Vec<String>)>);

impl Case {
    async fn run(&self, database: &dyn Database) -> TestCaseResult {
        let store = database.open().await;
        store.write(&[Batch::new(self.spans.clone())]).await.unwrap();
        let settings = QuerySettings { trace_spans_max: self.trace_spans_max, ..QuerySettings::default() };
        let served = Served::with(Arc::clone(&store), settings).await;
        for query in self.queries.iter().map(String::as_str).chain([""]) {
            let ours = self.ours(&served, query).await;
            prop_assert_eq!(self.by_path(&served, query).await, ours.clone(), "by path: {}", query);
            prop_assert_eq!(self.by_stream(&served, query).await, ours, "by stream: {}", query);
        }
        let served = Served::with(Arc::clone(&store), QuerySettings::default()).await;
        for span in &self.spans {
            same_trace(&served, &span.trace_id.to_string()).await?;
        }
        drop(served);
        store.close().await;
        Ok(())
    }

    /// `None` when the question is refused.
    async fn ours(&self, served: &Served, query: &str) -> Option<Vec<Line>> {
        let time = |seconds: u32| (seconds > 0).then_some(Timestamp { seconds: i64::from(seconds), nanos: 0 });
        let request = SearchRequest {
            query: query.to_owned(),
            start_time_min: time(self.start),
            start_time_max: time(self.end),
            page_size: i32::try_from(self.limit).unwrap(),
            ..Default::default()
        };
        let page = served.ours().search_traces(request).await.ok()?.into_inner();
        let nanos = |time: Timestamp| u64::try_from(i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos));
        let lines = page.traces.into_iter().map(|trace| {
            let ids = |spans: Vec<FoundSpan>| spans.into_iter().map(|span| span.span_id).collect();
            let sets = trace.span_sets.into_iter().map(|set| (set.matched, ids(set.spans)));
            (trace.trace_id, nanos(trace.start_time.unwrap()).unwrap(), sets.collect())
        });
        Some(lines.collect())
    }

    async fn by_path(&self, served: &Served, query: &str) -> Option<Vec<Line>> {
        let [start, end, limit] = [self.start, self.end, self.limit].map(|number| number.to_string());
        let asked = [("q", query), ("start", &start), ("end", &end), ("limit", &limit)];
        let answer = served.ask("/api/search", &asked).await;
        if answer.status == 400 {
            return None;
        }
        let found: SearchResponse = serde_json::from_slice(&answer.body).unwrap();
        let lines = found.traces.into_iter().map(|trace| {
            let ids = |spans: Vec<super::strict::Span>| spans.into_iter().map(|span| span.id).collect();
            let sets = trace.span_sets.into_iter().map(|set| (u64::from(set.matched), ids(set.spans)));
            (trace.trace_id, trace.start_time_unix_nano.parse().unwrap(), sets.collect())
        });
        Some(lines.collect())
    }

    async fn by_stream(&self, served: &Served, query: &str) -> Option<Vec<Line>> {
        let Self { start, end, limit, .. } = *self;
        let request = tempopb::SearchRequest { query: query.to_owned(), start, end, limit, ..Default::default() };
        let mut stream = served.tempo().search(request).await.ok()?.into_inner();
        let mut lines = Vec::new();
        while let Some(message) = stream.message().await.unwrap() {
            lines.extend(message.traces.into_iter().map(|trace| {
                let ids = |spans: Vec<tempopb::Span>| spans.into_iter().map(|span| span.span_id).collect();
                let sets = trace.span_sets.into_iter().map(|set| (u64::from(set.matched), ids(set.spans)));
                (trace.trace_id, trace.start_time_unix_nano, sets.collect())
            }));
        }
        Some(lines)
    }
}

/// Guarantee: both versions of a trace by its id have the spans that `tracewell.v1` has.
async fn same_trace(served: &Served, trace_id: &str) -> TestCaseResult {
    let request = GetTraceRequest { trace_id: trace_id.to_owned() };
    let mut stream = served.ours().get_trace(request).await.unwrap().into_inner();
    let mut ours = Vec::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        ours.extend(chunk.spans.into_iter().map(|span| (span.span_id, span.name, span.attributes)));
    }
    let of = |data: TracesData| {
        let spans = data.resource_spans.into_iter().flat_map(|group| group.scope_spans).flat_map(|group| group.spans);
        let hex = |id: Vec<u8>| SpanId::from_slice(&id).unwrap().to_string();
        spans.map(|span| (hex(span.span_id), span.name, span.attributes)).collect::<Vec<_>>()
    };
    // NaN is not itself, and spans are grouped by resource there.
    let in_order = |spans: Vec<_>| {
        let mut lines: Vec<_> = spans.iter().map(|span| format!("{span:?}")).collect();
        lines.sort_unstable();
        lines
    };
    let v1 = served.get_accepting(&format!("/api/traces/{trace_id}"), "application/protobuf").await;
    let v2 = served.get_accepting(&format!("/api/v2/traces/{trace_id}"), "application/protobuf").await;
    let v1 = TracesData::decode(v1.body).unwrap();
    let v2 = TraceByIdResponse::decode(v2.body).unwrap().trace.unwrap().resource_spans;
    let v2 = TracesData { resource_spans: v2 };
    prop_assert_eq!(v2.encode_to_vec(), v1.encode_to_vec());
    prop_assert_eq!(in_order(of(v1)), in_order(ours));
    Ok(())
}
