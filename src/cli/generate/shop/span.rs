//! The end of a span: what it says of itself, how it went, and what happened on the way.

use super::attributes::Pairs;
use super::chance::Chance;
use super::fleet::{Failure, Fleet};
use super::services::ServiceId;
use crate::model::{Event, Span, SpanKind, Status, StatusCode, UnixNanos};

/// How often a span that went well has an event, in a thousand. Those that throw have one too.
const EVENTS: u32 = 126;
/// How often a sender leaves something out, in a thousand.
const DROPPED: u32 = 1;

/// What went wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// Here: with an exception.
    Thrown(ServiceId),
    /// In something that this span called.
    Passed,
    /// The other side answered so.
    Status(u16),
}

/// How a span ends.
#[derive(Debug)]
pub(super) struct End {
    pub(super) time: u64,
    pub(super) pairs: Pairs,
    pub(super) fault: Option<Fault>,
}

impl End {
    pub(super) fn write(self, span: &mut Span, fleet: &Fleet, chance: &mut Chance) {
        let Self { time, mut pairs, fault } = self;
        span.end = UnixNanos(time);
        match fault {
            None if chance.hits(EVENTS) => happen(span, chance),
            None => {}
            Some(Fault::Thrown(service)) => {
                let failure = fleet.failure(service, chance);
                pairs = pairs.text("error.type", failure.exception);
                span.events.push(exception(span.end, failure));
                span.status = error(failure.message);
            }
            Some(Fault::Passed) => {
                pairs = pairs.text("error.type", "500");
                span.status = error("");
            }
            Some(Fault::Status(status)) => {
                pairs = pairs.text("error.type", status.to_string());
                span.status = error("");
            }
        }
        span.attributes = pairs.done();
        if span.kind == SpanKind::SERVER && fault.is_none() && chance.hits(40) {
            span.status.code = StatusCode::OK;
        }
        for dropped in
            [&mut span.dropped_attributes_count, &mut span.dropped_events_count, &mut span.dropped_links_count]
        {
            *dropped = if chance.hits(DROPPED) { chance.below(9).saturating_add(1) } else { 0 };
        }
    }
}

fn error(message: &str) -> Status {
    Status { code: StatusCode::ERROR, message: message.to_owned() }
}

fn exception(time: UnixNanos, failure: &Failure) -> Event {
    let attributes = Pairs::new()
        .text("exception.type", failure.exception)
        .text("exception.message", failure.message)
        .text("exception.stacktrace", failure.stack_trace.as_str());
    Event { time, name: "exception".to_owned(), attributes: attributes.done(), dropped_attributes_count: 0 }
}

/// One event, sometimes more, in the order of their times.
fn happen(span: &mut Span, chance: &mut Chance) {
    let (name, key) = match span.kind {
        SpanKind::SERVER => ("session.resumed", "session.age_seconds"),
        SpanKind::CLIENT => ("pool.acquired", "pool.waited_micros"),
        SpanKind::PRODUCER | SpanKind::CONSUMER => ("message", "message.uncompressed_bytes"),
        _ => ("gc.paused", "gc.pause_micros"),
    };
    let count = if chance.hits(150) { 3 } else { 1 };
    let step = span.end.nanos_since(span.start).checked_div(4).unwrap_or(0);
    let mut time = span.start.0;
    for _ in 0..count {
        time = time.saturating_add(step);
        let attributes = Pairs::new().int(key, chance.below(20_000)).text("thread.name", "main");
        let event = Event {
            time: UnixNanos(time),
            name: name.to_owned(),
            attributes: attributes.done(),
            dropped_attributes_count: 0,
        };
        span.events.push(event);
    }
}
