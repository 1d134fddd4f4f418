//! Jaeger's doors: `jaeger.api_v3.QueryService` by gRPC and by its HTTP paths (`v3/`), the JSON paths that were before it
//! (`older/`), and `jaeger.storage.v2` for Jaeger with tracewell as its storage (`storage/`). docs/doors.md says of each
//! endpoint and parameter what it does here.
//!
//! Questions become searches in `search.rs`, are asked of [`Query`] in `traces.rs` and `names.rs`, and are shown by the door
//! that they came through, which also has the form of its errors. A parameter that the API does not have is refused, not
//! passed over.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::MethodRouter;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderValue, Response, header};
use tokio::sync::Semaphore;
use tonic::service::Routes;

use super::status::{Encoding, Failure};
use crate::query::{Query, QueryError};

mod adjust;
mod moments;
mod names;
mod older;
mod parameters;
mod search;
mod storage;
mod summaries;
mod times;
mod traces;
mod v3;

/// What the doors lead to.
pub struct JaegerDoor {
    query: Arc<Query>,
    /// One file at a time is made a trace of.
    transforms: Semaphore,
}

impl JaegerDoor {
    /// The doors to this.
    #[must_use]
    pub fn new(query: Arc<Query>) -> Arc<Self> {
        Arc::new(Self { query, transforms: Semaphore::new(1) })
    }
}

/// These services, and Jaeger's.
#[must_use]
pub fn add_to(routes: Routes, door: &Arc<JaegerDoor>) -> Routes {
    routes
        .add_service(v3::service(Arc::clone(door)))
        .add_service(storage::trace_reader(Arc::clone(door)))
        .add_service(storage::dependency_reader(Arc::clone(door)))
        .add_service(storage::capabilities())
}

/// Jaeger's query service alone, to which others can be added.
#[must_use]
pub fn query_routes(door: &Arc<JaegerDoor>) -> Routes {
    Routes::new(v3::service(Arc::clone(door)))
}

/// What is at `/api/traces/{id}`, which is a path of Tempo's as well.
pub fn trace_route(door: Arc<JaegerDoor>) -> MethodRouter {
    older::trace_route().with_state(door)
}

/// Jaeger's other paths.
pub fn router(door: Arc<JaegerDoor>) -> Router {
    Router::new().merge(v3::router()).merge(older::router()).with_state(door)
}

/// An answer within the longest time of a query. A search takes tens of kilobytes, which its connection need not carry all
/// its life.
fn in_time<'q, T>(
    query: &Query,
    answer: impl Future<Output = Result<T, Failure>> + Send + 'q,
) -> BoxFuture<'q, Result<T, Failure>> {
    let limit = query.settings().query_timeout;
    let too_late = move |_| Err(QueryError::TimedOut { limit }.into());
    tokio::time::timeout(limit, answer).map(move |answered| answered.unwrap_or_else(too_late)).boxed()
}

fn json(body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, Encoding::Json.content_type());
    response
}

/// Says of an answer that it is a part: the API has no place for that but the header for it.
fn noted(mut response: Response<Body>, note: &str) -> Response<Body> {
    if let (false, Ok(value)) = (note.is_empty(), HeaderValue::from_str(&format!("299 tracewell \"{note}\""))) {
        response.headers_mut().insert(header::WARNING, value);
    }
    response
}
