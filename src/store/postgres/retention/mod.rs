//! Retention: removes what is old, or too much. A day of the history goes as a whole: its partitions are dropped
//! (`day.rs`). Spans whose clock was wrong, in the partitions of no day, are deleted by their arrival (`odd.rs`). What is
//! derived from spans goes with them, in the same transaction, or is made anew of those that stay (`traces.rs`, `calls.rs`).
//! At last, rows that spans share go when no span has them (`unused.rs`). Hot rows stay until they are history. All at once
//! goes only when somebody asks for it (`purge.rs`).
//!
//! One process at a time does this, and not while one compacts: both change the history.

mod calls;
mod day;
mod odd;
mod purge;
mod traces;
mod unused;

use std::sync::Arc;

use sqlx::{Error, Executor, PgConnection, PgPool};

use super::compact::COMPACTION_LOCK;
use super::derived::day::Day;
use super::error::{code, meaning};
use super::history::Damage;
use super::time::Micros;
use super::write::Lease;
use crate::store::retention::{LOG_DAYS_MAX, Reason, days_before};
use crate::store::{Retained, RetentionSettings, StoreError};
use odd::Odd;

/// Settings of the connection. Who compacts a backlog gives way after each step; longer than this is a step that waits for
/// something itself. Lists of blocks are long, and only a plan made for them looks them up by a hash. One core is enough.
pub(super) const CONNECTION_SETTINGS: &str = "set lock_timeout = '60s'; set plan_cache_mode = force_custom_plan; set jit = off; \
    set max_parallel_workers_per_gather = 0";

const LOCK: &str = "select pg_advisory_lock($1)";
const UNLOCK: &str = "select pg_advisory_unlock($1)";

const TODAY: &str = "select (now() at time zone 'UTC')::date - date '1970-01-01'";

/// Days that have a partition in any table and lie before this one.
const DAYS: &str = "\
    select distinct day - date '1970-01-01'
    from pg_inherits
    join pg_class on pg_class.oid = inhrelid
    cross join lateral (select to_date(substring(relname from '_([0-9]{8})$'), 'YYYYMMDD') as day) as named
    where inhparent in
            ('span_block'::regclass, 'trace_row'::regclass, 'red_minute_row'::regclass, 'red_hour_row'::regclass,
             'call_minute_row'::regclass)
        and day < date '1970-01-01' + $1
    order by 1";

/// From now on no day before this one gets a partition.
const SET_FIRST_DAY: &str = "\
    update tier set first_day = date '1970-01-01' + $1 where first_day < date '1970-01-01' + $1";

const LOG: &str = "\
    insert into retention_log (reason, day, span_count, bytes) values ($1, date '1970-01-01' + $2, $3, $4)";

const FORGET_LOG: &str = "delete from retention_log where removed_time < now() - make_interval(days => $1)";

/// What is left of hours whose calls were never counted and that have no spans any more.
const FORGET_UNCOUNTED: &str = "\
    with gone as (
        delete from call_uncounted u where not exists (
            select from span_block b where b.hour = date_bin('1 hour', u.hour, '1970-01-01 00:00:00+00'))
        returning date_bin('1 hour', u.hour, '1970-01-01 00:00:00+00') as hour)
    delete from call_minute_row using gone
    where minute >= gone.hour and minute < gone.hour + interval '1 hour'";

/// The tables of tracewell with their indexes: others may share the database.
const SIZE: &str = "\
    select coalesce(sum(pg_total_relation_size(coalesce(part.relid, kept.relid))), 0)::bigint
    from unnest(array['span_row', 'span_block', 'trace_row', 'red_minute_row', 'red_hour_row', 'call_minute_row',
            'message_row', 'receipt', 'resource', 'scope', 'service', 'operation', 'retention_log']::regclass[])
        as kept (relid)
    left join lateral pg_partition_tree(kept.relid) as part on true";

/// The removing part of the store.
#[derive(Debug)]
pub(super) struct Retainer {
    pub(super) pool: PgPool,
    pub(super) damage: Arc<Damage>,
}

impl Retainer {
    /// Removes what is to go, day by day, each in a transaction.
    pub(super) async fn retain(&self, settings: &RetentionSettings) -> Result<Retained, StoreError> {
        let mut lease = Lease::take(&self.pool).await?;
        let connection = lease.connection()?;
        let mut done = Retained { is_elsewhere: !lock(connection).await?, ..Retained::default() };
        if !done.is_elsewhere {
            let mut work = Work { connection, damage: &self.damage, done: &mut done };
            work.all(settings).await?;
            sqlx::query(UNLOCK).bind(COMPACTION_LOCK).execute(&mut *connection).await.map_err(meaning)?;
        }
        done.bytes = size(connection).await?;
        lease.give_back();
        Ok(done)
    }
}

/// The lock of who changes the history; false when others have it for too long.
async fn lock(connection: &mut PgConnection) -> Result<bool, StoreError> {
    match sqlx::query(LOCK).bind(COMPACTION_LOCK).execute(connection).await {
        Ok(_) => Ok(true),
        Err(error) if is_held_up(&error) => Ok(false),
        Err(error) => Err(meaning(error)),
    }
}

/// Whether a lock was not free in time.
fn is_held_up(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| ["55P03", "40P01"].contains(&&*code(error)))
}

async fn size(connection: &mut PgConnection) -> Result<u64, StoreError> {
    let bytes: i64 = sqlx::query_scalar(SIZE).fetch_one(connection).await.map_err(meaning)?;
    Ok(bytes.unsigned_abs())
}

/// One call, which has the lock.
struct Work<'a> {
    connection: &'a mut PgConnection,
    damage: &'a Arc<Damage>,
    done: &'a mut Retained,
}

impl Work<'_> {
    async fn all(&mut self, settings: &RetentionSettings) -> Result<(), StoreError> {
        let today = sqlx::query_scalar(TODAY).fetch_one(&mut *self.connection).await.map_err(meaning)?;
        if let Some(days) = settings.age_days_max {
            let arrived_before = settings.arrival_age_days_max.map(|days| Day(days_before(today, days)).begin());
            self.by_age(Day(today), Day(days_before(today, days)), arrived_before).await?;
        }
        if let Some(bytes_max) = settings.bytes_max
            && !self.done.is_held_up
        {
            self.by_size(Day(today), bytes_max).await?;
        }
        sqlx::query(FORGET_UNCOUNTED).execute(&mut *self.connection).await.map_err(meaning)?;
        unused::remove(self.connection, self.done).await?;
        sqlx::query(FORGET_LOG).bind(LOG_DAYS_MAX).execute(&mut *self.connection).await.map_err(meaning)?;
        Ok(())
    }

    async fn by_age(&mut self, today: Day, first: Day, arrived_before: Option<Micros>) -> Result<(), StoreError> {
        set_first_day(first, self.connection).await?;
        for day in self.days_before(first).await? {
            if !self.remove_day(day, Reason::Age).await? {
                self.done.is_held_up = true;
                return Ok(());
            }
        }
        self.remove_odd(&Odd { start_before: first, arrived_before, today }, Reason::Age).await
    }

    async fn by_size(&mut self, today: Day, bytes_max: u64) -> Result<(), StoreError> {
        while size(self.connection).await? > bytes_max {
            let oldest = self.days_before(today).await?.first().copied();
            if let Some(day) = oldest
                && !self.remove_day(day, Reason::Size).await?
            {
                self.done.is_held_up = true;
                return Ok(());
            }
            let first = oldest.map_or(today, Day::next);
            let odd = Odd { start_before: first, arrived_before: Some(first.begin()), today };
            self.remove_odd(&odd, Reason::Size).await?;
            if oldest.is_none() {
                self.done.is_too_large = size(self.connection).await? > bytes_max;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Those that have partitions.
    async fn days_before(&mut self, day: Day) -> Result<Vec<Day>, StoreError> {
        let days: Vec<i32> =
            sqlx::query_scalar(DAYS).bind(day.0).fetch_all(&mut *self.connection).await.map_err(meaning)?;
        Ok(days.into_iter().map(Day).collect())
    }
}

async fn set_first_day(day: Day, connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(SET_FIRST_DAY).bind(day.0).execute(connection).await.map_err(meaning)?;
    Ok(())
}

/// What went, to be told.
struct Removed {
    day: Day,
    spans: i64,
    /// On disk, as far as they are free at once.
    bytes: Option<i64>,
}

impl Removed {
    /// Tells of it, in the transaction that removes it.
    async fn log(&self, reason: Reason, connection: &mut PgConnection) -> Result<(), StoreError> {
        if self.spans == 0 {
            return Ok(());
        }
        let log = sqlx::query(LOG).bind(reason.name()).bind(self.day.0).bind(self.spans).bind(self.bytes);
        connection.execute(log).await.map_err(meaning)?;
        Ok(())
    }
}
