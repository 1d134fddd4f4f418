//! OTLP/gRPC: `TraceService/Export`, with our own decoder on the bytes of the message.
//!
//! tonic does the framing, gzip and zstd; the generated service is not used, since it would decode with prost, which
//! fails a whole request for one text that is not UTF-8, and builds a tree that nobody needs. What tonic refuses by
//! itself is answered as gRPC says, with one exception: for a message over the limit it says `OUT_OF_RANGE`, which
//! OTLP clients repeat forever.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status};
use tower::Service;

use super::Doors;
use crate::ingest::Place;
use crate::metrics::Protocol;
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
    let place = match doors.ingest.enter() {
        Ok(place) => place,
        Err(error) => return doors.refuse(error.into()).to_grpc().into_http(),
    };
    let server_timeout = doors.settings.request_timeout;
    let patience = grpc_timeout(request.headers()).map_or(server_timeout, |caller| caller.min(server_timeout));
    let mut grpc = Grpc::new(RawCodec)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(doors.settings.request_bytes_max);
    let method = Export { doors: Arc::clone(&doors), place: Some(place) };
    match timeout(patience, grpc.unary(method, request)).await {
        Ok(response) => count_refusal_of_tonic(&doors, response),
        Err(_) => doors.refuse(Failure::Deadline).to_grpc().into_http(),
    }
}

/// What happens between tonic's reading of a request and its writing of the answer.
struct Export {
    doors: Arc<Doors>,
    place: Option<Place>,
}

impl UnaryService<Bytes> for Export {
    type Response = ExportTraceServiceResponse;
    type Future = BoxFuture<'static, Result<tonic::Response<Self::Response>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let doors = Arc::clone(&self.doors);
        let place = self.place.take().map_or_else(|| doors.ingest.enter(), Ok);
        let stored = async move {
            let accepted = async { doors.take_in(place?, Protocol::Grpc, request.into_inner()).await };
            match accepted.await {
                Ok(accepted) => Ok(tonic::Response::new(accepted.into())),
                Err(failure) => Err(doors.refuse(failure).to_grpc()),
            }
        };
        stored.boxed()
    }
}

/// Our own refusals carry details, tonic's carry none: it could not read the message, and nobody has counted that.
fn count_refusal_of_tonic(doors: &Doors, response: Response<Body>) -> Response<Body> {
    let refusal = Status::from_header_map(response.headers()).filter(|status| status.details().is_empty());
    match refusal.map(|status| status.code()) {
        None | Some(Code::Ok) => return response,
        Some(Code::OutOfRange | Code::ResourceExhausted) => {
            let request_bytes_max = doors.settings.request_bytes_max;
            return doors.refuse(Failure::TooLarge { request_bytes_max }).to_grpc().into_http();
        }
        Some(Code::Unimplemented) => doors.metrics.refused("unsupported_encoding"),
        Some(_) => doors.metrics.refused("undecodable"),
    }
    response
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

/// Takes a message's bytes as they are, without a copy, and writes the answer as protobuf.
#[derive(Debug, Clone, Copy)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = ExportTraceServiceResponse;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn encode(&mut self, response: Self::Item, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        response.encode(target).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
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
