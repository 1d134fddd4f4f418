//! Reading the history: which blocks may hold what is asked for, and what is found in them. `candidates.rs` has the
//! statement that leaves out most blocks unopened, `newest.rs` goes through the others for a scan, `places.rs` through their
//! starts alone, `trace.rs` through those of one trace, `traces.rs` through those of several at once, `spans.rs` through all
//! of some, `names/` lists what is in them; `blocks.rs` opens them, and `damage.rs` tells of those that can not be read. How
//! rows and history
//! become one answer is in `read/`; what is in a block is in `block/`.

mod blocks;
mod candidates;
mod damage;
mod names;
mod newest;
mod places;
mod spans;
mod trace;
mod traces;

use std::collections::HashMap;

use sqlx::{PgConnection, Row};

use super::derived::trace_row::Filed;
use super::error::meaning;
use super::filter::Told;
use super::time::Micros;
use crate::model::{Span, SpanKey, TraceId};
use crate::store::{Counted, Scan, StoreError};

pub(super) use blocks::Blocks;
pub(super) use candidates::Between;
#[cfg(test)]
pub(super) use candidates::statement as candidates_statement;
pub(super) use damage::Damage;
pub(super) use names::NamesOfHistory;
pub(super) use newest::{Wanted, newest};
pub(super) use places::{Outlined, is_of_starts, newest_outlines, newest_places};
pub(super) use spans::BlockSpan;
pub(super) use trace::{HistoryOfTrace, keys_and_spans};

/// Begins a transaction that opens blocks. One snapshot for all statements; and a savepoint, to which it goes back when a
/// block is so damaged that the statement that reads it fails. Nothing may be written before [`RELEASE`].
pub(super) const BEGIN: &str = "begin isolation level repeatable read; savepoint history";
/// The same for who writes nothing at all, so that it costs no transaction id. The tables are locked before the snapshot is
/// taken: retention drops partitions, which every snapshot sees at once, and so waits for who began before it, and they
/// see all; who waits for it begins after.
pub(super) const BEGIN_READ_ONLY: &str = "\
    begin isolation level repeatable read read only; \
    lock table only trace_row, only span_block in access share mode; \
    savepoint history";
/// The same in the middle of a transaction: what was written before stays. It ends with [`RELEASE`], too.
pub(super) const SAVEPOINT: &str = "savepoint history";
/// From here on no block is opened, and everything may be written.
pub(super) const RELEASE: &str = "release savepoint history";
const GO_BACK: &str = "rollback to savepoint history";

/// So many blocks are open at once. One has a megabyte or so.
pub(super) const OPEN_BLOCKS_MAX: usize = 8;

/// The blocks that hold a trace are named by its row.
const PLACES: &str = "\
    select hour, block_id, start_min from span_block where block_id = any($1) order by start_min, block_id";

/// Adds to the work of a scan how many blocks are in its time, and how many of them may have what it looks for.
pub(super) async fn count_blocks(scan: &Scan, told: &Told, connection: &mut PgConnection) -> Result<(), StoreError> {
    let (seen, left) = candidates::count(scan, told, connection).await?;
    scan.work.add(Counted::BlocksSeen, seen);
    scan.work.add(Counted::BlocksLeft, left);
    Ok(())
}

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) hour: Micros,
    pub(super) block_id: i64,
}

/// Where blocks are and when their first span begins, by that time.
pub(super) type Places = Vec<(Place, Micros)>;

/// Where those of these blocks are that there are.
pub(super) async fn places(block_ids: &[i64], connection: &mut PgConnection) -> Result<Places, StoreError> {
    if block_ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(PLACES).bind(block_ids).fetch_all(connection).await.map_err(meaning)?;
    let place =
        |row: &sqlx::postgres::PgRow| Ok((Place { hour: row.try_get(0)?, block_id: row.try_get(1)? }, row.try_get(2)?));
    rows.iter().map(place).collect::<Result<_, sqlx::Error>>().map_err(meaning)
}

/// Gives to `each` all spans that these traces have in the history, with their keys. What can not be read is left out: an
/// exact copy of it is stored a second time, and not lost.
pub(super) async fn each_of_traces(
    connection: &mut PgConnection,
    traces: &HashMap<TraceId, Filed>,
    blocks: &mut Blocks,
    mut each: impl FnMut(SpanKey, &Span) + Send,
) -> Result<(), StoreError> {
    let mut unseen: HashMap<i64, TraceId> = HashMap::new();
    for (trace_id, filed) in traces {
        unseen.extend(filed.block_ids.iter().map(|block_id| (*block_id, *trace_id)));
    }
    let places = places(&unseen.keys().copied().collect::<Vec<_>>(), connection).await?;
    for portion in places.chunks(OPEN_BLOCKS_MAX) {
        let portion: Vec<_> = portion.iter().map(|(place, _)| *place).collect();
        for block in blocks.open(&portion, connection).await? {
            let heads = block.stored.heads().iter().enumerate();
            let wanted = heads.filter(|(_, head)| traces.contains_key(&head.trace_id)).map(|(place, _)| place);
            blocks.spans(&block, wanted, |_, key, span| each(key, &span), connection).await?;
        }
    }
    for (place, _) in places {
        unseen.remove(&place.block_id);
    }
    for (block_id, trace_id) in unseen {
        blocks.damage.miss(trace_id, block_id, connection).await?;
    }
    Ok(())
}
