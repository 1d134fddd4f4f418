//! The newest places of the history: when spans begin that a scan looks for, and of which traces they are. What a search
//! asks stands in a few columns of a block, and reading the others is most of what opening one costs. What is asked of each
//! span is in `asked.rs`, what a filter asks in `filtered.rs`; `outlined.rs` gives the spans in outline.

mod asked;
mod filtered;
mod outlined;

use std::collections::{BTreeSet, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use self::asked::{Asked, Finding};
use self::filtered::Needs;
pub(in crate::store::postgres) use self::outlined::{Outlined, newest_outlines};
use super::candidates::{Candidate, Walk};
use super::damage::go_back;
use super::{Blocks, Wanted};
use crate::store::postgres::block::{BlockStarts, SpanStart};
use crate::store::postgres::error::{is_damage, meaning};
use crate::store::postgres::time::Micros;
use crate::store::{Counted, Scan, StoreError, TracePlace};

/// So many blocks are read at once: more than are opened at once, since little is read of each.
const READ_BLOCKS_MAX: usize = 16;

/// So many spans are taken out of a block one by one; when more are wanted, it is less work to take all.
const FEW_SPANS: i32 = 8;

/// Whether nothing but starts, and what can be read with them, is asked for.
pub(in crate::store::postgres) fn is_of_starts(scan: &Scan) -> bool {
    !Needs::of(&scan.filter).is_more
}

/// The greatest places that were found, and the least of which nothing above is missing; `None` when nothing is.
pub(in crate::store::postgres) type Found = (BTreeSet<TracePlace>, Option<TracePlace>);

/// The greatest places of the spans that are looked for, so many as are wanted if there are so many, and what the scan has to
/// spare; `None` when events or links of theirs have to be looked at. [`is_of_starts`] says yes to the scan.
pub(in crate::store::postgres) async fn newest_places(
    wanted: Wanted<'_>,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<Option<Found>, StoreError> {
    let Wanted { scan, between, limit, .. } = wanted;
    let asked = Asked::of(scan, between, None);
    let mut found = Newest { places: BTreeSet::new(), limit, limit_max: limit.saturating_add(scan.spare) };
    let mut walk = Walk::new(READ_BLOCKS_MAX);
    loop {
        let mut horizon = None;
        let is_enough = |next: Micros| {
            horizon = Some(next);
            found.is_complete(next)
        };
        let candidates = walk.next(wanted, is_enough, connection).await?;
        if candidates.is_empty() {
            return Ok(Some(found.certain(horizon)));
        }
        for block in blocks.starts(&candidates, &asked, connection).await? {
            scan.work.add(Counted::SpansRead, block.looked_at);
            if block.is_elsewhere {
                return Ok(None);
            }
            if let Some(what) = asked.find(&block, &blocks.dictionary, &mut found) {
                blocks.damage.leave_out(block.block_id, &what, connection).await?;
            }
        }
    }
}

/// The newest places that were found.
struct Newest {
    places: BTreeSet<TracePlace>,
    /// So many are wanted,
    limit: usize,
    /// and so many are kept.
    limit_max: usize,
}

impl Newest {
    /// Whether as many are found as are wanted, and none of the next blocks, whose spans begin no later, holds a newer one.
    fn is_complete(&self, next: Micros) -> bool {
        let Some(last) = self.limit.checked_sub(1) else { return true };
        self.places.iter().nth_back(last).is_some_and(|(least, _)| next.0 < least.to_micros_and_nanos().0)
    }

    /// Those that begin after the horizon, behind which blocks were not read.
    fn certain(mut self, horizon: Option<Micros>) -> Found {
        let may_be_more = self.places.len() >= self.limit_max || horizon.is_some();
        if let Some(horizon) = horizon {
            self.places.retain(|(start, _)| start.to_micros_and_nanos().0 > horizon.0);
        }
        let floor = self.places.first().copied().filter(|_| may_be_more);
        (self.places, floor)
    }
}

impl Finding for Newest {
    fn is_late(&self, place: TracePlace) -> bool {
        self.places.len() >= self.limit_max && self.places.first().is_some_and(|least| place <= *least)
    }

    fn take(&mut self, _: usize, start: &SpanStart) -> Result<(), String> {
        self.places.insert((start.start, start.trace_id));
        if self.places.len() > self.limit_max {
            self.places.pop_first();
        }
        Ok(())
    }
}

impl Blocks {
    /// Reads when the spans of these blocks begin. A block of which that can not be read is told of and left out.
    async fn starts(
        &mut self,
        candidates: &[Candidate],
        asked: &Asked<'_>,
        connection: &mut PgConnection,
    ) -> Result<Vec<BlockStarts>, StoreError> {
        let mut all = Vec::with_capacity(candidates.len());
        match fetch(candidates, asked, connection).await {
            Ok(rows) => self.read_starts(candidates, &rows, &mut all, connection).await?,
            Err(error) if is_damage(&error) => {
                for candidate in candidates {
                    go_back(connection).await?;
                    match fetch(&[*candidate], asked, connection).await {
                        Ok(rows) => self.read_starts(&[*candidate], &rows, &mut all, connection).await?,
                        Err(error) if is_damage(&error) => {
                            go_back(connection).await?;
                            self.damage.leave_out(candidate.place.block_id, &error.to_string(), connection).await?;
                        }
                        Err(error) => return Err(meaning(error)),
                    }
                }
            }
            Err(error) => return Err(meaning(error)),
        }
        if asked.columns.resources {
            let ids = all.iter().flat_map(|block| &block.resource_ids).copied().collect();
            self.dictionary.load_resources(ids, connection).await?;
        }
        let scope_ids = all.iter().flat_map(|block| &block.scope_ids).copied().collect();
        self.dictionary.load_scopes(scope_ids, connection).await?;
        self.work.add(Counted::BlocksRead, all.len());
        Ok(all)
    }

    async fn read_starts(
        &self,
        candidates: &[Candidate],
        rows: &[PgRow],
        all: &mut Vec<BlockStarts>,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let mut unseen: HashSet<i64> = candidates.iter().map(|candidate| candidate.place.block_id).collect();
        for row in rows {
            let block_id = row.try_get(0).map_err(meaning)?;
            unseen.remove(&block_id);
            match BlockStarts::read(row) {
                Err(StoreError::Corrupt { what }) => self.damage.leave_out(block_id, &what, connection).await?,
                starts => all.push(starts?),
            }
        }
        for block_id in unseen {
            self.damage.leave_out(block_id, "it is not found by its key", connection).await?;
        }
        Ok(())
    }
}

async fn fetch(
    candidates: &[Candidate],
    asked: &Asked<'_>,
    connection: &mut PgConnection,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let query = sqlx::query(AssertSqlSafe(asked.columns.statement()))
        .bind(candidates.iter().map(|candidate| candidate.place.hour).collect::<Vec<_>>())
        .bind(candidates.iter().map(|candidate| candidate.place.block_id).collect::<Vec<_>>())
        .bind(asked.as_of);
    let query = match asked.durations_hi() {
        Some((min, max)) => query.bind(min).bind(max).bind(FEW_SPANS),
        None if asked.columns.elsewhere => query.bind(&asked.span_keys).bind(&asked.elsewhere),
        None if asked.columns.attributes => query.bind(&asked.span_keys),
        None => query,
    };
    query.fetch_all(connection).await
}
