//! OTLP/gRPC: `TraceService/Export`, with our own hands on the bytes of the message.
//!
//! Neither the generated service is used, which would decode with prost, fail a whole request for one text that is not
//! UTF-8, and build a tree that nobody needs, nor tonic's reading of messages (see `frame.rs`).

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::frame::{self, FrameError};
use crate::metrics::Protocol;
use crate::server::intake::body::{self, Compression};
use crate::server::intake::{Accepted, Doors};
use crate::server::status::Failure;

const EXPORT_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The gRPC door, to be added to tonic's routes.
#[derive(Clone)]
pub struct TraceService {
    doors: Arc<Doors>,
}

impl TraceService {
    /// The door to these.
    #[must_use]
    pub fn new(doors: Arc<Doors>) -> Self {
        Self { doors }
    }
}

impl NamedService for TraceService {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl Service<Request<Body>> for TraceService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let doors = Arc::clone(&self.doors);
        if request.uri().path() == EXPORT_PATH {
            return export(doors, request).map(Ok).boxed();
        }
        let unknown = Status::unimplemented(format!("there is no method {}", request.uri().path()));
        futures::future::ready(Ok(unknown.into_http())).boxed()
    }
}

async fn export(doors: Arc<Doors>, request: Request<Body>) -> Response<Body> {
    doors.metrics.received(Protocol::Grpc);
    let server_timeout = doors.settings.request_timeout;
    let patience = grpc_timeout(request.headers()).map_or(server_timeout, |caller| caller.min(server_timeout));
    let deadline = Instant::now().checked_add(patience);
    let (parts, mut body) = request.into_parts();
    let stored = body::until(deadline, store(&doors, &parts.headers, &mut body)).await;
    match stored.unwrap_or(Err(FrameError::Failure(Failure::Deadline))) {
        Ok(accepted) => frame::answer(&ExportTraceServiceResponse::from(accepted)),
        Err(error) => {
            body::until(deadline, body::discard(body, doors.settings.request_bytes_max)).await;
            refuse(&doors, error).into_http()
        }
    }
}

async fn store(doors: &Doors, headers: &HeaderMap, body: &mut Body) -> Result<Accepted, FrameError> {
    let place = doors.ingest.enter()?;
    let compression = frame::compression(headers)?;
    let bytes_max = doors.settings.request_bytes_max;
    let (is_compressed, message) = frame::read(body, &place, bytes_max).await?;
    let (place, message) = match (is_compressed, compression) {
        (false, _) => (place, message),
        (true, Compression::None) => {
            return Err(frame::broken("a message is flagged as compressed, and grpc-encoding does not say how"));
        }
        (true, _) => match body::decompress(compression, place, message, bytes_max).await {
            Err(Failure::Undecodable(what)) => return Err(frame::broken(what)),
            decompressed => decompressed?,
        },
    };
    Ok(doors.take_in(place, Protocol::Grpc, message).await?)
}

/// Counts the refusal; what to answer.
fn refuse(doors: &Doors, error: FrameError) -> Status {
    match error {
        FrameError::Failure(failure) => doors.refuse(failure).to_grpc(),
        FrameError::Broken(status) => {
            doors.metrics.refused("undecodable");
            status
        }
        FrameError::Encoding(status) => {
            doors.metrics.refused("unsupported_encoding");
            status
        }
    }
}

/// How long the caller waits, as gRPC's `grpc-timeout` header says it: at most eight digits and a unit. One that says
/// something else is as good as none.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number.saturating_mul(3_600))),
        "M" => Some(Duration::from_secs(number.saturating_mul(60))),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_patience_is_read_in_every_unit() {
        let cases = [
            ("2H", Some(Duration::from_hours(2))),
            ("3M", Some(Duration::from_mins(3))),
            ("4S", Some(Duration::from_secs(4))),
            ("5m", Some(Duration::from_millis(5))),
            ("6u", Some(Duration::from_micros(6))),
            ("7n", Some(Duration::from_nanos(7))),
            ("99999999H", Some(Duration::from_hours(99_999_999))),
            ("123456789S", None),
            ("+1S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("1s", None),
        ];
        for (text, patience) in cases {
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static("grpc-timeout"), text.parse().unwrap())]);
            assert_eq!(grpc_timeout(&headers), patience, "{text}");
        }
    }
}
