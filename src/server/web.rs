//! The address for people and tools: `/metrics`, `/healthz`, `/readyz`; later doors are mounted beside them.
//!
//! It is open before the database is: until [`Web::open`] everything else is answered 503, so that whoever watches a
//! start can see what it waits for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::metrics::Metrics;
use crate::store::SpanStore;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PING_SECONDS_MAX: Duration = Duration::from_secs(2);

/// What the address shows.
pub struct Web {
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    open: OnceLock<(Arc<dyn SpanStore>, Router)>,
}

impl Web {
    /// Shows that the start is under way.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { metrics, stop, open: OnceLock::new() })
    }

    /// From here on `doors` answer what this address does not answer itself, and `/readyz` asks `store`.
    pub fn open(&self, store: Arc<dyn SpanStore>, doors: Router) {
        // Only the first call counts; there is one.
        let _ = self.open.set((store, doors));
    }

    /// The routes.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            // As Tempo calls it.
            .route("/ready", get(ready))
            .fallback(doors)
            .with_state(self)
    }

    /// Why no request can be served now; `None` when it can.
    async fn not_ready(&self) -> Option<&'static str> {
        if self.stop.is_cancelled() {
            return Some("stopping\n");
        }
        let Some((store, _)) = self.open.get() else { return Some("waiting for the database\n") };
        match tokio::time::timeout(PING_SECONDS_MAX, store.ping()).await {
            Ok(Ok(())) => None,
            _ => Some("the database does not answer\n"),
        }
    }
}

async fn metrics(State(web): State<Arc<Web>>) -> Response {
    match web.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn ready(State(web): State<Arc<Web>>) -> Response {
    match web.not_ready().await {
        None => "ready\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}

async fn doors(State(web): State<Arc<Web>>, request: Request) -> Response {
    match web.open.get() {
        Some((_, doors)) => doors.clone().oneshot(request).await.into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the database\n").into_response(),
    }
}
