//! A day goes: its partitions are dropped. That waits for those who read and keeps others from beginning to, so all that
//! takes long is done before, and it is given up soon and tried again.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Error, Executor, PgConnection};

use super::traces::{Rows, Traces};
use super::{Removed, Work, calls, is_held_up, set_first_day};
use crate::store::StoreError;
use crate::store::postgres::derived::day::{Day, TABLES};
use crate::store::postgres::error::meaning;
use crate::store::postgres::history::{BEGIN, Blocks, RELEASE};
use crate::store::retention::Reason;

/// So often is it tried to have the tables for a moment,
const ATTEMPTS_MAX: usize = 3;
/// with so much time for others in between.
const REST: Duration = Duration::from_millis(500);

/// All that readers touch first. It is shorter than what PostgreSQL waits before it looks for a deadlock, so that it is
/// never a reader who has to give up.
const LOCK_WAIT_MAX: &str = "set local lock_timeout = '300ms'";
const LOCK_OUT: &str = "\
    lock table only trace_row, only span_block, only red_minute_row, only red_hour_row, only call_minute_row
        in access exclusive mode";

const NAME: &str = "select to_char(date '1970-01-01' + $1, 'YYYYMMDD')";
const IS_THERE: &str = "select to_regclass($1) is not null";
const BYTES: &str = "\
    select coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::bigint from unnest($1::text[]) as name";

impl Work<'_> {
    /// Removes a day that has partitions. False when others used the tables all the time; then nothing happened.
    pub(super) async fn remove_day(&mut self, day: Day, reason: Reason) -> Result<bool, StoreError> {
        let name: String =
            sqlx::query_scalar(NAME).bind(day.0).fetch_one(&mut *self.connection).await.map_err(meaning)?;
        let mut transaction = self.connection.begin_with(BEGIN).await.map_err(meaning)?;
        let (blocks, spans) = blocks_of(&name, &mut transaction).await?;
        let opened = || Blocks::new(Arc::clone(self.damage));
        let calls = calls::without(&blocks, Rows::OfDay(day), &mut opened(), &mut transaction).await?;
        let traces = Traces::of(blocks, Rows::OfDay(day), opened(), &mut transaction).await?;
        transaction.execute(RELEASE).await.map_err(meaning)?;
        traces.take_out(&mut transaction).await?;
        calls.write(&mut transaction).await?;
        let Some(bytes) = drop_when_free(&name, &traces, &mut transaction).await? else {
            transaction.rollback().await.map_err(meaning)?;
            return Ok(false);
        };
        traces.put_back(&mut transaction).await?;
        set_first_day(day.next(), &mut transaction).await?;
        Removed { day, spans, bytes: Some(bytes) }.log(reason, &mut transaction).await?;
        transaction.commit().await.map_err(meaning)?;
        self.done.add(reason, spans.unsigned_abs());
        Ok(true)
    }
}

/// The blocks of a day, and how many spans they have.
async fn blocks_of(name: &str, connection: &mut PgConnection) -> Result<(Vec<i64>, i64), StoreError> {
    let partition = format!("span_block_{name}");
    if !is_there(&partition, connection).await.map_err(meaning)? {
        return Ok((Vec::new(), 0));
    }
    let statement = AssertSqlSafe(format!("select block_id, span_count from {partition}"));
    let blocks: Vec<(i64, i32)> = sqlx::query_as(statement).fetch_all(connection).await.map_err(meaning)?;
    let spans = blocks.iter().map(|(_, spans)| i64::from(*spans)).sum();
    Ok((blocks.into_iter().map(|(block_id, _)| block_id).collect(), spans))
}

/// Drops the partitions of a day and says how many bytes they had; nothing when others are always in the way.
async fn drop_when_free(name: &str, traces: &Traces, connection: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    for attempt in 0..ATTEMPTS_MAX {
        if attempt > 0 {
            tokio::time::sleep(REST).await;
        }
        let mut savepoint = connection.begin().await.map_err(meaning)?;
        match drop_all(name, traces, &mut savepoint).await {
            Ok(bytes) => {
                savepoint.commit().await.map_err(meaning)?;
                return Ok(Some(bytes));
            }
            Err(error) if is_held_up(&error) => savepoint.rollback().await.map_err(meaning)?,
            Err(error) => return Err(meaning(error)),
        }
    }
    Ok(None)
}

async fn drop_all(name: &str, traces: &Traces, connection: &mut PgConnection) -> Result<i64, Error> {
    connection.execute(LOCK_WAIT_MAX).await?;
    connection.execute(LOCK_OUT).await?;
    let partitions: Vec<String> = TABLES.iter().map(|(table, _)| format!("{table}_{name}")).collect();
    let bytes = sqlx::query_scalar(BYTES).bind(&partitions).fetch_one(&mut *connection).await?;
    for ((table, _), partition) in TABLES.iter().zip(&partitions) {
        if !is_there(partition, connection).await? {
            continue;
        }
        connection.execute(AssertSqlSafe(format!("alter table {table} detach partition {partition}"))).await?;
        if *table == "trace_row" {
            traces.keep_untouched(partition, connection).await?;
        }
        connection.execute(AssertSqlSafe(format!("drop table {partition}"))).await?;
    }
    Ok(bytes)
}

async fn is_there(table: &str, connection: &mut PgConnection) -> Result<bool, Error> {
    sqlx::query_scalar(IS_THERE).bind(table).fetch_one(connection).await
}
