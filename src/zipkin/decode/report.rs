//! A span as it is being read, whatever the format, and what it is in the model.
//!
//! * Names of spans and services are in lower case from here on, as in Zipkin.
//! * The tag `error` makes the status an error, whatever its value, which is the message unless it is `true`;
//!   `otel.status_code`, which OpenTelemetry's exporters send, makes it what it says. Tags stay tags.
//! * Without a timestamp, a span begins with its first annotation, else when it arrived, and that is marked: a span must
//!   begin at some time to be found and to be forgotten. Which begin when they arrived is said beside them, since that is
//!   nothing by which a request is known again. Without a duration a span ends when it begins.
//! * A parent id of zeros is none, and so is an id that names itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Attribute, Attributes, Event, IdError, Resource, SpanId, SpanKind, Status, StatusCode, TraceId};
use crate::model::{UnixNanos, Value};
use crate::otlp::decode::draft::{self, Assembly, Draft, Shared};
use crate::otlp::decode::memory::Full;
use crate::otlp::decode::{Decoded, Memory, RejectReason};
use crate::zipkin::marks::{self, Marks};
use crate::zipkin::{Endpoint, Kind};

const NANOS_PER_MICRO: u64 = 1_000;

/// What a service takes among those of a request, beside its name.
const SERVICE_EXTRA_BYTES: usize = 512;

/// What a span's marks take at the most, beside the services' names.
const MARKS_BYTES: usize = 1_024;

/// A span of which any field may still be missing or wrong.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) trace_id: Result<TraceId, IdError>,
    pub(super) id: Result<SpanId, IdError>,
    pub(super) parent_id: Result<SpanId, IdError>,
    pub(super) kind: Option<Kind>,
    pub(super) name: String,
    pub(super) timestamp: u64,
    pub(super) duration: u64,
    pub(super) local: Endpoint,
    pub(super) remote: Endpoint,
    pub(super) annotations: Vec<Event>,
    pub(super) tags: Attributes,
    pub(super) debug: bool,
    pub(super) shared: bool,
    /// The first thing other than its ids that makes it a bad span.
    pub(super) fault: Option<RejectReason>,
}

impl Default for Report {
    fn default() -> Self {
        let nothing = IdError::Length { expected: 8, actual: 0 };
        Self {
            trace_id: Err(IdError::Length { expected: 16, actual: 0 }),
            id: Err(nothing),
            parent_id: Err(nothing),
            kind: None,
            name: String::new(),
            timestamp: 0,
            duration: 0,
            local: Endpoint::default(),
            remote: Endpoint::default(),
            annotations: Vec::new(),
            tags: Attributes::default(),
            debug: false,
            shared: false,
            fault: None,
        }
    }
}

/// An address in a text or in bytes; nothing, when it is none, as with Zipkin.
pub(super) fn set_address(endpoint: &mut Endpoint, address: Option<IpAddr>) {
    match address {
        Some(IpAddr::V4(ipv4)) => endpoint.ipv4 = Some(ipv4),
        Some(IpAddr::V6(ipv6)) => match ipv6.to_ipv4_mapped() {
            Some(ipv4) => endpoint.ipv4 = Some(ipv4),
            None => endpoint.ipv6 = Some(ipv6),
        },
        None => {}
    }
}

/// An address of 4 or 16 bytes.
pub(super) fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    let ipv4 = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    ipv4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))).ok()
}

/// Turns reports into spans.
pub(super) struct Reports<'a> {
    memory: &'a Memory<'a>,
    assembly: Assembly<'a>,
    arrival: UnixNanos,
    /// How many good spans there are.
    good: usize,
    /// Which of them begin when they arrived.
    begun_on_arrival: Vec<usize>,
    /// By the service's name.
    resources: BTreeMap<String, Shared<Resource>>,
}

impl<'a> Reports<'a> {
    pub(super) fn new(memory: &'a Memory<'a>, arrival: UnixNanos) -> Self {
        Self {
            memory,
            assembly: Assembly::new(memory),
            arrival,
            good: 0,
            begun_on_arrival: Vec::new(),
            resources: BTreeMap::new(),
        }
    }

    /// Keeps a report of a message of so many bytes as a span, or rejects it; says which.
    pub(super) fn add(&mut self, report: Report, bytes_max: usize) -> Result<bool, Full> {
        let service = report.local.service.to_lowercase();
        if !self.resources.contains_key(&service) {
            self.memory.take(service.len().saturating_mul(2).saturating_add(SERVICE_EXTRA_BYTES))?;
            self.resources.insert(service.clone(), draft::shared_resource(resource(&service), bytes_max));
        }
        let Some(resource) = self.resources.get(&service) else { return Ok(false) };
        let marked = report.remote.service.len().saturating_mul(2).saturating_add(MARKS_BYTES);
        self.memory.take(marked)?;
        let begins_on_arrival = report.timestamp == 0 && first_annotation(&report).is_none();
        let draft = draft(report, self.arrival);
        let is_good = self.assembly.add((draft, 1), bytes_max, resource, &Ok(marks::scope()))?;
        if is_good && begins_on_arrival {
            self.memory.push(&mut self.begun_on_arrival, self.good)?;
        }
        self.good = self.good.saturating_add(usize::from(is_good));
        Ok(is_good)
    }

    pub(super) fn finish(self, repaired: u64) -> Decoded {
        Decoded { begun_on_arrival: self.begun_on_arrival, ..self.assembly.finish(repaired) }
    }
}

/// The resource of a service; one without attributes when it has no name.
fn resource(service: &str) -> Resource {
    let name = Some(service).filter(|service| !service.is_empty());
    let attributes = name.map(|name| ("service.name", Value::from(name))).into_iter().collect();
    Resource { attributes, ..Resource::default() }
}

fn draft(report: Report, arrival: UnixNanos) -> Draft {
    let times = times(&report, arrival);
    let fault = report.fault.or(times.is_none().then_some(RejectReason::Value { expected: "a time before 2554" }));
    let (start, end, no_timestamp) = times.unwrap_or_default();
    let marks = Marks {
        shared: report.shared,
        debug: report.debug,
        no_timestamp,
        local: Endpoint { service: String::new(), ..report.local },
        remote: Endpoint { service: report.remote.service.to_lowercase(), ..report.remote },
    };
    let status = status(&report.tags);
    let mut attributes = marks::attributes(&marks);
    let tags = report.tags.0;
    if attributes.is_empty() {
        attributes = tags;
    } else {
        attributes.extend(tags);
    }
    let parent_span_id = match (report.parent_id, report.id) {
        (Ok(parent), Ok(own)) if parent == own => Err(IdError::Zero),
        (parent, _) => parent,
    };
    Draft {
        trace_id: report.trace_id,
        span_id: report.id,
        parent_span_id,
        name: report.name.to_lowercase(),
        kind: kind(report.kind),
        start,
        end,
        attributes: Attributes(attributes),
        events: report.annotations,
        status,
        fault,
        ..Draft::default()
    }
}

/// Start and end, and whether the start is ours; `None` when the model has no such time.
fn times(report: &Report, arrival: UnixNanos) -> Option<(UnixNanos, UnixNanos, bool)> {
    let sent = report.timestamp.checked_mul(NANOS_PER_MICRO).map(UnixNanos)?;
    let duration = report.duration.checked_mul(NANOS_PER_MICRO)?;
    let is_missing = report.timestamp == 0;
    let start = if is_missing { first_annotation(report).unwrap_or(arrival) } else { sent };
    Some((start, UnixNanos(start.0.checked_add(duration)?), is_missing))
}

fn first_annotation(report: &Report) -> Option<UnixNanos> {
    report.annotations.iter().map(|event| event.time).filter(|time| time.0 > 0).min()
}

fn kind(kind: Option<Kind>) -> SpanKind {
    match kind {
        None => SpanKind::UNSPECIFIED,
        Some(Kind::Client) => SpanKind::CLIENT,
        Some(Kind::Server) => SpanKind::SERVER,
        Some(Kind::Producer) => SpanKind::PRODUCER,
        Some(Kind::Consumer) => SpanKind::CONSUMER,
    }
}

fn status(tags: &Attributes) -> Status {
    let text = |key: &str| match tags.get(key) {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (error, said) = (text("error"), text("otel.status_code"));
    match (error, said) {
        (Some(error), _) => {
            let message = if error.eq_ignore_ascii_case("true") { "" } else { error };
            Status { code: StatusCode::ERROR, message: message.to_owned() }
        }
        (None, Some("ERROR")) => Status { code: StatusCode::ERROR, message: String::new() },
        (None, Some("OK")) => Status { code: StatusCode::OK, message: String::new() },
        _ => Status::default(),
    }
}

/// An annotation's moment; `None` when the model has no such time.
pub(super) fn moment(micros: u64) -> Option<UnixNanos> {
    micros.checked_mul(NANOS_PER_MICRO).map(UnixNanos)
}

/// A tag.
pub(super) fn tag(key: String, value: String) -> Attribute {
    Attribute { key, value: Value::String(value) }
}

/// An id of up to `N` bytes in hex, padded with zeros on the left.
pub(super) fn padded<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let wrong = if N == 8 { IdError::Hex("1 to 16") } else { IdError::Hex("1 to 32") };
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() > N.saturating_mul(2) {
        return Err(wrong);
    }
    let mut id = [0; N];
    for (byte, pair) in id.iter_mut().rev().zip(digits.rchunks(2)) {
        let pair = str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(wrong)?;
    }
    Ok(id)
}
