//! The way in: one transaction a call. What it needs to know of services, resources, scopes and operations is
//! remembered from call to call, so that a span that is like the ones before it costs one row and nothing else.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::future::join;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool};
use sqlx::{SqlStr, query, query_scalar, query_with};
use tokio::sync::Mutex;

use super::error::store_error;
use super::row::Parameters;
use super::statements::{
    BEGIN, FORGET_RECEIPTS, INSERT_OPERATION, INSERT_RESOURCE, INSERT_SCOPE, INSERT_SERVICE, LEAVE_RECEIPT,
    SELECT_SERVICE, insert_spans,
};
use crate::model::{Keyed, Resource, Scope, Span, SpanKind};
use crate::store::{Batch, StoreError, Written, json, text};

/// At most so many resources, scopes and operations are remembered; then all are forgotten, and learnt again.
const KNOWN_MAX: usize = 100_000;

/// Receipts that one statement deletes at the most.
const FORGOTTEN_RECEIPTS_MAX: i64 = 1_000;

/// The only one who writes.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) pool: SqlitePool,
    pub(super) known: Mutex<Known>,
}

/// What is in the small tables for certain.
#[derive(Debug, Default)]
pub(super) struct Known {
    service_ids: HashMap<String, i64>,
    /// The service of each resource.
    resources: HashMap<i64, i64>,
    scopes: HashSet<i64>,
    operations: HashMap<(i64, SpanKind), HashSet<String>>,
    /// How many there are of the three, together.
    count: usize,
}

impl Writer {
    pub(super) fn new(pool: SqlitePool) -> Self {
        Self { pool, known: Mutex::default() }
    }

    /// Stores all spans in one transaction. Dropped before its end, it rolls back, or has committed by then.
    pub(super) async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        if batches.iter().all(|batch| batch.spans().is_empty()) {
            return Ok(vec![Written::Stored; batches.len()]);
        }
        let mut shared = self.known.lock().await;
        // Taken out, so that whatever goes wrong below leaves nothing that is known and not stored.
        let mut known = std::mem::take(&mut *shared);
        let mut transaction = self.pool.begin_with(BEGIN).await.map_err(store_error)?;
        let written = leave_receipts(batches, &mut transaction).await?;
        let is_new = |(batch, written): (_, &Written)| (*written == Written::Stored).then_some(batch);
        let new = batches.iter().zip(&written).filter_map(is_new);
        let spans: Vec<(&Span, u128)> = new.flat_map(Batch::iter).collect();
        for (span, _) in &spans {
            known.learn(span, &mut transaction).await?;
        }
        insert(&spans, &known, &mut transaction).await?;
        transaction.commit().await.map_err(store_error)?;
        if known.count <= KNOWN_MAX {
            *shared = known;
        }
        Ok(written)
    }

    /// Deletes the receipts that are older than `age`, in pieces, so that writes get their turn.
    pub(super) async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let mut forgotten = 0_u64;
        loop {
            let deletion = query(FORGET_RECEIPTS).bind(millis).bind(FORGOTTEN_RECEIPTS_MAX);
            let deleted = deletion.execute(&self.pool).await.map_err(store_error)?.rows_affected();
            forgotten = forgotten.saturating_add(deleted);
            if deleted < FORGOTTEN_RECEIPTS_MAX.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Leaves a receipt for each batch and says which batches had none. Of equal batches in one call the first is stored.
async fn leave_receipts(batches: &[Batch], connection: &mut SqliteConnection) -> Result<Vec<Written>, StoreError> {
    let mut written = Vec::with_capacity(batches.len());
    for batch in batches {
        let fingerprint = batch.fingerprint().to_bytes();
        let leave = query(LEAVE_RECEIPT).bind(&fingerprint[..]).execute(&mut *connection);
        let is_new = leave.await.map_err(store_error)?.rows_affected() == 1;
        written.push(if is_new { Written::Stored } else { Written::Recognised });
    }
    Ok(written)
}

/// Inserts the rows of the spans, making the next statement's while SQLite is at the last one's.
async fn insert(spans: &[(&Span, u128)], known: &Known, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut rest = spans;
    let mut ready = next_insert(&mut rest, known)?;
    while let Some((statement, arguments)) = ready {
        let insert = query_with(statement, arguments).execute(&mut *connection);
        let (inserted, next) = join(insert, async { next_insert(&mut rest, known) }).await;
        inserted.map_err(store_error)?;
        ready = next?;
    }
    Ok(())
}

/// The next statement and its values; takes the spans that it inserts.
fn next_insert(rest: &mut &[(&Span, u128)], known: &Known) -> Result<Option<(SqlStr, SqliteArguments)>, StoreError> {
    let Some((statement, rows)) = insert_spans(rest.len()) else { return Ok(None) };
    let (now, later) = rest.split_at(rows);
    let mut parameters = Parameters::default();
    for (span, digest) in now {
        let service_id = known.resources.get(&span.resource.key()).copied();
        let service_id = service_id.ok_or_else(|| StoreError::Bug("a resource was not learnt".into()))?;
        parameters.span(span, *digest, service_id)?;
    }
    *rest = later;
    Ok(Some((statement, parameters.into_arguments())))
}

impl Known {
    /// Sees to it that all that the span's row points to is stored.
    async fn learn(&mut self, span: &Span, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let service_id = match self.resources.get(&span.resource.key()) {
            Some(service_id) => *service_id,
            None => self.learn_resource(&span.resource, connection).await?,
        };
        if !self.scopes.contains(&span.scope.key()) {
            insert_scope(&span.scope, connection).await?;
            self.scopes.insert(span.scope.key());
            self.count = self.count.saturating_add(1);
        }
        let names = self.operations.entry((service_id, span.kind)).or_default();
        if !names.contains(&span.name) {
            let insert = query(INSERT_OPERATION).bind(service_id).bind(text::stored(&span.name)).bind(span.kind.0);
            insert.execute(connection).await.map_err(store_error)?;
            names.insert(span.name.clone());
            self.count = self.count.saturating_add(1);
        }
        Ok(())
    }

    /// The resource's service.
    async fn learn_resource(
        &mut self,
        resource: &Keyed<Resource>,
        connection: &mut SqliteConnection,
    ) -> Result<i64, StoreError> {
        let service_id = match self.service_ids.get(resource.service()) {
            Some(service_id) => *service_id,
            None => self.learn_service(resource.service(), &mut *connection).await?,
        };
        insert_resource(resource, service_id, connection).await?;
        self.resources.insert(resource.key(), service_id);
        self.count = self.count.saturating_add(1);
        Ok(service_id)
    }

    async fn learn_service(&mut self, name: &str, connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        let stored = text::stored(name);
        query(INSERT_SERVICE).bind(stored.as_ref()).execute(&mut *connection).await.map_err(store_error)?;
        let service_id = query_scalar(SELECT_SERVICE).bind(stored.as_ref()).fetch_one(connection).await;
        let service_id = service_id.map_err(store_error)?;
        self.service_ids.insert(name.to_owned(), service_id);
        Ok(service_id)
    }
}

async fn insert_resource(
    resource: &Keyed<Resource>,
    service_id: i64,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let mut parameters = Parameters::default();
    parameters.add(resource.key())?;
    parameters.add(service_id)?;
    parameters.add(resource.node().map(text::stored))?;
    parameters.text(&resource.schema_url)?;
    parameters.attributes(&resource.attributes)?;
    parameters.add(resource.dropped_attributes_count)?;
    parameters.json_or_null(&resource.entity_refs, json::entity_refs)?;
    execute(INSERT_RESOURCE, parameters, connection).await
}

async fn insert_scope(scope: &Keyed<Scope>, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut parameters = Parameters::default();
    parameters.add(scope.key())?;
    parameters.text(&scope.name)?;
    parameters.text(&scope.version)?;
    parameters.text(&scope.schema_url)?;
    parameters.attributes(&scope.attributes)?;
    parameters.add(scope.dropped_attributes_count)?;
    execute(INSERT_SCOPE, parameters, connection).await
}

async fn execute(
    statement: &'static str,
    parameters: Parameters,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    query_with(statement, parameters.into_arguments()).execute(connection).await.map_err(store_error)?;
    Ok(())
}
