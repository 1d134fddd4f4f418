//! gRPC's frame around a single message, taken off and put on.
//!
//! Not tonic's: that one reads and decompresses a message before anybody can say that there is no room for it. What a
//! broken frame is answered with is what gRPC says, and what tonic and other servers answer: INTERNAL, which OTLP
//! clients do not repeat.

use std::error::Error;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::ready;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::{BodyExt, Full};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataValue;

use crate::ingest::Place;
use crate::server::intake::body::{Compression, Growing, next_data};
use crate::server::status::Failure;

/// The flag that says whether the message is compressed, and its length.
const HEAD_BYTES: usize = 5;

const ENCODING: &str = "grpc-encoding";
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";
const ENCODINGS: &str = "gzip,zstd,identity";

/// Why there is no message.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The compression is none that we know.
    Encoding(Status),
    /// It is not gRPC's frame.
    Broken(Status),
    /// It is, and something else is the matter.
    Failure(Failure),
}

impl<E: Into<Failure>> From<E> for FrameError {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

pub(super) fn broken(what: impl std::fmt::Display) -> FrameError {
    FrameError::Broken(Status::internal(format!("protocol error: {what}")))
}

/// How messages that are flagged as compressed are compressed.
pub(super) fn compression(headers: &HeaderMap) -> Result<Compression, FrameError> {
    match headers.get(ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(Compression::None),
        Some(b"gzip") => Ok(Compression::Gzip),
        Some(b"zstd") => Ok(Compression::Zstd),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            let mut status =
                Status::unimplemented(format!("Content is compressed with `{other}`, which isn't supported"));
            status.metadata_mut().insert(ACCEPT_ENCODING, MetadataValue::from_static(ENCODINGS));
            Err(FrameError::Encoding(status))
        }
    }
}

/// Reads the one message of a body, held by its place, and whether it is compressed.
pub(super) async fn read(body: &mut Body, place: &Place, bytes_max: usize) -> Result<(bool, Bytes), FrameError> {
    let mut whole = Growing::new(place, HEAD_BYTES);
    let mut head = None;
    while let Some(data) = next_data(body).await {
        let data = data.map_err(|status| broken(cause(&status)))?;
        let end = head.map_or(usize::MAX, |(_, end)| end);
        if whole.bytes().len().saturating_add(data.len()) > end {
            return Err(broken("more than one message"));
        }
        if head.is_none() {
            // What comes first is mostly all there is.
            whole.expected_bytes = data.len();
        }
        whole.append(&data)?;
        if head.is_none()
            && let Some((is_compressed, length)) = read_head(whole.bytes())?
        {
            if length > bytes_max {
                return Err(Failure::TooLarge { request_bytes_max: bytes_max }.into());
            }
            let end = HEAD_BYTES.saturating_add(length);
            if whole.bytes().len() > end {
                return Err(broken("more than one message"));
            }
            whole.expected_bytes = end;
            head = Some((is_compressed, end));
        }
    }
    match head {
        Some((is_compressed, end)) if whole.bytes().len() == end => {
            Ok((is_compressed, whole.finish().slice(HEAD_BYTES..)))
        }
        None if whole.bytes().is_empty() => Err(broken("there is no message")),
        _ => Err(broken("the message ends early")),
    }
}

/// Whether the message is compressed, and its length; `None` while the head is not whole.
fn read_head(bytes: &[u8]) -> Result<Option<(bool, usize)>, FrameError> {
    let [flag, a, b, c, d, ..] = *bytes else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    match flag {
        0 => Ok(Some((false, length))),
        1 => Ok(Some((true, length))),
        _ => Err(broken(format_args!("invalid compression flag: {flag} (valid flags are 0 and 1)"))),
    }
}

fn cause(status: &Status) -> String {
    status.source().map_or_else(|| status.message().to_owned(), ToString::to_string)
}

/// The answer of a call that went well.
pub(super) fn answer(message: &impl Message) -> Response<Body> {
    let mut bytes = BytesMut::with_capacity(HEAD_BYTES.saturating_add(message.encoded_len()));
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    bytes.put(message.encode_to_vec().as_slice());
    let trailers = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(bytes.freeze()).with_trailers(ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
