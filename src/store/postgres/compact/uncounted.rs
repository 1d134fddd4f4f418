//! Hours of the history whose calls were not counted when it was made, by a program of an earlier version: they are counted
//! now, the newest first, each in one transaction, in portions of their traces. Until then whoever asks is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};

use super::{give_way, rest};
use crate::model::{Span, TraceId};
use crate::store::postgres::derived::calls::{CallChange, Stay};
use crate::store::postgres::derived::trace_row;
use crate::store::postgres::error::meaning;
use crate::store::postgres::history::{self, BEGIN, Blocks, Damage, RELEASE, SAVEPOINT};
use crate::store::postgres::row::corrupt;
use crate::store::postgres::time::{HOUR_MICROS, Micros};
use crate::store::{Compaction, CompactionSettings, StoreError};

/// The traces of about so many spans of an hour are in memory at once, with the spans that they have in other hours.
const PORTION_SPANS_MAX: i64 = 200_000;

/// A call that also has steps to see to leaves the other hours to the next one after so long.
const TIME_MAX: Duration = Duration::from_mins(1);

const NEXT: &str = "select hour from call_uncounted order by hour desc limit 1";

const SPANS: &str = "select coalesce(sum(span_count), 0)::bigint from span_block where hour = $1";

/// The traces of an hour whose ids have this remainder. Ids are random, so portions are about equally large.
const TRACES: &str = "\
    select distinct encode(uuid_send(id), 'hex') from span_block, unnest(trace_ids) as id
    where hour = $1 and abs(hashtext(id::text)::bigint) % $2 = $3";

const DELETE: [&str; 2] = [
    "delete from call_minute_row where minute >= $1 and minute < $1 + interval '1 hour'",
    "delete from message_row where minute >= $1 and minute < $1 + interval '1 hour'",
];

const COUNTED: &str = "delete from call_uncounted where hour = $1";

/// Counts the calls of hours whose calls were not.
pub(super) async fn count(
    connection: &mut PgConnection,
    settings: &CompactionSettings,
    damage: &Arc<Damage>,
    done: &mut Compaction,
) -> Result<(), StoreError> {
    let began = Instant::now();
    loop {
        let next = sqlx::query_scalar(NEXT).fetch_optional(&mut *connection).await.map_err(meaning)?;
        let Some(hour) = next else { return Ok(()) };
        count_hour(connection, hour, settings.share, damage).await?;
        done.hours_counted = done.hours_counted.saturating_add(1);
        if settings.share < 1.0 && began.elapsed() > TIME_MAX {
            return Ok(());
        }
        if !give_way(connection).await? {
            done.is_elsewhere = true;
            return Ok(());
        }
    }
}

async fn count_hour(
    connection: &mut PgConnection,
    hour: Micros,
    share: f64,
    damage: &Arc<Damage>,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(meaning)?;
    let spans: i64 = sqlx::query_scalar(SPANS).bind(hour).fetch_one(&mut *transaction).await.map_err(meaning)?;
    let portions = spans.checked_div(PORTION_SPANS_MAX).unwrap_or_default().saturating_add(1);
    transaction.execute(RELEASE).await.map_err(meaning)?;
    for statement in DELETE {
        sqlx::query(statement).bind(hour).execute(&mut *transaction).await.map_err(meaning)?;
    }
    for portion in 0..portions {
        let began = Instant::now();
        let query = sqlx::query_scalar(TRACES).bind(hour).bind(portions).bind(portion);
        let ids: Vec<String> = query.fetch_all(&mut *transaction).await.map_err(meaning)?;
        transaction.execute(SAVEPOINT).await.map_err(meaning)?;
        let mut blocks = Blocks::new(Arc::clone(damage));
        let change = change(&ids, hour, &mut blocks, &mut transaction).await?;
        let difference = change.settle(&mut blocks, &mut transaction).await?;
        transaction.execute(RELEASE).await.map_err(meaning)?;
        difference.write(&mut transaction).await?;
        rest(began.elapsed(), share).await;
    }
    sqlx::query(COUNTED).bind(hour).execute(&mut *transaction).await.map_err(meaning)?;
    transaction.commit().await.map_err(meaning)
}

/// All spans of these traces; the calls to those that begin in this hour are not counted yet.
async fn change(
    ids: &[String],
    hour: Micros,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<CallChange, StoreError> {
    let ids: Result<Vec<TraceId>, _> = ids.iter().map(|id| TraceId::parse_hex(id)).collect();
    let ids = ids.map_err(|error| corrupt(format!("a trace id {error}")))?;
    let filed: HashMap<_, _> = trace_row::existing(connection, &ids).await?;
    let mut change = CallChange::default();
    let hour = hour.0.div_euclid(HOUR_MICROS);
    let add = |_, span: &Span| {
        let is_of_hour = span.start.to_micros_and_nanos().0.div_euclid(HOUR_MICROS) == hour;
        change.add_span(span, if is_of_hour { Stay::Uncounted } else { Stay::Stays });
    };
    history::each_of_traces(connection, &filed, blocks, add).await?;
    Ok(change)
}
