//! Spans as they are being read, whatever the format, and what makes them good: valid ids, no fault, and a resource
//! and a scope that have none either.

use std::fmt::Write;
use std::sync::Arc;

use super::memory::{Full, bytes_of};
use super::rejected::DESCRIPTIONS_MAX;
use super::{Decoded, Memory, RejectReason, Rejected, size};
use crate::model::{
    Attributes, Event, IdError, Keyed, Link, Resource, SERVICE_UNKNOWN, Scope, Span, SpanId, SpanKind, Status, TraceId,
    UnixNanos,
};

/// So many characters of a rejected span's name are told to its sender.
const NAME_CHARS_MAX: usize = 64;

/// What a span takes beside itself: its digest, and twice that while the request's fingerprint is made.
const SPAN_EXTRA_BYTES: usize = 48;

/// A resource or scope for all spans under it, or why it can not be had.
pub(crate) type Shared<T> = Result<Arc<Keyed<T>>, RejectReason>;

/// A resource of a message of so many bytes.
pub(crate) fn shared_resource(resource: Resource, bytes_max: usize) -> Shared<Resource> {
    size::check(bytes_max, || size::of_resource(&resource))?;
    Ok(Arc::new(Keyed::new(resource)))
}

/// A scope of a message of so many bytes.
pub(crate) fn shared_scope(scope: Scope, bytes_max: usize) -> Shared<Scope> {
    size::check(bytes_max, || size::of_scope(&scope))?;
    Ok(Arc::new(Keyed::new(scope)))
}

/// A span of which any field may still be missing or wrong.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) trace_id: Result<TraceId, IdError>,
    pub(crate) span_id: Result<SpanId, IdError>,
    pub(crate) parent_span_id: Result<SpanId, IdError>,
    pub(crate) trace_state: String,
    pub(crate) flags: u32,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) start: UnixNanos,
    pub(crate) end: UnixNanos,
    pub(crate) attributes: Attributes,
    pub(crate) dropped_attributes_count: u32,
    pub(crate) events: Vec<Event>,
    pub(crate) dropped_events_count: u32,
    pub(crate) links: Vec<Link>,
    pub(crate) dropped_links_count: u32,
    pub(crate) status: Status,
    /// The first thing other than its own ids that makes it a bad span.
    pub(crate) fault: Option<RejectReason>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            trace_id: NO_TRACE_ID,
            span_id: NO_SPAN_ID,
            parent_span_id: NO_SPAN_ID,
            trace_state: String::new(),
            flags: 0,
            name: String::new(),
            kind: SpanKind::UNSPECIFIED,
            start: UnixNanos(0),
            end: UnixNanos(0),
            attributes: Attributes::default(),
            dropped_attributes_count: 0,
            events: Vec::new(),
            dropped_events_count: 0,
            links: Vec::new(),
            dropped_links_count: 0,
            status: Status::default(),
            fault: None,
        }
    }
}

/// A link whose ids may still be missing or wrong; those of `link` itself are not set.
#[derive(Debug)]
pub(crate) struct DraftLink {
    pub(crate) trace_id: Result<TraceId, IdError>,
    pub(crate) span_id: Result<SpanId, IdError>,
    pub(crate) link: Link,
}

impl Default for DraftLink {
    fn default() -> Self {
        Self { trace_id: NO_TRACE_ID, span_id: NO_SPAN_ID, link: Link::default() }
    }
}

impl DraftLink {
    pub(crate) fn finish(self) -> Result<Link, RejectReason> {
        let trace_id = unless_none(self.trace_id).map_err(RejectReason::LinkTraceId)?;
        let span_id = unless_none(self.span_id).map_err(RejectReason::LinkSpanId)?;
        Ok(Link { trace_id, span_id, ..self.link })
    }
}

/// What reading an empty trace id gives.
const NO_TRACE_ID: Result<TraceId, IdError> = Err(IdError::Length { expected: 16, actual: 0 });

/// What reading an empty span id gives.
const NO_SPAN_ID: Result<SpanId, IdError> = Err(IdError::Length { expected: 8, actual: 0 });

/// An id that may be left out, by sending it empty or as zeros only.
fn unless_none<T>(id: Result<T, IdError>) -> Result<Option<T>, IdError> {
    match id {
        Err(IdError::Zero | IdError::Length { actual: 0, .. }) => Ok(None),
        id => id.map(Some),
    }
}

/// Drafts that wait for their resource and scope. Of bad ones in a row little is kept: three bytes of a request can be one.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    drafts: Vec<(Box<Draft>, u64)>,
    bad: usize,
}

impl Drafts {
    pub(crate) fn push(&mut self, draft: Draft, memory: &Memory<'_>) -> Result<(), Full> {
        let fault = checked_ids(&draft).err();
        self.bad = self.bad.saturating_add(usize::from(fault.is_some()));
        match self.drafts.last_mut() {
            // Those that the sender is told of came before.
            Some((last, times))
                if self.bad > DESCRIPTIONS_MAX && fault.is_some() && checked_ids(last).err() == fault =>
            {
                *times = times.saturating_add(1);
                Ok(())
            }
            _ => {
                memory.take(size_of::<Draft>())?;
                memory.push(&mut self.drafts, (Box::new(draft), 1))
            }
        }
    }

    /// What the drafts take of the memory, beside what is in them.
    pub(crate) fn taken_bytes(&self) -> usize {
        let drafts = bytes_of::<Draft>(self.drafts.len());
        drafts.saturating_add(bytes_of::<(Box<Draft>, u64)>(self.drafts.capacity()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.drafts.is_empty()
    }
}

impl IntoIterator for Drafts {
    type Item = (Box<Draft>, u64);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    /// The drafts in their order, and how often each stands there, if it is bad.
    fn into_iter(self) -> Self::IntoIter {
        self.drafts.into_iter()
    }
}

/// The spans of a request, as they are finished.
pub(crate) struct Assembly<'a> {
    memory: &'a Memory<'a>,
    spans: Vec<Span>,
    rejected: Rejected,
    /// How many spans came so far, which is the next one's index.
    seen: u64,
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(memory: &'a Memory<'a>) -> Self {
        Self { memory, spans: Vec::new(), rejected: Rejected::default(), seen: 0 }
    }

    /// Keeps a draft of a message of so many bytes as a span, or rejects it, as often as it came; says which.
    pub(crate) fn add(
        &mut self,
        (draft, times): (Draft, u64),
        bytes_max: usize,
        resource: &Shared<Resource>,
        scope: &Shared<Scope>,
    ) -> Result<bool, Full> {
        let index = self.seen;
        self.seen = index.saturating_add(times);
        let checked = checked_ids(&draft).and_then(|ids| {
            size::check(bytes_max, || size::of_span(&draft))?;
            Ok(ids)
        });
        let (place, reason) = match (checked, resource, scope) {
            (Err(reason), _, _) => ("", reason),
            (_, Err(reason), _) => ("its resource: ", *reason),
            (_, _, Err(reason)) => ("its scope: ", *reason),
            (Ok(ids), Ok(resource), Ok(scope)) => {
                self.memory.take(SPAN_EXTRA_BYTES)?;
                self.memory.push(&mut self.spans, span(draft, ids, resource, scope))?;
                return Ok(true);
            }
        };
        let service = resource.as_ref().map_or(SERVICE_UNKNOWN, |resource| resource.service());
        self.rejected.add(service, reason, times, self.memory, || {
            format!("span {index} {}: {place}{reason}", describe(&draft)) //
        })?;
        Ok(false)
    }

    pub(crate) fn finish(self, repaired: u64) -> Decoded {
        Decoded { spans: self.spans, rejected: self.rejected, repaired, begun_on_arrival: Vec::new() }
    }
}

type Ids = (TraceId, SpanId, Option<SpanId>);

fn checked_ids(draft: &Draft) -> Result<Ids, RejectReason> {
    if let Some(fault) = draft.fault {
        return Err(fault);
    }
    let trace_id = draft.trace_id.map_err(RejectReason::TraceId)?;
    let span_id = draft.span_id.map_err(RejectReason::SpanId)?;
    let parent_span_id = unless_none(draft.parent_span_id).map_err(RejectReason::ParentSpanId)?;
    Ok((trace_id, span_id, parent_span_id))
}

fn span(draft: Draft, ids: Ids, resource: &Arc<Keyed<Resource>>, scope: &Arc<Keyed<Scope>>) -> Span {
    let (trace_id, span_id, parent_span_id) = ids;
    Span {
        trace_id,
        span_id,
        parent_span_id,
        trace_state: draft.trace_state,
        flags: draft.flags,
        name: draft.name,
        kind: draft.kind,
        start: draft.start,
        end: draft.end,
        attributes: draft.attributes,
        dropped_attributes_count: draft.dropped_attributes_count,
        events: draft.events,
        dropped_events_count: draft.dropped_events_count,
        links: draft.links,
        dropped_links_count: draft.dropped_links_count,
        status: draft.status,
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
    }
}

/// The draft's name and what is known of its ids, for its sender to find it by.
fn describe(draft: &Draft) -> String {
    let mut text = format!("{:?}", draft.name.chars().take(NAME_CHARS_MAX).collect::<String>());
    // Writing to a String does not fail.
    if let Ok(id) = draft.trace_id {
        let _ = write!(text, " trace_id {id}");
    }
    if let Ok(id) = draft.span_id {
        let _ = write!(text, " span_id {id}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three bytes of JSON are a span, though a bad one: millions of them must not become as many drafts.
    #[test]
    fn of_bad_drafts_in_a_row_few_are_kept() {
        let memory = Memory::unbounded();
        let mut drafts = Drafts::default();
        for _ in 0..1_000 {
            drafts.push(Draft::default(), &memory).unwrap();
        }
        assert_eq!(drafts.drafts.len(), DESCRIPTIONS_MAX);
        drafts
            .push(Draft { fault: Some(RejectReason::Value { expected: "a double" }), ..Draft::default() }, &memory)
            .unwrap();
        drafts.push(Draft::default(), &memory).unwrap();
        assert_eq!(drafts.into_iter().map(|(_, times)| times).collect::<Vec<_>>(), [1, 1, 998, 1, 1]);
    }
}
