//! Closing steps, making the partitions of their days, and dropping what was compacted.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tracing::{info, warn};

use crate::store::postgres::derived::day::{Day, add_days};
use crate::store::postgres::error::meaning;
use crate::store::{CompactionSettings, StoreError};

/// The open step's size, its age in seconds (since the one before it was closed), and whether anything is in it.
const OPEN: &str = "\
    select pg_table_size(format('span_row_%s', open_step)::regclass),
        extract(epoch from now() - coalesce((select max(closed_time) from step), now()))::float8,
        exists (select from span_row s where s.step = open_step)
    from tier";

const CLOSE: &str = "select close_step()";

const DAYS: &str = "\
    select distinct (start_time at time zone 'UTC')::date - date '1970-01-01' from span_row where step = $1";

/// Today, and the first day of which spans are kept.
const TODAY: &str =
    "select (now() at time zone 'UTC')::date - date '1970-01-01', first_day - date '1970-01-01' from tier";

/// Steps that were compacted so long ago that no snapshot counts on their rows, and whether their partition was half
/// taken away before.
const DROPPABLE: &str = "\
    select step.step, coalesce(bool_or(inhdetachpending), false), count(inhrelid) > 0
    from step left join pg_inherits on inhrelid = to_regclass(format('span_row_%s', step.step))
    where compacted_time <= now() - make_interval(secs => $1)
    group by step.step order by step.step";

/// Partitions with rows of traces, of some size, that were never measured. Until they are, PostgreSQL would rather read all
/// of them than look for an id in their index; by itself it measures them a minute later, if at all.
const UNMEASURED: &str = "\
    select inhrelid::regclass::text from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'trace_row'::regclass and reltuples < 0 and pg_relation_size(inhrelid) >= 262144";

const LOCK_WAIT_MAX: &str = "set lock_timeout = '2s'";
const LOCK_NOT_AVAILABLE: &str = "55P03";

const FORGET: &str = "delete from step where step = $1";

/// Closes the open step when it is large or old, or in any case when so wished. An empty one stays open.
pub(super) async fn close_if_due(
    connection: &mut PgConnection,
    settings: &CompactionSettings,
) -> Result<(), StoreError> {
    let (bytes, age_seconds, has_rows): (i64, f64, bool) =
        sqlx::query_as(OPEN).fetch_one(&mut *connection).await.map_err(meaning)?;
    let is_large = bytes.unsigned_abs() >= settings.step_bytes_max;
    let is_old = age_seconds >= settings.step_age_max.as_secs_f64();
    if has_rows && (is_large || is_old) {
        sqlx::query(CLOSE).execute(connection).await.map_err(meaning)?;
    }
    Ok(())
}

/// Makes the partitions of the history that a step's spans belong to, apart from its transaction: their making locks
/// others out. A day that could not get its partition now is kept in the default one, as are days whose spans have gone.
pub(super) async fn make_days(connection: &mut PgConnection, step: i32) -> Result<(), StoreError> {
    let (today, first): (i32, i32) = sqlx::query_as(TODAY).fetch_one(&mut *connection).await.map_err(meaning)?;
    let days: Vec<i32> = sqlx::query_scalar(DAYS).bind(step).fetch_all(&mut *connection).await.map_err(meaning)?;
    let days = days.into_iter().filter(|day| *day >= first).chain([today]).map(Day);
    match add_days(connection, days, Day(today)).await {
        Err(error @ StoreError::Busy(_)) => {
            warn!(%error, "a day's partition could not be made now, its spans go to the default one");
            Ok(())
        }
        added => added,
    }
}

/// Measures what was never measured.
pub(super) async fn measure(connection: &mut PgConnection) -> Result<(), StoreError> {
    let partitions: Vec<String> = sqlx::query_scalar(UNMEASURED).fetch_all(&mut *connection).await.map_err(meaning)?;
    for partition in partitions {
        connection.execute(AssertSqlSafe(format!("analyze {partition}"))).await.map_err(meaning)?;
    }
    Ok(())
}

/// Drops the partitions of steps that were compacted longer ago than `age`. Detaching lets nobody wait, and waits itself for
/// whoever reads with an older snapshot. That may be somebody's dump of an hour: it is given up soon, and the next call
/// brings to its end what was cut off half way. Nobody sees the rows any more, all that waits is their space.
pub(in crate::store::postgres) async fn drop_compacted(
    connection: &mut PgConnection,
    age: Duration,
) -> Result<(), StoreError> {
    connection.execute(LOCK_WAIT_MAX).await.map_err(meaning)?;
    let steps: Vec<(i32, bool, bool)> =
        sqlx::query_as(DROPPABLE).bind(age.as_secs_f64()).fetch_all(&mut *connection).await.map_err(meaning)?;
    for (step, is_half_detached, is_attached) in steps {
        match drop_partition(step, is_half_detached, is_attached, connection).await {
            Err(error) if is_held_up(&error) => {
                info!(step, "somebody still reads the rows of a compacted step, they are dropped later");
                break;
            }
            dropped => dropped.map_err(meaning)?,
        }
    }
    connection.execute("reset lock_timeout").await.map_err(meaning)?;
    Ok(())
}

async fn drop_partition(
    step: i32,
    is_half_detached: bool,
    is_attached: bool,
    connection: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    if is_attached {
        let how = if is_half_detached { "finalize" } else { "concurrently" };
        let detach = format!("alter table span_row detach partition span_row_{step} {how}");
        connection.execute(AssertSqlSafe(detach)).await?;
    }
    let drop = format!("drop table if exists span_row_{step}");
    connection.execute(AssertSqlSafe(drop)).await?;
    sqlx::query(FORGET).bind(step).execute(&mut *connection).await?;
    Ok(())
}

/// Whether a lock was not free in time.
fn is_held_up(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}
