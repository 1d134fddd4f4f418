//! Reading: every method of the store that answers a question. `trace.rs` reads one trace, `traces.rs` several,
//! `pages.rs` goes through a scan, `places.rs` through the places of one, `outlines.rs` through its spans in outline,
//! `rollups.rs` counts spans, `calls.rs` calls, `summaries.rs` sums traces up, `names.rs` lists. Each of them puts hot rows
//! and history together, in one snapshot: what compaction moves meanwhile is seen in one of them.

mod calls;
mod names;
mod outlines;
mod pages;
mod places;
mod rollups;
mod summaries;
mod trace;
mod traces;

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};

use super::dictionary::service_id;
use super::error::{meaning, within};
use super::history::{BEGIN_READ_ONLY, Blocks, Damage};
use super::row::Columns;
use super::time::Micros;
use crate::model::{Operation, SpanKind};
use crate::store::{Backlog, StoreError, Watermark, Work, text};

#[cfg(test)]
pub(super) use summaries::SUMMARIES;
#[cfg(test)]
pub(super) use trace::trace_statement;
#[cfg(test)]
pub(super) use traces::{HOT_COUNTS, rows_statement};

/// Transactions that have committed by now began before now.
const WATERMARK: &str = "select clock_timestamp()";

const SERVICES: &str = "\
    select name from service where ($1::text is null or name > $1) order by name limit $2";

const OPERATIONS: &str = "\
    select name, kind from operation
    where service_id = $1 and ($2::text is null or (name, kind) > ($2, $3))
    order by name, kind limit $4";

const BACKLOG: &str = "\
    select count(*), coalesce(extract(epoch from now() - min(closed_time)), 0)::float8,
        coalesce(sum(pg_total_relation_size(to_regclass(format('span_row_%s', step.step)))), 0)::bigint,
        (select count(distinct date_bin('1 hour', hour, '1970-01-01 00:00:00+00')) from call_uncounted)
    from step, tier
    where step.step >= tier.first_hot_step and step.step < tier.open_step";

/// The reading half of the store.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) pool: PgPool,
    /// A statement that takes longer fails.
    pub(super) limit: Duration,
    pub(super) damage: Arc<Damage>,
}

impl Reader {
    async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(meaning)
    }

    fn blocks(&self, work: Work) -> Blocks {
        Blocks::counted_by(Arc::clone(&self.damage), work)
    }

    async fn begin(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, StoreError> {
        Connection::begin_with(connection, BEGIN_READ_ONLY).await.map_err(meaning)
    }

    pub(super) async fn watermark(&self) -> Result<Watermark, StoreError> {
        within(self.limit, async {
            let query = sqlx::query_scalar(WATERMARK);
            let Micros(now) = query.fetch_one(&mut *self.connection().await?).await.map_err(meaning)?;
            Ok(Watermark(now))
        })
        .await
    }

    pub(super) async fn services(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query(SERVICES).bind(after.map(|name| text::stored(name).into_owned())).bind(rows_max(limit));
        within(self.limit, async {
            let rows = query.fetch_all(&mut *self.connection().await?).await.map_err(meaning)?;
            rows.iter().map(|row| Columns::of(row).text()).collect()
        })
        .await
    }

    pub(super) async fn operations(
        &self,
        service: &str,
        after: Option<&Operation>,
        limit: usize,
    ) -> Result<Vec<Operation>, StoreError> {
        let query = sqlx::query(OPERATIONS)
            .bind(service_id(service))
            .bind(after.map(|after| text::stored(&after.name).into_owned()))
            .bind(after.map(|after| after.kind.0))
            .bind(rows_max(limit));
        within(self.limit, async {
            let rows = query.fetch_all(&mut *self.connection().await?).await.map_err(meaning)?;
            rows.iter().map(read_operation).collect()
        })
        .await
    }

    /// What waits to be made history. It is asked for while compaction is at work, so not on its connection.
    pub(super) async fn backlog(&self) -> Result<Backlog, StoreError> {
        within(self.limit, async {
            let query = sqlx::query_as(BACKLOG);
            let (steps, seconds, bytes, uncounted_hours): (i64, f64, i64, i64) =
                query.fetch_one(&mut *self.connection().await?).await.map_err(meaning)?;
            let age = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            let (steps, bytes) = (steps.unsigned_abs(), bytes.unsigned_abs());
            Ok(Backlog { steps, age, bytes, uncounted_hours: uncounted_hours.unsigned_abs() })
        })
        .await
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        within(self.limit, async {
            sqlx::query("select 1").execute(&mut *self.connection().await?).await.map_err(meaning)?;
            Ok(())
        })
        .await
    }
}

fn rows_max(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn read_operation(row: &PgRow) -> Result<Operation, StoreError> {
    let mut columns = Columns::of(row);
    Ok(Operation { name: columns.text()?, kind: SpanKind(columns.take()?) })
}
