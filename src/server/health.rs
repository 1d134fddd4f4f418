//! grpc.health.v1: whether this server takes requests, for load balancers and for Kubernetes' gRPC probe.
//!
//! It does while the database answers, which [`watch_database`] finds out, and until it is told to stop. All services
//! live and die with the database, so all names (and the empty one, which means the whole server) say the same.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::generated::jaeger::api_v3::query_service_server;
use super::generated::jaeger::storage::v2::{dependency_reader_server, trace_reader_server};
use super::generated::tempopb::streaming_querier_server;
use super::generated::tracewell_v1::trace_query_server;
use crate::metrics::Metrics;
use crate::store::SpanStore;

/// Between two questions to the database.
pub const PING_INTERVAL: Duration = Duration::from_secs(5);
/// A database that takes longer to answer is down.
pub const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// What a client can ask about. The empty name is the whole server.
const NAMES: [&str; 7] = [
    "",
    query_service_server::SERVICE_NAME,
    trace_reader_server::SERVICE_NAME,
    dependency_reader_server::SERVICE_NAME,
    "opentelemetry.proto.collector.trace.v1.TraceService",
    streaming_querier_server::SERVICE_NAME,
    trace_query_server::SERVICE_NAME,
];

/// Says to the health service's clients how things are.
#[derive(Debug, Clone)]
pub struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// A health service, not serving yet, and the handle that changes that.
    pub async fn new() -> (Self, HealthServer<HealthService>) {
        let reporter = HealthReporter::new();
        let service = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let health = Self { reporter };
        health.set(false).await;
        (health, service)
    }

    /// SERVING or `NOT_SERVING`, for every name. Who watches is told at once.
    pub async fn set(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in NAMES {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// `NOT_SERVING` for good. Who watches is told, and then its stream ends: left open, it would hold up the end of its
    /// connection to the last moment.
    pub async fn end(&self) {
        self.set(false).await;
        let mut reporter = self.reporter.clone();
        for name in NAMES {
            reporter.clear_service_status(name).await;
        }
        self.set(false).await;
    }
}

/// Asks the database every [`PING_INTERVAL`] whether it is there, and says so in metrics and health. Ends when `stop`
/// comes, not serving.
pub async fn watch_database(store: Arc<dyn SpanStore>, metrics: Arc<Metrics>, health: Health, stop: CancellationToken) {
    let watch = async {
        let mut ticks = interval(PING_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_up = true;
        loop {
            ticks.tick().await;
            let is_up = matches!(timeout(PING_TIMEOUT, store.ping()).await, Ok(Ok(())));
            metrics.database(is_up);
            health.set(is_up).await;
            match (was_up, is_up) {
                (true, false) => tracing::warn!("the database does not answer"),
                (false, true) => tracing::info!("the database answers again"),
                _ => {}
            }
            was_up = is_up;
        }
    };
    stop.run_until_cancelled(watch).await;
    health.end().await;
}
