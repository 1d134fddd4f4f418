//! Opening blocks, with what their spans refer to. What can not be read is told (`damage.rs`) and left out: a block, the
//! traces of it that are not what was written, or a span whose resource is gone.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::damage::{Damage, go_back};
use super::{Place, Places};
use crate::model::{Span, SpanKey, TraceId};
use crate::store::postgres::block::{BLOCK_COLUMNS, HotRow, StoredBlock, TRACE_BLOCKS};
use crate::store::postgres::error::{is_damage, meaning};
use crate::store::postgres::row::Dictionary;
use crate::store::{Counted, StoreError, Work};

/// Opens blocks for one answer.
pub(in crate::store::postgres) struct Blocks {
    /// What the spans of the answer refer to.
    pub(in crate::store::postgres) dictionary: Dictionary,
    pub(super) damage: Arc<Damage>,
    pub(in crate::store::postgres) work: Work,
}

/// A block that can be read, at least in part.
#[derive(Debug)]
pub(in crate::store::postgres) struct OpenBlock {
    pub(in crate::store::postgres) stored: StoredBlock,
    /// Where the spans are that are not what was written.
    unsound: Vec<Range<usize>>,
}

/// What a block has of a trace.
pub(super) struct Slice {
    pub(super) trace_id: TraceId,
    pub(super) block_id: i64,
    pub(super) spans: Vec<Arrived>,
}

/// A span, when it arrived in microseconds since 1970, and its key.
pub(super) type Arrived = (i64, SpanKey, Span);

impl Blocks {
    /// None is open yet.
    pub(in crate::store::postgres) fn new(damage: Arc<Damage>) -> Self {
        Self::counted_by(damage, Work::default())
    }

    /// The same, for an answer that counts what it costs.
    pub(in crate::store::postgres) fn counted_by(damage: Arc<Damage>, work: Work) -> Self {
        Self { dictionary: Dictionary::default(), damage, work }
    }

    /// Opens these blocks, in any order.
    pub(in crate::store::postgres) async fn open(
        &mut self,
        places: &[Place],
        connection: &mut PgConnection,
    ) -> Result<Vec<OpenBlock>, StoreError> {
        let rows = match fetch(places, connection).await {
            Ok(rows) => rows,
            Err(error) if is_damage(&error) => return self.open_singly(places, connection).await,
            Err(error) => return Err(meaning(error)),
        };
        let blocks = self.read(&rows, connection).await?;
        self.tell_of_lost(places, &rows, connection).await?;
        self.work.add(Counted::BlocksRead, blocks.len());
        Ok(blocks)
    }

    /// What was there a moment ago, in the same snapshot, and can not be asked for, has a key that nobody wrote.
    async fn tell_of_lost(
        &self,
        places: &[Place],
        rows: &[PgRow],
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let found: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(meaning)?;
        for place in places.iter().filter(|place| !found.contains(&place.block_id)) {
            self.damage.leave_out(place.block_id, "it is not found by its key", connection).await?;
        }
        Ok(())
    }

    /// After a statement that one of them let fail.
    async fn open_singly(
        &mut self,
        places: &[Place],
        connection: &mut PgConnection,
    ) -> Result<Vec<OpenBlock>, StoreError> {
        go_back(connection).await?;
        let mut blocks = Vec::with_capacity(places.len());
        for place in places {
            match fetch(&[*place], connection).await {
                Ok(rows) => {
                    blocks.extend(self.read(&rows, connection).await?);
                    self.tell_of_lost(&[*place], &rows, connection).await?;
                }
                Err(error) if is_damage(&error) => {
                    go_back(connection).await?;
                    self.damage.leave_out(place.block_id, &error.to_string(), connection).await?;
                }
                Err(error) => return Err(meaning(error)),
            }
        }
        self.work.add(Counted::BlocksRead, blocks.len());
        Ok(blocks)
    }

    /// Reads blocks, and at once what the spans of all of them refer to.
    async fn read(&mut self, rows: &[PgRow], connection: &mut PgConnection) -> Result<Vec<OpenBlock>, StoreError> {
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            match StoredBlock::read(row) {
                Ok(stored) => read.push(stored),
                Err(StoreError::Corrupt { what }) => {
                    let block_id = row.try_get(0).map_err(meaning)?;
                    self.damage.leave_out(block_id, &what, connection).await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.dictionary.load(read.iter().flat_map(StoredBlock::references), connection).await?;
        let mut blocks = Vec::with_capacity(read.len());
        for stored in read {
            blocks.push(self.opened(stored, connection).await?);
        }
        Ok(blocks)
    }

    /// Of a block that is not what was written, its traces may still be.
    async fn opened(&self, stored: StoredBlock, connection: &mut PgConnection) -> Result<OpenBlock, StoreError> {
        if stored.is_whole {
            return Ok(OpenBlock { stored, unsound: Vec::new() });
        }
        let traces = stored.traces().iter();
        let unsound: Vec<_> = traces.filter(|trace| stored.spans_of(trace, &self.dictionary).is_err()).collect();
        let what = format!("its checksum is wrong; of its traces, {} of {} are", unsound.len(), stored.traces().len());
        let unsound = unsound.into_iter().map(|trace| trace.places.clone()).collect();
        self.damage.leave_out(stored.block_id, &what, connection).await?;
        Ok(OpenBlock { stored, unsound })
    }

    /// Gives the spans at these places among the block's heads to `each`, with their places.
    pub(in crate::store::postgres) async fn spans(
        &self,
        block: &OpenBlock,
        places: impl Iterator<Item = usize> + Send,
        mut each: impl FnMut(usize, SpanKey, Span) + Send,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let mut first_error = None;
        for place in places.filter(|place| block.is_sound(*place)) {
            match block.stored.span(place, &self.dictionary) {
                Ok((key, span)) => each(place, key, span),
                Err(StoreError::Corrupt { what }) => first_error = first_error.or(Some(what)),
                Err(error) => return Err(error),
            }
        }
        match first_error {
            Some(what) => self.damage.leave_out(block.stored.block_id, &what, connection).await,
            None => Ok(()),
        }
    }

    /// The rows that a block was made of; `None` when they are not what was written.
    pub(in crate::store::postgres) async fn rows(
        &self,
        block: &OpenBlock,
        connection: &mut PgConnection,
    ) -> Result<Option<Vec<HotRow>>, StoreError> {
        if !block.stored.is_whole {
            return Ok(None);
        }
        match block.stored.rows(&self.dictionary) {
            Err(StoreError::Corrupt { what }) => {
                self.damage.leave_out(block.stored.block_id, &what, connection).await?;
                Ok(None)
            }
            rows => rows.map(Some),
        }
    }

    /// The spans that some blocks have of a trace.
    pub(super) async fn spans_of_trace(
        &mut self,
        trace_id: TraceId,
        places: &[Place],
        connection: &mut PgConnection,
    ) -> Result<Vec<Arrived>, StoreError> {
        let wanted: Vec<_> = places.iter().map(|place| (trace_id, place.block_id)).collect();
        let (mut spans, mut read) = (Vec::new(), HashSet::new());
        for slice in self.slices(&wanted, connection).await? {
            read.insert(slice.block_id);
            spans.extend(slice.spans);
        }
        // Something is wrong with the others. Read whole, they say what, and which of their spans are right all the same.
        for place in places.iter().filter(|place| !read.contains(&place.block_id)) {
            for block in self.open(&[*place], connection).await? {
                let places = block.stored.places_of(trace_id);
                if places.is_empty() && block.stored.is_whole {
                    let what = format!("it has no spans of trace {trace_id}, whose row names it");
                    self.damage.leave_out(place.block_id, &what, connection).await?;
                }
                let each = |place, key, span| spans.push(block.arrived(place, key, span));
                self.spans(&block, places, each, connection).await?;
            }
        }
        Ok(spans)
    }

    /// What these blocks have of these traces, one of each, read of that trace alone; nothing where it is not, in all, what
    /// was written.
    pub(super) async fn slices(
        &mut self,
        wanted: &[(TraceId, i64)],
        connection: &mut PgConnection,
    ) -> Result<Vec<Slice>, StoreError> {
        let query = sqlx::query(TRACE_BLOCKS)
            .bind(wanted.iter().map(|(trace_id, _)| trace_id.to_string()).collect::<Vec<_>>())
            .bind(wanted.iter().map(|(_, block_id)| *block_id).collect::<Vec<_>>());
        let rows = match query.fetch_all(&mut *connection).await {
            Ok(rows) => rows,
            Err(error) if is_damage(&error) => {
                go_back(connection).await?;
                Vec::new()
            }
            Err(error) => return Err(meaning(error)),
        };
        let read: Vec<_> = rows.iter().filter_map(|row| StoredBlock::read(row).ok()).collect();
        self.dictionary.load(read.iter().flat_map(StoredBlock::references), connection).await?;
        self.work.add(Counted::BlocksRead, read.len());
        Ok(read.into_iter().filter_map(|stored| self.slice_of(stored)).collect())
    }

    fn slice_of(&self, stored: StoredBlock) -> Option<Slice> {
        self.work.add(Counted::SpansRead, stored.heads().len());
        let trace = stored.traces().first()?.clone();
        let spans = stored.spans_of(&trace, &self.dictionary).ok()?;
        let block = OpenBlock { stored, unsound: Vec::new() };
        let arrived = |(place, (key, span))| block.arrived(place, key, span);
        let spans = (0..).zip(spans).map(arrived).collect();
        Some(Slice { trace_id: trace.id, block_id: block.stored.block_id, spans })
    }

    /// Where these blocks are and when their first span begins, by that time.
    pub(super) async fn places(
        &self,
        trace_id: TraceId,
        block_ids: &[i64],
        connection: &mut PgConnection,
    ) -> Result<Places, StoreError> {
        let places = super::places(block_ids, connection).await?;
        for block_id in block_ids {
            if !places.iter().any(|(place, _)| place.block_id == *block_id) {
                self.damage.miss(trace_id, *block_id, connection).await?;
            }
        }
        Ok(places)
    }
}

impl OpenBlock {
    /// Whether a span is what was written.
    fn is_sound(&self, place: usize) -> bool {
        !self.unsound.iter().any(|range| range.contains(&place))
    }

    fn arrived(&self, place: usize, key: SpanKey, span: Span) -> Arrived {
        (self.stored.heads().get(place).map_or(0, |head| head.received_micros), key, span)
    }
}

async fn fetch(places: &[Place], connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
    let statement = AssertSqlSafe(format!(
        "select {BLOCK_COLUMNS} from span_block b where b.hour = any($1) and b.block_id = any($2)"
    ));
    sqlx::query(statement)
        .bind(places.iter().map(|place| place.hour).collect::<Vec<_>>())
        .bind(places.iter().map(|place| place.block_id).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
}
