//! Writing: one transaction for the whole call, new rows of the dictionaries first, then the spans by COPY.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres};

use super::copy::{COPY_SPANS, CopyBuffer};
use super::dictionary::{NewRows, Remembered, ServiceIds};
use super::error::{meaning, within};
use crate::model::Span;
use crate::store::{Batch, StoreError};

/// Spans are encoded and sent in pieces of about so many bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// The writing half of the store.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) pool: PgPool,
    /// A write that takes longer fails.
    pub(super) limit: Duration,
    pub(super) remembered: std::sync::Arc<Remembered>,
}

impl Writer {
    pub(super) async fn write(&self, batches: &[Batch]) -> Result<(), StoreError> {
        let spans = || batches.iter().flat_map(|batch| &batch.spans);
        if spans().next().is_none() {
            return Ok(());
        }
        within(self.limit, async {
            let mut lease = Lease::take(&self.pool).await?;
            let rows = self.remembered.unknown(spans());
            transaction(lease.connection()?, &rows, spans()).await?;
            lease.give_back();
            self.remembered.remember(&rows);
            Ok(())
        })
        .await
    }
}

async fn transaction<'a>(
    connection: &mut PgConnection,
    rows: &NewRows<'_>,
    spans: impl Iterator<Item = &'a Span>,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await.map_err(meaning)?;
    rows.insert(&mut transaction).await?;
    copy(&mut transaction, spans).await?;
    transaction.commit().await.map_err(meaning)
}

async fn copy<'a>(connection: &mut PgConnection, spans: impl Iterator<Item = &'a Span>) -> Result<(), StoreError> {
    let mut copy = connection.copy_in_raw(COPY_SPANS).await.map_err(meaning)?;
    let mut buffer = CopyBuffer::new(PIECE_BYTES);
    let mut service_ids = ServiceIds::default();
    for span in spans {
        let (service_id, _) = service_ids.of(&span.resource);
        buffer.push(span, service_id)?;
        if buffer.len() >= PIECE_BYTES {
            copy.send(buffer.bytes()).await.map_err(meaning)?;
            buffer.clear();
        }
    }
    buffer.finish();
    copy.send(buffer.bytes()).await.map_err(meaning)?;
    copy.finish().await.map_err(meaning)?;
    Ok(())
}

/// A connection that goes back to the pool only when it is given back. After an error, or when the future is dropped,
/// it is cut: the driver loses count of the server's answers when a COPY is left in the middle, and the server rolls
/// back when the connection ends.
struct Lease(Option<PoolConnection<Postgres>>);

impl Lease {
    async fn take(pool: &PgPool) -> Result<Self, StoreError> {
        Ok(Self(Some(pool.acquire().await.map_err(meaning)?)))
    }

    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.0.as_deref_mut().ok_or_else(|| StoreError::Bug("a connection is used after it was given back".into()))
    }

    fn give_back(&mut self) {
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
