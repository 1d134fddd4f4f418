//! What holds for any bytes that come as a Zipkin request. Said once: the fuzz targets of `fuzz/` include this file, and the
//! tests in `mutation.rs` run the same. It uses nothing but what `tracewell` shows to everybody.
//!
//! * Nothing panics, however broken or deep the bytes are, or however little memory there is for them.
//! * Good spans, shown as Zipkin shows them and read again, are shown the same; and whatever the model has of them can be
//!   encoded for those who ask by OTLP.
//! * There are no more spans than bytes, and what the sender is told is bounded.

use std::cell::Cell;

use tracewell::model::{Span, UnixNanos};
use tracewell::otlp::decode::{DecodeError, Decoded, MESSAGE_BYTES_MAX, Memory};
use tracewell::otlp::encode;
use tracewell::zipkin::{decode, encode as back, merge};

/// When every request arrives.
const ARRIVAL: UnixNanos = UnixNanos(9_000_000_000);

/// A request that is given so much memory is refused for its sake, or needs none.
const FEW_BYTES: usize = 18_000;

type Reading = fn(&[u8], UnixNanos, &Memory<'_>) -> Result<Decoded, DecodeError>;

/// Holds for a request in protobuf.
pub(crate) fn protobuf(body: &[u8]) {
    check(body, decode::protobuf_within);
}

/// Holds for a request in JSON.
pub(crate) fn json(body: &[u8]) {
    check(body, decode::json_within);
}

fn check(body: &[u8], read: Reading) {
    let read_all = read(body, ARRIVAL, &Memory::unbounded());
    let most = Cell::new(0);
    let may_take = |bytes: usize| {
        most.set(bytes.max(most.get()));
        bytes <= FEW_BYTES
    };
    let read_few = read(body, ARRIVAL, &Memory::new(&may_take));
    if most.get() <= FEW_BYTES {
        assert_eq!(read_few, read_all, "memory is not what it failed for");
    } else {
        assert_eq!(read_few, Err(DecodeError::Full));
    }
    match read_all {
        Ok(decoded) => check_decoded(body, &decoded),
        Err(error) => assert!(error.to_string().len() <= MESSAGE_BYTES_MAX, "{error}"),
    }
}

fn check_decoded(body: &[u8], decoded: &Decoded) {
    let (rejected, message) = (decoded.rejected.count(), decoded.rejected.message());
    assert!(message.len() <= MESSAGE_BYTES_MAX, "{message}");
    assert_eq!(rejected == 0, message.is_empty(), "{message}");
    let rejected = usize::try_from(rejected).unwrap();
    assert!(decoded.spans.len() + rejected <= body.len(), "{} spans of {} bytes", decoded.spans.len(), body.len());
    let begun: Vec<&Span> = decoded.begun_on_arrival.iter().map(|index| &decoded.spans[*index]).collect();
    assert!(begun.iter().all(|span| span.start == ARRIVAL), "a span begins on its arrival, and at another time");
    let text = shown(&decoded.spans);
    let again = decode::json(text.as_bytes(), ARRIVAL).unwrap();
    assert_eq!((again.rejected.message(), again.repaired), (String::new(), 0), "{text}");
    assert_eq!(shown(&again.spans), text);
    let merged = merge::merge(decoded.spans.iter().map(back::span).collect());
    assert!(merged.len() <= decoded.spans.len());
    assert_eq!(encode::traces_data(&decoded.spans).resource_spans.is_empty(), decoded.spans.is_empty());
}

/// The spans, each for itself, as Zipkin's JSON.
fn shown(spans: &[Span]) -> String {
    let spans: Vec<_> = spans.iter().map(back::span).collect();
    serde_json::to_string(&spans).unwrap()
}
