//! Zipkin's v2 JSON, field by field. As in OTLP's JSON, names that are not known are skipped, `null` is as good as
//! nothing, numbers may be texts; a value of another type than its field has fails the request.

use serde::de::MapAccess;

use super::report::{self, Report, Reports};
use crate::model::{Attributes, Event, IdError, SpanId, TraceId, UnixNanos};
use crate::otlp::decode::json::object::{self, Member, Notes, Object};
use crate::otlp::decode::{DecodeError, Decoded, Memory, RejectReason};
use crate::zipkin::{Endpoint, Kind};

/// Reads a JSON array of spans that arrived then into this memory. Of no bytes at all there are no spans.
pub fn json_within(body: &[u8], arrival: UnixNanos, memory: &Memory<'_>) -> Result<Decoded, DecodeError> {
    let notes = Notes::new(memory);
    let mut reports = Reports::new(memory, arrival);
    let keep = |report: Report| {
        let fault = notes.take_fault();
        reports.add(Report { fault, ..report }, body.len()).map(drop)
    };
    let read = if body.is_empty() { Ok(()) } else { object::read_list(body, Report::default, keep, &notes) };
    if memory.is_full() {
        return Err(DecodeError::Full);
    }
    read?;
    Ok(reports.finish(notes.repaired()))
}

impl Object for Report {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        let notes = value.notes;
        match name {
            "traceId" => self.trace_id = trace_id(value)?,
            "id" => self.id = span_id(value)?,
            "parentId" => self.parent_id = span_id(value)?,
            "kind" => self.kind = kind(&value.text()?, notes),
            "name" => self.name = value.text()?,
            "timestamp" => self.timestamp = value.integer()?,
            "duration" => self.duration = value.integer()?,
            "localEndpoint" => drop(value.object(&mut self.local)?),
            "remoteEndpoint" => drop(value.object(&mut self.remote)?),
            "annotations" => value.each(Annotation::default, |annotation| {
                notes.memory.push(&mut self.annotations, annotation.0) //
            })?,
            "tags" => drop(value.object(&mut Tags(&mut self.tags))?),
            "debug" => self.debug = value.optional_bool()?.unwrap_or_default(),
            "shared" => self.shared = value.optional_bool()?.unwrap_or_default(),
            _ => value.skip()?,
        }
        Ok(())
    }
}

fn trace_id<'de, A: MapAccess<'de>>(value: Member<'_, A>) -> Result<Result<TraceId, IdError>, A::Error> {
    let text = value.text()?;
    Ok(if text.is_empty() {
        TraceId::from_slice(&[])
    } else {
        report::padded::<16>(&text).and_then(|id| TraceId::from_slice(&id))
    })
}

fn span_id<'de, A: MapAccess<'de>>(value: Member<'_, A>) -> Result<Result<SpanId, IdError>, A::Error> {
    let text = value.text()?;
    Ok(if text.is_empty() {
        SpanId::from_slice(&[])
    } else {
        report::padded::<8>(&text).and_then(|id| SpanId::from_slice(&id))
    })
}

fn kind(name: &str, notes: &Notes<'_>) -> Option<Kind> {
    let known = Kind::NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    if known.is_none() && !name.is_empty() {
        notes.note_fault(RejectReason::Value { expected: "CLIENT, SERVER, PRODUCER or CONSUMER" });
    }
    known
}

impl Object for Endpoint {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        let notes = value.notes;
        match name {
            "serviceName" => self.service = value.text()?,
            "ipv4" | "ipv6" => report::set_address(self, value.text()?.parse().ok()),
            "port" => match u16::try_from(value.integer::<u32>()?) {
                Ok(port) => self.port = port,
                Err(_) => notes.note_fault(RejectReason::Value { expected: "a port" }),
            },
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// An annotation. It is an event, but in JSON a trait has one implementation for a type, and OTLP's events have theirs.
#[derive(Debug, Default)]
struct Annotation(Event);

impl Object for Annotation {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        let notes = value.notes;
        match name {
            "timestamp" => match report::moment(value.integer()?) {
                Some(time) => self.0.time = time,
                None => notes.note_fault(RejectReason::Value { expected: "a time before 2554" }),
            },
            "value" => self.0.name = value.text()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// Tags: every member is one.
struct Tags<'a>(&'a mut Attributes);

impl Object for Tags<'_> {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error> {
        let notes = value.notes;
        notes.take(name.len())?;
        let tag = report::tag(name.to_owned(), value.text()?);
        notes.push(&mut self.0.0, tag)
    }
}
