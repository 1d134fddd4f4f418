//! Rows back to spans. The columns of a statement stand beside the code that reads them, in the same order.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{Decode, PgConnection, Postgres, Row, Type};

use super::error::meaning;
use super::time::Micros;
use crate::model::{Keyed, Resource, Scope, Span, SpanId, SpanKey, SpanKind, Status, StatusCode, TraceId, UnixNanos};
use crate::store::{StoreError, json, text};

/// Which rows of `span_row s` count. The others are in history.
pub(super) const IS_HOT: &str = "s.step >= (select first_hot_step from tier)";

/// What [`read_key`] reads, of `span_row s`.
pub(super) const KEY_COLUMNS: &str = "s.start_time, s.start_nano, s.trace_id, s.span_id, s.digest";

/// What [`read_span`] reads, of `span_row s`.
pub(super) const SPAN_COLUMNS: &str = "\
    s.start_time, s.start_nano, s.trace_id, s.span_id, s.digest, s.resource_id, s.scope_id, s.parent_span_id,
    s.duration_nano, s.end_exact, s.kind, s.flags, s.status_code, s.status_message, s.name, s.trace_state,
    s.attributes::text, s.attributes_shape, s.dropped_attributes_count, s.events::text, s.dropped_events_count,
    s.links::text, s.dropped_links_count";

const SELECT_RESOURCES: &str = "\
    select resource_id, attributes::text, attributes_shape, dropped_attributes_count, entity_refs::text, schema_url
    from resource_row where resource_id = any($1)";

const SELECT_SCOPES: &str = "\
    select scope_id, name, version, attributes::text, attributes_shape, dropped_attributes_count, schema_url
    from scope where scope_id = any($1)";

/// A row's columns, one after the other.
pub(super) struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    pub(super) fn take<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, StoreError> {
        let column = self.row.try_get(self.next).map_err(meaning);
        self.next = self.next.saturating_add(1);
        column
    }

    /// The next column, a text.
    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        original(self.take()?)
    }

    /// The next column, a text or null.
    pub(super) fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        self.take::<Option<&str>>()?.map(original).transpose()
    }

    /// The next column, a number or null for 0.
    fn number_or_null(&mut self) -> Result<i32, StoreError> {
        Ok(self.take::<Option<i32>>()?.unwrap_or_default())
    }

    fn json<T: Default>(&mut self, read: impl FnOnce(&[u8]) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.take::<Option<&str>>()?.map_or_else(|| Ok(T::default()), |text| read(text.as_bytes()))
    }
}

fn original(stored: &str) -> Result<String, StoreError> {
    text::original(stored).map(Cow::into_owned).ok_or_else(|| corrupt("a text has a broken U+0001"))
}

pub(super) fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::Corrupt { what: what.into() }
}

/// The columns of [`KEY_COLUMNS`].
pub(super) fn read_key(columns: &mut Columns<'_>) -> Result<SpanKey, StoreError> {
    let (Micros(micros), nanos) = (columns.take()?, columns.take()?);
    let start = UnixNanos::from_micros_and_nanos(micros, nanos);
    Ok(SpanKey {
        start: start.ok_or_else(|| corrupt("a start is out of range"))?,
        trace_id: TraceId::from_slice(columns.take()?).map_err(|error| corrupt(format!("a trace id {error}")))?,
        span_id: span_id(columns.take()?)?,
        digest: columns.take()?,
    })
}

/// The columns of [`SPAN_COLUMNS`].
pub(super) fn read_span(row: &PgRow, dictionary: &Dictionary) -> Result<(SpanKey, Span), StoreError> {
    let mut columns = Columns::of(row);
    let key = read_key(&mut columns)?;
    let span = read_rest(key, columns, dictionary).map_err(|error| match error {
        StoreError::Corrupt { what } => corrupt(format!("span {} of trace {}: {what}", key.span_id, key.trace_id)),
        other => other,
    })?;
    Ok((key, span))
}

fn read_rest(key: SpanKey, mut columns: Columns<'_>, dictionary: &Dictionary) -> Result<Span, StoreError> {
    let resource = dictionary.resource(columns.take()?)?;
    let scope = dictionary.scope(columns.take()?)?;
    let parent_span_id = columns.take::<Option<&[u8]>>()?.map(span_id).transpose()?;
    let end = read_end(key.start, &mut columns)?;
    let (kind, flags) = (SpanKind(columns.take()?), columns.take::<i32>()?.cast_unsigned());
    let code = StatusCode(columns.number_or_null()?);
    Ok(Span {
        trace_id: key.trace_id,
        span_id: key.span_id,
        parent_span_id,
        flags,
        kind,
        start: key.start,
        end,
        status: Status { code, message: columns.optional_text()?.unwrap_or_default() },
        name: columns.text()?,
        trace_state: columns.optional_text()?.unwrap_or_default(),
        attributes: json::read_attributes(columns.take::<&str>()?.as_bytes(), columns.take()?)?,
        dropped_attributes_count: columns.number_or_null()?.cast_unsigned(),
        events: columns.json(json::read_events)?,
        dropped_events_count: columns.number_or_null()?.cast_unsigned(),
        links: columns.json(json::read_links)?,
        dropped_links_count: columns.number_or_null()?.cast_unsigned(),
        resource,
        scope,
    })
}

/// The columns `duration_nano, end_exact`.
pub(super) fn read_end(start: UnixNanos, columns: &mut Columns<'_>) -> Result<UnixNanos, StoreError> {
    let (duration, exact) = (columns.take::<i64>()?, columns.take::<Option<i64>>()?);
    if let Some(exact) = exact {
        return Ok(UnixNanos(exact.cast_unsigned()));
    }
    let end = u64::try_from(duration).ok().and_then(|duration| start.0.checked_add(duration));
    end.map(UnixNanos).ok_or_else(|| corrupt("a duration is out of range"))
}

fn span_id(bytes: &[u8]) -> Result<SpanId, StoreError> {
    SpanId::from_slice(bytes).map_err(|error| corrupt(format!("a span id {error}")))
}

/// Fetches what these rows of [`SPAN_COLUMNS`] refer to.
pub(super) async fn dictionary_of(
    rows: &[PgRow],
    dictionary: &mut Dictionary,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        let mut columns = Columns::of(row);
        read_key(&mut columns)?;
        ids.push((columns.take()?, columns.take()?));
    }
    dictionary.load(ids.into_iter(), connection).await
}

/// The resources and scopes that the spans of one answer refer to, each decoded once.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    resources: HashMap<i64, Arc<Keyed<Resource>>>,
    scopes: HashMap<i64, Arc<Keyed<Scope>>>,
}

impl Dictionary {
    /// Fetches those of these resources and scopes that are not here yet. One that can not be read is no error before a
    /// span is made that refers to it.
    pub(super) async fn load(
        &mut self,
        ids: impl Iterator<Item = (i64, i64)>,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let (resource_ids, scope_ids): (HashSet<_>, HashSet<_>) = ids.unzip();
        self.load_resources(resource_ids, connection).await?;
        self.load_scopes(scope_ids, connection).await
    }

    /// The same of scopes alone.
    pub(super) async fn load_scopes(
        &mut self,
        mut ids: HashSet<i64>,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        ids.retain(|id| !self.scopes.contains_key(id));
        for row in fetch(SELECT_SCOPES, ids, connection).await? {
            if let Some((id, scope)) = readable(read_scope(&row))? {
                self.scopes.extend(keyed(id, Keyed::new(scope)));
            }
        }
        Ok(())
    }

    /// The same of resources alone.
    pub(super) async fn load_resources(
        &mut self,
        mut ids: HashSet<i64>,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        ids.retain(|id| !self.resources.contains_key(id));
        for row in fetch(SELECT_RESOURCES, ids, connection).await? {
            if let Some((id, resource)) = readable(read_resource(&row))? {
                self.resources.extend(keyed(id, Keyed::new(resource)));
            }
        }
        Ok(())
    }

    pub(super) fn resource(&self, id: i64) -> Result<Arc<Keyed<Resource>>, StoreError> {
        self.resources
            .get(&id)
            .cloned()
            .ok_or_else(|| corrupt(format!("its resource {id} is not there, or not what was written")))
    }

    pub(super) fn scope(&self, id: i64) -> Result<Arc<Keyed<Scope>>, StoreError> {
        self.scopes
            .get(&id)
            .cloned()
            .ok_or_else(|| corrupt(format!("its scope {id} is not there, or not what was written")))
    }
}

async fn fetch(
    statement: &'static str,
    ids: HashSet<i64>,
    connection: &mut PgConnection,
) -> Result<Vec<PgRow>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = ids.into_iter().collect();
    sqlx::query(statement).bind(ids).fetch_all(connection).await.map_err(meaning)
}

fn readable<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(StoreError::Corrupt { .. }) => Ok(None),
        read => read.map(Some),
    }
}

/// The key says whether the row is what was written.
fn keyed<T>(id: i64, value: Keyed<T>) -> Option<(i64, Arc<Keyed<T>>)> {
    (value.key() == id).then(|| (id, Arc::new(value)))
}

fn read_resource(row: &PgRow) -> Result<(i64, Resource), StoreError> {
    let mut columns = Columns::of(row);
    let id = columns.take()?;
    let resource = Resource {
        attributes: json::read_attributes(columns.take::<&str>()?.as_bytes(), columns.take()?)?,
        dropped_attributes_count: columns.take::<i32>()?.cast_unsigned(),
        entity_refs: columns.json(json::read_entity_refs)?,
        schema_url: columns.text()?,
    };
    Ok((id, resource))
}

fn read_scope(row: &PgRow) -> Result<(i64, Scope), StoreError> {
    let mut columns = Columns::of(row);
    let id = columns.take()?;
    let scope = Scope {
        name: columns.text()?,
        version: columns.text()?,
        attributes: json::read_attributes(columns.take::<&str>()?.as_bytes(), columns.take()?)?,
        dropped_attributes_count: columns.take::<i32>()?.cast_unsigned(),
        schema_url: columns.text()?,
    };
    Ok((id, scope))
}
