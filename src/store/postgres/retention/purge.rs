//! All data goes, whatever its age: what a test bench asks for between two runs.
//!
//! One process at a time changes the history, so this waits for who compacts or retains, and keeps them from beginning. The
//! open step is closed and the generation of the dictionaries goes up, as in `unused.rs`: who writes from then on, in this
//! process or in another, writes to a later step and vouches anew for what they refer to. Those who write since before are
//! waited for, and what they wrote goes too.
//!
//! Rows of the history are deleted and not truncated: that waits for no reader, and a read that is under way sees all of them.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::unused::{self, TABLES as DICTIONARIES};
use super::{CONNECTION_SETTINGS, Retainer, UNLOCK, lock};
use crate::store::StoreError;
use crate::store::postgres::compact::{COMPACTION_LOCK, drop_compacted};
use crate::store::postgres::derived::day::TABLES as HISTORY;
use crate::store::postgres::error::meaning;
use crate::store::postgres::write::Lease;

/// The rows of these steps count no more. Their partitions are dropped afterwards.
const FORGET_STEPS: &str = "\
    with forgotten as (update step set compacted_time = now() where step <= $1 and compacted_time is null)
    update tier set first_hot_step = $1 + 1, calls_step = $1 + 1, swept_time = now() where first_hot_step <= $1";

/// What has no spans but tells of them. Receipts that another deletes at the moment are left to them: nobody waits for
/// each other.
const FORGET: [&str; 4] = [
    "delete from receipt where fingerprint in (select fingerprint from receipt for update skip locked)",
    "delete from retention_log",
    "delete from message_row",
    "delete from call_uncounted",
];

impl Retainer {
    /// Removes everything that was committed before this was called.
    pub(in crate::store::postgres) async fn purge(&self) -> Result<(), StoreError> {
        let mut lease = Lease::take(&self.pool).await?;
        let connection = lease.connection()?;
        if !lock(connection).await? {
            return Err(StoreError::Busy("the history is being changed by others for too long".into()));
        }
        let (closed, generation) = unused::wait_for_old_writers(connection).await?;
        remove_spans(closed, connection).await?;
        for (table, key, _) in DICTIONARIES {
            remove_rows(table, key, generation, connection).await?;
        }
        drop_compacted(connection, Duration::ZERO).await?;
        // It takes back how long the connection waits for locks.
        connection.execute(sqlx::raw_sql(CONNECTION_SETTINGS)).await.map_err(meaning)?;
        connection.execute(vacuum()).await.map_err(meaning)?;
        sqlx::query(UNLOCK).bind(COMPACTION_LOCK).execute(&mut *connection).await.map_err(meaning)?;
        lease.give_back();
        Ok(())
    }
}

/// Removes all spans of the steps up to this one, which nobody writes to any more, and all that was derived, at once.
async fn remove_spans(closed: i32, connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await.map_err(meaning)?;
    sqlx::query(FORGET_STEPS).bind(closed).execute(&mut *transaction).await.map_err(meaning)?;
    for (table, _) in HISTORY {
        transaction.execute(AssertSqlSafe(format!("delete from {table}"))).await.map_err(meaning)?;
    }
    for statement in FORGET {
        transaction.execute(statement).await.map_err(meaning)?;
    }
    transaction.commit().await.map_err(meaning)
}

/// Removes the rows of a dictionary that nobody has vouched for since. All that are free first; then one by one those that
/// somebody had, who vouched for them or gave up: each statement holds one row, so a writer may wait for it and not it for
/// them for ever.
async fn remove_rows(table: &str, key: &str, generation: i32, connection: &mut PgConnection) -> Result<(), StoreError> {
    let free = format!(
        "delete from {table} where {key} in (select {key} from {table} where generation < $1 for update skip locked)"
    );
    sqlx::query(AssertSqlSafe(free)).bind(generation).execute(&mut *connection).await.map_err(meaning)?;
    let left = format!("select {key} from {table} where generation < $1");
    let left = sqlx::query_scalar(AssertSqlSafe(left)).bind(generation).fetch_all(&mut *connection);
    let left: Vec<i64> = left.await.map_err(meaning)?;
    for id in left {
        let one = AssertSqlSafe(format!("delete from {table} where {key} = $1 and generation < $2"));
        sqlx::query(one).bind(id).bind(generation).execute(&mut *connection).await.map_err(meaning)?;
    }
    Ok(())
}

/// Gives back the space, as far as nobody is in the way.
fn vacuum() -> AssertSqlSafe<String> {
    let tables = HISTORY.iter().map(|(table, _)| *table).chain(DICTIONARIES.iter().map(|(table, ..)| *table));
    AssertSqlSafe(format!("vacuum (skip_locked) {}, receipt", tables.collect::<Vec<_>>().join(", ")))
}
