//! All rows go, in one transaction of the one who writes: what a test bench asks for between two runs. Numbers of arrival
//! go on, so that a watermark of before finds nothing of what comes after.

use sqlx::Executor;

use super::error::store_error;
use super::read::Reader;
use super::statements::BEGIN;
use super::write::{Known, Writer};
use crate::store::StoreError;

/// Everything but what a new file has as well.
const DELETE: [&str; 8] = [
    "delete from span_row",
    "delete from resource_row",
    "delete from scope",
    "delete from service",
    "delete from operation",
    "delete from receipt",
    "delete from arrival_mark",
    "delete from retention_log",
];

/// Removes everything. Writes wait meanwhile; reads go on.
pub(super) async fn purge(writer: &Writer, reader: &Reader) -> Result<(), StoreError> {
    let mut known = writer.known.lock().await;
    *known = Known::default();
    let mut transaction = writer.pool.begin_with(BEGIN).await.map_err(store_error)?;
    for statement in DELETE {
        transaction.execute(statement).await.map_err(store_error)?;
    }
    transaction.commit().await.map_err(store_error)?;
    reader.forget();
    Ok(())
}
