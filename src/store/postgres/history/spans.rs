//! All spans that some blocks have, of some traces: for whoever makes anew what is derived from them.

use sqlx::PgConnection;

use super::{Blocks, OPEN_BLOCKS_MAX, places};
use crate::model::{Span, SpanKey, TraceId};
use crate::store::StoreError;
use crate::store::postgres::time::Micros;

/// A span of the history.
pub(in crate::store::postgres) struct BlockSpan {
    /// Where it is.
    pub(in crate::store::postgres) block_id: i64,
    /// When it arrived.
    pub(in crate::store::postgres) received: Micros,
    /// Its place in the order of all spans.
    pub(in crate::store::postgres) key: SpanKey,
    /// The span itself.
    pub(in crate::store::postgres) span: Span,
}

impl Blocks {
    /// Gives to `each` what these blocks have of the traces that are wanted. What can not be read is left out.
    pub(in crate::store::postgres) async fn each_span(
        &mut self,
        block_ids: &[i64],
        is_wanted: impl Fn(&TraceId) -> bool + Send + Sync,
        mut each: impl FnMut(BlockSpan) + Send,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let places = places(block_ids, connection).await?;
        for portion in places.chunks(OPEN_BLOCKS_MAX) {
            let portion: Vec<_> = portion.iter().map(|(place, _)| *place).collect();
            for block in self.open(&portion, connection).await? {
                let heads = block.stored.heads();
                let wanted: Vec<_> = (0..).zip(heads).filter(|(_, head)| is_wanted(&head.trace_id)).collect();
                let give = |place: usize, key, span| {
                    let received = Micros(heads.get(place).map_or(0, |head| head.received_micros));
                    each(BlockSpan { block_id: block.stored.block_id, received, key, span });
                };
                let places = wanted.iter().map(|(place, _)| *place);
                self.spans(&block, places, give, connection).await?;
            }
        }
        Ok(())
    }
}
