//! One step becomes history, in one transaction.

use std::sync::Arc;
use std::time::Instant;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::copies::{self, Late};
use super::rest;
use crate::model::{SpanKey, SpanKind, StatusCode};
use crate::store::postgres::block::{BLOCK_SPANS_MAX, Block, COPY_BLOCKS, HOT_COLUMNS, HotRow, block_rows, pieces};
use crate::store::postgres::derived::calls::{CallSpan, senders_of_row};
use crate::store::postgres::derived::rollup::Rollups;
use crate::store::postgres::derived::trace_fold::TraceSpan;
use crate::store::postgres::derived::trace_row::TraceRows;
use crate::store::postgres::dictionary::operation_id;
use crate::store::postgres::error::meaning;
use crate::store::postgres::history::{BEGIN, Blocks, Damage, RELEASE, SAVEPOINT};
use crate::store::postgres::row::corrupt;
use crate::store::postgres::rows::CopyRows;
use crate::store::postgres::time::Micros;
use crate::store::{Compaction, StoreError, text};

/// Rows that are fetched at once; together with what waits for the rest of its block, all that is held.
const FETCH: &str = "fetch 2000 from hot";

/// Blocks are sent when they have so many bytes together.
pub(super) const SEND_BYTES: usize = 1 << 20;

/// In the order of the spans' services and keys, so that copies follow each other and blocks come one after the other.
/// The digest is half of the hash of the whole content. Of copies the first to arrive is kept: whoever asks as of a
/// moment in between is to find it.
fn declare(step: i32) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "declare hot no scroll cursor for select {HOT_COLUMNS} from span_row s where s.step = {step}
         order by s.service_id, s.start_time, s.start_nano, s.trace_id, s.span_id, s.digest,
             s.received_time"
    ))
}

const FINISH: &str = "\
    with compacted as (update step set compacted_time = now() where step = $1)
    update tier set first_hot_step = $1 + 1, calls_step = $1 + 1 where first_hot_step = $1";

/// Makes history of a step that nobody writes to any more; it is the first hot one.
pub(super) async fn compact(
    connection: &mut PgConnection,
    step: i32,
    share: f64,
    damage: &Arc<Damage>,
    done: &mut Compaction,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(meaning)?;
    let late = copies::late(&mut transaction, step, Blocks::new(Arc::clone(damage))).await?;
    let mut history = History::of(late);
    transaction.execute(RELEASE).await.map_err(meaning)?;
    transaction.execute(declare(step)).await.map_err(meaning)?;
    let mut waiting = Vec::new();
    loop {
        let began = Instant::now();
        let rows = sqlx::query(FETCH).fetch_all(&mut *transaction).await.map_err(meaning)?;
        let is_end = rows.is_empty();
        for row in &rows {
            let row = HotRow::read(row)?;
            done.spans = done.spans.saturating_add(1);
            if history.is_new(row.key) {
                waiting.push(row);
            } else {
                done.copies = done.copies.saturating_add(1);
            }
        }
        let written = history.write(&waiting, is_end, &mut transaction).await?;
        waiting.drain(..written);
        if is_end {
            break;
        }
        rest(began.elapsed(), share).await;
    }
    history.finish(&mut transaction, damage).await?;
    let moved = sqlx::query(FINISH).bind(step).execute(&mut *transaction).await.map_err(meaning)?;
    if moved.rows_affected() != 1 {
        return Err(StoreError::Bug(format!("step {step} is not the first hot one").into()));
    }
    transaction.commit().await.map_err(meaning)?;
    done.blocks = done.blocks.saturating_add(history.blocks);
    done.steps = done.steps.saturating_add(1);
    Ok(())
}

/// Writes blocks.
pub(super) async fn send(mut blocks: CopyRows, connection: &mut PgConnection) -> Result<(), StoreError> {
    blocks.finish();
    let mut copy = connection.copy_in_raw(COPY_BLOCKS).await.map_err(meaning)?;
    copy.send(blocks.bytes()).await.map_err(meaning)?;
    copy.finish().await.map_err(meaning)?;
    Ok(())
}

/// What a step becomes, on its way to the tables.
struct History {
    late: Late,
    last: Option<SpanKey>,
    traces: TraceRows,
    rollups: Rollups,
    blocks: u64,
}

impl History {
    fn of(late: Late) -> Self {
        Self { traces: TraceRows::filed_under(late.today), late, last: None, rollups: Rollups::default(), blocks: 0 }
    }

    /// Whether a span is no copy of the one before, nor of one in the history.
    fn is_new(&mut self, key: SpanKey) -> bool {
        self.last.replace(key) != Some(key) && !self.late.keys.contains(&key)
    }

    /// Makes blocks of rows and writes them; the last ones may wait for more of their kind. Says how many were written.
    async fn write(
        &mut self,
        rows: &[HotRow],
        is_end: bool,
        connection: &mut PgConnection,
    ) -> Result<usize, StoreError> {
        let mut bytes = block_rows(SEND_BYTES);
        let (mut written, mut blocks) = (0_usize, 0_u64);
        for piece in pieces(rows) {
            let after = written.saturating_add(piece.len());
            if after == rows.len() && !is_end && piece.len() < BLOCK_SPANS_MAX {
                break;
            }
            let mut block = Block::encode(piece)?;
            block.set_trace_days(|id| self.late.day_of(id).0);
            self.derive(piece, block.block_id)?;
            block.push(&mut bytes)?;
            (written, blocks) = (after, blocks.saturating_add(1));
        }
        if blocks > 0 {
            send(bytes, connection).await?;
        }
        self.blocks = self.blocks.saturating_add(blocks);
        if self.traces.is_full() {
            self.traces.flush(connection).await?;
        }
        if self.rollups.is_full() {
            self.rollups.flush(connection).await?;
        }
        Ok(written)
    }

    fn derive(&mut self, rows: &[HotRow], block_id: i64) -> Result<(), StoreError> {
        let mut form = Vec::new();
        for row in rows {
            let kind = SpanKind(row.kind);
            let name = std::str::from_utf8(row.name()).ok().and_then(text::original);
            let name = name.ok_or_else(|| corrupt("a name is not a stored text"))?;
            let operation_id = operation_id(row.service_id, kind, &name, &mut form);
            self.traces.add(&TraceSpan {
                key: row.key,
                end: row.end(),
                is_root: row.parent_span_id.is_none(),
                is_error: StatusCode(row.status) == StatusCode::ERROR,
                service_id: row.service_id,
                operation_id,
                block_id,
                received: Micros(row.received_micros),
            });
            self.late.calls.add_taker(CallSpan::of_row(row), senders_of_row(row)?);
            let duration = row.duration_nanos.unsigned_abs();
            self.rollups.add(row.key.start, operation_id, StatusCode(row.status), duration);
        }
        Ok(())
    }

    /// Who sent the messages that the step's spans take may be told by blocks; these are opened last, when it is known.
    async fn finish(&mut self, connection: &mut PgConnection, damage: &Arc<Damage>) -> Result<(), StoreError> {
        self.traces.flush(connection).await?;
        self.rollups.flush(connection).await?;
        connection.execute(SAVEPOINT).await.map_err(meaning)?;
        let calls = std::mem::take(&mut self.late.calls);
        let difference = calls.settle(&mut Blocks::new(Arc::clone(damage)), connection).await?;
        connection.execute(RELEASE).await.map_err(meaning)?;
        difference.write(connection).await
    }
}
