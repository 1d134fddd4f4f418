//! Requests ready to be sent: the spans of a lot, mixed, encoded, compressed and framed, once for all attempts.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression as GzipLevel;
use flate2::write::GzEncoder;
use prost::Message;

use super::plan::{Lot, Window};
use super::settings::{Compression, Protocol};
use super::shop::Shop;
use super::shop::chance::{Subject, bits};
use crate::model::Span;
use crate::otlp::{encode, encode_json};

/// zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    /// Where its spans come from.
    pub(super) lot: Arc<Lot>,
    /// How many requests the lot has.
    pub(super) lot_requests: u64,
    /// No other request of the run has this number.
    pub(super) number: u64,
    pub(super) spans: u64,
    /// Size of the message before compression, in bytes.
    pub(super) message_bytes: u64,
    /// What is sent.
    pub(super) body: Bytes,
}

/// How requests are made.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    pub(super) shop: Arc<Shop>,
    pub(super) seed: u64,
    pub(super) window: Window,
    pub(super) request_spans: u32,
    pub(super) protocol: Protocol,
    pub(super) compression: Compression,
}

impl Encoder {
    /// The requests of a lot.
    pub(super) fn requests(&self, lot: Lot) -> io::Result<Vec<Request>> {
        let spans = self.mixed(&lot);
        let size = usize::try_from(self.request_spans).unwrap_or(usize::MAX).max(1);
        let lot_requests = count(spans.len().div_ceil(size));
        let lot = Arc::new(lot);
        let requests = spans.chunks(size).zip(0_u64..).map(|(chunk, index)| {
            let (message_bytes, body) = self.body(chunk)?;
            let number = lot.number.saturating_mul(1 << 20).saturating_add(index);
            Ok(Request { lot: lot.clone(), lot_requests, number, spans: count(chunk.len()), message_bytes, body })
        });
        requests.collect()
    }

    /// The spans of a lot, in the order in which they are sent: what one instance says of one trace stays together.
    fn mixed(&self, lot: &Lot) -> Vec<Span> {
        let traces = lot.traces.clone().map(|number| self.shop.trace(number, self.window.start_of(number)));
        let mut spans: Vec<Span> = traces.flatten().collect();
        spans.sort_by_cached_key(|span| {
            let trace = u128::from_be_bytes(*span.trace_id.as_bytes());
            let instance = u64::from_le_bytes(span.resource.key().to_le_bytes());
            bits(self.seed, Subject::Lot, u64::try_from(trace >> 64).unwrap_or(0) ^ instance)
        });
        spans
    }

    /// The message's size, and the body that carries it.
    fn body(&self, spans: &[Span]) -> io::Result<(u64, Bytes)> {
        // An ExportTraceServiceRequest is, byte for byte, a TracesData.
        let data = encode::traces_data(spans);
        let message = match self.protocol {
            Protocol::Grpc | Protocol::HttpProtobuf => data.encode_to_vec(),
            Protocol::HttpJson => encode_json::traces_data(&data),
        };
        let message_bytes = count(message.len());
        let body = match self.compression {
            Compression::None => message,
            Compression::Gzip => gzip(&message)?,
            Compression::Zstd => zstd::bulk::compress(&message, ZSTD_LEVEL)?,
        };
        let body = if self.protocol == Protocol::Grpc { frame(&body, self.compression)? } else { body };
        Ok((message_bytes, Bytes::from(body)))
    }
}

fn gzip(message: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), GzipLevel::default());
    encoder.write_all(message)?;
    encoder.finish()
}

/// gRPC's frame: whether the message is compressed, its length, itself.
fn frame(message: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    let flag = u8::from(compression != Compression::None);
    Ok([&[flag], &length.to_be_bytes()[..], message].concat())
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::cast_precision_loss, reason = "a test that overflows fails")]
mod tests {
    use std::collections::HashSet;
    use std::io::Read;

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

    use super::super::plan::Plan;
    use super::*;
    use crate::model::UnixNanos;
    use crate::otlp::decode;

    fn encoder(protocol: Protocol, compression: Compression) -> Encoder {
        let window = Window { start: UnixNanos(1_790_000_000_000_000_000), nanos: 60_000_000_000, traces: 100 };
        Encoder { shop: Arc::new(Shop::new(9)), seed: 9, window, request_spans: 250, protocol, compression }
    }

    const LOT: Lot = Lot { number: 3, traces: 20..60 };

    fn plain(body: &[u8], protocol: Protocol, compression: Compression) -> Vec<u8> {
        let message = if protocol == Protocol::Grpc {
            assert_eq!(body[0], u8::from(compression != Compression::None));
            assert_eq!(u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize, body.len() - 5);
            &body[5..]
        } else {
            body
        };
        let mut plain = Vec::new();
        match compression {
            Compression::None => plain.extend(message),
            Compression::Gzip => drop(flate2::read::GzDecoder::new(message).read_to_end(&mut plain).unwrap()),
            Compression::Zstd => plain = zstd::bulk::decompress(message, 100_000_000).unwrap(),
        }
        plain
    }

    /// Whatever the protocol and the compression, exactly the spans of the lot's traces are in its requests.
    #[test]
    fn every_span_is_sent_once_in_every_form() {
        let expected: HashSet<u128> = {
            let encoder = encoder(Protocol::Grpc, Compression::None);
            let traces = LOT.traces.map(|number| encoder.shop.trace(number, encoder.window.start_of(number)));
            traces.flatten().map(|span| span.digest()).collect()
        };
        for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let requests = encoder(protocol, compression).requests(LOT).unwrap();
                let mut found = HashSet::new();
                for request in &requests {
                    let message = plain(&request.body, protocol, compression);
                    assert_eq!(message.len() as u64, request.message_bytes);
                    let json = protocol == Protocol::HttpJson;
                    let read = if json { decode::json } else { decode::protobuf };
                    let decoded = read(&message).unwrap();
                    assert_eq!((decoded.rejected.count(), decoded.repaired), (0, 0));
                    assert_eq!(decoded.spans.len() as u64, request.spans);
                    assert!(decoded.spans.iter().all(|span| found.insert(span.digest())), "sent twice");
                    assert_eq!(request.lot_requests, requests.len() as u64);
                }
                assert_eq!(found, expected, "{protocol:?} {compression:?}");
            }
        }
    }

    /// As a gateway sends them: a thousand spans of many traces and nodes at a time.
    #[test]
    fn requests_are_as_large_as_real_ones() {
        let encoder = Encoder { request_spans: 1_000, ..encoder(Protocol::HttpProtobuf, Compression::None) };
        let (mut plan, mut spans, mut bytes) = (Plan::new(None, 1_000), 0, 0);
        let mut resources = Vec::new();
        while spans < 100_000 {
            let lot = plan.next(&encoder.shop).unwrap();
            let requests = encoder.requests(lot).unwrap();
            let first = ExportTraceServiceRequest::decode(requests[0].body.clone()).unwrap();
            resources.push(first.resource_spans.len());
            for request in requests {
                spans += request.spans;
                bytes += request.message_bytes;
            }
        }
        resources.sort_unstable();
        let median = resources[resources.len() / 2];
        assert!(resources[0] > 20 && median > 35, "{} resources in a request, at least {}", median, resources[0]);
        let bytes = bytes as f64 / spans as f64;
        assert!((430.0..530.0).contains(&bytes), "{bytes} bytes a span");
    }

    #[test]
    fn the_same_lot_gives_the_same_bytes_and_its_traces_are_mixed() {
        let encoder = encoder(Protocol::Grpc, Compression::None);
        let bodies = || encoder.requests(LOT).unwrap().into_iter().map(|request| request.body).collect::<Vec<_>>();
        assert_eq!(bodies(), bodies());
        let requests = encoder.requests(LOT).unwrap();
        let full = requests.iter().rev().skip(1).all(|request| request.spans == 250);
        assert!(full, "all requests but the last are full");
        let traces_in = |request: &Request| {
            let spans = decode::protobuf(&request.body[5..]).unwrap().spans;
            spans.iter().map(|span| span.trace_id).collect::<HashSet<_>>().len()
        };
        assert!(traces_in(&requests[0]) > 10, "{} traces in the first request", traces_in(&requests[0]));
    }
}
