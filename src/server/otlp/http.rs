//! OTLP/HTTP: `POST /v1/traces` with a protobuf or JSON body, as OTLP and the OpenTelemetry Collector answer it.
//!
//! Errors come as a `google.rpc.Status` in the request's encoding. The only exceptions, which the Collector makes too,
//! are those without a known encoding: another method and another content type, both in plain text.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::body::{self, Compression};
use super::{Accepted, Doors};
use crate::metrics::Protocol;
use crate::server::status::{Encoding, Failure};

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

/// Takes in a request whose protocol is known, to the commit; counts it, and its refusal.
pub(in crate::server) async fn take(
    doors: &Doors,
    protocol: Protocol,
    request: Request<Body>,
) -> Result<Accepted, Failure> {
    doors.metrics.received(protocol);
    let deadline = Instant::now().checked_add(doors.settings.request_timeout);
    let (parts, mut body) = request.into_parts();
    let stored = body::until(deadline, store(doors, protocol, &parts.headers, &mut body)).await;
    match stored.unwrap_or(Err(Failure::Deadline)) {
        Ok(accepted) => Ok(accepted),
        Err(failure) => {
            body::until(deadline, body::discard(body, doors.settings.request_bytes_max)).await;
            Err(doors.refuse(failure))
        }
    }
}

async fn store(doors: &Doors, protocol: Protocol, headers: &HeaderMap, body: &mut Body) -> Result<Accepted, Failure> {
    let place = doors.ingest.enter()?;
    let compression = Compression::of(headers)?;
    let bytes_max = doors.settings.request_bytes_max;
    let body = body::read(body, &place, bytes_max).await?;
    let (place, body) = body::decompress(compression, place, body, bytes_max).await?;
    doors.take_in(place, protocol, body).await
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

/// Lets pages of these origins send. Credentials are allowed although nothing here asks for any: a browser's beacon
/// always sends them, and fails if they are not.
pub(in crate::server) fn cors(origins: Vec<String>) -> CorsLayer {
    let allowed = move |origin: &HeaderValue, _: &Parts| {
        origin.to_str().is_ok_and(|origin| origins.iter().any(|pattern| matches_origin(pattern, origin)))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_methods([Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
}

/// Whether an origin is the one named, or fits a pattern with one `*` that stands for any text.
fn matches_origin(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(origin),
        Some((before, after)) => {
            origin.strip_prefix(before).is_some_and(|rest| rest.len() > after.len() && rest.ends_with(after))
        }
    }
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

    #[test]
    fn an_origin_fits_a_name_or_a_pattern() {
        assert!(matches_origin("https://shop.example", "https://shop.example"));
        assert!(!matches_origin("https://shop.example", "https://shop.example.evil"));
        assert!(matches_origin("https://*.example", "https://a.b.example"));
        assert!(!matches_origin("https://*.example", "https://.example"));
        assert!(!matches_origin("https://*.example", "http://a.example"));
        assert!(!matches_origin("https://*.example", "https://a.example.evil"));
        assert!(matches_origin("*", "https://any.where"));
    }
}
