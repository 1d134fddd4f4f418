//! Clients that say exactly what a test wants said, and hand out all of the answer.

use std::io::Write;
use std::net::SocketAddr;

use bytes::Bytes;
use flate2::Compression;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tonic::{Code, Status};

pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";

/// An answer over HTTP.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What the body says of a request that was a success, in the encoding that it is in.
    pub(crate) fn partial_success(&self) -> ExportTracePartialSuccess {
        if self.header("content-type") == Some(PROTOBUF) {
            return ExportTraceServiceResponse::decode(self.body.clone()).unwrap().partial_success.unwrap_or_default();
        }
        let partial = &self.json()["partialSuccess"];
        let text = |name: &str| partial[name].as_str().unwrap_or_default().to_owned();
        let rejected_spans = partial["rejectedSpans"].as_str().map_or(0, |count| count.parse().unwrap());
        ExportTracePartialSuccess { rejected_spans, error_message: text("errorMessage") }
    }

    /// The body as a `google.rpc.Status` in binary.
    pub(crate) fn rpc_status(&self) -> tonic_types::Status {
        tonic_types::Status::decode(self.body.clone()).unwrap()
    }
}

/// One HTTP/1.1 request on a connection of its own.
pub(crate) async fn http(
    address: SocketAddr,
    method: Method,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("http://{address}/v1/traces"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// A POST of this content type.
pub(crate) async fn post(address: SocketAddr, content_type: &str, body: impl Into<Bytes>) -> Answer {
    http(address, Method::POST, &[("content-type", content_type)], body).await
}

/// A POST of this content type and encoding.
pub(crate) async fn post_encoded(
    address: SocketAddr,
    content_type: &str,
    encoding: &str,
    body: impl Into<Bytes>,
) -> Answer {
    let headers = [("content-type", content_type), ("content-encoding", encoding)];
    http(address, Method::POST, &headers, body).await
}

/// One `Export` call with this message in its frame, as bytes; `compressed` sets the frame's flag.
pub(crate) async fn export_raw(
    address: SocketAddr,
    headers: &[(&str, &str)],
    compressed: bool,
    message: &[u8],
) -> Result<ExportTraceServiceResponse, Status> {
    let mut frame = vec![u8::from(compressed)];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    export_frames(address, headers, frame).await
}

/// One `Export` call with any body.
pub(crate) async fn export_frames(
    address: SocketAddr,
    headers: &[(&str, &str)],
    frames: Vec<u8>,
) -> Result<ExportTraceServiceResponse, Status> {
    let path = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let mut request = Request::post(format!("http://{address}/{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let response = client.request(request.body(Full::new(Bytes::from(frames))).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    if let Some(status) = Status::from_header_map(response.headers()) {
        return Err(status);
    }
    let body = response.into_body().collect().await.unwrap();
    let status = Status::from_header_map(body.trailers().unwrap()).unwrap();
    if status.code() != Code::Ok {
        return Err(status);
    }
    Ok(ExportTraceServiceResponse::decode(body.to_bytes().slice(5..)).unwrap())
}

/// One plain `Export` call.
pub(crate) async fn export(address: SocketAddr, message: &[u8]) -> Result<ExportTraceServiceResponse, Status> {
    export_raw(address, &[], false, message).await
}

/// A request whose spans have these names, each with an id of its own; those named `bad` have a trace id of zeros.
pub(crate) fn request(names: &[&str]) -> ExportTraceServiceRequest {
    let span = |(number, name): (usize, &&str)| Span {
        trace_id: if *name == "bad" { vec![0; 16] } else { vec![7; 16] },
        span_id: number.wrapping_add(1).to_be_bytes().to_vec(),
        name: (*name).to_owned(),
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        ..Span::default()
    };
    let spans = names.iter().enumerate().map(span).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

/// The same in binary.
pub(crate) fn message(names: &[&str]) -> Vec<u8> {
    request(names).encode_to_vec()
}

/// A request of one span whose name has so many bytes.
pub(crate) fn large(bytes: usize) -> Vec<u8> {
    message(&[&"x".repeat(bytes)])
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}
