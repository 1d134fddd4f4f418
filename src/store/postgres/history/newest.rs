//! The newest spans of the history that a scan looks for.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::blocks::OpenBlock;
use super::candidates::{Between, Walk};
use super::{Blocks, OPEN_BLOCKS_MAX, Place};
use crate::model::{Span, SpanId, SpanKey, TraceId, UnixNanos};
use crate::store::postgres::block::Head;
use crate::store::postgres::filter::{Places, Told};
use crate::store::postgres::time::Micros;
use crate::store::{Counted, Scan, StoreError};

/// So many spans are made before it is asked again whether older ones are wanted: making one costs more than all else.
const MADE_SPANS: usize = 32;

/// What to look for.
#[derive(Clone, Copy)]
pub(in crate::store::postgres) struct Wanted<'s> {
    pub(in crate::store::postgres) scan: &'s Scan,
    /// What is known of the scan's filter.
    pub(in crate::store::postgres) told: &'s Told,
    pub(in crate::store::postgres) between: Between,
    /// At most so many.
    pub(in crate::store::postgres) limit: usize,
}

impl Wanted<'_> {
    /// No span that is looked for begins later, in microseconds since 1970.
    pub(super) fn last_micros(&self) -> i64 {
        let times = [self.between.before.map(|key| key.start), self.scan.search.start_max];
        times.into_iter().flatten().map(|time| time.to_micros_and_nanos().0).min().unwrap_or(i64::MAX)
    }
}

/// The newest spans that match, and on which the filter holds, by their keys; of each, what `keep` makes of it. When there
/// are fewer than the limit, there are no more.
pub(in crate::store::postgres) async fn newest<T: Send>(
    wanted: Wanted<'_>,
    keep: impl Fn(Span) -> T + Send + Sync,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<BTreeMap<SpanKey, T>, StoreError> {
    let Wanted { scan, between, limit, .. } = wanted;
    let mut found = BTreeMap::new();
    let mut walk = Walk::new(OPEN_BLOCKS_MAX);
    loop {
        let candidates = walk.next(wanted, |next| is_complete(&found, limit, next), connection).await?;
        if candidates.is_empty() {
            return Ok(found);
        }
        let places: Vec<Place> = candidates.iter().map(|candidate| candidate.place).collect();
        for block in blocks.open(&places, connection).await? {
            scan.work.add(Counted::SpansRead, block.stored.heads().len());
            let places = newest_first(&block, wanted, blocks);
            for places in places.chunks(MADE_SPANS) {
                if is_older(&found, limit, &block, places) {
                    break;
                }
                let each = |_, key, span| {
                    if between.has(key) && scan.search.matches(&span) && scan.filter.matches(&span) {
                        found.insert(key, keep(span));
                    }
                    if found.len() > limit {
                        found.pop_first();
                    }
                };
                blocks.spans(&block, places.iter().copied(), each, connection).await?;
            }
        }
    }
}

/// Whether as many are found as are wanted, and none of the next blocks, whose spans begin no later, holds a newer one.
fn is_complete<T>(found: &BTreeMap<SpanKey, T>, limit: usize, next: Micros) -> bool {
    let Some((least, _)) = found.first_key_value().filter(|_| found.len() >= limit) else { return limit == 0 };
    next.0 < least.start.to_micros_and_nanos().0
}

/// Whether as many are found as are wanted, and the next spans of the block are older than all of them.
fn is_older<T>(found: &BTreeMap<SpanKey, T>, limit: usize, block: &OpenBlock, next: &[usize]) -> bool {
    let Some((least, _)) = found.first_key_value().filter(|_| found.len() >= limit) else { return limit == 0 };
    let newest = next.first().and_then(|place| block.stored.heads().get(*place));
    newest.is_some_and(|head| order(head) < (least.start, least.trace_id, least.span_id))
}

/// The order of keys, as far as a head tells it.
fn order(head: &Head) -> (UnixNanos, TraceId, SpanId) {
    (head.start, head.trace_id, head.span_id)
}

/// Where in a block the spans are that are worth making, those that began last first. Of those of the border, keys decide.
fn newest_first(block: &OpenBlock, wanted: Wanted<'_>, blocks: &Blocks) -> Vec<usize> {
    let heads = block.stored.heads();
    let places = Places { block: &block.stored, dictionary: &blocks.dictionary };
    let mut places = places.of(&wanted.scan.search, wanted.told, wanted.scan.as_of);
    let Between { before, floor } = wanted.between;
    let is_between = |head: &Head| {
        before.is_none_or(|before| order(head) <= (before.start, before.trace_id, before.span_id))
            && floor.is_none_or(|floor| order(head) >= (floor.start, floor.trace_id, floor.span_id))
    };
    places.retain(|place| heads.get(*place).is_none_or(is_between));
    places.sort_unstable_by_key(|place| Reverse(heads.get(*place).map(order)));
    places
}
