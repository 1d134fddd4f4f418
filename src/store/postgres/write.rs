//! Writing: one transaction for the whole call, the receipts of its batches first, which say what is new at all; then
//! new rows of the dictionaries, then the spans: many by COPY, few by an insert.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Connection, PgConnection, PgPool, Postgres};

use super::dictionary::{Remembered, ServiceIds};
use super::error::{meaning, within};
use super::rows::{self, COPY, CopyRows, INSERT, InsertRows, Place};
use crate::model::Span;
use crate::store::{Batch, StoreError, Written};

/// Spans are encoded and sent in pieces of about so many bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// An insert has at most so many bytes of rows; PostgreSQL hangs up on a message of 1 GiB.
const INSERT_BYTES_MAX: usize = 32 << 20;

/// Receipts that one statement deletes at the most.
const FORGOTTEN_RECEIPTS_MAX: i64 = 10_000;

/// Each statement sees what is committed by then, whatever the database's default is: `open_write` relies on it.
const BEGIN: &str = "begin isolation level read committed";

const LEAVE_RECEIPTS: &str = "\
    with left_now as (
        insert into receipt (fingerprint) select fingerprint from unnest($1::bytea[]) as sent (fingerprint)
        on conflict do nothing
        returning fingerprint)
    select step, generation, array(select fingerprint from left_now) from open_write()";

const FORGET_RECEIPTS: &str = "\
    delete from receipt where fingerprint in (
        select fingerprint from receipt where received_time <= now() - make_interval(secs => $1) limit $2)";

/// The writing half of the store.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) pool: PgPool,
    /// A write of more spans is a COPY.
    pub(super) insert_spans_max: usize,
    /// A write that takes longer fails.
    pub(super) limit: Duration,
    pub(super) remembered: std::sync::Arc<Remembered>,
}

impl Writer {
    pub(super) async fn write(&self, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        if batches.iter().all(|batch| batch.spans().is_empty()) {
            return Ok(vec![Written::Stored; batches.len()]);
        }
        within(self.limit, async {
            let mut lease = Lease::take(&self.pool).await?;
            let written = self.transaction(lease.connection()?, batches).await?;
            lease.give_back();
            Ok(written)
        })
        .await
    }

    async fn transaction(&self, connection: &mut PgConnection, batches: &[Batch]) -> Result<Vec<Written>, StoreError> {
        let mut transaction = connection.begin_with(BEGIN).await.map_err(meaning)?;
        let Begun { step, generation, written } = begin(&mut transaction, batches).await?;
        let is_new = |(batch, written): (_, &Written)| (*written == Written::Stored).then_some(batch);
        let new: Vec<&Batch> = batches.iter().zip(&written).filter_map(is_new).collect();
        let rows = self.remembered.unknown(generation, new.iter().flat_map(|batch| batch.spans()));
        rows.insert(&mut transaction).await?;
        let spans: usize = new.iter().map(|batch| batch.spans().len()).sum();
        let new = || new.iter().copied().flat_map(Batch::iter);
        let few = if spans <= self.insert_spans_max { few_rows(step, new())? } else { None };
        match few {
            _ if spans == 0 => {}
            Some(rows) => insert(&mut transaction, rows).await?,
            None => copy(&mut transaction, step, new()).await?,
        }
        transaction.commit().await.map_err(meaning)?;
        self.remembered.remember(&rows);
        Ok(written)
    }

    /// Deletes the receipts that are older than `age`, in pieces, so that no statement holds many locks for long.
    pub(super) async fn forget_receipts(&self, age: Duration) -> Result<u64, StoreError> {
        let mut forgotten = 0_u64;
        loop {
            let deleted = within(self.limit, async {
                let seconds = age.as_secs_f64();
                let deletion = sqlx::query(FORGET_RECEIPTS).bind(seconds).bind(FORGOTTEN_RECEIPTS_MAX);
                Ok(deletion.execute(&self.pool).await.map_err(meaning)?.rows_affected())
            });
            let deleted = deleted.await?;
            forgotten = forgotten.saturating_add(deleted);
            if deleted < FORGOTTEN_RECEIPTS_MAX.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }
}

/// What a transaction that writes is told at its begin.
struct Begun {
    /// The step that its spans belong to.
    step: i32,
    /// Under which it vouches for what they refer to.
    generation: i32,
    /// What becomes of each batch.
    written: Vec<Written>,
}

/// Names the step that the spans belong to, leaves a receipt for each batch and says which batches had none. While
/// another transaction leaves the same receipt this waits for its end. Receipts are left in the order of their
/// fingerprints, so no two writers wait for each other.
async fn begin(connection: &mut PgConnection, batches: &[Batch]) -> Result<Begun, StoreError> {
    let mut fingerprints: Vec<[u8; 16]> = batches.iter().map(|batch| batch.fingerprint().to_bytes()).collect();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    let (step, generation, left): (i32, i32, Vec<Vec<u8>>) =
        sqlx::query_as(LEAVE_RECEIPTS).bind(&fingerprints[..]).fetch_one(connection).await.map_err(meaning)?;
    let mut left: HashSet<Vec<u8>> = left.into_iter().collect();
    // Of equal batches in one call the first is stored.
    let written = batches.iter().map(|batch| {
        let is_new = left.remove(&batch.fingerprint().to_bytes()[..]);
        if is_new { Written::Stored } else { Written::Recognised }
    });
    Ok(Begun { step, generation, written: written.collect() })
}

/// The rows of few spans; `None` when they have too many bytes.
fn few_rows<'a>(step: i32, spans: impl Iterator<Item = (&'a Span, u128)>) -> Result<Option<InsertRows>, StoreError> {
    let mut rows = InsertRows::default();
    let mut service_ids = ServiceIds::default();
    for (span, digest) in spans {
        let (service_id, _) = service_ids.of(&span.resource);
        rows::push(&mut rows, span, digest, Place { step, service_id })?;
        if rows.len() > INSERT_BYTES_MAX {
            return Ok(None);
        }
    }
    Ok(Some(rows))
}

/// Few spans: one statement, one turn of the network.
async fn insert(connection: &mut PgConnection, rows: InsertRows) -> Result<(), StoreError> {
    let statement = rows.into_parameters().fold(sqlx::query(INSERT), Query::bind);
    statement.execute(connection).await.map_err(meaning)?;
    Ok(())
}

/// Many spans, in pieces: the driver has not half of the work that an insert makes for the server.
async fn copy<'a>(
    connection: &mut PgConnection,
    step: i32,
    spans: impl Iterator<Item = (&'a Span, u128)>,
) -> Result<(), StoreError> {
    let mut copy = connection.copy_in_raw(COPY).await.map_err(meaning)?;
    let mut rows = CopyRows::new(PIECE_BYTES);
    let mut service_ids = ServiceIds::default();
    for (span, digest) in spans {
        let (service_id, _) = service_ids.of(&span.resource);
        rows::push(&mut rows, span, digest, Place { step, service_id })?;
        if rows.bytes().len() >= PIECE_BYTES {
            copy.send(rows.bytes()).await.map_err(meaning)?;
            rows.clear();
        }
    }
    rows.finish();
    copy.send(rows.bytes()).await.map_err(meaning)?;
    copy.finish().await.map_err(meaning)?;
    Ok(())
}

/// A connection that goes back to the pool only when it is given back. After an error, or when the future is dropped,
/// it is cut: the driver loses count of the server's answers when a COPY is left in the middle, and the server rolls
/// back when the connection ends.
pub(super) struct Lease(Option<PoolConnection<Postgres>>);

impl Lease {
    pub(super) async fn take(pool: &PgPool) -> Result<Self, StoreError> {
        Ok(Self(Some(pool.acquire().await.map_err(meaning)?)))
    }

    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.0.as_deref_mut().ok_or_else(|| StoreError::Bug("a connection is used after it was given back".into()))
    }

    pub(super) fn give_back(&mut self) {
        self.0 = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}
