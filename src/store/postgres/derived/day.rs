//! Days, and the partitions by day of the derived tables. Rows of a day that has no partition are in the default one;
//! when the day gets its own they move there.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::super::error::meaning;
use super::super::time::{DAY_MICROS, Micros};
use crate::model::UnixNanos;
use crate::store::StoreError;

/// Days that get a partition: at most so many before today, and so many after. Spans of any other day come from wrong
/// clocks, and a partition for each would make every question slower.
const DAYS_BEFORE_MAX: i32 = 35;
const DAYS_AFTER_MAX: i32 = 2;

/// The tables that have partitions by day, each with the column that says which.
pub(in crate::store::postgres) const TABLES: [(&str, &str); 5] = [
    ("span_block", "hour"),
    ("trace_row", "day"),
    ("red_minute_row", "minute"),
    ("red_hour_row", "hour"),
    ("call_minute_row", "minute"),
];

/// How long the partition's making may wait for statements that read, while others wait behind it.
const LOCK_WAIT_MAX: &str = "set local lock_timeout = '1s'";

/// The days whose partition is missing in a table, as its name has them and as PostgreSQL reads them.
const MISSING: &str = "\
    select to_char(day, 'YYYYMMDD'), to_char(day, 'YYYY-MM-DD'), to_char(day + 1, 'YYYY-MM-DD')
    from (select date '1970-01-01' + number as day from unnest($1::int[]) as added (number)) as days
    where to_regclass($2 || '_' || to_char(day, 'YYYYMMDD')) is null
    order by day";

/// A day in UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::store::postgres) struct Day(pub(in crate::store::postgres) i32);

impl Day {
    /// The day of a moment.
    pub(in crate::store::postgres) fn of(time: UnixNanos) -> Self {
        Self::at(Micros(time.to_micros_and_nanos().0))
    }

    /// The same.
    pub(in crate::store::postgres) fn at(Micros(micros): Micros) -> Self {
        Self(i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or(i32::MAX))
    }

    /// Its first moment.
    pub(in crate::store::postgres) fn begin(self) -> Micros {
        Micros(i64::from(self.0).saturating_mul(DAY_MICROS))
    }

    /// The day after it.
    pub(in crate::store::postgres) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Makes the partitions that these days lack; days too far from today have none and need none. It locks each table's
/// default partition until the end, so it is a transaction of its own, apart from the one that writes the days' rows.
/// After [`StoreError::Busy`] those rows go to the default partition, and move when a later call succeeds.
pub(in crate::store::postgres) async fn add_days(
    connection: &mut PgConnection,
    days: impl IntoIterator<Item = Day>,
    today: Day,
) -> Result<(), StoreError> {
    let near = today.0.saturating_sub(DAYS_BEFORE_MAX)..=today.0.saturating_add(DAYS_AFTER_MAX);
    let days: BTreeSet<i32> = days.into_iter().map(|day| day.0).filter(|day| near.contains(day)).collect();
    let days: Vec<i32> = days.into_iter().collect();
    for (table, column) in TABLES {
        let missing: Vec<(String, String, String)> =
            sqlx::query_as(MISSING).bind(&days).bind(table).fetch_all(&mut *connection).await.map_err(meaning)?;
        for (name, from, until) in missing {
            add_day(connection, &statements(table, column, &name, &from, &until)).await?;
        }
    }
    Ok(())
}

async fn add_day(connection: &mut PgConnection, statements: &str) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await.map_err(meaning)?;
    transaction.execute(LOCK_WAIT_MAX).await.map_err(meaning)?;
    let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
    transaction.execute(statements).await.map_err(meaning)?;
    transaction.commit().await.map_err(meaning)
}

/// A table of its own first: one made as a partition would lock all the others, not only the default.
fn statements(table: &str, column: &str, name: &str, from: &str, until: &str) -> String {
    let (from, until) = (format!("'{from} 00:00:00+00'"), format!("'{until} 00:00:00+00'"));
    format!(
        "create table {table}_{name} (like {table} including all);
         select leave_unmeasured('{table}_{name}');
         lock table {table}_default in access exclusive mode;
         with moved as (delete from {table}_default where {column} >= {from} and {column} < {until} returning *)
             insert into {table}_{name} select * from moved;
         alter table {table} attach partition {table}_{name} for values from ({from}) to ({until})"
    )
}
