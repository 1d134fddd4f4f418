//! Resources, scopes, services and operations that no span has any more.
//!
//! Whoever writes remembers which of them the database has. So a row is removed only when it is sure that nobody counts on
//! it: `dictionary_generation` goes up, and who writes from then on vouches anew for what they need (`dictionary.rs`);
//! those who write since before are waited for, and then all spans that count on a row that nobody vouched for can be
//! seen. A writer who vouches meanwhile holds the row, and it is passed over.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::store::postgres::compact::wait_for_writers;
use crate::store::postgres::error::meaning;
use crate::store::{Retained, StoreError};

/// Rows that one statement deletes at the most.
const DELETED_MAX: usize = 1_000;

/// Whether spans were removed since unused rows were.
const IS_DUE: &str = "select exists (select from retention_log, tier where removed_time >= swept_time)";

const CLOSE: &str = "select close_step()";
const NEXT_GENERATION: &str = "\
    update tier set dictionary_generation = dictionary_generation + 1 returning dictionary_generation, now()::text";

const CLOSED: &str = "\
    select step.step from step, tier where step.step >= tier.first_hot_step and step.step <= $1 order by step.step";

/// Of each table its name, its key, and a statement for the keys that nobody has vouched for since a generation and that
/// are in no span.
pub(super) const TABLES: [(&str, &str, &str); 4] = [
    (
        "operation",
        "operation_id",
        "select operation_id from operation
         where generation < $1 and not exists (
             select from span_row s
             where s.service_id = operation.service_id and s.kind = operation.kind and s.name = operation.name)
         except select operation_id from red_hour_row",
    ),
    (
        "service",
        "service_id",
        "select service_id from service where generation < $1
         except select service_id from span_row except select service_id from span_block
         except select caller_id from call_minute_row except select called_id from call_minute_row",
    ),
    (
        "scope",
        "scope_id",
        "select scope_id from scope where generation < $1
         except select scope_id from span_row except select unnest(shape_scope) from span_block",
    ),
    (
        "resource_row",
        "resource_id",
        "select resource_id from resource_row where generation < $1
         except select resource_id from span_row except select unnest(resource_ids) from span_block",
    ),
];

const SWEPT: &str = "update tier set swept_time = $1::timestamptz";

/// Removes them, if spans were removed.
pub(super) async fn remove(connection: &mut PgConnection, done: &mut Retained) -> Result<(), StoreError> {
    let is_due: bool = sqlx::query_scalar(IS_DUE).fetch_one(&mut *connection).await.map_err(meaning)?;
    if !is_due {
        return Ok(());
    }
    let (closed, generation, now) = next_generation(connection).await?;
    wait_for_steps(closed, connection).await?;
    for (table, key, unused) in TABLES {
        let query = sqlx::query_scalar(unused).bind(generation);
        let ids: Vec<i64> = query.fetch_all(&mut *connection).await.map_err(meaning)?;
        for ids in ids.chunks(DELETED_MAX) {
            let deleted = sqlx::query(delete_statement(table, key)).bind(ids).bind(generation);
            let deleted = deleted.execute(&mut *connection).await.map_err(meaning)?.rows_affected();
            done.unused = done.unused.saturating_add(deleted);
        }
    }
    sqlx::query(SWEPT).bind(now).execute(connection).await.map_err(meaning)?;
    Ok(())
}

/// Begins a generation and waits for all who write under earlier ones: the last step that they wrote to, and the generation.
pub(super) async fn wait_for_old_writers(connection: &mut PgConnection) -> Result<(i32, i32), StoreError> {
    let (closed, generation, _) = next_generation(connection).await?;
    wait_for_steps(closed, connection).await?;
    Ok((closed, generation))
}

/// Waits until nobody writes to the steps up to this one.
async fn wait_for_steps(closed: i32, connection: &mut PgConnection) -> Result<(), StoreError> {
    let steps: Vec<i32> = sqlx::query_scalar(CLOSED).bind(closed).fetch_all(&mut *connection).await.map_err(meaning)?;
    for step in steps {
        wait_for_writers(step, connection).await?;
    }
    Ok(())
}

/// Closes the open step, so that who writes to it or to earlier ones vouched under earlier generations, and who writes to
/// later ones under this one.
async fn next_generation(connection: &mut PgConnection) -> Result<(i32, i32, String), StoreError> {
    let mut transaction = connection.begin().await.map_err(meaning)?;
    let closed = sqlx::query_scalar(CLOSE).fetch_one(&mut *transaction).await.map_err(meaning)?;
    let next = sqlx::query_as(NEXT_GENERATION).fetch_one(&mut *transaction).await.map_err(meaning)?;
    transaction.commit().await.map_err(meaning)?;
    let (generation, now): (i32, String) = next;
    Ok((closed, generation, now))
}

/// It waits for no writer, since a writer may wait for it.
fn delete_statement(table: &str, key: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "delete from {table} where {key} in (
             select {key} from {table} where {key} = any ($1) and generation < $2 for update skip locked)"
    ))
}
