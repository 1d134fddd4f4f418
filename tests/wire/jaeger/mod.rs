//! Jaeger's doors, endpoint by endpoint: what its page, Grafana and Jaeger itself hear from them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value as Json;
use tonic::transport::{Channel, Endpoint};
use tracewell::model::{Attributes, Event, Keyed, Link, Scope, Span, SpanKind, Status, StatusCode, UnixNanos, Value};
use tracewell::query::{Query, QuerySettings};
use tracewell::server::generated::jaeger::api_v3::query_service_client::QueryServiceClient;
use tracewell::server::generated::jaeger::storage::v2::trace_reader_client::TraceReaderClient;
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;
use tracewell::server::jaeger::{JaegerDoor, add_to};
use tracewell::server::listen::ListenSettings;
use tracewell::server::{pages, query};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore};

use super::client::{Answer, JSON};
use super::server::Listening;
use crate::support::{service, span, span_id, trace_id};

mod metrics;
mod older;
mod refusal;
mod same;
mod storage;
mod v3_grpc;
mod v3_http;

/// All time that there is for Jaeger's HTTP.
const ALL_TIME: &str = "query.startTimeMin=1970-01-01T00:00:00Z&query.startTimeMax=2100-01-01T00:00:00Z";

/// Jaeger's doors, and tracewell's own, before one store.
struct Jaeger {
    door: Listening,
    channel: Channel,
}

impl Jaeger {
    async fn before(store: Arc<dyn SpanStore>, settings: QuerySettings) -> Self {
        let query = Arc::new(Query::new(store, settings));
        let door = JaegerDoor::new(Arc::clone(&query));
        let pages = pages::router(&query, &door, || UnixNanos(0));
        let routes = add_to(query::routes(query), &door).into_axum_router().merge(pages);
        let door = Listening::start(routes, ListenSettings::default()).await;
        let channel = Endpoint::from_shared(format!("http://{}", door.address)).unwrap().connect_lazy();
        Self { door, channel }
    }

    async fn limited(spans: Vec<Span>, settings: QuerySettings) -> Self {
        let store = MemoryStore::default();
        store.write(&[Batch::new(spans)]).await.unwrap();
        Self::before(Arc::new(store), settings).await
    }

    async fn with(spans: Vec<Span>) -> Self {
        Self::limited(spans, QuerySettings::default()).await
    }

    fn v3(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel.clone())
    }

    fn storage(&self) -> TraceReaderClient<Channel> {
        TraceReaderClient::new(self.channel.clone())
    }

    fn own(&self) -> TraceQueryClient<Channel> {
        TraceQueryClient::new(self.channel.clone())
    }

    async fn get(&self, path: &str) -> Answer {
        request(self.door.address, Method::GET, path, "").await
    }

    async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        request(self.door.address, Method::POST, path, body).await
    }

    /// The JSON of an answer that is a success.
    async fn json(&self, path: &str) -> Json {
        let answer = self.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, Some(JSON)),
            "{path}: {}",
            answer.text()
        );
        answer.json()
    }
}

async fn request(address: SocketAddr, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
    let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    let request = request.header("content-type", JSON).body(Full::new(body.into())).unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> Attributes {
    pairs.into_iter().collect()
}

/// Four traces, each a second after the one before. In each of the first three, one span has `k` somewhere; the second has
/// two spans, of two services. The last one is of nobody who says so.
fn shop() -> Vec<Span> {
    const SECOND: u64 = 1_000_000_000;
    let event = Event { attributes: attributes([("k", "event".into())]), ..Event::default() };
    let link = Link { attributes: attributes([("k", "link".into())]), trace_id: Some(trace_id(1)), ..Link::default() };
    let scope = Scope {
        name: "lib".to_owned(),
        version: "1".to_owned(),
        attributes: attributes([("k", "scope".into())]),
        ..Scope::default()
    };
    vec![
        Span {
            attributes: attributes([("k", Value::Int(200)), ("d", Value::Double(72.5)), ("b", Value::Bool(true))]),
            status: Status { code: StatusCode::ERROR, message: "boom".to_owned() },
            events: vec![event],
            ..span(1, 1, SECOND)
        },
        span(2, 2, 2 * SECOND),
        Span {
            parent_span_id: Some(span_id(2)),
            name: "select".to_owned(),
            kind: SpanKind::CLIENT,
            resource: service("db"),
            scope: Arc::new(Keyed::new(scope)),
            end: UnixNanos(2 * SECOND + 1_500_000),
            ..span(2, 3, 2 * SECOND + 1)
        },
        Span {
            parent_span_id: Some(span_id(9)),
            links: vec![link],
            status: Status { code: StatusCode::OK, message: String::new() },
            ..span(3, 4, 3 * SECOND)
        },
        Span {
            kind: SpanKind::UNSPECIFIED,
            name: "odd".to_owned(),
            resource: Arc::new(Keyed::new(tracewell::model::Resource::default())),
            ..span(4, 5, 4 * SECOND)
        },
    ]
}

/// Names and values.
type Pairs = &'static [(&'static str, &'static str)];

/// Conditions on the traces of [`shop`], as Jaeger's older API calls them, and the traces that they find.
const CONDITIONS: [(Pairs, Pairs, &[u64]); 30] = [
    (&[], &[], &[4, 3, 2, 1]),
    (&[("service", "shop")], &[], &[3, 2, 1]),
    (&[("service", "db")], &[], &[2]),
    (&[("service", "unknown_service")], &[], &[4]),
    (&[("service", "Shop")], &[], &[]),
    (&[("operation", "select")], &[], &[2]),
    (&[("service", "shop"), ("operation", "select")], &[], &[]),
    (&[("minDuration", "5us")], &[], &[4, 3, 2, 1]),
    (&[("minDuration", "5001ns")], &[], &[2]),
    (&[("maxDuration", "5us")], &[], &[4, 3, 2, 1]),
    (&[("maxDuration", "4.999us")], &[], &[]),
    (&[("minDuration", "1ms"), ("maxDuration", "2ms")], &[], &[2]),
    (&[("limit", "2")], &[], &[4, 3]),
    (&[], &[("k", "200")], &[1]),
    (&[], &[("d", "72.5")], &[1]),
    (&[], &[("b", "true")], &[1]),
    (&[], &[("k", "event")], &[1]),
    (&[], &[("k", "link")], &[3]),
    (&[], &[("k", "scope")], &[2]),
    (&[], &[("service.name", "db")], &[2]),
    (&[], &[("resource.service.name", "db")], &[2]),
    (&[], &[("resource.k", "200")], &[]),
    (&[], &[("error", "true")], &[1]),
    (&[], &[("error", "false")], &[4, 3, 2]),
    (&[], &[("span.status", "OK")], &[3]),
    (&[], &[("span.kind", "client")], &[2]),
    (&[], &[("scope.name", "lib"), ("scope.version", "1")], &[2]),
    // Each on a span, and no span has both.
    (&[], &[("span.kind", "client"), ("service.name", "shop")], &[]),
    (&[], &[("d", "72.5"), ("k", "200"), ("b", "true")], &[1]),
    (&[], &[("k", "201")], &[]),
];

/// Percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
}

/// An object of texts.
fn object(pairs: &[(&str, &str)]) -> String {
    Json::Object(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect()).to_string()
}
