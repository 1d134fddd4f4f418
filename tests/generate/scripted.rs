//! An endpoint that answers by script: how refusals are retried and counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tracewell::server::listen::{ListenSettings, serve};

use super::{generate, json};

const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const BODY_BYTES_MAX: usize = 10_000_000;

/// What the next requests are answered with, and what has come. When the script is over, everything is taken.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Response<Body>>>,
    bodies: Mutex<Vec<Bytes>>,
}

struct Endpoint {
    script: Arc<Script>,
    url: String,
    _stop: DropGuard,
}

impl Endpoint {
    async fn start(answers: impl IntoIterator<Item = Response<Body>>) -> Self {
        let script = Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), ..Script::default() });
        let routes = Router::new().route("/v1/traces", post(answer)).route(GRPC_PATH, post(answer));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, routes.with_state(script.clone()), ListenSettings::default(), stop.clone()));
        Self { script, url, _stop: stop.drop_guard() }
    }

    /// Runs with a single request in flight, so that the script's order is that of the requests.
    async fn hears(&self, protocol: &str) -> (serde_json::Value, Result<(), String>) {
        let flags = format!(
            "--endpoint {} --protocol {protocol} --connections 1 --in-flight 1 --spans 400 --request-spans 100",
            self.url
        );
        let (report, verdict) = generate(&flags).await;
        (json(&report), verdict.map_err(|error| error.to_string()))
    }

    fn bodies(&self) -> Vec<Bytes> {
        self.script.bodies.lock().unwrap().clone()
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request<Body>) -> Response<Body> {
    let kind = request.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await.unwrap();
    script.bodies.lock().unwrap().push(body);
    let next = script.answers.lock().unwrap().pop_front();
    next.unwrap_or_else(|| match kind.as_str() {
        "application/grpc" => grpc_taken(&Bytes::from_static(&[0; 5])),
        "application/json" => Response::new(Body::from("{}")),
        _ => Response::default(),
    })
}

fn http(status: u16, retry_after: Option<&str>) -> Response<Body> {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    if let Some(seconds) = retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    response.body(Body::from("because")).unwrap()
}

fn grpc_taken(body: &Bytes) -> Response<Body> {
    let mut headers = HeaderMap::new();
    Status::ok("").add_header(&mut headers).unwrap();
    let mut response = Response::new(Body::from(body.clone()));
    response.headers_mut().extend(headers);
    response
}

fn grpc(code: Code, retry_delay: Option<Duration>) -> Response<Body> {
    let status = match retry_delay {
        Some(delay) => Status::with_error_details(code, "because", ErrorDetails::with_retry_info(Some(delay))),
        None => Status::new(code, "because"),
    };
    status.into_http()
}

/// Scenario: an HTTP endpoint refuses four times in the ways that allow another attempt. Guarantee: the same bytes come
/// again each time, nothing is lost, and the report counts the refusals by their codes.
#[tokio::test]
async fn http_refusals_are_retried_with_the_same_bytes() {
    let endpoint = Endpoint::start([429, 502, 503, 504].map(|status| http(status, Some("0")))).await;
    let (report, verdict) = endpoint.hears("http/protobuf").await;
    verdict.unwrap();
    for code in ["429", "502", "503", "504"] {
        assert_eq!(report["retries"][code], 1, "{report}");
    }
    let bodies = endpoint.bodies();
    assert!(bodies[..5].iter().all(|body| *body == bodies[0]));
    assert_ne!(bodies[5], bodies[0]);
    assert_eq!(report["requests"].as_u64().unwrap() + 4, bodies.len() as u64);
    assert!(
        report["latency_millis"]["max"].as_f64().unwrap() >= 40.0,
        "four waits of ten milliseconds count: {report}"
    );
}

/// The same by gRPC, where `RESOURCE_EXHAUSTED` says by its `RetryInfo` that it will pass.
#[tokio::test]
async fn grpc_refusals_are_retried_with_the_same_bytes() {
    let codes = [Code::Unavailable, Code::ResourceExhausted, Code::Aborted, Code::DataLoss];
    let endpoint = Endpoint::start(codes.map(|code| grpc(code, Some(Duration::ZERO)))).await;
    let (report, verdict) = endpoint.hears("grpc").await;
    verdict.unwrap();
    for code in ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "DATA_LOSS"] {
        assert_eq!(report["retries"][code], 1, "{report}");
    }
    let bodies = endpoint.bodies();
    assert!(bodies[..5].iter().all(|body| *body == bodies[0]));
}

/// Scenario: refusals that must not be sent again. Guarantee: they are not, the spans count as lost, the others are sent,
/// and the run fails with the first complaint.
#[tokio::test]
async fn what_must_not_be_sent_again_is_lost() {
    for (protocol, answer, code) in [
        ("http/json", http(400, Some("0")), "400"),
        ("http/protobuf", http(413, None), "413"),
        ("grpc", grpc(Code::InvalidArgument, Some(Duration::ZERO)), "INVALID_ARGUMENT"),
        ("grpc", grpc(Code::ResourceExhausted, None), "RESOURCE_EXHAUSTED"),
    ] {
        let endpoint = Endpoint::start([answer]).await;
        let (report, verdict) = endpoint.hears(protocol).await;
        assert_eq!(verdict.unwrap_err(), format!("100 spans are lost; the first complaint was: {code}: because"));
        assert_eq!((&report["refusals"][code], &report["requests_lost"]), (&1.into(), &1.into()), "{report}");
        assert_eq!(report["retries"], serde_json::json!({}));
        assert!(report["requests"].as_u64().unwrap() >= 3, "{report}");
    }
}

/// Scenario: the endpoint takes a request but for three of its spans. Guarantee: they count as rejected, and the run fails.
#[tokio::test]
async fn rejected_spans_count() {
    let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "bad ids".to_owned() };
    let message = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let frame = Bytes::from([&[0], &length[..], &message[..]].concat());
    let plain = Response::new(Body::from(message));
    for (protocol, answer) in [("grpc", grpc_taken(&frame)), ("http/protobuf", plain)] {
        let endpoint = Endpoint::start([answer]).await;
        let (report, verdict) = endpoint.hears(protocol).await;
        assert_eq!(verdict.unwrap_err(), "3 spans are lost; the first complaint was: bad ids");
        assert_eq!((&report["spans_rejected"], &report["spans_lost"]), (&3.into(), &0.into()));
    }
}

/// Scenario: nobody listens. Guarantee: attempts are made until the time for them is over, then the run fails.
#[tokio::test]
async fn an_endpoint_that_is_away_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for protocol in ["grpc", "http/protobuf"] {
        let flags = format!("--endpoint {url} --protocol {protocol} --spans 1 --retry-seconds-max 0");
        let (report, verdict) = generate(&flags).await;
        let sentence = verdict.unwrap_err().to_string();
        assert!(sentence.contains("connection: "), "{sentence}");
        assert_eq!(report.spans(), 0);
    }
}
