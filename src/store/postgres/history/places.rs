//! The newest places of the history: when spans begin that a scan looks for, and of which traces they are. What a search
//! without attributes asks stands in a few columns of a block, and reading the others is most of what opening one costs.

use std::collections::{BTreeSet, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::candidates::{self, Between, Candidate};
use super::damage::go_back;
use super::{Blocks, Wanted};
use crate::model::{Search, SpanKey, SpanKind, StatusCode};
use crate::store::postgres::block::{BlockStarts, SpanStart, StartColumns};
use crate::store::postgres::error::{is_damage, meaning};
use crate::store::postgres::time::Micros;
use crate::store::{Counted, Scan, StoreError, TracePlace, text};

/// So many blocks are read at once: more than are opened at once, since little is read of each.
const READ_BLOCKS_MAX: usize = 16;

/// Whether nothing but starts, and what can be read with them, is asked for.
pub(in crate::store::postgres) fn is_of_starts(scan: &Scan) -> bool {
    scan.search.attributes.is_empty() && scan.filter.is_everything()
}

/// The greatest places of the spans that are looked for, so many as are wanted if there are so many. [`is_of_starts`] says yes
/// to the scan.
pub(in crate::store::postgres) async fn newest_places(
    wanted: Wanted<'_>,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<BTreeSet<TracePlace>, StoreError> {
    let Wanted { scan, told, between, limit } = wanted;
    let asked = Asked::of(scan, between, connection).await?;
    let mut found = BTreeSet::new();
    let (mut last, mut read_max) = (None, 1);
    loop {
        let candidates = candidates::next(scan, told, between, last, connection).await?;
        let Some(next_last) = candidates.last().copied() else { return Ok(found) };
        last = Some(next_last);
        let mut rest = &candidates[..];
        while !rest.is_empty() {
            if is_complete(&found, limit, rest) {
                return Ok(found);
            }
            let (portion, after) = rest.split_at(rest.len().min(read_max));
            (rest, read_max) = (after, READ_BLOCKS_MAX.min(read_max.saturating_mul(2)));
            for block in blocks.starts(portion, &asked, connection).await? {
                scan.work.add(Counted::SpansRead, block.spans.len());
                asked.add_to(&mut found, limit, &block);
            }
        }
    }
}

/// Whether as many are found as are wanted, and none of the next blocks holds a newer one.
fn is_complete(found: &BTreeSet<TracePlace>, limit: usize, next: &[Candidate]) -> bool {
    let Some((least, _)) = found.first().filter(|_| found.len() >= limit) else { return limit == 0 };
    next.first().is_some_and(|next| next.start_max.0 < least.to_micros_and_nanos().0)
}

/// What a scan asks of a start.
struct Asked<'s> {
    search: &'s Search,
    columns: StartColumns,
    as_of: Option<Micros>,
    before: Option<TracePlace>,
    floor: Option<TracePlace>,
    /// The resources of the node that is searched for.
    resource_ids: HashSet<i64>,
}

impl<'s> Asked<'s> {
    async fn of(scan: &'s Scan, between: Between, connection: &mut PgConnection) -> Result<Self, StoreError> {
        let search = &scan.search;
        let resource_ids = match &search.node {
            Some(node) => sqlx::query_scalar("select resource_id from resource_row where node = $1")
                .bind(text::stored(node).into_owned())
                .fetch_all(connection)
                .await
                .map_err(meaning)?
                .into_iter()
                .collect(),
            None => HashSet::new(),
        };
        let columns = StartColumns {
            durations: search.duration_min_nanos.is_some() || search.duration_max_nanos.is_some(),
            resources: search.node.is_some(),
            shapes: search.span_name.is_some() || search.kind.is_some() || search.status.is_some(),
        };
        let place = |key: SpanKey| (key.start, key.trace_id);
        let as_of = scan.as_of.map(|as_of| Micros(as_of.0));
        Ok(Self {
            search,
            columns,
            as_of,
            before: between.before.map(place),
            floor: between.floor.map(place),
            resource_ids,
        })
    }

    /// Adds what is wanted of a block; the least ones go when there are more than are wanted.
    fn add_to(&self, found: &mut BTreeSet<TracePlace>, limit: usize, block: &BlockStarts) {
        let shapes: Vec<bool> = block.shapes.iter().map(|shape| self.has_shape(shape)).collect();
        for start in &block.spans {
            let place = (start.start, start.trace_id);
            let is_late = found.len() >= limit && found.first().is_some_and(|least| place <= *least);
            if !is_late && self.is_between(place) && self.has(start) && shapes.get(start.shape) != Some(&false) {
                found.insert(place);
                if found.len() > limit {
                    found.pop_first();
                }
            }
        }
    }

    fn is_between(&self, place: TracePlace) -> bool {
        self.before.is_none_or(|before| place < before) && self.floor.is_none_or(|floor| place >= floor)
    }

    fn has(&self, start: &SpanStart) -> bool {
        let search = self.search;
        search.start_min.is_none_or(|min| start.start >= min)
            && search.start_max.is_none_or(|max| start.start < max)
            && search.duration_min_nanos.is_none_or(|min| start.duration_nanos >= min)
            && search.duration_max_nanos.is_none_or(|max| start.duration_nanos <= max)
            && self.as_of.is_none_or(|as_of| start.received_micros <= as_of.0)
            && (!self.columns.resources || self.resource_ids.contains(&start.resource_id))
    }

    fn has_shape(&self, (name, kind, status): &(String, SpanKind, StatusCode)) -> bool {
        let search = self.search;
        search.span_name.as_ref().is_none_or(|wanted| wanted == name)
            && search.kind.is_none_or(|wanted| wanted == *kind)
            && search.status.is_none_or(|wanted| wanted == *status)
    }
}

impl Blocks {
    /// Reads when the spans of these blocks begin. A block of which that can not be read is told of and left out.
    async fn starts(
        &self,
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
    let columns = asked.columns.names();
    let statement =
        AssertSqlSafe(format!("select {columns} from span_block b where b.hour = any($1) and b.block_id = any($2)"));
    sqlx::query(statement)
        .bind(candidates.iter().map(|candidate| candidate.place.hour).collect::<Vec<_>>())
        .bind(candidates.iter().map(|candidate| candidate.place.block_id).collect::<Vec<_>>())
        .bind(asked.as_of)
        .fetch_all(connection)
        .await
}
