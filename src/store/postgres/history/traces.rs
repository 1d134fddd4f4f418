//! The spans that several traces have in the history. A block that several of them want is opened once for all; of one
//! that few want, no more than their part is sent.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::PgConnection;

use super::blocks::OpenBlock;
use super::{Blocks, OPEN_BLOCKS_MAX, Place, places};
use crate::model::{Span, SpanKey, TraceId};
use crate::store::{Counted, StoreError, Watermark};

/// The traces that want a block, by its id.
type Wanted = BTreeMap<i64, HashSet<TraceId>>;

/// A block is opened for so many traces. To open it costs about as much as to have the parts of four traces cut out of it.
const OPENED_TRACES_MIN: usize = 4;

/// So many parts are cut out at once.
const SLICES_MAX: usize = 128;

impl Blocks {
    /// Gives to `each` the spans that these traces have in the blocks that their rows name and that had arrived by then,
    /// in any order.
    pub(in crate::store::postgres) async fn spans_of_traces(
        &mut self,
        block_ids: &HashMap<TraceId, Vec<i64>>,
        as_of: Option<Watermark>,
        mut each: impl FnMut(SpanKey, Span) + Send,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let mut wanted = Wanted::new();
        for (trace_id, block_ids) in block_ids {
            for block_id in block_ids {
                wanted.entry(*block_id).or_default().insert(*trace_id);
            }
        }
        self.cut_out(&mut wanted, as_of, &mut each, connection).await?;
        let found = self.places_of_wanted(&wanted, connection).await?;
        for portion in found.chunks(OPEN_BLOCKS_MAX) {
            for block in self.open(portion, connection).await? {
                let Some(traces) = wanted.get(&block.stored.block_id) else { continue };
                let places = self.places_of_traces(&block, traces, as_of, connection).await?;
                self.spans(&block, places.into_iter(), |_, key, span| each(key, span), connection).await?;
            }
        }
        Ok(())
    }

    /// Gives to `each` what blocks have that few traces want; what is left is to be opened: what many want, and whatever can
    /// not be read in part. Read whole, that says what is wrong with it.
    async fn cut_out(
        &mut self,
        wanted: &mut Wanted,
        as_of: Option<Watermark>,
        each: &mut (impl FnMut(SpanKey, Span) + Send),
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let of_few = wanted.iter().filter(|(_, traces)| traces.len() < OPENED_TRACES_MIN);
        let parts = of_few.flat_map(|(block_id, traces)| traces.iter().map(|trace_id| (*trace_id, *block_id)));
        let parts: Vec<_> = parts.collect();
        for parts in parts.chunks(SLICES_MAX) {
            for slice in self.slices(parts, connection).await? {
                if let Some(traces) = wanted.get_mut(&slice.block_id) {
                    traces.remove(&slice.trace_id);
                }
                for (received, key, span) in slice.spans {
                    if as_of.is_none_or(|as_of| received <= as_of.0) {
                        each(key, span);
                    }
                }
            }
        }
        wanted.retain(|_, traces| !traces.is_empty());
        Ok(())
    }

    /// Where these blocks are. Those that are not there are told of.
    async fn places_of_wanted(&self, wanted: &Wanted, connection: &mut PgConnection) -> Result<Vec<Place>, StoreError> {
        let block_ids: Vec<_> = wanted.keys().copied().collect();
        let found: Vec<Place> = places(&block_ids, connection).await?.into_iter().map(|(place, _)| place).collect();
        let known: HashSet<_> = found.iter().map(|place| place.block_id).collect();
        for (block_id, traces) in wanted.iter().filter(|(block_id, _)| !known.contains(*block_id)) {
            if let Some(trace_id) = traces.iter().min() {
                self.damage.miss(*trace_id, *block_id, connection).await?;
            }
        }
        Ok(found)
    }

    /// Where in a block the spans of these traces are that had arrived by then. Traces that it has not are told of.
    async fn places_of_traces(
        &self,
        block: &OpenBlock,
        traces: &HashSet<TraceId>,
        as_of: Option<Watermark>,
        connection: &mut PgConnection,
    ) -> Result<Vec<usize>, StoreError> {
        let heads = block.stored.heads();
        let has_arrived = |place: &usize| {
            as_of.is_none_or(|as_of| heads.get(*place).is_some_and(|head| head.received_micros <= as_of.0))
        };
        let here = block.stored.traces().iter().filter(|trace| traces.contains(&trace.id));
        let missing = traces.len().saturating_sub(here.clone().count());
        if missing > 0 && block.stored.is_whole {
            let what = format!("it has no spans of {missing} of the {} traces whose rows name it", traces.len());
            self.damage.leave_out(block.stored.block_id, &what, connection).await?;
        }
        let places: Vec<_> = here.flat_map(|trace| trace.places.clone()).collect();
        self.work.add(Counted::SpansRead, places.len());
        Ok(places.into_iter().filter(has_arrived).collect())
    }
}
