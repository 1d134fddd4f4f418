//! What went in comes out: an OTLP message of random spans, of every type, is decoded, stored, loaded and encoded
//! again, and equals the message that was sent. In protobuf; that JSON decodes to the same is `otlp`'s own test.

use futures::TryStreamExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, TracesData};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseResult, TestRunner};
use prost::Message;
use tracewell::model::Span;
use tracewell::otlp::{decode, encode};
use tracewell::store::Batch;

use crate::support::arbitrary::spans;

const SPANS_MAX: usize = 24;

macro_rules! round_trips_on {
    ($($backend:ident: $cases:literal),+) => { $(
        #[test]
        fn $backend() {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let seeds = FileFailurePersistence::Direct("tests/roundtrip/proptest-regressions/seeds.txt");
            let config = Config { cases: $cases, failure_persistence: Some(Box::new(seeds)), ..Config::default() };
            let result = TestRunner::new(config).run(&spans(SPANS_MAX), |spans| runtime.block_on(async {
                let database = crate::support::database::$backend::create().await;
                round_trip(&*database, &spans).await
            }));
            if let Err(error) = result {
                panic!("{error}");
            }
        }
    )+ };
}
round_trips_on!(memory: 64, sqlite: 48, postgres: 16, postgres_sql_ascii: 16);

/// Scenario: one request. Guarantee: the traces read back, encoded, are the request, each exact copy once.
async fn round_trip(database: &dyn crate::support::database::Database, spans: &[Span]) -> TestCaseResult {
    let sent = encode::traces_data(spans);
    let request = ExportTraceServiceRequest { resource_spans: sent.resource_spans.clone() };
    let decoded = decode::protobuf(&request.encode_to_vec()).unwrap();
    prop_assert_eq!((decoded.rejected.count(), decoded.repaired), (0, 0));
    let store = database.open().await;
    store.write(&[Batch::new(decoded.spans)]).await.unwrap();
    let mut ids: Vec<_> = spans.iter().map(|span| span.trace_id).collect();
    ids.sort();
    ids.dedup();
    let mut loaded = Vec::new();
    for id in ids {
        loaded.extend(store.trace(id).try_collect::<Vec<Span>>().await.unwrap());
    }
    store.close().await;
    prop_assert_eq!(apart(encode::traces_data(&loaded)), apart(sent));
    Ok(())
}

/// Every span as a message of its own, with its resource and scope, in the order of their bytes, copies once: what is
/// left of a message when grouping means nothing.
fn apart(data: TracesData) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for resource in data.resource_spans {
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                let scope_spans = vec![ScopeSpans { spans: vec![span.clone()], ..scope.clone() }];
                messages.push(ResourceSpans { scope_spans, ..resource.clone() }.encode_to_vec());
            }
        }
    }
    messages.sort();
    messages.dedup();
    messages
}
