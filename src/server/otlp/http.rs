//! OTLP/HTTP: `POST /v1/traces` with a protobuf or JSON body, as OTLP and the OpenTelemetry Collector answer it.
//!
//! Errors come as a `google.rpc.Status` in the request's encoding. The only exceptions, which the Collector makes too,
//! are those without a known encoding: another method and another content type, both in plain text.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::{Map, Value, json};

use crate::metrics::Protocol;
use crate::server::intake::http::{cors, take};
use crate::server::intake::{Accepted, Doors};
use crate::server::status::Encoding;

/// The HTTP door's routes.
pub fn router(doors: Arc<Doors>) -> Router {
    let origins = doors.settings.cors_origins.clone();
    let router = Router::new().route("/v1/traces", post(export).fallback(wrong_method)).with_state(doors);
    if origins.is_empty() { router } else { router.layer(cors(origins)) }
}

async fn export(State(doors): State<Arc<Doors>>, request: Request<Body>) -> Response<Body> {
    let Some(encoding) = encoding(request.headers()) else {
        doors.metrics.refused("unsupported_content_type");
        let text = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
    };
    let protocol = match encoding {
        Encoding::Protobuf => Protocol::HttpProtobuf,
        Encoding::Json => Protocol::HttpJson,
    };
    match take(&doors, protocol, request).await {
        Ok(accepted) => success(encoding, accepted),
        Err(failure) => failure.to_http(encoding),
    }
}

/// The encoding that a content type names: a media type in any case, whatever its parameters.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media_type = text.split(';').next()?.trim();
    [("application/x-protobuf", Encoding::Protobuf), ("application/json", Encoding::Json)]
        .into_iter()
        .find(|(name, _)| media_type.eq_ignore_ascii_case(name))
        .map(|(_, encoding)| encoding)
}

fn success(encoding: Encoding, accepted: Accepted) -> Response<Body> {
    let body = match encoding {
        Encoding::Protobuf => Body::from(ExportTraceServiceResponse::from(accepted).encode_to_vec()),
        Encoding::Json => Body::from(success_json(accepted).to_string()),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, encoding.content_type());
    response
}

/// Protobuf's JSON mapping: a 64-bit number is a text, and what is zero or empty is left out.
fn success_json(accepted: Accepted) -> Value {
    let mut partial = Map::new();
    if accepted.rejected > 0 {
        partial.insert("rejectedSpans".to_owned(), Value::String(accepted.rejected.to_string()));
    }
    if !accepted.message.is_empty() {
        partial.insert("errorMessage".to_owned(), Value::String(accepted.message));
    }
    if partial.is_empty() { json!({}) } else { json!({ "partialSuccess": partial }) }
}

async fn wrong_method() -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed, supported: [POST]");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_a_media_type() {
        let of = |text: &str| encoding(&HeaderMap::from_iter([(header::CONTENT_TYPE, text.parse().unwrap())]));
        assert_eq!(of("application/x-protobuf"), Some(Encoding::Protobuf));
        assert_eq!(of("Application/JSON ; charset=utf-8"), Some(Encoding::Json));
        assert_eq!(of("application/jsonl"), None);
        assert_eq!(of(""), None);
        assert_eq!(encoding(&HeaderMap::new()), None);
    }
}
