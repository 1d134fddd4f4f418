//! The paths of Tempo and of Jaeger on one port, where Grafana and Jaeger's page look for them.
//!
//! Both have `/api/traces/{id}`, and answer it in other forms. Who accepts protobuf there means Tempo's, as Grafana and
//! Tempo's own program do; anybody else means Jaeger's. All of Tempo's paths stand below `/tempo` too, where no others are.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use tower::ServiceExt;

use super::jaeger::{self, JaegerDoor};
use super::tempo;
use crate::query::Query;

/// The paths of both.
pub fn router(query: &Arc<Query>, jaeger: &Arc<JaegerDoor>, now: tempo::Now) -> Router {
    let all_of_tempo = || tempo::router(Arc::clone(query), now);
    let trace_of_tempo = tempo::trace_route(Arc::clone(query), now);
    let trace_of_jaeger = jaeger::trace_route(Arc::clone(jaeger));
    let all_below = all_of_tempo().route(tempo::TRACE_PATH, trace_of_tempo.clone());
    let trace = any(move |request: Request| {
        let door = if tempo::accepts_protobuf(request.headers()) { &trace_of_tempo } else { &trace_of_jaeger };
        door.clone().oneshot(request)
    });
    Router::new()
        .merge(all_of_tempo())
        .merge(jaeger::router(Arc::clone(jaeger)))
        .route(tempo::TRACE_PATH, trace)
        .nest("/tempo", all_below)
}
