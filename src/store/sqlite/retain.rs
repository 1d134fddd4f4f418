//! Retention: rows that are old, or too many, are deleted a few at a time, oldest first, so that writes get their turn. The
//! file keeps its size: the pages that become free take what is written next. (A file that was made with
//! `auto_vacuum=incremental` gives them back.)
//!
//! There is no time of arrival in a row, but rows are numbered as they arrive: what number they had reached when is noted
//! at each look (`arrival_mark`).

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::time::Instant;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, query, query_as, query_scalar};

use super::dictionary::json_array;
use super::error::store_error;
use super::read::Reader;
use super::statements::BEGIN;
use super::write::{Known, Writer};
use crate::store::retention::{DAYS_AHEAD_MAX, LOG_DAYS_MAX, Reason, days_before};
use crate::store::{Retained, RetentionSettings, StoreError};

const DAY_MICROS: i64 = 86_400_000_000;
const DAY_MILLIS: i64 = 86_400_000;

/// So many numbers of arrival are looked at in one statement, in search of what is used.
const PAGE_ARRIVALS: i64 = 20_000;

const MARK: &str = "
insert or replace into arrival_mark (time, arrival)
select cast((julianday('now') - 2440587.5) * 86400000 as integer), coalesce(max(arrival), 0) from span_row";

const ARRIVED: &str =
    "select coalesce((select arrival from arrival_mark where time <= ? order by time desc limit 1), 0)";

const FORGET_MARKS: &str = "
delete from arrival_mark where time < (select max(time) from arrival_mark where time <= ?)";

/// Today, and now as text.
const NOW: &str = "
select cast(strftime('%s', 'now') as integer) / 86400, strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'";

/// The next rows, at most 500: a statement that deletes more would keep writes waiting.
const FIND: &str = "
select arrival, start_time
from span_row
where start_time >= ?1 and start_time < ?2 and arrival <= ?3 and (start_time, arrival) > (?1, ?4)
order by start_time, arrival
limit 500";

const DELETE: &str = "delete from span_row where arrival in (select value from json_each(?))";

const LOG: &str = "
insert into retention_log (removed_time, reason, day, span_count)
values (?, ?, date(? * 86400, 'unixepoch'), ?)
on conflict (removed_time, reason, day) do update set span_count = span_count + excluded.span_count";

const FORGET_LOG: &str = "
delete from retention_log where removed_time < strftime('%Y-%m-%d', 'now', '-' || ? || ' days')";

const BYTES: &str = "
select (page_count - freelist_count) * page_size
from pragma_page_count(), pragma_freelist_count(), pragma_page_size()";

/// 2 is incremental.
const AUTO_VACUUM: &str = "select auto_vacuum from pragma_auto_vacuum()";
const GIVE_BACK: &str = "pragma incremental_vacuum(10000)";

const ARRIVALS: &str = "select coalesce(min(arrival), 1) - 1, coalesce(max(arrival), 0) from span_row";

const USED: &str = "
select distinct resource_id, scope_id, service_id, name, kind from span_row where arrival > ? and arrival <= ?";

const OPERATIONS: &str = "select service_id, name, kind from operation";
const DELETE_OPERATION: &str = "delete from operation where service_id = ? and name = ? and kind = ?";

/// Removes what is to go.
pub(super) async fn retain(
    writer: &Writer,
    reader: &Reader,
    settings: &RetentionSettings,
) -> Result<Retained, StoreError> {
    query(MARK).execute(&writer.pool).await.map_err(store_error)?;
    let (today, now): (i32, String) = query_as(NOW).fetch_one(&writer.pool).await.map_err(store_error)?;
    let mut call = Call { writer, reader, now, done: Retained::default() };
    if let Some(days) = settings.age_days_max {
        let arrived = call.arrived(settings.arrival_age_days_max.map(|days| days_before(today, days))).await?;
        let future = today.saturating_add(DAYS_AHEAD_MAX).saturating_add(1);
        for starts in [0..begin(days_before(today, days)), begin(future)..i64::MAX] {
            call.remove(starts, arrived, Reason::Age, None).await?;
        }
    }
    if settings.bytes_max.is_some() {
        call.remove(0..begin(today), i64::MAX, Reason::Size, settings.bytes_max).await?;
    }
    call.end(settings.bytes_max).await
}

/// The first microsecond of a day.
fn begin(day: i32) -> i64 {
    i64::from(day).saturating_mul(DAY_MICROS)
}

async fn bytes(reader: &Reader) -> Result<u64, StoreError> {
    let bytes: i64 = query_scalar(BYTES).fetch_one(&mut *reader.begin().await?).await.map_err(store_error)?;
    Ok(bytes.unsigned_abs())
}

struct Call<'a> {
    writer: &'a Writer,
    reader: &'a Reader,
    now: String,
    done: Retained,
}

impl Call<'_> {
    /// The highest number that was surely there before a day.
    async fn arrived(&self, before: Option<i32>) -> Result<i64, StoreError> {
        let Some(day) = before else { return Ok(i64::MAX) };
        let millis = i64::from(day).saturating_mul(DAY_MILLIS);
        query(FORGET_MARKS).bind(millis).execute(&self.writer.pool).await.map_err(store_error)?;
        query_scalar(ARRIVED).bind(millis).fetch_one(&self.writer.pool).await.map_err(store_error)
    }

    /// Removes the spans that began then and had arrived by then; if a size is given, only as long as all is larger.
    async fn remove(
        &mut self,
        mut starts: Range<i64>,
        arrived: i64,
        reason: Reason,
        bytes_max: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut last_arrival = 0_i64;
        loop {
            if let Some(max) = bytes_max
                && bytes(self.reader).await? <= max
            {
                return Ok(());
            }
            let find = query_as(FIND).bind(starts.start).bind(starts.end).bind(arrived).bind(last_arrival);
            let found: Vec<(i64, i64)> = find.fetch_all(&mut *self.reader.begin().await?).await.map_err(store_error)?;
            let Some(last) = found.last() else { return Ok(()) };
            (last_arrival, starts.start) = *last;
            let began = Instant::now();
            self.delete(&found, reason).await?;
            // As much time for those who write.
            tokio::time::sleep(began.elapsed()).await;
        }
    }

    async fn delete(&mut self, rows: &[(i64, i64)], reason: Reason) -> Result<(), StoreError> {
        let arrivals: Vec<i64> = rows.iter().map(|(arrival, _)| *arrival).collect();
        let mut days = BTreeMap::<i64, i64>::new();
        for (_, start) in rows {
            let count = days.entry(start.div_euclid(DAY_MICROS)).or_default();
            *count = count.saturating_add(1);
        }
        let mut transaction = self.writer.pool.begin_with(BEGIN).await.map_err(store_error)?;
        query(DELETE).bind(json_array(&arrivals)).execute(&mut *transaction).await.map_err(store_error)?;
        for (day, spans) in days {
            let log = query(LOG).bind(&self.now).bind(reason.name()).bind(day).bind(spans);
            log.execute(&mut *transaction).await.map_err(store_error)?;
        }
        transaction.commit().await.map_err(store_error)?;
        self.done.add(reason, u64::try_from(rows.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    async fn end(mut self, bytes_max: Option<u64>) -> Result<Retained, StoreError> {
        if self.done.is_something() {
            self.done.unused = remove_unused(self.writer, self.reader).await?;
        }
        query(FORGET_LOG).bind(LOG_DAYS_MAX).execute(&self.writer.pool).await.map_err(store_error)?;
        let auto_vacuum: i32 = query_scalar(AUTO_VACUUM).fetch_one(&self.writer.pool).await.map_err(store_error)?;
        if auto_vacuum == 2 {
            query(GIVE_BACK).execute(&self.writer.pool).await.map_err(store_error)?;
        }
        self.done.bytes = bytes(self.reader).await?;
        self.done.is_too_large = bytes_max.is_some_and(|max| self.done.bytes > max);
        Ok(self.done)
    }
}

/// What spans refer to.
#[derive(Default)]
struct Used {
    resources: HashSet<i64>,
    scopes: HashSet<i64>,
    services: HashSet<i64>,
    operations: HashSet<(i64, String, i32)>,
}

impl Used {
    /// Adds what the rows of these numbers refer to.
    async fn add(&mut self, arrivals: (i64, i64), connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let rows = query_as(USED).bind(arrivals.0).bind(arrivals.1).fetch_all(connection);
        for (resource, scope, service, name, kind) in rows.await.map_err(store_error)? {
            self.resources.insert(resource);
            self.scopes.insert(scope);
            self.services.insert(service);
            self.operations.insert((service, name, kind));
        }
        Ok(())
    }
}

/// Removes the resources, scopes, services and operations that no span has. Nearly all rows are looked at beforehand; then
/// nobody writes, and the last ones are; and whoever writes next has to learn anew what there is.
async fn remove_unused(writer: &Writer, reader: &Reader) -> Result<u64, StoreError> {
    let mut used = Used::default();
    let (mut seen, _) = arrivals(reader).await?;
    loop {
        let (_, last) = arrivals(reader).await?;
        let is_near = last.saturating_sub(seen) <= PAGE_ARRIVALS;
        while seen < last {
            let until = seen.saturating_add(PAGE_ARRIVALS).min(last);
            used.add((seen, until), &mut *reader.begin().await?).await?;
            seen = until;
        }
        if is_near {
            break;
        }
    }
    let mut known = writer.known.lock().await;
    *known = Known::default();
    let mut transaction = writer.pool.begin_with(BEGIN).await.map_err(store_error)?;
    used.add((seen, i64::MAX), &mut transaction).await?;
    let removed = delete_others(&used, &mut transaction).await?;
    transaction.commit().await.map_err(store_error)?;
    Ok(removed)
}

/// The number before the first, and the last.
async fn arrivals(reader: &Reader) -> Result<(i64, i64), StoreError> {
    query_as(ARRIVALS).fetch_one(&mut *reader.begin().await?).await.map_err(store_error)
}

async fn delete_others(used: &Used, connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let mut removed = 0_u64;
    for (table, key, used) in [
        ("resource_row", "resource_id", &used.resources),
        ("scope", "scope_id", &used.scopes),
        ("service", "service_id", &used.services),
    ] {
        let all = query_scalar(AssertSqlSafe(format!("select {key} from {table}"))).fetch_all(&mut *connection);
        let mut others: Vec<i64> = all.await.map_err(store_error)?;
        others.retain(|id| !used.contains(id));
        let delete = format!("delete from {table} where {key} in (select value from json_each(?))");
        let delete = query(AssertSqlSafe(delete)).bind(json_array(&others)).execute(&mut *connection);
        removed = removed.saturating_add(delete.await.map_err(store_error)?.rows_affected());
    }
    let operations: Vec<(i64, String, i32)> =
        query_as(OPERATIONS).fetch_all(&mut *connection).await.map_err(store_error)?;
    for operation in operations.iter().filter(|operation| !used.operations.contains(operation)) {
        let (service, name, kind) = operation;
        let delete = query(DELETE_OPERATION).bind(service).bind(name).bind(kind).execute(&mut *connection);
        removed = removed.saturating_add(delete.await.map_err(store_error)?.rows_affected());
    }
    Ok(removed)
}
