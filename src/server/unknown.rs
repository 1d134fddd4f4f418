//! What is answered where nothing is. A sender of OTLP/HTTP takes a gRPC error, which comes with the status 200, for a
//! success, so every request is answered in its own protocol; and who sends metrics or logs hears what to do about it.

use axum::body::Body;
use axum::response::IntoResponse;
use http::{Request, Response, header};

use super::status::{Encoding, Failure};

const TRACES_ONLY: &str =
    "tracewell takes traces only: set OTEL_METRICS_EXPORTER=none and OTEL_LOGS_EXPORTER=none where they are sent";
const NOTHING: &str =
    "nothing is served at this path: OTLP is at POST /v1/traces, gRPC by the services of its reflection";

/// Paths, and methods of gRPC, that senders of metrics, logs and profiles know.
const OTHER_SIGNALS: [&str; 6] =
    ["/v1/metrics", "/v1/logs", "/v1development/profiles", ".metrics.v1.", ".logs.v1.", ".profiles."];

/// Answers a request for which there is no route.
pub async fn answer(request: Request<Body>) -> Response<Body> {
    let is_other_signal = OTHER_SIGNALS.iter().any(|part| request.uri().path().contains(part));
    let failure = Failure::Unimplemented(if is_other_signal { TRACES_ONLY } else { NOTHING });
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    match content_type {
        grpc if grpc.starts_with(b"application/grpc") => failure.to_grpc().into_http(),
        protobuf if protobuf.starts_with(b"application/x-protobuf") => failure.to_http(Encoding::Protobuf),
        json if json.starts_with(b"application/json") => failure.to_http(Encoding::Json),
        _ => (http::StatusCode::NOT_FOUND, failure.to_string()).into_response(),
    }
}
