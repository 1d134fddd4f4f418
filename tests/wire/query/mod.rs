//! The query service, reflection and health, by their clients.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;
use tracewell::model::{
    Attributes, Keyed, Resource, Scope, Span, SpanId, SpanKind, Status as SpanStatus, TraceId, UnixNanos, Value,
};
use tracewell::query::{Query, QuerySettings};
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;
use tracewell::server::health::Health;
use tracewell::server::listen::{ListenSettings, serve};
use tracewell::server::{query, reflection};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore};

mod discovery;
mod health;
mod limits;
mod metrics;
mod names;
mod refusal;
mod scripted;
mod search;
mod slow;
mod trace;
mod traceql;

/// A connection to a server of its own, which ends with it.
pub(crate) struct Served {
    channel: Channel,
    _stop: DropGuard,
}

impl Served {
    pub(crate) fn client(&self) -> TraceQueryClient<Channel> {
        TraceQueryClient::new(self.channel.clone())
    }
}

pub(crate) async fn served_with(store: Arc<dyn SpanStore>, settings: QuerySettings) -> Served {
    let (_, health) = Health::new().await;
    let (reflection_v1, reflection_v1alpha) = reflection::services(&reflection::ALL).unwrap();
    let routes = query::routes(Arc::new(Query::new(store, settings)));
    let routes = routes.add_service(health).add_service(reflection_v1).add_service(reflection_v1alpha);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, routes.into_axum_router(), ListenSettings::default(), stop.clone()));
    Served { channel: Endpoint::from_shared(url).unwrap().connect_lazy(), _stop: stop.drop_guard() }
}

/// A server that has these spans.
async fn served(spans: Vec<Span>) -> Served {
    let store = MemoryStore::default();
    store.write(&[Batch::new(spans)]).await.unwrap();
    served_with(Arc::new(store), QuerySettings::default()).await
}

fn trace_id(byte: u8) -> TraceId {
    TraceId::from_slice(&[byte; 16]).unwrap()
}

fn span_id(byte: u8) -> SpanId {
    SpanId::from_slice(&[byte; 8]).unwrap()
}

fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
    pairs.into_iter().collect()
}

fn resource(service: &str) -> Arc<Keyed<Resource>> {
    let attributes = attributes([("service.name", service.into())]);
    Arc::new(Keyed::new(Resource { attributes, ..Resource::default() }))
}

/// A root span of service "shop", 10 ns long.
fn span(trace: u8, id: u8, start: u64) -> Span {
    Span {
        trace_id: trace_id(trace),
        span_id: span_id(id),
        parent_span_id: None,
        trace_state: String::new(),
        flags: 0,
        name: "buy".to_owned(),
        kind: SpanKind::SERVER,
        start: UnixNanos(start),
        end: UnixNanos(start + 10),
        attributes: Attributes::default(),
        dropped_attributes_count: 0,
        events: vec![],
        dropped_events_count: 0,
        links: vec![],
        dropped_links_count: 0,
        status: SpanStatus::default(),
        resource: resource("shop"),
        scope: Arc::new(Keyed::new(Scope::default())),
    }
}

/// The fields that a refusal names in its details.
fn bad_fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|request| request.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}
