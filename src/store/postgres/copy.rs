//! Spans as rows of `copy span_row ... (format binary)`, written straight from the model into the bytes that go to the
//! socket. The format: a header, then for each row the number of columns and each column's length and value, big end
//! first, -1 as the length of a null; then -1.

use super::time::Micros;
use crate::model::Span;
use crate::store::{StoreError, json, text};

/// The columns, in the order in which [`CopyBuffer::push`] writes them.
pub(super) const COPY_SPANS: &str = "\
    copy span_row (
        start_time, duration_nano, end_exact, resource_id, scope_id, service_id, digest, kind, flags, status_code,
        dropped_attributes_count, dropped_events_count, dropped_links_count, start_nano, trace_id, span_id,
        parent_span_id, name, status_message, trace_state, attributes, attributes_shape, events, links
    ) from stdin (format binary)";

const COLUMNS: i16 = 24;
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The version that comes before a `jsonb`.
const JSONB_VERSION: u8 = 1;

/// Bytes on their way to the socket.
#[derive(Debug)]
pub(super) struct CopyBuffer {
    bytes: Vec<u8>,
}

impl CopyBuffer {
    pub(super) fn new(capacity_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity_bytes);
        bytes.extend(HEADER);
        Self { bytes }
    }

    /// Appends a row. After an error the buffer is of no use.
    pub(super) fn push(&mut self, span: &Span, service_id: i64) -> Result<(), StoreError> {
        let (start_micros, start_nano) = span.start.to_micros_and_nanos();
        let duration = span.duration_nanos();
        let end_follows = span.start.0.checked_add(duration) == Some(span.end.0);
        self.bytes.extend(COLUMNS.to_be_bytes());
        self.fixed(Micros(start_micros).to_wire());
        self.fixed(duration.cast_signed().to_be_bytes());
        self.optional((!end_follows).then(|| span.end.0.cast_signed().to_be_bytes()));
        self.fixed(span.resource.key().to_be_bytes());
        self.fixed(span.scope.key().to_be_bytes());
        self.fixed(service_id.to_be_bytes());
        self.fixed(span.key().digest.to_be_bytes());
        self.fixed(span.kind.0.to_be_bytes());
        self.fixed(span.flags.to_be_bytes());
        self.optional((span.status.code.0 != 0).then(|| span.status.code.0.to_be_bytes()));
        for count in [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count] {
            self.optional((count != 0).then(|| count.to_be_bytes()));
        }
        self.fixed(start_nano.to_be_bytes());
        self.fixed(*span.trace_id.as_bytes());
        self.fixed(*span.span_id.as_bytes());
        self.optional(span.parent_span_id.map(|id| *id.as_bytes()));
        self.text(&span.name)?;
        self.text_or_null(&span.status.message)?;
        self.text_or_null(&span.trace_state)?;
        self.contents(span)
    }

    /// The columns that hold JSON.
    fn contents(&mut self, span: &Span) -> Result<(), StoreError> {
        let mut shape = None;
        self.json(|out| {
            shape = json::attributes(&span.attributes, out)?;
            Ok(())
        })?;
        match shape {
            None => self.null(),
            Some(shape) => self.sized(&shape)?,
        }
        if span.events.is_empty() {
            self.null();
        } else {
            self.json(|out| json::events(&span.events, out))?;
        }
        if span.links.is_empty() {
            self.null();
        } else {
            self.json(|out| json::links(&span.links, out))?;
        }
        Ok(())
    }

    /// Ends the last row; nothing may be pushed after it.
    pub(super) fn finish(&mut self) {
        self.bytes.extend((-1_i16).to_be_bytes());
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was sent.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    fn null(&mut self) {
        self.bytes.extend((-1_i32).to_be_bytes());
    }

    fn fixed<const N: usize>(&mut self, value: [u8; N]) {
        self.bytes.extend(i32::try_from(N).unwrap_or_default().to_be_bytes());
        self.bytes.extend(value);
    }

    fn optional<const N: usize>(&mut self, value: Option<[u8; N]>) {
        match value {
            Some(value) => self.fixed(value),
            None => self.null(),
        }
    }

    fn sized(&mut self, value: &[u8]) -> Result<(), StoreError> {
        self.bytes.extend(length(value.len())?);
        self.bytes.extend(value);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), StoreError> {
        self.sized(text::stored(text).as_bytes())
    }

    fn text_or_null(&mut self, text: &str) -> Result<(), StoreError> {
        if text.is_empty() {
            self.null();
            return Ok(());
        }
        self.text(text)
    }

    fn json(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        let content = self.bytes.len();
        self.bytes.push(JSONB_VERSION);
        write(&mut self.bytes)?;
        let written = length(self.bytes.len().saturating_sub(content))?;
        if let Some(place) = self.bytes.get_mut(start..content) {
            place.copy_from_slice(&written);
        }
        Ok(())
    }
}

fn length(length: usize) -> Result<[u8; 4], StoreError> {
    i32::try_from(length).map(i32::to_be_bytes).map_err(|_| StoreError::Refused {
        reason: "a value has more than 2 GiB".to_owned(), //
    })
}
