//! The newest spans of the history that a scan looks for.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::blocks::OpenBlock;
use super::candidates::{self, Candidate};
use super::{Blocks, OPEN_BLOCKS_MAX, Place};
use crate::model::{AttributeCondition, AttributeScope, Search, Span, SpanId, SpanKey, TraceId, UnixNanos};
use crate::store::postgres::block::{Clue, Head, Shape, StoredBlock};
use crate::store::{Scan, StoreError, Watermark};

/// So many spans are made before it is asked again whether older ones are wanted: making one costs more than all else.
const MADE_SPANS: usize = 32;

/// Spans that match, from `floor` on and before `before`: the newest ones, at most `limit`, by their keys; of each, what
/// `keep` makes of it. When there are fewer than `limit`, there are no more.
pub(in crate::store::postgres) async fn newest<T: Send>(
    scan: &Scan,
    before: Option<SpanKey>,
    floor: Option<SpanKey>,
    limit: usize,
    keep: impl Fn(Span) -> T + Send + Sync,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<BTreeMap<SpanKey, T>, StoreError> {
    let mut found = BTreeMap::new();
    let (mut last, mut open_max) = (None, 1);
    loop {
        let candidates = candidates::next(scan, before, floor, last, connection).await?;
        let Some(next_last) = candidates.last().copied() else { return Ok(found) };
        last = Some(next_last);
        let mut rest = &candidates[..];
        while !rest.is_empty() {
            if is_complete(&found, limit, rest) {
                return Ok(found);
            }
            let (portion, after) = rest.split_at(rest.len().min(open_max));
            (rest, open_max) = (after, OPEN_BLOCKS_MAX.min(open_max.saturating_mul(2)));
            let places: Vec<Place> = portion.iter().map(|candidate| candidate.place).collect();
            for block in blocks.open(&places, connection).await? {
                let places = newest_first(&block, scan, blocks);
                for places in places.chunks(MADE_SPANS) {
                    if is_older(&found, limit, &block, places) {
                        break;
                    }
                    let each = |_, key, span| {
                        let is_between =
                            before.is_none_or(|before| key < before) && floor.is_none_or(|floor| key >= floor);
                        if is_between && scan.search.matches(&span) {
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
}

/// Whether as many are found as are wanted, and none of the next blocks holds a newer one.
fn is_complete<T>(found: &BTreeMap<SpanKey, T>, limit: usize, next: &[Candidate]) -> bool {
    let Some((least, _)) = found.first_key_value().filter(|_| found.len() >= limit) else { return limit == 0 };
    next.first().is_some_and(|next| next.start_max.0 < least.start.to_micros_and_nanos().0)
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

/// Where in a block the spans are that may match, those that began last first.
fn newest_first(block: &OpenBlock, scan: &Scan, blocks: &Blocks) -> Vec<usize> {
    let heads = block.stored.heads();
    let clues = clues(block, &scan.search, blocks);
    let clues: Vec<_> = clues.iter().map(|clue| block.stored.may_have(clue)).collect();
    let places = places_of(&block.stored, &scan.search, scan.as_of);
    let mut places: Vec<usize> = places.filter(|place| clues.iter().all(|may_have| may_have(*place))).collect();
    places.sort_unstable_by_key(|place| Reverse(heads.get(*place).map(order)));
    places
}

/// What a span of this block must have in its attributes' text, because none of the block's resources has it.
fn clues(block: &OpenBlock, search: &Search, blocks: &Blocks) -> Vec<Clue> {
    let of_resources = |condition: &AttributeCondition| {
        block.stored.references().any(|(resource_id, _)| match blocks.dictionary.resource(resource_id) {
            Ok(resource) => resource.attributes.get(&condition.key) == Some(&condition.value),
            Err(_) => true,
        })
    };
    let of_spans = search.attributes.iter().filter(|condition| match condition.scope {
        AttributeScope::Span => true,
        AttributeScope::Any => !of_resources(condition),
        AttributeScope::Resource => false,
    });
    of_spans.filter_map(|condition| Clue::of(&condition.key, &condition.value)).collect()
}

/// Where in a block the spans are that may match, as far as can be seen without making them.
fn places_of<'a>(
    block: &'a StoredBlock,
    search: &'a Search,
    as_of: Option<Watermark>,
) -> impl Iterator<Item = usize> + 'a {
    let shapes: Vec<bool> = block.shapes().iter().map(|shape| may_match(shape, search)).collect();
    let heads = block.heads().iter().enumerate().filter(move |(_, head)| {
        shapes.get(head.shape).copied().unwrap_or(true)
            && as_of.is_none_or(|as_of| head.received_micros <= as_of.0)
            && head_may_match(head, search)
    });
    heads.map(|(place, _)| place)
}

fn may_match(shape: &Shape, search: &Search) -> bool {
    search.span_name.as_ref().is_none_or(|name| *name == shape.name)
        && search.kind.is_none_or(|kind| kind == shape.kind)
        && search.status.is_none_or(|status| status == shape.status)
}

fn head_may_match(head: &Head, search: &Search) -> bool {
    search.start_min.is_none_or(|min| head.start >= min)
        && search.start_max.is_none_or(|max| head.start < max)
        && search.duration_min_nanos.is_none_or(|min| head.duration_nanos >= min)
        && search.duration_max_nanos.is_none_or(|max| head.duration_nanos <= max)
}
