//! A sender as an OpenTelemetry SDK is one: it has requests of a few spans, sends each by gRPC or by HTTP, and hears
//! one of the few answers that a sender acts on. What it does then is up to the test; see `load` for one that never
//! gives up.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracewell::model::{Keyed, Resource, Span, Value};
use tracewell::otlp::encode;

use super::process::Server;

/// How many spans of one trace come one after the other. Not a multiple of a request's, so that traces are torn.
const SPANS_PER_TRACE: u64 = 7;
/// How many spans a request has.
pub(crate) const SPANS_PER_REQUEST: u64 = 5;

/// Where a server takes spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Doors {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Doors {
    pub(crate) fn of(server: &Server) -> Self {
        Self { grpc: server.grpc, http: server.http }
    }
}

/// By which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Grpc,
    Http,
}

/// What a sender hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// OK.
    Stored,
    /// UNAVAILABLE or 503, with the time after which to come again.
    Busy(String),
    /// `DEADLINE_EXCEEDED` or 504.
    Late,
    /// Any other answer: code and message.
    Refused(String, String),
    /// No answer: nobody is there, or the connection was cut.
    Nothing,
}

impl Heard {
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

/// Spans, and the message that they are sent in: whenever it is sent, its bytes are the same.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) spans: Vec<Span>,
    message: ExportTraceServiceRequest,
}

impl Request {
    pub(crate) fn of(spans: Vec<Span>) -> Self {
        let message = ExportTraceServiceRequest { resource_spans: encode::traces_data(&spans).resource_spans };
        Self { spans, message }
    }

    /// The `number`th request of a sender. No other has a span of it, and it brings a resource and an operation that
    /// the database does not have yet, so that it is worth nothing if those are not stored too.
    pub(crate) fn numbered(sender: u64, number: u64) -> Self {
        Self::sized(sender, number, SPANS_PER_REQUEST)
    }

    /// A request with so many spans, the first of them those of the `number`th; it shares the others with those after.
    pub(crate) fn sized(sender: u64, number: u64, spans: u64) -> Self {
        let service = format!("shop {sender}");
        let attributes =
            [("service.name", Value::from(service.as_str())), ("request", Value::Int(number.cast_signed()))];
        let attributes = attributes.into_iter().collect();
        let resource = Arc::new(Keyed::new(Resource { attributes, ..Resource::default() }));
        let first = (sender + 1) * 1_000_000 + number * SPANS_PER_REQUEST;
        let span = |number: u64| Span {
            name: format!("step {number}"),
            resource: Arc::clone(&resource),
            ..super::span(number / SPANS_PER_TRACE, number, 1_790_000_000_000_000_000 + number)
        };
        Self::of((first..first + spans).map(span).collect())
    }
}

/// Sends by the doors of any server, on connections that it keeps.
pub(crate) struct Sender {
    http: Client<HttpConnector, Full<Bytes>>,
    grpc: HashMap<SocketAddr, TraceServiceClient<Channel>>,
}

impl Sender {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { http: Client::builder(TokioExecutor::new()).build(connector), grpc: HashMap::new() }
    }

    pub(crate) async fn send(&mut self, doors: Doors, door: Door, request: &Request) -> Heard {
        match door {
            Door::Grpc => self.send_grpc(doors.grpc, request).await,
            Door::Http => self.send_http(doors.http, request).await.unwrap_or(Heard::Nothing),
        }
    }

    async fn send_grpc(&mut self, address: SocketAddr, request: &Request) -> Heard {
        let channel = || Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let client = self.grpc.entry(address).or_insert_with(|| TraceServiceClient::new(channel()));
        match client.export(request.message.clone()).await {
            Ok(answer) => {
                assert_eq!(answer.into_inner().partial_success, None);
                Heard::Stored
            }
            Err(status) => heard_of_grpc(&status),
        }
    }

    /// Fails when there is no whole answer.
    async fn send_http(&self, address: SocketAddr, request: &Request) -> Option<Heard> {
        let body = Full::new(Bytes::from(request.message.encode_to_vec()));
        let post = http::Request::post(format!("http://{address}/v1/traces"))
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(body)
            .unwrap();
        let (parts, body) = self.http.request(post).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        if parts.status == StatusCode::OK {
            assert!(body.is_empty(), "some spans were rejected");
            return Some(Heard::Stored);
        }
        let message = tonic_types::pb::Status::decode(body).unwrap().message;
        Some(match parts.status {
            StatusCode::SERVICE_UNAVAILABLE if parts.headers.contains_key(header::RETRY_AFTER) => Heard::Busy(message),
            StatusCode::GATEWAY_TIMEOUT => Heard::Late,
            other => Heard::Refused(other.to_string(), message),
        })
    }
}

fn heard_of_grpc(status: &Status) -> Heard {
    // The client's own complaints of a connection have an error behind them, the server's answers never.
    if std::error::Error::source(status).is_some() {
        return Heard::Nothing;
    }
    match status.code() {
        Code::Unavailable if status.get_details_retry_info().is_some() => Heard::Busy(status.message().to_owned()),
        Code::DeadlineExceeded => Heard::Late,
        code => Heard::Refused(format!("{code:?}"), status.message().to_owned()),
    }
}
