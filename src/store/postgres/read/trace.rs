//! One trace, in ascending order of its spans' keys: hot rows and history, merged as they are read.

use std::collections::VecDeque;

use async_stream::try_stream;
use futures::StreamExt;
use sqlx::PgConnection;

use super::Reader;
use crate::model::{Span, SpanKey, TraceId};
use crate::store::postgres::derived::trace_row;
use crate::store::postgres::error::{meaning, within};
use crate::store::postgres::history::{Blocks, HistoryOfTrace};
use crate::store::postgres::row::{Dictionary, IS_HOT, SPAN_COLUMNS, dictionary_of, read_span};
use crate::store::postgres::time::Micros;
use crate::store::{Counted, SpanStream, StoreError, Watermark, Work};

/// Hot rows are fetched in portions of so many.
const ROWS_MAX: usize = 1_000;

/// The hot rows of a trace behind a key that had arrived by then.
pub(in crate::store::postgres) fn trace_statement() -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "select {SPAN_COLUMNS} from span_row s where {IS_HOT} and encode(s.trace_id, 'hex') collate \"C\" = $1 \
             and ($2::timestamptz is null or (s.start_time, s.start_nano, s.span_id, s.digest) > ($2, $3, $4, $5)) \
             and ($6::timestamptz is null or s.received_time <= $6) \
         order by s.start_time, s.start_nano, s.span_id, s.digest limit $7"
    ))
}

impl Reader {
    pub(in crate::store::postgres) fn trace(self, trace_id: TraceId) -> SpanStream {
        let stream = try_stream! {
            let mut connection = self.connection().await?;
            let mut transaction = Reader::begin(&mut connection).await?;
            let merged = Merged::of(trace_id, None, self.blocks(Work::default()), &mut transaction);
            let mut merged = within(self.limit, merged).await?;
            while let Some(span) = within(self.limit, merged.next_once(&mut transaction)).await? {
                yield span;
            }
        };
        stream.boxed()
    }
}

/// Both tiers of a trace.
pub(super) struct Merged {
    rows: Rows,
    history: Option<HistoryOfTrace>,
    last: Option<SpanKey>,
}

impl Merged {
    /// What of it had arrived by then.
    pub(super) async fn of(
        trace_id: TraceId,
        as_of: Option<Watermark>,
        blocks: Blocks,
        connection: &mut PgConnection,
    ) -> Result<Self, StoreError> {
        let filed = trace_row::existing(connection, &[trace_id]).await?.remove(&trace_id);
        let rows = Rows::of(trace_id, as_of, blocks.work.clone());
        let history = match filed {
            Some(filed) => Some(HistoryOfTrace::of(trace_id, &filed.block_ids, as_of, blocks, connection).await?),
            None => None,
        };
        Ok(Self { rows, history, last: None })
    }

    /// The next span, copies left out.
    pub(super) async fn next_once(&mut self, connection: &mut PgConnection) -> Result<Option<Span>, StoreError> {
        while let Some((key, span)) = self.next(connection).await? {
            if self.last.replace(key) != Some(key) {
                return Ok(Some(span));
            }
        }
        Ok(None)
    }

    /// The next one of either; a copy follows its original.
    async fn next(&mut self, connection: &mut PgConnection) -> Result<Option<(SpanKey, Span)>, StoreError> {
        let row = self.rows.peek(connection).await?;
        let block = match &mut self.history {
            Some(history) => history.peek(connection).await?,
            None => None,
        };
        let is_of_history = block.is_some_and(|block| row.is_none_or(|row| block <= row));
        if is_of_history {
            return Ok(self.history.as_mut().and_then(HistoryOfTrace::take));
        }
        Ok(self.rows.fetched.pop_front())
    }
}

/// The hot rows, in portions.
struct Rows {
    trace_id: TraceId,
    as_of: Option<Watermark>,
    work: Work,
    fetched: VecDeque<(SpanKey, Span)>,
    last: Option<SpanKey>,
    is_end: bool,
    dictionary: Dictionary,
}

impl Rows {
    fn of(trace_id: TraceId, as_of: Option<Watermark>, work: Work) -> Self {
        let (fetched, dictionary) = (VecDeque::new(), Dictionary::default());
        Self { trace_id, as_of, work, fetched, last: None, is_end: false, dictionary }
    }

    async fn peek(&mut self, connection: &mut PgConnection) -> Result<Option<SpanKey>, StoreError> {
        if self.fetched.is_empty() && !self.is_end {
            self.fetch(connection).await?;
        }
        Ok(self.fetched.front().map(|(key, _)| *key))
    }

    async fn fetch(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let start = self.last.map(|last| last.start.to_micros_and_nanos());
        let rows = sqlx::query(trace_statement())
            .bind(self.trace_id.to_string())
            .bind(start.map(|(micros, _)| Micros(micros)))
            .bind(start.map(|(_, nanos)| nanos))
            .bind(self.last.map(|last| last.span_id.as_bytes().to_vec()))
            .bind(self.last.map(|last| last.digest))
            .bind(self.as_of.map(|as_of| Micros(as_of.0)))
            .bind(i64::try_from(ROWS_MAX).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await
            .map_err(meaning)?;
        self.is_end = rows.len() < ROWS_MAX;
        self.work.add(Counted::SpansRead, rows.len());
        dictionary_of(&rows, &mut self.dictionary, connection).await?;
        for row in &rows {
            self.fetched.push_back(read_span(row, &self.dictionary)?);
        }
        self.last = self.fetched.back().map(|(key, _)| *key);
        Ok(())
    }
}
