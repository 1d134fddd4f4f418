//! `POST /api/v2/spans`: taken in as OTLP is, answered 202 without a body, as Zipkin does. A body says what was rejected;
//! Zipkin's clients do not read it, but people do.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, HeaderValue, Request, Response, header};

use super::super::intake::http::take;
use super::super::status::{Failure, accepted};
use super::ZipkinDoor;
use crate::metrics::Protocol;

pub(super) async fn spans(State(door): State<Arc<ZipkinDoor>>, request: Request<Body>) -> Response<Body> {
    let Some(protocol) = protocol(request.headers()) else {
        let what = "the content type must be application/json or application/x-protobuf".to_owned();
        return door.doors.refuse(Failure::Undecodable(what)).to_text();
    };
    match take(&door.doors, protocol, request).await {
        Ok(stored) => {
            let mut response = accepted(stored.message);
            let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            response
        }
        Err(failure) => failure.to_text(),
    }
}

/// What a content type names, in any case, whatever its parameters; JSON when there is none.
fn protocol(headers: &HeaderMap) -> Option<Protocol> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Some(Protocol::ZipkinJson) };
    let media_type = value.to_str().ok()?.split(';').next()?.trim();
    [("application/json", Protocol::ZipkinJson), ("application/x-protobuf", Protocol::ZipkinProtobuf)]
        .into_iter()
        .find(|(name, _)| media_type.eq_ignore_ascii_case(name))
        .map(|(_, protocol)| protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_a_media_type_or_json() {
        let of = |text: &str| protocol(&HeaderMap::from_iter([(header::CONTENT_TYPE, text.parse().unwrap())]));
        assert_eq!(of("Application/X-Protobuf; a=b"), Some(Protocol::ZipkinProtobuf));
        assert_eq!(of("application/json; charset=utf-8"), Some(Protocol::ZipkinJson));
        assert_eq!(of("application/x-thrift"), None);
        assert_eq!(protocol(&HeaderMap::new()), Some(Protocol::ZipkinJson));
    }
}
