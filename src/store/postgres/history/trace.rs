//! The spans that one trace has in the history, in ascending order of their keys. A block is opened when the order comes
//! to its first span, so that what is held are the blocks of one time, not of the whole trace.

use std::collections::{BTreeMap, VecDeque};

use sqlx::PgConnection;

use super::{Blocks, Place};
use crate::model::{Span, SpanKey, TraceId};
use crate::store::postgres::time::Micros;
use crate::store::{StoreError, Watermark};

/// A trace's way through the history.
pub(in crate::store::postgres) struct HistoryOfTrace {
    trace_id: TraceId,
    unopened: VecDeque<(Place, Micros)>,
    blocks: Blocks,
    spans: BTreeMap<SpanKey, (i64, Span)>,
}

impl HistoryOfTrace {
    /// Begins with the blocks that the trace's row names.
    pub(in crate::store::postgres) async fn of(
        trace_id: TraceId,
        block_ids: &[i64],
        blocks: Blocks,
        connection: &mut PgConnection,
    ) -> Result<Self, StoreError> {
        let unopened = blocks.places(trace_id, block_ids, connection).await?.into();
        Ok(Self { trace_id, unopened, blocks, spans: BTreeMap::new() })
    }

    /// The next span, and when it arrived in microseconds since 1970; it stays the next one until it is taken.
    pub(in crate::store::postgres) async fn peek(
        &mut self,
        connection: &mut PgConnection,
    ) -> Result<Option<SpanKey>, StoreError> {
        while let Some((place, start_min)) = self.unopened.front().copied() {
            let next = self.spans.first_key_value().map(|(key, _)| key.start.to_micros_and_nanos().0);
            if next.is_some_and(|next| next < start_min.0) {
                break;
            }
            for (received, key, span) in self.blocks.spans_of_trace(self.trace_id, place, connection).await? {
                self.spans.insert(key, (received, span));
            }
            self.unopened.pop_front();
        }
        Ok(self.spans.first_key_value().map(|(key, _)| *key))
    }

    /// Takes what [`HistoryOfTrace::peek`] saw.
    pub(in crate::store::postgres) fn take(&mut self) -> Option<(SpanKey, i64, Span)> {
        self.spans.pop_first().map(|(key, (received, span))| (key, received, span))
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
    let mut history = HistoryOfTrace::of(trace_id, block_ids, blocks, connection).await?;
    let mut spans = Vec::new();
    while history.peek(connection).await?.is_some() {
        if let Some((key, received, span)) = history.take()
            && as_of.is_none_or(|as_of| received <= as_of.0)
        {
            spans.push((key, span));
        }
    }
    Ok(spans)
}
