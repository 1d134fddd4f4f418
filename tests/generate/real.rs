//! The real doors and the real query service, over the store in memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracewell::ingest::{Ingest, IngestSettings};
use tracewell::metrics::Metrics;
use tracewell::model::Search;
use tracewell::query::{Query, QuerySettings};
use tracewell::server::intake::{DoorSettings, Doors};
use tracewell::server::listen::{ListenSettings, serve};
use tracewell::server::otlp::{TraceService, router};
use tracewell::server::query;
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Scan, SpanStore};

use super::{generate, json};

/// A server of its own, which ends with it.
struct Server {
    store: Arc<MemoryStore>,
    grpc: String,
    http: String,
    _stop: DropGuard,
}

async fn server() -> Server {
    let (store, metrics) = (Arc::new(MemoryStore::default()), Arc::new(Metrics::new()));
    let dynamic: Arc<dyn SpanStore> = store.clone();
    let settings =
        IngestSettings { queue_requests_max: 100, queue_bytes_max: 100_000_000, writers: 1, group_spans_max: 20_000 };
    let ingest = Ingest::start(dynamic.clone(), settings, metrics.clone());
    let settings =
        DoorSettings { request_bytes_max: 64 << 20, request_timeout: Duration::from_mins(1), cors_origins: Vec::new() };
    let doors = Doors::new(ingest, metrics, settings);
    let queries = query::routes(Arc::new(Query::new(dynamic, QuerySettings::default())));
    let grpc = queries.add_service(TraceService::new(doors.clone())).into_axum_router();
    let stop = CancellationToken::new();
    let mut urls = Vec::new();
    for router in [grpc, router(doors)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        urls.push(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(serve(listener, router, ListenSettings::default(), stop.clone()));
    }
    let [grpc, http] = urls.try_into().unwrap();
    Server { store, grpc, http, _stop: stop.drop_guard() }
}

/// Scenario: some thousand spans by every protocol and compression. Guarantee: each of them is stored, and every trace
/// comes back as it was sent.
#[tokio::test]
async fn what_is_sent_comes_back() {
    for (protocol, compression) in
        [("grpc", "none"), ("grpc", "gzip"), ("http/protobuf", "zstd"), ("http/json", "gzip")]
    {
        let server = server().await;
        let endpoint = if protocol == "grpc" { &server.grpc } else { &server.http };
        let flags = format!(
            "--endpoint {endpoint} --protocol {protocol} --compression {compression} --spans 3000 --request-spans 200 \
             --verify {} --verify-traces all",
            server.grpc
        );
        let (report, verdict) = generate(&flags).await;
        verdict.unwrap();
        assert!((3_000..13_000).contains(&report.spans()), "{} spans", report.spans());
        assert_eq!(server.store.watermark().await.unwrap().0, i64::try_from(report.spans()).unwrap());
        let json = json(&report);
        assert_eq!(json["verified"]["traces"], json["traces"]);
        assert_eq!(json["verified"]["spans"], json["spans"]);
        assert_eq!(json["seconds"].as_f64().map(|seconds| seconds > 0.0), Some(true));
        let (message, body) = (json["message_bytes"].as_u64().unwrap(), json["body_bytes"].as_u64().unwrap());
        assert_eq!(body < message / 3, compression != "none", "{body} of {message} bytes");
    }
}

/// Scenario: a run is checked later, once as it was and once as it was not. Guarantee: the difference is found and named.
#[tokio::test]
async fn an_earlier_run_can_be_verified() {
    let server = server().await;
    let common =
        format!("--endpoint {0} --verify {0} --verify-traces all --spans 500 --start 1790000000 --seed 3", server.grpc);
    generate(&format!("{common} --span-hours 2")).await.1.unwrap();
    let (report, verdict) = generate(&format!("{common} --span-hours 2 --verify-only")).await;
    verdict.unwrap();
    assert!(report.traces_verified() > 5);
    assert_eq!(report.requests(), 0);
    let different = generate(&format!("{common} --span-hours 3 --verify-only")).await.1.unwrap_err().to_string();
    assert!(different.contains("has start_time"), "{different}");
    let absent = generate(&format!("{common} --span-hours 2 --verify-only").replace("--seed 3", "--seed 2"))
        .await
        .1
        .unwrap_err()
        .to_string();
    assert!(absent.contains("is not found"), "{absent}");
}

/// Scenario: the same run twice, once with all requests made ahead, and another one. Guarantee: the same seed sends the
/// same spans, whenever they are made, another one others; and no number of requests is too many to make ahead.
#[tokio::test]
async fn a_seed_means_the_same_spans() {
    let mut digests = Vec::new();
    for flags in ["--seed 5", "--seed 5 --prepare", "--seed 6"] {
        let server = server().await;
        let flags = format!("{flags} --endpoint {} --spans 300 --request-spans 2 --start 1790000000", server.grpc);
        let (_, verdict) = timeout(Duration::from_mins(1), generate(&flags)).await.expect("the run does not end");
        verdict.unwrap();
        let scan = Scan::of(Search::default());
        digests.push(server.store.scan_keys(scan).await.unwrap());
    }
    assert!(!digests[0].is_empty());
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
}
