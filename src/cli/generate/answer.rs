//! What an endpoint's answer means: taken, lost, or to be sent again; as the OTLP specification says it. Pure.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::settings::Protocol;

/// At most so many characters of what an endpoint says are kept.
const MESSAGE_CHARS_MAX: usize = 300;
/// gRPC's frame around a message: a flag and a length.
const FRAME_BYTES: usize = 5;

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The request is taken, but for the spans that were rejected.
    Taken {
        rejected: u64,
        /// Why they were rejected; or a warning.
        message: String,
    },
    /// It is not.
    Refused(Refusal),
}

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// A name of gRPC's, an HTTP status, or what happened to the connection.
    pub(super) code: String,
    pub(super) message: String,
    pub(super) retry: Retry,
}

/// Whether to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    Never,
    /// When the sender thinks fit.
    Soon,
    /// Not before this time is over.
    After(Duration),
}

/// An HTTP answer, read whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

impl Reply {
    /// What it means.
    pub(super) fn answer(&self, protocol: Protocol) -> Answer {
        match protocol {
            Protocol::Grpc => self.grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson if self.status.is_success() => self.taken(protocol),
            Protocol::HttpProtobuf | Protocol::HttpJson => self.http(),
        }
    }

    fn grpc(&self) -> Answer {
        let status = Status::from_header_map(&self.trailers).or_else(|| Status::from_header_map(&self.headers));
        let Some(status) = status else {
            // Something in between has answered, which does not speak gRPC.
            let message = format!("HTTP status {} without a gRPC status", self.status.as_u16());
            return refused(&Status::new(code_of_http(self.status), message));
        };
        if status.code() == Code::Ok { self.taken(Protocol::Grpc) } else { refused(&status) }
    }

    fn taken(&self, protocol: Protocol) -> Answer {
        let read = match protocol {
            Protocol::Grpc => framed(&self.body).and_then(partial_success),
            Protocol::HttpProtobuf => partial_success(&self.body),
            Protocol::HttpJson => partial_success_json(&self.body),
        };
        read.unwrap_or_else(|| {
            let message = "the answer is not an ExportTraceServiceResponse".to_owned();
            Answer::Refused(Refusal { code: "unreadable".to_owned(), message, retry: Retry::Never })
        })
    }

    fn http(&self) -> Answer {
        let retry = if matches!(self.status.as_u16(), 429 | 502 | 503 | 504) {
            self.retry_after().map_or(Retry::Soon, Retry::After)
        } else {
            Retry::Never
        };
        let code = self.status.as_u16().to_string();
        Answer::Refused(Refusal { code, message: shorten(&self.status_message()), retry })
    }

    /// `Retry-After`: seconds, or a date. A date is compared with the answer's own, so clocks need not agree.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.header(header::RETRY_AFTER)?;
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        let now = httpdate::parse_http_date(self.header(header::DATE)?).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    }

    /// The message of a `google.rpc.Status`, else the body as it is.
    fn status_message(&self) -> String {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let message = if kind.starts_with("application/x-protobuf") {
            tonic_types::pb::Status::decode(self.body.clone()).ok().map(|status| status.message)
        } else if kind.starts_with("application/json") {
            let status: Option<Value> = serde_json::from_slice(&self.body).ok();
            status.and_then(|status| status.get("message")?.as_str().map(str::to_owned))
        } else {
            None
        };
        message.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned())
    }

    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An attempt that got no answer: nobody knows whether the request was taken.
pub(super) fn unanswered(code: &str, message: &str) -> Answer {
    Answer::Refused(Refusal { code: code.to_owned(), message: shorten(message), retry: Retry::Soon })
}

fn refused(status: &Status) -> Answer {
    let asked = status.get_details_retry_info().map(|info| info.retry_delay.unwrap_or_default());
    let retry = match (status.code(), asked) {
        (
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted,
            Some(delay),
        ) => Retry::After(delay),
        (
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss,
            None,
        ) => Retry::Soon,
        _ => Retry::Never,
    };
    Answer::Refused(Refusal { code: code_name(status.code()), message: shorten(status.message()), retry })
}

/// gRPC's name of a code: `ResourceExhausted` is `RESOURCE_EXHAUSTED`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for character in format!("{code:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
    }
    name
}

/// The code that gRPC gives to an answer without one.
fn code_of_http(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The message in a gRPC body.
fn framed(body: &Bytes) -> Option<&[u8]> {
    let (frame, message) = body.split_at_checked(FRAME_BYTES)?;
    let length = u32::from_be_bytes(frame.get(1..)?.try_into().ok()?);
    (frame.first() == Some(&0) && usize::try_from(length).ok()? == message.len()).then_some(message)
}

fn partial_success(message: &[u8]) -> Option<Answer> {
    let partial = ExportTraceServiceResponse::decode(message).ok()?.partial_success.unwrap_or_default();
    let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
    Some(Answer::Taken { rejected, message: shorten(&partial.error_message) })
}

fn partial_success_json(body: &[u8]) -> Option<Answer> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let partial = answer.as_object()?.get("partialSuccess");
    let rejected = partial.and_then(|partial| partial.get("rejectedSpans"));
    // A 64-bit integer is a text in protobuf's JSON; a number is read too.
    let rejected = rejected.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok())).unwrap_or(0);
    let message = partial.and_then(|partial| partial.get("errorMessage")?.as_str()).unwrap_or_default();
    Some(Answer::Taken { rejected, message: shorten(message) })
}

fn shorten(text: &str) -> String {
    text.trim().chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
    use tonic_types::ErrorDetails;

    use super::*;

    fn retry(answer: &Answer) -> Retry {
        match answer {
            Answer::Refused(refusal) => refusal.retry,
            Answer::Taken { .. } => panic!("taken"),
        }
    }

    fn grpc(status: &Status) -> Reply {
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        Reply { trailers, ..Reply::default() }
    }

    /// The table "Failures" of the OTLP specification, and `RetryInfo` with every code.
    #[test]
    fn grpc_codes_are_retried_as_specified() {
        let retryable = ["CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"];
        let delay = Duration::from_millis(1_500);
        for number in 1..=16 {
            let code = Code::from_i32(number);
            let name = code_name(code);
            let plain = retry(&grpc(&Status::new(code, "no")).answer(Protocol::Grpc));
            let expected = if retryable.contains(&name.as_str()) { Retry::Soon } else { Retry::Never };
            assert_eq!(plain, expected, "{name}");

            let status = Status::with_error_details(code, "no", ErrorDetails::with_retry_info(Some(delay)));
            let asked = retry(&grpc(&status).answer(Protocol::Grpc));
            let again = expected == Retry::Soon || name == "RESOURCE_EXHAUSTED";
            assert_eq!(asked, if again { Retry::After(delay) } else { Retry::Never }, "{name} with RetryInfo");
        }
    }

    #[test]
    fn http_statuses_are_retried_as_specified() {
        for status in 400..600 {
            let reply = Reply { status: StatusCode::from_u16(status).unwrap(), ..Reply::default() };
            let expected = if [429, 502, 503, 504].contains(&status) { Retry::Soon } else { Retry::Never };
            assert_eq!(retry(&reply.answer(Protocol::HttpProtobuf)), expected, "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |retry_after: &str, date: &str| {
            let mut reply = Reply { status: StatusCode::SERVICE_UNAVAILABLE, ..Reply::default() };
            reply.headers.insert(header::RETRY_AFTER, retry_after.parse().unwrap());
            reply.headers.insert(header::DATE, date.parse().unwrap());
            retry(&reply.answer(Protocol::HttpJson))
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(after("7", date), Retry::After(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:00 GMT", date), Retry::After(Duration::from_secs(23)));
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT", date), Retry::After(Duration::ZERO));
        assert_eq!(after("tomorrow", date), Retry::Soon);
        assert_eq!(after("Sun, 06 Nov 1994 08:50:00 GMT", "now"), Retry::Soon);
    }

    #[test]
    fn what_is_in_between_speaks_http() {
        for (status, code, expected) in
            [(503, "UNAVAILABLE", Retry::Soon), (404, "UNIMPLEMENTED", Retry::Never), (200, "UNKNOWN", Retry::Never)]
        {
            let reply = Reply { status: StatusCode::from_u16(status).unwrap(), ..Reply::default() };
            let Answer::Refused(refusal) = reply.answer(Protocol::Grpc) else { panic!("taken") };
            assert_eq!((refusal.code.as_str(), refusal.retry), (code, expected));
        }
    }

    #[test]
    fn a_status_in_the_headers_alone_counts() {
        let Reply { trailers, .. } = grpc(&Status::invalid_argument("bad"));
        let reply = Reply { headers: trailers, ..Reply::default() };
        let refusal = Refusal { code: "INVALID_ARGUMENT".to_owned(), message: "bad".to_owned(), retry: Retry::Never };
        assert_eq!(reply.answer(Protocol::Grpc), Answer::Refused(refusal));
    }

    #[test]
    fn partial_success_is_read_in_every_encoding() {
        let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "why".to_owned() };
        let message = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        let length = u8::try_from(message.len()).unwrap();
        let frame = [&[0, 0, 0, 0, length][..], &message].concat();
        let json = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"why"}}"#.to_vec();
        let number = br#"{"partialSuccess":{"rejectedSpans":3,"errorMessage":"why"}}"#.to_vec();
        let mut trailers = HeaderMap::new();
        Status::ok("").add_header(&mut trailers).unwrap();
        for (protocol, body) in [
            (Protocol::Grpc, frame),
            (Protocol::HttpProtobuf, message),
            (Protocol::HttpJson, json),
            (Protocol::HttpJson, number),
        ] {
            let reply = Reply { body: body.into(), trailers: trailers.clone(), ..Reply::default() };
            assert_eq!(reply.answer(protocol), Answer::Taken { rejected: 3, message: "why".to_owned() });
        }
        for (protocol, body) in
            [(Protocol::Grpc, &b"\0\0\0\0\0"[..]), (Protocol::HttpProtobuf, b""), (Protocol::HttpJson, b"{}")]
        {
            let reply = Reply { body: body.into(), trailers: trailers.clone(), ..Reply::default() };
            assert_eq!(reply.answer(protocol), Answer::Taken { rejected: 0, message: String::new() });
        }
        for (protocol, body) in
            [(Protocol::Grpc, &b"\0\0\0\0"[..]), (Protocol::HttpProtobuf, b"\xff"), (Protocol::HttpJson, b"")]
        {
            let reply = Reply { body: body.into(), trailers: trailers.clone(), ..Reply::default() };
            assert_eq!(retry(&reply.answer(protocol)), Retry::Never, "{protocol:?}");
        }
    }

    #[test]
    fn the_message_of_an_http_error_is_that_of_its_status() {
        let message = |kind: &str, body: &[u8]| {
            let mut reply = Reply { status: StatusCode::BAD_REQUEST, body: body.to_vec().into(), ..Reply::default() };
            reply.headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            match reply.answer(Protocol::HttpJson) {
                Answer::Refused(Refusal { code, message, .. }) if code == "400" => message,
                other => panic!("{other:?}"),
            }
        };
        let status = tonic_types::pb::Status { code: 3, message: "wrong".to_owned(), details: Vec::new() };
        assert_eq!(message("application/x-protobuf", &status.encode_to_vec()), "wrong");
        assert_eq!(message("application/json; charset=utf-8", br#"{"code":3,"message":"wrong"}"#), "wrong");
        assert_eq!(message("text/plain", b"wrong\n"), "wrong");
        assert_eq!(message("text/html", "é".repeat(9_000).as_bytes()).chars().count(), MESSAGE_CHARS_MAX);
    }
}
