//! A stored block back to spans; or to rows, when another block is to be made of them.

use std::ops::Range;

use super::hot::{HotRow, Texts};
use super::stored::{Coded, Head, Shape, StoredBlock, StoredTrace, in_block};
use super::{corrupt, trace_check};
use crate::model::{Span, SpanId, SpanKey, Status, TraceId, UnixNanos};
use crate::store::postgres::row::Dictionary;
use crate::store::{StoreError, json, text};

impl StoredBlock {
    /// Of each span what is known without making it, in the block's order: by trace, within a trace by key.
    pub(crate) fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// What the heads' `shape` counts.
    pub(crate) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The parent of the span at a place; `None` for a root.
    pub(crate) fn parent(&self, place: usize) -> Option<SpanId> {
        self.parents.get(place).copied().flatten()
    }

    /// The text of a span's events; empty when it has none.
    pub(crate) fn events(&self, place: usize) -> &str {
        self.events.as_ref().map_or("", |lines| lines.get(place))
    }

    /// The text of a span's links; empty when it has none.
    pub(crate) fn links(&self, place: usize) -> &str {
        self.links.as_ref().map_or("", |lines| lines.get(place))
    }

    /// The keys of the spans' resources.
    pub(crate) fn resource_ids(&self) -> &[i64] {
        &self.resource_ids
    }

    /// Where a trace's spans are among the heads; nowhere when the block has none of it.
    pub(crate) fn places_of(&self, trace_id: TraceId) -> Range<usize> {
        let found = self.traces.iter().find(|trace| trace.id == trace_id);
        found.map(|trace| trace.places.clone()).unwrap_or_default()
    }

    /// The traces that it has spans of, in their order.
    pub(crate) fn traces(&self) -> &[StoredTrace] {
        &self.traces
    }

    /// The spans of one of its traces, when they are what was written: all of them, by key.
    pub(crate) fn spans_of(
        &self,
        trace: &StoredTrace,
        dictionary: &Dictionary,
    ) -> Result<Vec<(SpanKey, Span)>, StoreError> {
        let spans: Vec<_> = trace.places.clone().map(|place| self.span(place, dictionary)).collect::<Result<_, _>>()?;
        if trace_check(spans.iter().map(|(key, _)| key.digest)) == trace.check {
            return Ok(spans);
        }
        let what = format!("the spans of trace {} are not what was written", trace.id);
        Err(in_block(self.block_id, self.hour, corrupt(what)))
    }

    /// The rows of `span_row` that it was made of, in its own order.
    pub(crate) fn rows(&self, dictionary: &Dictionary) -> Result<Vec<HotRow>, StoreError> {
        let mut rows = Vec::with_capacity(self.heads.len());
        for trace in &self.traces {
            let spans = self.spans_of(trace, dictionary)?;
            for (place, (key, span)) in trace.places.clone().zip(&spans) {
                rows.push(self.row(place, *key, span)?);
            }
        }
        Ok(rows)
    }

    fn row(&self, place: usize, key: SpanKey, span: &Span) -> Result<HotRow, StoreError> {
        let missing = || corrupt("there is no such span");
        let head = self.heads.get(place).ok_or_else(missing)?;
        let shape = self.shapes.get(head.shape).ok_or_else(missing)?;
        let attributes = self.attributes(place, shape)?;
        let [name, message, state] = [&span.name, &span.status.message, &span.trace_state].map(|own| text::stored(own));
        let (events, links) = (self.events(place), self.links(place));
        let exact = shape.exact.as_deref().unwrap_or_default();
        let texts = Texts::of(&[
            name.as_bytes(),
            message.as_bytes(),
            state.as_bytes(),
            attributes.as_bytes(),
            exact,
            events.as_bytes(),
            links.as_bytes(),
        ])?;
        Ok(HotRow {
            key,
            duration_nanos: head.duration_nanos.cast_signed(),
            end_exact: self.ends.as_ref().and_then(|ends| ends.get(place)).copied(),
            resource_id: head.resource_id,
            scope_id: shape.scope_id,
            service_id: self.service_id,
            received_micros: head.received_micros,
            kind: shape.kind.0,
            flags: shape.flags,
            status: shape.status.0,
            dropped: shape.dropped,
            parent_span_id: span.parent_span_id,
            texts,
        })
    }

    /// Keys of the resources and of the scopes that the spans refer to, for [`Dictionary::load`].
    pub(crate) fn references(&self) -> impl Iterator<Item = (i64, i64)> {
        // As pairs, each list again from the start while the other one goes on.
        let count = self.resource_ids.len().max(self.shapes.len());
        let scope_ids = self.shapes.iter().map(|shape| shape.scope_id);
        self.resource_ids.iter().copied().cycle().zip(scope_ids.cycle()).take(count)
    }

    /// The span at a place among the heads, and its key.
    pub(crate) fn span(&self, place: usize, dictionary: &Dictionary) -> Result<(SpanKey, Span), StoreError> {
        let span = self.make(place, dictionary);
        let span = span.map_err(|error| in_block(self.block_id, self.hour, in_span(place, error)))?;
        Ok((span.key(), span))
    }

    fn make(&self, place: usize, dictionary: &Dictionary) -> Result<Span, StoreError> {
        let missing = || corrupt("there is no such span");
        let head = self.heads.get(place).ok_or_else(missing)?;
        let shape = self.shapes.get(head.shape).ok_or_else(missing)?;
        let text = |texts: &Option<Coded<String>>| {
            texts.as_ref().and_then(|texts| texts.get(place)).cloned().unwrap_or_default()
        };
        Ok(Span {
            trace_id: head.trace_id,
            span_id: head.span_id,
            parent_span_id: self.parent(place),
            trace_state: text(&self.trace_states),
            flags: shape.flags.cast_unsigned(),
            name: shape.name.clone(),
            kind: shape.kind,
            start: head.start,
            end: self.end(place, head)?,
            attributes: json::read_attributes(self.attributes(place, shape)?.as_bytes(), shape.exact.as_deref())?,
            dropped_attributes_count: shape.dropped[0].cast_unsigned(),
            events: list(self.events(place), json::read_events)?,
            dropped_events_count: shape.dropped[1].cast_unsigned(),
            links: list(self.links(place), json::read_links)?,
            dropped_links_count: shape.dropped[2].cast_unsigned(),
            status: Status { code: shape.status, message: text(&self.messages) },
            resource: dictionary.resource(head.resource_id)?,
            scope: dictionary.scope(shape.scope_id)?,
        })
    }

    fn end(&self, place: usize, head: &Head) -> Result<UnixNanos, StoreError> {
        if let Some(exact) = self.ends.as_ref().and_then(|ends| ends.get(place)) {
            return Ok(UnixNanos(exact.cast_unsigned()));
        }
        let end = head.start.0.checked_add(head.duration_nanos);
        end.map(UnixNanos).ok_or_else(|| corrupt("its duration is out of range"))
    }

    /// The attributes' JSON: the shape's pieces with the span's values between them.
    fn attributes(&self, place: usize, shape: &Shape) -> Result<String, StoreError> {
        let line = self.values.get(place);
        let Some((first, pieces)) = shape.pieces.split_first() else { return Err(corrupt("a format is missing")) };
        let mut object = String::with_capacity(shape.text_bytes().saturating_add(line.len()));
        object.push_str(first);
        let mut values = if pieces.is_empty() && line.is_empty() { None } else { Some(line.split('\t')) };
        for piece in pieces {
            let value = values.as_mut().and_then(Iterator::next);
            object.push_str(value.ok_or_else(|| corrupt("it has too few values"))?);
            object.push_str(piece);
        }
        match values.and_then(|mut rest| rest.next()) {
            Some(_) => Err(corrupt("it has too many values")),
            None => Ok(object),
        }
    }
}

impl Shape {
    fn text_bytes(&self) -> usize {
        self.pieces.iter().map(String::len).fold(0, usize::saturating_add)
    }
}

fn in_span(place: usize, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { what } => corrupt(format!("span {}: {what}", place.saturating_add(1))),
        other => other,
    }
}

/// Events or links; an empty line is none.
fn list<T>(line: &str, read: impl FnOnce(&[u8]) -> Result<Vec<T>, StoreError>) -> Result<Vec<T>, StoreError> {
    if line.is_empty() { Ok(Vec::new()) } else { read(line.as_bytes()) }
}
