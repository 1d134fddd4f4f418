//! Zipkin's door, endpoint by endpoint: what its senders hear, and what whoever asks gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};
use tracewell::query::{Query, QuerySettings};
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;
use tracewell::server::intake::{DoorSettings, Doors};
use tracewell::server::listen::ListenSettings;
use tracewell::server::query;
use tracewell::server::zipkin::{ZipkinDoor, router};
use tracewell::store::SpanStore;
use tracewell::store::memory::MemoryStore;

use super::client::{Answer, JSON};
use super::server::{A_WHILE, Listening, REQUEST_BYTES_MAX, Server};

mod ask;
mod refusal;
mod send;

/// OTLP's doors and Zipkin's, before one store.
struct Zipkin {
    server: Server,
    door: Listening,
    /// Where `tracewell.v1` is.
    own: Listening,
}

impl Zipkin {
    async fn start() -> Self {
        Self::over(Arc::<MemoryStore>::default()).await
    }

    /// The same before another store.
    async fn over(store: Arc<dyn SpanStore>) -> Self {
        let server = Server::over(store, 100, A_WHILE).await;
        let zipkin = Self::before(server, A_WHILE, QuerySettings::default()).await;
        zipkin.server.store.gate.add_permits(1_000_000);
        zipkin
    }

    async fn gated(queue_requests_max: usize, request_timeout: Duration, settings: QuerySettings) -> Self {
        Self::before(Server::gated(queue_requests_max, request_timeout).await, request_timeout, settings).await
    }

    async fn before(server: Server, request_timeout: Duration, settings: QuerySettings) -> Self {
        let cors_origins = vec!["https://*.shop.example".to_owned()];
        let doors = DoorSettings { request_bytes_max: REQUEST_BYTES_MAX, request_timeout, cors_origins };
        let doors = Doors::new(server.ingest.clone(), Arc::clone(&server.metrics), doors);
        let store = Arc::clone(&server.store) as Arc<dyn SpanStore>;
        let query = Arc::new(Query::new(Arc::clone(&store), settings));
        let own = query::routes(Arc::clone(&query)).into_axum_router();
        let own = Listening::start(own, ListenSettings::default()).await;
        let door = Listening::start(router(ZipkinDoor::new(doors, query, store)), ListenSettings::default()).await;
        Self { server, door, own }
    }

    /// A server that has these spans.
    async fn with(spans: &Value) -> Self {
        let zipkin = Self::start().await;
        zipkin.take(spans).await;
        zipkin
    }

    /// Takes these spans.
    async fn take(&self, spans: &Value) {
        let answer = self.post(&[("content-type", JSON)], spans.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (202, ""));
    }

    async fn post(&self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        request(self.door.address, Method::POST, "/api/v2/spans", headers, body).await
    }

    /// A client of `tracewell.v1`.
    fn own(&self) -> TraceQueryClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.own.address)).unwrap();
        TraceQueryClient::new(endpoint.connect_lazy())
    }

    async fn get(&self, path: &str) -> Answer {
        request(self.door.address, Method::GET, path, &[], "").await
    }

    /// The JSON of an answer that is a success.
    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(JSON)), "{path}");
        answer.json()
    }
}

async fn request(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// A span of this trace and id that begins so many milliseconds after the epoch.
fn span(trace: u64, id: u64, at_millis: u64) -> Value {
    json!({
        "traceId": format!("{trace:016x}"), "id": format!("{id:016x}"), "timestamp": at_millis * 1_000, "duration": 10,
        "name": "get", "localEndpoint": { "serviceName": "web" },
    })
}

/// A value with these members, too.
fn and(mut value: Value, more: &Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}
