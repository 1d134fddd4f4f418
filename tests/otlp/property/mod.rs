//! What holds for any bytes that come as an OTLP request. Said once: the fuzz targets of `fuzz/` include this folder,
//! and the tests beside it run the same. It uses nothing but what `tracewell` shows to everybody.
//!
//! * Nothing panics, however broken or deep the bytes are.
//! * What prost can read we read: the same good spans, and each of the others is rejected (`normal.rs`). A request in
//!   JSON has as many spans as its text (`tree.rs`).
//! * A good span, encoded in either format and decoded again, is the same span; and prost can read it, as those do who
//!   ask for it.
//! * What comes out is bounded by what went in (`size.rs`), and what the sender is told is bounded too.

pub(crate) mod normal;
mod size;
pub(crate) mod tree;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, TracesData};
use prost::Message;
use serde::de::IgnoredAny;
use tracewell::model::Span;
use tracewell::otlp::decode::{self, DecodeError, Decoded, MESSAGE_BYTES_MAX, VALUE_DEPTH_JSON_MAX};
use tracewell::otlp::{encode, encode_json};

use self::normal::normal;
use self::size::Size;
use self::tree::Tree;

/// Holds for a request in protobuf.
pub(crate) fn protobuf(body: &[u8]) {
    let sent = read_by_prost(body);
    match decode::protobuf(body) {
        Ok(decoded) => {
            check(body, &decoded);
            if let Some((sent, old_spans)) = sent {
                check_as_prost(sent, old_spans, &decoded);
            }
        }
        Err(error) => {
            assert!(sent.is_none(), "prost reads what we do not: {error}");
            check_error(&error);
        }
    }
}

/// Holds for a request in JSON.
pub(crate) fn json(body: &[u8]) {
    match decode::json(body) {
        Ok(decoded) => {
            // Control characters in texts are let through, unlike by the parser's own check.
            let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
            assert!(is_json || body.iter().any(u8::is_ascii_control), "this is no JSON");
            check(body, &decoded);
            if let Ok(tree) = serde_json::from_slice::<Tree>(body) {
                assert_eq!(count(&decoded), tree.span_count(), "spans in the text");
            }
        }
        Err(error) => {
            assert!(matches!(error, DecodeError::Json { line: 1.., .. }), "{error}");
            check_error(&error);
        }
    }
}

/// How many spans came.
fn count(decoded: &Decoded) -> usize {
    decoded.spans.len() + usize::try_from(decoded.rejected.count()).unwrap()
}

fn check(body: &[u8], decoded: &Decoded) {
    let (rejected, message) = (decoded.rejected.count(), decoded.rejected.message());
    assert!(message.len() <= MESSAGE_BYTES_MAX, "{message}");
    match rejected {
        0 => assert_eq!(message, ""),
        1 => assert!(message.starts_with("1 span rejected: span "), "{message}"),
        _ => assert!(message.starts_with(&format!("{rejected} spans rejected: span ")), "{message}"),
    }
    Size::of(&decoded.spans).check(body.len());
    check_return_by_protobuf(&decoded.spans);
    check_return_by_json(&decoded.spans);
}

fn check_error(error: &DecodeError) {
    let text = error.to_string();
    assert!(text.len() <= MESSAGE_BYTES_MAX, "{text}");
}

fn check_return_by_protobuf(spans: &[Span]) {
    let message = encode::traces_data(spans).encode_to_vec();
    assert!(TracesData::decode(&*message).is_ok(), "nobody can read the answer");
    let again = decode::protobuf(&message).unwrap();
    assert_eq!((again.rejected.message(), again.repaired), (String::new(), 0));
    assert_eq!(sorted(&again.spans), sorted(spans));
}

/// JSON has a single NaN, and is read to fewer levels.
fn check_return_by_json(spans: &[Span]) {
    let can_be_said = |span: &&Span| {
        let size = Size::of([*span]);
        size.depth <= VALUE_DEPTH_JSON_MAX && !size.has_other_nan
    };
    let spans: Vec<Span> = spans.iter().filter(can_be_said).cloned().collect();
    let again = decode::json(&encode_json::traces_data(&encode::traces_data(&spans))).unwrap();
    assert_eq!((again.rejected.message(), again.repaired), (String::new(), 0));
    assert_eq!(sorted(&again.spans), sorted(&spans));
}

/// In an order that does not depend on how they are grouped.
fn sorted(spans: &[Span]) -> Vec<&Span> {
    let mut sorted: Vec<_> = spans.iter().collect();
    sorted.sort_by_cached_key(|span| span.digest());
    sorted
}

fn check_as_prost(sent: ExportTraceServiceRequest, old_spans: usize, decoded: &Decoded) {
    let (spans, bad) = normal(sent.resource_spans);
    assert_eq!(count(decoded), spans.len() + bad + old_spans, "spans in the message");
    if old_spans == 0 {
        assert_eq!((decoded.rejected.count(), decoded.repaired), (bad as u64, 0));
        assert_eq!(normal(encode::traces_data(&decoded.spans).resource_spans), (spans, 0));
    }
}

/// What prost makes of a request, and how many spans are in a field that its messages do not have any more.
fn read_by_prost(body: &[u8]) -> Option<(ExportTraceServiceRequest, usize)> {
    let old_spans = OldRequest::decode(body).ok()?.span_count();
    Some((ExportTraceServiceRequest::decode(body).ok()?, old_spans))
}

/// A request of before 2022.
#[derive(Clone, PartialEq, prost::Message)]
struct OldRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<OldResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OldResourceSpans {
    #[prost(message, repeated, tag = "1000")]
    instrumentation_library_spans: Vec<ScopeSpans>,
}

impl OldRequest {
    fn span_count(&self) -> usize {
        let groups = self.resource_spans.iter().flat_map(|group| &group.instrumentation_library_spans);
        groups.map(|group| group.spans.len()).sum()
    }
}
