//! Hours of the history whose calls were not counted when it was made, by a program of an earlier version: they are counted
//! now, the newest first, each from its begin to its end in portions. A portion is one transaction: it counts the calls to
//! the spans that begin in its time, and moves the moment up to which the hour is counted (`derived/calls/uncounted.rs`).
//! After a crash the next one goes on there. Until an hour is counted, whoever asks for it is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};

use super::{give_way, rest};
use crate::model::{Span, TraceId};
use crate::store::postgres::derived::calls::{CallChange, Counting, Stay, Uncounted};
use crate::store::postgres::derived::trace_row;
use crate::store::postgres::error::meaning;
use crate::store::postgres::history::{self, BEGIN, Blocks, Damage, RELEASE};
use crate::store::postgres::row::corrupt;
use crate::store::postgres::time::Micros;
use crate::store::{Compaction, CompactionSettings, StoreError};

/// A call that also has steps to see to leaves what is left to the next one after so long.
const TIME_MAX: Duration = Duration::from_mins(1);

const MINUTE_MICROS: i64 = 60_000_000;

/// A minute that has too many spans is cut into parts, none shorter than this.
const PART_MICROS_MIN: i64 = 1_000;

/// How many spans begin in each minute. It may be wrong after damage, and only says how large portions are.
const SPANS: &str = "\
    select minute, sum(span_count)::bigint from red_minute_row
    where minute >= date_bin('1 minute', $1::timestamptz, '1970-01-01 00:00:00+00') and minute < $2
    group by minute order by minute";

/// The traces that may have a span in a portion's time, from the blocks that do: what is in an hour is in it once for most,
/// since a block of many spans has those of a short time.
const TRACES: &str = "\
    select distinct encode(uuid_send(id), 'hex') from span_block, unnest(trace_ids) as id
    where hour = $1 and start_max >= $2 and start_min < $3";

/// Counts the calls of hours whose calls were not.
pub(super) async fn count(
    connection: &mut PgConnection,
    settings: &CompactionSettings,
    damage: &Arc<Damage>,
    done: &mut Compaction,
) -> Result<(), StoreError> {
    let began = Instant::now();
    loop {
        let portion_began = Instant::now();
        let Some(is_hour_counted) = count_portion(connection, settings.count_spans_max, damage).await? else {
            return Ok(());
        };
        done.hours_counted = done.hours_counted.saturating_add(u64::from(is_hour_counted));
        if settings.share < 1.0 && began.elapsed() > TIME_MAX {
            return Ok(());
        }
        rest(portion_began.elapsed(), settings.share).await;
        if !give_way(connection).await? {
            done.is_elsewhere = true;
            return Ok(());
        }
    }
}

/// Counts the next portion, and says whether all of its hour is counted now; nothing when there is none.
async fn count_portion(
    connection: &mut PgConnection,
    spans_max: u64,
    damage: &Arc<Damage>,
) -> Result<Option<bool>, StoreError> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(meaning)?;
    let Some(hour) = Uncounted::load(&mut transaction).await?.newest() else { return Ok(None) };
    let minutes = sqlx::query_as(SPANS).bind(hour.from).bind(hour.end);
    let until = portion_end(hour, &minutes.fetch_all(&mut *transaction).await.map_err(meaning)?, spans_max);
    let mut blocks = Blocks::new(Arc::clone(damage));
    let change = change(hour, until, &mut blocks, &mut transaction).await?;
    let difference = change.settle(&mut blocks, &mut transaction).await?;
    transaction.execute(RELEASE).await.map_err(meaning)?;
    hour.advance(until, &mut transaction).await?;
    difference.write(&mut transaction).await?;
    transaction.commit().await.map_err(meaning)?;
    Ok(Some(until >= hour.end))
}

/// When a portion of about so many spans ends that begins where the hour is counted up to.
fn portion_end(hour: Counting, minutes: &[(Micros, i64)], spans_max: u64) -> Micros {
    let spans_max = i64::try_from(spans_max).unwrap_or(i64::MAX);
    let mut total = 0_i64;
    for (minute, spans) in minutes {
        total = total.saturating_add(*spans);
        if total <= spans_max {
            continue;
        }
        if total > *spans {
            return *minute;
        }
        let part = MINUTE_MICROS.saturating_mul(spans_max).checked_div(*spans).unwrap_or(MINUTE_MICROS);
        let end = hour.from.max(*minute).0.saturating_add(part.max(PART_MICROS_MIN));
        return Micros(end.min(minute.0.saturating_add(MINUTE_MICROS)));
    }
    hour.end
}

/// All spans of the traces that may begin in a portion's time; the calls to those that do are not counted yet.
async fn change(
    hour: Counting,
    until: Micros,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<CallChange, StoreError> {
    let query = sqlx::query_scalar(TRACES).bind(hour.hour).bind(hour.from).bind(until);
    let ids: Vec<String> = query.fetch_all(&mut *connection).await.map_err(meaning)?;
    let ids: Result<Vec<TraceId>, _> = ids.iter().map(|id| TraceId::parse_hex(id)).collect();
    let ids = ids.map_err(|error| corrupt(format!("a trace id {error}")))?;
    let filed: HashMap<_, _> = trace_row::existing(connection, &ids).await?;
    let mut change = CallChange::default();
    let add = |_, span: &Span| {
        let is_of_portion = (hour.from..until).contains(&Micros(span.start.to_micros_and_nanos().0));
        change.add_span(span, if is_of_portion { Stay::Uncounted } else { Stay::Stays });
    };
    history::each_of_traces(connection, &filed, blocks, add).await?;
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// `(minute, spans)` of an hour that begins at 0, counted up to `from`: when the portion ends. Times are in seconds.
    fn check(from: i64, minutes: &[(i64, i64)], spans_max: u64, end: Micros) {
        let of = |times: i64, micros: i64| Micros(times.saturating_mul(micros));
        let hour = Counting { hour: Micros(0), from: of(from, SECOND), end: of(60, MINUTE_MICROS) };
        let minutes: Vec<_> = minutes.iter().map(|(minute, spans)| (of(*minute, MINUTE_MICROS), *spans)).collect();
        assert_eq!(portion_end(hour, &minutes, spans_max), end);
    }

    #[test]
    fn portions_are_whole_minutes_or_parts_of_one() {
        let seconds = |seconds: i64| Micros(seconds.saturating_mul(SECOND));
        check(0, &[], 10, seconds(3_600));
        check(0, &[(0, 5), (59, 5)], 10, seconds(3_600));
        check(0, &[(0, 5), (3, 5), (4, 1)], 10, seconds(240));
        check(0, &[(0, 40)], 10, seconds(15));
        check(15, &[(0, 40)], 10, seconds(30));
        check(50, &[(0, 40)], 10, seconds(60));
        check(60, &[(1, 9), (2, 40)], 10, seconds(120));
        check(60, &[(1, i64::MAX)], 10, Micros(60_001_000));
        check(0, &[(0, i64::MAX), (1, i64::MAX)], u64::MAX, seconds(3_600));
        check(0, &[(0, 1)], 0, Micros(1_000));
    }
}
