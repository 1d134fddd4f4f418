//! What all doors that spans come in by have in common, whatever the protocol: a place in the queue before a byte of the
//! body is read, the body within its limits (`body.rs`), every byte of it and of what is made of it held against the queue's
//! bound, the good spans committed, and only then the answer. `http.rs` is the way of a request over HTTP.
//!
//! What a protocol says of a request is its door's (`otlp/`, `zipkin/`); decoding is floor 3's and 2's, the answers to errors
//! are `status.rs`'s.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::clock::now as arrival;
use super::status::Failure;
use crate::ingest::{Delivery, Ingest, Place};
use crate::metrics::{Metrics, Protocol};
use crate::otlp::decode::{self, Decoded, Memory};
use crate::zipkin;

pub(in crate::server) mod body;
pub(in crate::server) mod http;

/// The limits of the doors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorSettings {
    /// The largest request, as sent and after decompression. OTLP recommends 64 MiB.
    pub request_bytes_max: usize,
    /// The longest time from a request's headers to its answer; a gRPC caller may set a shorter one.
    pub request_timeout: Duration,
    /// Origins whose pages may send spans from a browser: `https://shop.example`, `https://*.example`, or `*`. With
    /// none, no page of another origin may.
    pub cors_origins: Vec<String>,
}

/// What the doors lead to.
pub struct Doors {
    pub(in crate::server) ingest: Ingest,
    pub(in crate::server) metrics: Arc<Metrics>,
    pub(in crate::server) settings: DoorSettings,
}

/// What became of a request that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::server) struct Accepted {
    /// So many of its spans are not stored, and never will be.
    pub(in crate::server) rejected: u64,
    /// Why; or what was changed about the stored ones.
    pub(in crate::server) message: String,
}

impl Accepted {
    /// What will be true of a request when its good spans are stored.
    fn of(decoded: &Decoded) -> Self {
        let Decoded { rejected, repaired, .. } = decoded;
        Self { rejected: rejected.count(), message: message(rejected.message(), *repaired) }
    }
}

impl Doors {
    /// Doors that lead to this queue.
    #[must_use]
    pub fn new(ingest: Ingest, metrics: Arc<Metrics>, settings: DoorSettings) -> Arc<Self> {
        Arc::new(Self { ingest, metrics, settings })
    }

    /// Decodes a whole plain body, which its place holds, and stores what is good in it.
    pub(in crate::server) async fn take_in(
        &self,
        place: Place,
        protocol: Protocol,
        body: Bytes,
    ) -> Result<Accepted, Failure> {
        let decoded = body::offload(body.len(), move || decode(place, protocol, body));
        let (place, accepted, delivery) = decoded.await?;
        self.ingest.commit(place, delivery).await?;
        Ok(accepted)
    }

    /// Counts a request that is answered with an error.
    pub(in crate::server) fn refuse(&self, failure: Failure) -> Failure {
        self.metrics.refused(failure.reason());
        failure
    }
}

/// Decodes a body. Its place holds what is made of it beside the body, as long as there is one, and then alone.
fn decode(place: Place, protocol: Protocol, body: Bytes) -> Result<(Place, Accepted, Delivery), Failure> {
    let (body_bytes, refused) = (place.bytes(), Cell::new(None));
    let may_take = |bytes: usize| {
        let held = place.hold(body_bytes.saturating_add(bytes));
        held.map_err(|error| refused.set(Some(error))).is_ok()
    };
    let memory = Memory::new(&may_take);
    let decoded = match protocol {
        Protocol::Grpc | Protocol::HttpProtobuf => decode::protobuf_within(&body, &memory),
        Protocol::HttpJson => decode::json_within(&body, &memory),
        Protocol::ZipkinJson => zipkin::decode::json_within(&body, arrival(), &memory),
        Protocol::ZipkinProtobuf => zipkin::decode::protobuf_within(&body, arrival(), &memory),
    };
    let decoded = decoded.map_err(|error| match refused.take() {
        Some(refusal) => refusal.into(),
        None => Failure::Undecodable(error.to_string()),
    })?;
    drop(body);
    place.hold(memory.taken_bytes())?;
    let accepted = Accepted::of(&decoded);
    Ok((place, accepted, decoded.into()))
}

/// What the sender hears of a stored request: which spans were rejected, how many texts were repaired, or nothing.
fn message(rejected: String, repaired: u64) -> String {
    let repaired = match repaired {
        0 => return rejected,
        1 => "1 text was not valid UTF-8 and was repaired".to_owned(),
        _ => format!("{repaired} texts were not valid UTF-8 and were repaired"),
    };
    if rejected.is_empty() { repaired } else { format!("{rejected}; {repaired}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_all_there_is_to_say() {
        assert_eq!(message(String::new(), 0), "");
        assert_eq!(message("2 bad".to_owned(), 0), "2 bad");
        assert_eq!(message(String::new(), 1), "1 text was not valid UTF-8 and was repaired");
        assert_eq!(message("2 bad".to_owned(), 3), "2 bad; 3 texts were not valid UTF-8 and were repaired");
    }
}
