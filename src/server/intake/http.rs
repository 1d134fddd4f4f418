//! A request over HTTP whose protocol is known: its body, compressed or not, to the commit; and which pages may send one.

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request};
use tokio::time::Instant;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::body::{self, Compression};
use super::{Accepted, Doors};
use crate::metrics::Protocol;
use crate::server::status::Failure;

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
