//! The spans that one trace has in the history, in ascending order of their keys. Some blocks are opened when
//! the order comes to the first span of them, so that what is held are the blocks of one time, not of the whole trace.

use std::collections::{BTreeMap, VecDeque};

use sqlx::PgConnection;

use super::{Blocks, Place};
use crate::model::{Span, SpanKey, TraceId};
use crate::store::postgres::time::Micros;
use crate::store::{StoreError, Watermark};

/// Of so many blocks what they have of the trace is read at once: more than are opened at once, since it is little of each.
const SLICES_MAX: usize = 24;

/// A trace's way through the history.
pub(in crate::store::postgres) struct HistoryOfTrace {
    trace_id: TraceId,
    as_of: Option<Watermark>,
    unopened: VecDeque<(Place, Micros)>,
    blocks: Blocks,
    spans: BTreeMap<SpanKey, Span>,
}

impl HistoryOfTrace {
    /// Begins with the blocks that the trace's row names; of their spans, those count that had arrived by then.
    pub(in crate::store::postgres) async fn of(
        trace_id: TraceId,
        block_ids: &[i64],
        as_of: Option<Watermark>,
        blocks: Blocks,
        connection: &mut PgConnection,
    ) -> Result<Self, StoreError> {
        let unopened = blocks.places(trace_id, block_ids, connection).await?.into();
        Ok(Self { trace_id, as_of, unopened, blocks, spans: BTreeMap::new() })
    }

    /// The next span; it stays the next one until it is taken.
    pub(in crate::store::postgres) async fn peek(
        &mut self,
        connection: &mut PgConnection,
    ) -> Result<Option<SpanKey>, StoreError> {
        while let Some((_, start_min)) = self.unopened.front().copied() {
            let next = self.spans.first_key_value().map(|(key, _)| key.start.to_micros_and_nanos().0);
            if next.is_some_and(|next| next < start_min.0) {
                break;
            }
            let portion = self.unopened.len().min(SLICES_MAX);
            let places: Vec<_> = self.unopened.drain(..portion).map(|(place, _)| place).collect();
            let spans = self.blocks.spans_of_trace(self.trace_id, &places, connection).await?;
            let as_of = self.as_of;
            let arrived = spans.into_iter().filter(|(received, ..)| as_of.is_none_or(|as_of| *received <= as_of.0));
            self.spans.extend(arrived.map(|(_, key, span)| (key, span)));
        }
        Ok(self.spans.first_key_value().map(|(key, _)| *key))
    }

    /// Takes what [`HistoryOfTrace::peek`] saw.
    pub(in crate::store::postgres) fn take(&mut self) -> Option<(SpanKey, Span)> {
        self.spans.pop_first()
    }
}

/// All spans that a trace has in the history and that had arrived by then.
pub(in crate::store::postgres) async fn keys_and_spans(
    trace_id: TraceId,
    block_ids: &[i64],
    as_of: Option<Watermark>,
    blocks: Blocks,
    connection: &mut PgConnection,
) -> Result<Vec<(SpanKey, Span)>, StoreError> {
    let mut history = HistoryOfTrace::of(trace_id, block_ids, as_of, blocks, connection).await?;
    let mut spans = Vec::new();
    while history.peek(connection).await?.is_some() {
        spans.extend(history.take());
    }
    Ok(spans)
}
