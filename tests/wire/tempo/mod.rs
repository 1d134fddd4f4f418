//! Tempo's API, as Grafana calls it: the paths and the gRPC service on one port, as the web port has them.
//!
//! `strict.rs` reads the answers in JSON as Grafana does, which takes no field that it does not know.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Endpoint};
use tracewell::model::{Span, Status, StatusCode, UnixNanos, Value};
use tracewell::query::{Query, QuerySettings};
use tracewell::server::generated::tempopb::streaming_querier_client::StreamingQuerierClient;
use tracewell::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;
use tracewell::server::jaeger::JaegerDoor;
use tracewell::server::listen::{ListenSettings, serve};
use tracewell::server::{pages, query, tempo, unknown};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, SpanStore};

use super::client::Answer;
use crate::support::{service, span, span_id};

mod metrics;
mod names;
mod refusal;
mod same;
mod search;
mod streams;
mod strict;
mod trace;

const SECOND: u64 = 1_000_000_000;
/// When the requests of these tests are made.
const NOW: UnixNanos = UnixNanos(3_600 * SECOND);

/// A server of its own, which ends with it.
struct Served {
    address: SocketAddr,
    channel: Channel,
    _stop: DropGuard,
}

impl Served {
    async fn with(store: Arc<dyn SpanStore>, settings: QuerySettings) -> Self {
        let asked = Arc::new(Query::new(store, settings));
        let now = || NOW;
        let services = query::routes(Arc::clone(&asked)).add_service(tempo::service(Arc::clone(&asked), now));
        let pages = pages::router(&asked, &JaegerDoor::new(Arc::clone(&asked)), now);
        let router = services.into_axum_router().merge(pages).fallback(unknown::answer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router, ListenSettings::default(), stop.clone()));
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Self { address, channel, _stop: stop.drop_guard() }
    }

    async fn of(spans: Vec<Span>) -> Self {
        let store = MemoryStore::default();
        store.write(&[Batch::new(spans)]).await.unwrap();
        Self::with(Arc::new(store), QuerySettings::default()).await
    }

    fn tempo(&self) -> StreamingQuerierClient<Channel> {
        StreamingQuerierClient::new(self.channel.clone())
    }

    fn ours(&self) -> TraceQueryClient<Channel> {
        TraceQueryClient::new(self.channel.clone())
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_accepting(path, "application/json").await
    }

    async fn get_accepting(&self, path: &str, accepted: &str) -> Answer {
        let request = Request::get(format!("http://{}{path}", self.address)).header("accept", accepted);
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// A path whose parameters are encoded as a browser does.
    async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.get(&with_parameters(path, parameters)).await
    }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn with_parameters(path: &str, parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// Two traces: one of a shop and its stock, which fails, and a later one whose root has not arrived.
fn spans() -> Vec<Span> {
    let error = Status { code: StatusCode::ERROR, message: "gone".to_owned() };
    let root = Span {
        name: "buy".to_owned(),
        end: UnixNanos(10 * SECOND + 2_500_000),
        attributes: [("http.route", Value::from("/cart")), ("items", Value::Int(3))].into_iter().collect(),
        ..span(1, 1, 10 * SECOND)
    };
    let child = Span {
        name: "load".to_owned(),
        parent_span_id: Some(span_id(1)),
        resource: service("stock"),
        status: error,
        ..span(1, 2, 10 * SECOND + 1)
    };
    let orphan = Span {
        name: "ship".to_owned(),
        parent_span_id: Some(span_id(9)),
        attributes: [("retry", Value::Bool(true)), ("weight", Value::Double(0.5))].into_iter().collect(),
        ..span(2, 3, 20 * SECOND)
    };
    vec![root, child, orphan]
}
