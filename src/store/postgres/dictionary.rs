//! Resources, scopes, services and operations are stored once: which of a write's the database may not have yet, and
//! the statements that add them. Reading them back is in `row.rs`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::PgConnection;
use xxhash_rust::xxh3::xxh3_64;

use super::error::meaning;
use crate::model::{Attributes, Keyed, Resource, Scope, Span, SpanKind};
use crate::store::calls::service_key;
use crate::store::{StoreError, json, text};

/// At most so many keys are remembered (about 10 MB); then we start anew, at the price of inserts that find their row.
const REMEMBERED_KEYS_MAX: usize = 400_000;

/// An insert of resources or scopes takes no further one once their JSON has so many bytes; PostgreSQL hangs up on a
/// message of 1 GiB.
const INSERT_BYTES: usize = 32 << 20;

const INSERT_RESOURCES: &str = "\
    insert into resource_row (resource_id, dropped_attributes_count, service, node, schema_url, attributes,
                          attributes_shape, entity_refs, generation)
    select id, dropped, service, node, schema_url, attributes::jsonb, shape, entity_refs::jsonb, $9
    from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[])
        as added (id, dropped, service, node, schema_url, attributes, shape, entity_refs)
    where not exists (select from resource_row known where known.resource_id = id and known.generation >= $9)
    on conflict (resource_id) do update set generation = excluded.generation
        where resource_row.generation < excluded.generation";

const INSERT_SCOPES: &str = "\
    insert into scope (scope_id, dropped_attributes_count, name, version, schema_url, attributes, attributes_shape,
                       generation)
    select id, dropped, name, version, schema_url, attributes::jsonb, shape, $8
    from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
        as added (id, dropped, name, version, schema_url, attributes, shape)
    where not exists (select from scope known where known.scope_id = id and known.generation >= $8)
    on conflict (scope_id) do update set generation = excluded.generation
        where scope.generation < excluded.generation";

const INSERT_SERVICES: &str = "\
    insert into service (service_id, name, generation)
    select id, name, $3 from unnest($1::bigint[], $2::text[]) as added (id, name)
    where not exists (select from service known where known.service_id = id and known.generation >= $3)
    on conflict (service_id) do update set generation = excluded.generation
        where service.generation < excluded.generation";

const INSERT_OPERATIONS: &str = "\
    insert into operation (operation_id, service_id, kind, name, generation)
    select id, service_id, kind, name, $5
    from unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[]) as added (id, service_id, kind, name)
    where not exists (select from operation known where known.operation_id = id and known.generation >= $5)
    on conflict (operation_id) do update set generation = excluded.generation
        where operation.generation < excluded.generation";

/// The key of a service.
pub(super) fn service_id(name: &str) -> i64 {
    service_key(name)
}

/// The key of an operation; `form` is room to work in.
pub(super) fn operation_id(service_id: i64, kind: SpanKind, name: &str, form: &mut Vec<u8>) -> i64 {
    form.clear();
    form.extend(service_id.to_le_bytes());
    form.extend(kind.0.to_le_bytes());
    form.extend(name.as_bytes());
    xxh3_64(form).cast_signed()
}

/// Keys of services by resource. Spans of one resource come one after the other and share it, so the last answer
/// nearly always fits.
#[derive(Debug, Default)]
pub(super) struct ServiceIds<'a> {
    last: Option<(&'a Arc<Keyed<Resource>>, i64)>,
}

impl<'a> ServiceIds<'a> {
    /// The key of the resource's service, and whether it is another resource than the last.
    pub(super) fn of(&mut self, resource: &'a Arc<Keyed<Resource>>) -> (i64, bool) {
        match self.last {
            Some((last, id)) if Arc::ptr_eq(last, resource) => (id, false),
            _ => {
                let id = service_id(resource.service());
                self.last = Some((resource, id));
                (id, true)
            }
        }
    }
}

/// Which table a key is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Table {
    Resource,
    Scope,
    Service,
    Operation,
}

/// Keys of rows that the database has for sure, since a transaction that vouched for them was committed, and retention has
/// not asked all to vouch anew (`dictionary_generation`, in `migrations/postgres/0007_retention.sql`) since.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    /// How often everything was forgotten.
    times_forgotten: u64,
    /// Under which they were vouched for.
    generation: i32,
    known: HashSet<(Table, i64)>,
}

impl Remembered {
    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything. Done for each new connection: it may lead to another server, which took over without the
    /// last commits of the old one, or to a database restored from a backup.
    pub(super) fn forget(&self) {
        let mut keys = self.lock();
        keys.times_forgotten = keys.times_forgotten.wrapping_add(1);
        keys.generation = i32::MIN;
        keys.known.clear();
    }

    /// The rows of these spans that have to be vouched for in this generation. A transaction of an earlier one may count
    /// on rows that are known in a later one: they are removed only after both are over.
    pub(super) fn unknown<'a>(&self, generation: i32, spans: impl Iterator<Item = &'a Span>) -> NewRows<'a> {
        let mut rows = NewRows::gather(spans);
        let mut keys = self.lock();
        if keys.generation < generation {
            keys.generation = generation;
            keys.known.clear();
        }
        (rows.times_forgotten, rows.generation) = (keys.times_forgotten, generation);
        let unknown = |table, id: &i64| !keys.known.contains(&(table, *id));
        rows.resources.retain(|id, _| unknown(Table::Resource, id));
        rows.scopes.retain(|id, _| unknown(Table::Scope, id));
        rows.services.retain(|id, _| unknown(Table::Service, id));
        rows.operations.retain(|id, _| unknown(Table::Operation, id));
        rows
    }

    /// The transaction that inserted these rows was committed.
    pub(super) fn remember(&self, rows: &NewRows<'_>) {
        let mut keys = self.lock();
        if (keys.times_forgotten, keys.generation) != (rows.times_forgotten, rows.generation) {
            return;
        }
        if keys.known.len() > REMEMBERED_KEYS_MAX {
            keys.known.clear();
        }
        keys.known.extend(rows.resources.keys().map(|id| (Table::Resource, *id)));
        keys.known.extend(rows.scopes.keys().map(|id| (Table::Scope, *id)));
        keys.known.extend(rows.services.keys().map(|id| (Table::Service, *id)));
        keys.known.extend(rows.operations.keys().map(|id| (Table::Operation, *id)));
    }
}

/// Rows that a write may have to insert before its spans, by key.
#[derive(Debug, Default)]
pub(super) struct NewRows<'a> {
    times_forgotten: u64,
    generation: i32,
    resources: HashMap<i64, &'a Resource>,
    scopes: HashMap<i64, &'a Scope>,
    services: HashMap<i64, &'a str>,
    operations: HashMap<i64, (i64, SpanKind, &'a str)>,
}

impl<'a> NewRows<'a> {
    fn gather(spans: impl Iterator<Item = &'a Span>) -> Self {
        let mut rows = Self::default();
        let mut service_ids = ServiceIds::default();
        let mut form = Vec::new();
        for span in spans {
            let (service_id, is_new) = service_ids.of(&span.resource);
            if is_new {
                rows.resources.insert(span.resource.key(), &span.resource);
                rows.services.insert(service_id, span.resource.service());
            }
            rows.scopes.insert(span.scope.key(), &span.scope);
            let id = operation_id(service_id, span.kind, &span.name, &mut form);
            rows.operations.insert(id, (service_id, span.kind, &span.name));
        }
        rows
    }

    /// Inserts them, and vouches for those that are there. One that was vouched for already is not even locked. The order of tables and of keys is the same for everybody, so no two writers wait for each other.
    pub(super) async fn insert(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        if !self.resources.is_empty() {
            insert_resources(&sorted(&self.resources), self.generation, connection).await?;
        }
        if !self.scopes.is_empty() {
            insert_scopes(&sorted(&self.scopes), self.generation, connection).await?;
        }
        if !self.services.is_empty() {
            insert_services(&sorted(&self.services), self.generation, connection).await?;
        }
        if !self.operations.is_empty() {
            insert_operations(&sorted(&self.operations), self.generation, connection).await?;
        }
        Ok(())
    }
}

fn sorted<T: Copy>(rows: &HashMap<i64, T>) -> Vec<(i64, T)> {
    let mut sorted: Vec<_> = rows.iter().map(|(id, row)| (*id, *row)).collect();
    sorted.sort_unstable_by_key(|(id, _)| *id);
    sorted
}

/// A column of an insert.
fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

async fn insert_resources(
    mut rows: &[(i64, &Resource)],
    generation: i32,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    while !rows.is_empty() {
        let (attributes, shapes) = attribute_columns(rows.iter().map(|(_, row)| &row.attributes))?;
        let (piece, rest) = rows.split_at(attributes.len());
        sqlx::query(INSERT_RESOURCES)
            .bind(column(piece, |(id, _)| *id))
            .bind(column(piece, |(_, row)| row.dropped_attributes_count.cast_signed()))
            .bind(column(piece, |(_, row)| text::stored(row.service()).into_owned()))
            .bind(column(piece, |(_, row)| row.node().map(|node| text::stored(node).into_owned())))
            .bind(column(piece, |(_, row)| text::stored(&row.schema_url).into_owned()))
            .bind(attributes)
            .bind(shapes)
            .bind(entity_refs_column(piece)?)
            .bind(generation)
            .execute(&mut *connection)
            .await
            .map_err(meaning)?;
        rows = rest;
    }
    Ok(())
}

async fn insert_scopes(
    mut rows: &[(i64, &Scope)],
    generation: i32,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    while !rows.is_empty() {
        let (attributes, shapes) = attribute_columns(rows.iter().map(|(_, row)| &row.attributes))?;
        let (piece, rest) = rows.split_at(attributes.len());
        sqlx::query(INSERT_SCOPES)
            .bind(column(piece, |(id, _)| *id))
            .bind(column(piece, |(_, row)| row.dropped_attributes_count.cast_signed()))
            .bind(column(piece, |(_, row)| text::stored(&row.name).into_owned()))
            .bind(column(piece, |(_, row)| text::stored(&row.version).into_owned()))
            .bind(column(piece, |(_, row)| text::stored(&row.schema_url).into_owned()))
            .bind(attributes)
            .bind(shapes)
            .bind(generation)
            .execute(&mut *connection)
            .await
            .map_err(meaning)?;
        rows = rest;
    }
    Ok(())
}

async fn insert_services(
    rows: &[(i64, &str)],
    generation: i32,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    sqlx::query(INSERT_SERVICES)
        .bind(column(rows, |(id, _)| *id))
        .bind(column(rows, |(_, name)| text::stored(name).into_owned()))
        .bind(generation)
        .execute(connection)
        .await
        .map_err(meaning)?;
    Ok(())
}

async fn insert_operations(
    rows: &[(i64, (i64, SpanKind, &str))],
    generation: i32,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    sqlx::query(INSERT_OPERATIONS)
        .bind(column(rows, |(id, _)| *id))
        .bind(column(rows, |(_, (service_id, ..))| *service_id))
        .bind(column(rows, |(_, (_, kind, _))| kind.0))
        .bind(column(rows, |(_, (.., name))| text::stored(name).into_owned()))
        .bind(generation)
        .execute(connection)
        .await
        .map_err(meaning)?;
    Ok(())
}

/// The columns `attributes` and `attributes_shape`.
type AttributeColumns = (Vec<String>, Vec<Option<Vec<u8>>>);

/// The columns of the first of these lists: of as many as one insert takes, at least of one.
fn attribute_columns<'a>(lists: impl Iterator<Item = &'a Attributes>) -> Result<AttributeColumns, StoreError> {
    let mut columns = AttributeColumns::default();
    let mut bytes = 0_usize;
    for list in lists {
        let mut object = Vec::new();
        let shape = json::attributes(list, &mut object)?;
        bytes = bytes.saturating_add(object.len()).saturating_add(shape.as_ref().map_or(0, Vec::len));
        columns.0.push(json_text(object)?);
        columns.1.push(shape);
        if bytes > INSERT_BYTES {
            break;
        }
    }
    Ok(columns)
}

fn entity_refs_column(rows: &[(i64, &Resource)]) -> Result<Vec<Option<String>>, StoreError> {
    let column = rows.iter().map(|(_, row)| {
        if row.entity_refs.is_empty() {
            return Ok(None);
        }
        let mut refs = Vec::new();
        json::entity_refs(&row.entity_refs, &mut refs)?;
        json_text(refs).map(Some)
    });
    column.collect()
}

/// JSON as the text that it is.
pub(super) fn json_text(json: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(json).map_err(|error| StoreError::Bug(error.into()))
}
