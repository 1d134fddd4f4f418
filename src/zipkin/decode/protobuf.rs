//! Zipkin's protobuf messages, field by field, as `proto/zipkin/zipkin.proto` numbers them. Read as OTLP's are: unknown
//! fields are skipped, of a field that comes twice the last counts, endpoints are read into each other.

use std::cell::Cell;

use super::report::{self, Report, Reports};
use crate::model::{Attribute, Event, SpanId, TraceId, UnixNanos};
use crate::otlp::decode::wire::{Notes, Reader};
use crate::otlp::decode::{DecodeError, Decoded, Malformed, Memory, RejectReason};
use crate::zipkin::{Endpoint, Kind};

/// Reads a `zipkin.proto3.ListOfSpans` that arrived then into this memory.
pub fn protobuf_within(body: &[u8], arrival: UnixNanos, memory: &Memory<'_>) -> Result<Decoded, DecodeError> {
    let notes = Notes { memory, repaired: Cell::new(0) };
    let mut reports = Reports::new(memory, arrival);
    let read = list_of_spans(Reader::new(body, &notes), &mut reports);
    if memory.is_full() {
        return Err(DecodeError::Full);
    }
    read?;
    Ok(reports.finish(notes.repaired.get()))
}

fn list_of_spans(mut reader: Reader<'_>, reports: &mut Reports<'_>) -> Result<(), Malformed> {
    while let Some(field) = reader.field()? {
        if field.number == 1 {
            let memory = reader.notes.memory;
            let before = memory.taken_bytes();
            let message = field.message()?;
            let mut report = Report::default();
            let fault = read_span(&mut report, message).err();
            // What is kept of a rejected one, its service and its reason, stays taken.
            let read_bytes = memory.taken_bytes().saturating_sub(before);
            if !reports.add(Report { fault, ..report }, message.len())? {
                memory.give_back(read_bytes);
            }
        }
    }
    Ok(())
}

fn read_span(report: &mut Report, mut reader: Reader<'_>) -> Result<(), RejectReason> {
    while let Some(field) = reader.field()? {
        match field.number {
            1 => {
                let bytes = field.bytes()?;
                report.trace_id = match <[u8; 8]>::try_from(bytes) {
                    Ok(lower) => TraceId::from_slice(&u128::from(u64::from_be_bytes(lower)).to_be_bytes()),
                    Err(_) => TraceId::from_slice(bytes),
                };
            }
            2 => report.parent_id = SpanId::from_slice(field.bytes()?),
            3 => report.id = SpanId::from_slice(field.bytes()?),
            4 => report.kind = kind(field.int32()?),
            5 => report.name = field.text()?,
            6 => report.timestamp = field.fixed64()?,
            7 => report.duration = field.varint()?,
            8 => merge_endpoint(&mut report.local, field.message()?)?,
            9 => merge_endpoint(&mut report.remote, field.message()?)?,
            10 => reader.push(10, &mut report.annotations, annotation(field.message()?)?)?,
            11 => reader.push(11, &mut report.tags.0, tag(field.message()?)?)?,
            12 => report.debug = field.varint()? != 0,
            13 => report.shared = field.varint()? != 0,
            _ => {}
        }
    }
    Ok(())
}

/// Of a kind that a later version adds nothing is known.
fn kind(number: i32) -> Option<Kind> {
    match number {
        1 => Some(Kind::Client),
        2 => Some(Kind::Server),
        3 => Some(Kind::Producer),
        4 => Some(Kind::Consumer),
        _ => None,
    }
}

fn merge_endpoint(endpoint: &mut Endpoint, mut reader: Reader<'_>) -> Result<(), RejectReason> {
    while let Some(field) = reader.field()? {
        match field.number {
            1 => endpoint.service = field.text()?,
            2 | 3 => report::set_address(endpoint, report::address_of(field.bytes()?)),
            4 => {
                let port = u16::try_from(field.int32()?);
                endpoint.port = port.map_err(|_| RejectReason::Value { expected: "a port" })?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn annotation(mut reader: Reader<'_>) -> Result<Event, RejectReason> {
    let mut event = Event::default();
    while let Some(field) = reader.field()? {
        match field.number {
            1 => {
                let time = report::moment(field.fixed64()?);
                event.time = time.ok_or(RejectReason::Value { expected: "a time before 2554" })?;
            }
            2 => event.name = field.text()?,
            _ => {}
        }
    }
    Ok(event)
}

/// An entry of the map of tags.
fn tag(mut reader: Reader<'_>) -> Result<Attribute, RejectReason> {
    let (mut key, mut value) = (String::new(), String::new());
    while let Some(field) = reader.field()? {
        match field.number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok(report::tag(key, value))
}
