//! Small blocks of a service and an hour become few large ones. A service with few spans a minute leaves a small block in
//! each step, and a small block takes several times as much room for a span as a full one.
//!
//! Blocks are merged when each span comes into a block that has at least half as many more than the one it was in: so no
//! span is written more often than twenty times, however late others come; and what has half of the most that a block can
//! have is never written again. Nothing that is derived changes, except that the rows of traces name the new blocks.
//!
//! With 3,600 spans an hour of 17 services in steps of five minutes, blocks took 155 bytes a span unmerged and take 77
//! merged; 74 is what a single step would take. To ask for twice as many, and for four blocks, would leave it at 85. The
//! partition itself shrinks less: what merging frees is room for the blocks of the day's later hours.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::step::{SEND_BYTES, send};
use super::{give_way, rest};
use crate::model::TraceId;
use crate::store::postgres::block::{Block, HotRow, SMALL_BYTES_MAX, SMALL_SPANS_MAX, block_rows, even_pieces};
use crate::store::postgres::derived::trace_row;
use crate::store::postgres::error::meaning;
use crate::store::postgres::history::{BEGIN, Blocks, Damage, OPEN_BLOCKS_MAX, Place, RELEASE, places};
use crate::store::postgres::time::Micros;
use crate::store::{Compaction, CompactionSettings, StoreError};

/// One transaction merges blocks of so many spans together, or a little more; they are all in memory.
const SPANS_MAX: u64 = 20_000;

/// So many blocks are looked for at once; the next call goes on.
const BLOCKS_MAX: i64 = 50_000;

/// Of each service and hour the smallest blocks, as many as have together half as many more spans than the largest of them. The numbers
/// stand in the text so that the planner sees that the index of small blocks has all of them.
fn small_blocks() -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "with small as (
             select hour, service_id, block_id, start_min, span_count, row_number() over added as number,
                 sum(span_count) over added as total
             from span_block
             where span_count <= {SMALL_SPANS_MAX} and text_bytes <= {SMALL_BYTES_MAX}
                 and ($1::float8 = 0 or hour <= now() - interval '1 hour' - make_interval(secs => $1))
                 and block_id <> all ($2::bigint[])
             window added as (partition by hour, service_id order by span_count, block_id)
         ), chosen as (
             select hour, service_id, max(number) as last from small where 2 * total >= 3 * span_count
             group by hour, service_id having max(number) >= $3
         )
         select hour, service_id, block_id, span_count from small join chosen using (hour, service_id)
         where number <= last order by hour, service_id, start_min, block_id limit {BLOCKS_MAX}"
    ))
}

const DELETE: &str = "delete from span_block where hour = $1 and block_id = any ($2)";

/// Blocks of one service and one hour that are to be merged.
#[derive(Debug)]
struct Portion {
    hour: Micros,
    block_ids: Vec<i64>,
    spans: u64,
}

/// Merges what small blocks there are. A portion in which something can not be read stays as it is.
pub(super) async fn merge(
    connection: &mut PgConnection,
    settings: &CompactionSettings,
    damage: &Arc<Damage>,
    done: &mut Compaction,
) -> Result<(), StoreError> {
    let blocks_min = settings.merge_blocks_min.max(2);
    for portion in portions(connection, settings.merge_after, blocks_min, damage).await? {
        let began = Instant::now();
        let merged = merge_portion(connection, &portion, Blocks::new(Arc::clone(damage)), done).await;
        match (merged, portion.block_ids.first()) {
            // The next call does without this one, and so comes to an end.
            (Err(StoreError::Corrupt { what }), Some(block_id)) => {
                damage.leave_out(*block_id, &format!("it can not be merged: {what}"), connection).await?;
            }
            (merged, _) => merged?,
        }
        rest(began.elapsed(), settings.share).await;
        if !give_way(connection).await? {
            done.is_elsewhere = true;
            return Ok(());
        }
    }
    Ok(())
}

/// What to merge. Blocks that are known to be damaged are left alone.
async fn portions(
    connection: &mut PgConnection,
    after: Duration,
    blocks_min: u32,
    damage: &Damage,
) -> Result<Vec<Portion>, StoreError> {
    let query = sqlx::query(small_blocks()).bind(after.as_secs_f64()).bind(damage.block_ids());
    let rows = query.bind(i64::from(blocks_min)).fetch_all(connection).await.map_err(meaning)?;
    let (mut portions, mut last) = (Vec::<Portion>::new(), None);
    for row in rows {
        let (hour, service_id): (Micros, i64) = (row.try_get(0).map_err(meaning)?, row.try_get(1).map_err(meaning)?);
        let (block_id, spans): (i64, i32) = (row.try_get(2).map_err(meaning)?, row.try_get(3).map_err(meaning)?);
        let is_full = portions.last().is_none_or(|portion| portion.spans >= SPANS_MAX);
        if last.replace((hour, service_id)) != Some((hour, service_id)) || is_full {
            portions.push(Portion { hour, block_ids: Vec::new(), spans: 0 });
        }
        if let Some(portion) = portions.last_mut() {
            portion.block_ids.push(block_id);
            portion.spans = portion.spans.saturating_add(u64::from(spans.unsigned_abs()));
        }
    }
    portions.retain(|portion| portion.block_ids.len() >= usize::try_from(blocks_min).unwrap_or(usize::MAX));
    Ok(portions)
}

/// Does so in one transaction.
async fn merge_portion(
    connection: &mut PgConnection,
    portion: &Portion,
    mut blocks: Blocks,
    done: &mut Compaction,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(meaning)?;
    let old = Old::read(portion, &mut blocks, &mut transaction).await?;
    if old.block_ids.len() < 2 {
        return Ok(());
    }
    transaction.execute(RELEASE).await.map_err(meaning)?;
    let made = old.write(&mut transaction).await?;
    transaction.commit().await.map_err(meaning)?;
    let merged = u64::try_from(old.block_ids.len()).unwrap_or(u64::MAX);
    done.blocks_merged = done.blocks_merged.saturating_add(merged);
    done.blocks_made = done.blocks_made.saturating_add(made);
    Ok(())
}

/// What small blocks hold together.
#[derive(Default)]
struct Old {
    hour: Micros,
    block_ids: HashSet<i64>,
    /// By key.
    rows: Vec<HotRow>,
    /// Under which the rows of their traces are filed.
    days: HashMap<[u8; 16], i32>,
}

impl Old {
    /// Reads the blocks that are what was written. Others may have had the lock in between, and have taken some away.
    async fn read(portion: &Portion, blocks: &mut Blocks, connection: &mut PgConnection) -> Result<Self, StoreError> {
        let mut old = Self { hour: portion.hour, ..Self::default() };
        let places: Vec<Place> =
            places(&portion.block_ids, connection).await?.into_iter().map(|(place, _)| place).collect();
        for some in places.chunks(OPEN_BLOCKS_MAX) {
            for block in blocks.open(some, connection).await? {
                if let Some(rows) = blocks.rows(&block, connection).await? {
                    let traces = block.stored.traces().iter();
                    old.days.extend(traces.map(|trace| (*trace.id.as_bytes(), trace.day)));
                    old.block_ids.insert(block.stored.block_id);
                    old.rows.extend(rows);
                }
            }
        }
        old.rows.sort_by_key(|row| row.key);
        Ok(old)
    }

    /// Writes them as few blocks, in the place of the old ones; says how many.
    async fn write(&self, connection: &mut PgConnection) -> Result<u64, StoreError> {
        let mut traces = BTreeMap::<TraceId, BTreeSet<i64>>::new();
        let (mut bytes, mut made) = (block_rows(SEND_BYTES), 0_u64);
        for piece in even_pieces(&self.rows) {
            let mut block = Block::encode(piece)?;
            block.set_trace_days(|id| self.days.get(id).copied().unwrap_or_default());
            block.push(&mut bytes)?;
            for row in piece {
                traces.entry(row.key.trace_id).or_default().insert(block.block_id);
            }
            made = made.saturating_add(1);
        }
        let ids: Vec<_> = self.block_ids.iter().copied().collect();
        let deleted =
            sqlx::query(DELETE).bind(self.hour).bind(&ids).execute(&mut *connection).await.map_err(meaning)?;
        if usize::try_from(deleted.rows_affected()) != Ok(ids.len()) {
            return Err(StoreError::Bug("a block that was read is not there, or is there twice".into()));
        }
        send(bytes, connection).await?;
        trace_row::move_blocks(connection, &self.block_ids, &traces).await?;
        Ok(made)
    }
}
