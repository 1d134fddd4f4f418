//! Health: what a load balancer hears while the database comes and goes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tracewell::metrics::Metrics;
use tracewell::server::health::{Health, watch_database};

use super::scripted::{Ping, Scripted};
use super::served;

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

/// Guarantees: the server and each of its services can be asked about; what it does not have is not found.
#[tokio::test]
async fn every_service_has_a_health() {
    let served = served(vec![]).await;
    let mut client = HealthClient::new(served.channel.clone());
    for name in [
        "",
        "tracewell.v1.TraceQuery",
        "tempopb.StreamingQuerier",
        "jaeger.api_v3.QueryService",
        "jaeger.storage.v2.TraceReader",
        "jaeger.storage.v2.DependencyReader",
        "opentelemetry.proto.collector.trace.v1.TraceService",
    ] {
        let response = client.check(about(name)).await.unwrap().into_inner();
        assert_eq!(response.status(), ServingStatus::NotServing, "nobody has said that the database is there");
    }
    assert_eq!(client.check(about("no.such.Service")).await.unwrap_err().code(), Code::NotFound);
}

/// Scenario: the database answers, fails, answers, falls silent, answers; then the server stops. Guarantees: health
/// and metrics follow, and the last word is "not serving", with which the stream ends. (Time is the test's: it jumps to
/// the next ping.)
#[tokio::test(start_paused = true)]
async fn health_follows_the_database() {
    use ServingStatus::{NotServing, Serving};
    let pings = [Ping::Answer, Ping::Failure, Ping::Answer, Ping::Silence, Ping::Answer];
    let store = Arc::new(Scripted { pings: Mutex::new(pings.into()), ..Scripted::default() });
    let (metrics, stop) = (Arc::new(Metrics::new()), CancellationToken::new());
    let (health, service) = Health::new().await;
    let mut client = HealthClient::new(service);
    let mut statuses = client.watch(about("tracewell.v1.TraceQuery")).await.unwrap().into_inner();
    let up = || metrics.text().unwrap().contains("\ntracewell_database_up 1\n");
    assert_eq!(statuses.message().await.unwrap().unwrap().status(), NotServing);
    let watcher = tokio::spawn(watch_database(store, metrics.clone(), health, stop.clone()));
    for expected in [Serving, NotServing, Serving, NotServing, Serving] {
        assert_eq!(statuses.message().await.unwrap().unwrap().status(), expected);
        assert_eq!(up(), expected == Serving);
    }
    stop.cancel();
    assert_eq!(statuses.message().await.unwrap().unwrap().status(), NotServing);
    let end = timeout(Duration::from_mins(1), statuses.message()).await;
    assert!(end.expect("a stream that does not end holds up the stop").unwrap().is_none());
    watcher.await.unwrap();
    assert_eq!(client.check(about("")).await.unwrap().into_inner().status(), NotServing);
}
