//! A span as a row: its columns in, and out again.

use std::sync::Arc;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Decode, Encode, Row, Sqlite, Type};

use crate::model::{Keyed, Resource, Scope, Span, SpanId, SpanKey, SpanKind, Status, StatusCode, TraceId, UnixNanos};
use crate::store::{StoreError, json, text};

/// The values of a statement's parameters, in their order.
#[derive(Default)]
pub(super) struct Parameters(SqliteArguments);

impl Parameters {
    /// The next value.
    pub(super) fn add<'t>(&mut self, value: impl Encode<'t, Sqlite> + Type<Sqlite>) -> Result<(), StoreError> {
        self.0.add(value).map_err(StoreError::Bug)
    }

    /// The next value, a text by the rule of `text.rs`.
    pub(super) fn text(&mut self, text: &str) -> Result<(), StoreError> {
        self.add(text::stored(text))
    }

    /// The next value, a text that is null when it is empty.
    fn text_or_null(&mut self, text: &str) -> Result<(), StoreError> {
        self.add((!text.is_empty()).then(|| text::stored(text)))
    }

    /// The next value, JSON as text.
    pub(super) fn json(&mut self, json: Vec<u8>) -> Result<(), StoreError> {
        self.add(String::from_utf8(json).map_err(|error| StoreError::Bug(error.into()))?)
    }

    /// The next value, JSON as text, or null for an empty list.
    pub(super) fn json_or_null<T>(
        &mut self,
        items: &[T],
        encode: impl Fn(&[T], &mut Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if items.is_empty() {
            return self.add(None::<String>);
        }
        let mut text = Vec::new();
        encode(items, &mut text)?;
        self.json(text)
    }

    /// The next two values, attributes and their shape.
    pub(super) fn attributes(&mut self, attributes: &crate::model::Attributes) -> Result<(), StoreError> {
        let mut text = Vec::new();
        let shape = json::attributes(attributes, &mut text)?;
        self.json(text)?;
        self.add(shape)
    }

    /// The columns of a span.
    pub(super) fn span(&mut self, span: &Span, service_id: i64) -> Result<(), StoreError> {
        let (start_time, start_nano) = span.start.to_micros_and_nanos();
        let (duration_nano, end_exact) = duration_and_end(span);
        self.add(span.trace_id.as_bytes().as_slice())?;
        self.add(span.span_id.as_bytes().as_slice())?;
        self.add(start_time)?;
        self.add(start_nano)?;
        self.add(duration_nano)?;
        self.add(end_exact)?;
        self.add(span.parent_span_id.as_ref().map(|id| id.as_bytes().as_slice()))?;
        self.add(service_id)?;
        self.add(span.resource.key())?;
        self.add(span.scope.key())?;
        self.add(span.key().digest)?;
        self.text(&span.name)?;
        self.add(span.kind.0)?;
        self.add(span.flags)?;
        self.add((span.status.code != StatusCode::UNSET).then_some(span.status.code.0))?;
        for count in [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count] {
            self.add((count != 0).then_some(count))?;
        }
        self.text_or_null(&span.status.message)?;
        self.text_or_null(&span.trace_state)?;
        self.attributes(&span.attributes)?;
        self.json_or_null(&span.events, json::events)?;
        self.json_or_null(&span.links, json::links)
    }

    /// What the statement takes.
    pub(super) fn into_arguments(self) -> SqliteArguments {
        self.0
    }
}

/// The duration as databases hold it, and the end's bits when it is not just that much after the start.
fn duration_and_end(span: &Span) -> (i64, Option<i64>) {
    let duration = span.duration_nanos();
    let is_plain = span.start.0.checked_add(duration) == Some(span.end.0);
    (i64::try_from(duration).unwrap_or(i64::MAX), (!is_plain).then_some(span.end.0.cast_signed()))
}

/// The reverse of [`duration_and_end`]; `None` for what it never makes.
pub(super) fn end(start: UnixNanos, duration_nano: i64, end_exact: Option<i64>) -> Option<UnixNanos> {
    match end_exact {
        Some(bits) => Some(UnixNanos(bits.cast_unsigned())),
        None => start.0.checked_add(u64::try_from(duration_nano).ok()?).map(UnixNanos),
    }
}

/// Takes the columns of a row, one after the other.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    next: usize,
}

impl<'r> Columns<'r> {
    /// From the first column on.
    pub(super) fn of(row: &'r SqliteRow) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    pub(super) fn take<T: Decode<'r, Sqlite> + Type<Sqlite>>(&mut self) -> Result<T, StoreError> {
        let index = self.next;
        self.next = index.saturating_add(1);
        self.row.try_get(index).map_err(|error| StoreError::Corrupt { what: error.to_string() })
    }

    /// The next column as what a constructor makes of it.
    fn take_as<T: Decode<'r, Sqlite> + Type<Sqlite>, U, E>(
        &mut self,
        what: &str,
        parse: impl Fn(T) -> Result<U, E>,
    ) -> Result<U, StoreError> {
        parse(self.take()?).map_err(|_| corrupt(what))
    }

    /// The next column, a text by the rule of `text.rs`.
    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        let stored: &str = self.take()?;
        text::original(stored).map(std::borrow::Cow::into_owned).ok_or_else(|| corrupt("a text"))
    }

    /// The next column, a text that is null when it is empty.
    fn text_or_null(&mut self) -> Result<String, StoreError> {
        let stored: Option<&str> = self.take()?;
        let text = text::original(stored.unwrap_or_default());
        text.map(std::borrow::Cow::into_owned).ok_or_else(|| corrupt("a text"))
    }

    /// The next column, a list that is null when it is empty.
    pub(super) fn json_or_null<T>(
        &mut self,
        decode: impl Fn(&[u8]) -> Result<Vec<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let text: Option<&str> = self.take()?;
        text.map_or_else(|| Ok(Vec::new()), |text| decode(text.as_bytes()))
    }

    /// The next two columns, attributes and their shape.
    pub(super) fn attributes(&mut self) -> Result<crate::model::Attributes, StoreError> {
        let object: &str = self.take()?;
        let shape: Option<&[u8]> = self.take()?;
        json::read_attributes(object.as_bytes(), shape)
    }

    /// The next two columns, a time.
    fn time(&mut self) -> Result<UnixNanos, StoreError> {
        let (micros, nanos) = (self.take()?, self.take()?);
        UnixNanos::from_micros_and_nanos(micros, nanos).ok_or_else(|| corrupt("a time"))
    }

    /// The next five columns, a key.
    pub(super) fn key(&mut self) -> Result<SpanKey, StoreError> {
        let start = self.time()?;
        let trace_id = self.take_as("a trace id", TraceId::from_slice)?;
        let span_id = self.take_as("a span id", SpanId::from_slice)?;
        Ok(SpanKey { start, trace_id, span_id, digest: self.take()? })
    }

    /// The columns of a span, whose resource and scope are looked up by their keys.
    pub(super) fn span(
        &mut self,
        resource: impl Fn(i64) -> Option<Arc<Keyed<Resource>>>,
        scope: impl Fn(i64) -> Option<Arc<Keyed<Scope>>>,
    ) -> Result<Span, StoreError> {
        let trace_id = self.take_as("a trace id", TraceId::from_slice)?;
        let span_id = self.take_as("a span id", SpanId::from_slice)?;
        let start = self.time()?;
        let end = end(start, self.take()?, self.take()?).ok_or_else(|| corrupt("an end"))?;
        let parent_span_id = self.take_as("a parent", |id: Option<&[u8]>| id.map(SpanId::from_slice).transpose())?;
        let _service_id: i64 = self.take()?;
        let resource = resource(self.take()?).ok_or_else(|| corrupt("a resource's key"))?;
        let scope = scope(self.take()?).ok_or_else(|| corrupt("a scope's key"))?;
        let _digest: i64 = self.take()?;
        let (name, kind, flags) = (self.text()?, SpanKind(self.take()?), self.take()?);
        let code = StatusCode(self.take::<Option<i32>>()?.unwrap_or_default());
        let [dropped_attributes_count, dropped_events_count, dropped_links_count] =
            [self.take::<Option<u32>>()?, self.take()?, self.take()?].map(Option::unwrap_or_default);
        let status = Status { code, message: self.text_or_null()? };
        Ok(Span {
            trace_id,
            span_id,
            parent_span_id,
            trace_state: self.text_or_null()?,
            flags,
            name,
            kind,
            start,
            end,
            attributes: self.attributes()?,
            dropped_attributes_count,
            events: self.json_or_null(json::read_events)?,
            dropped_events_count,
            links: self.json_or_null(json::read_links)?,
            dropped_links_count,
            status,
            resource,
            scope,
        })
    }
}

/// A column holds what is never written to it.
pub(super) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt { what: format!("{what} is not as it was written") }
}
