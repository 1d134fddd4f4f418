//! Several traces at once: a portion of them at a time, each in one snapshot, in which a block of the history is opened
//! once for all traces of the portion. A trace that is a portion by itself and more is read as `trace.rs` reads it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use async_stream::try_stream;
use futures::StreamExt;
use sqlx::{AssertSqlSafe, PgConnection};

use super::trace::Merged;
use super::{Reader, rows_max};
use crate::model::{Span, SpanKey, TraceId};
use crate::store::postgres::derived::trace_row;
use crate::store::postgres::error::{meaning, within};
use crate::store::postgres::history::Blocks;
use crate::store::postgres::row::{IS_HOT, SPAN_COLUMNS, dictionary_of, read_span};
use crate::store::postgres::time::Micros;
use crate::store::{Counted, SpanStream, StoreError, Watermark, Work};

/// At most so many spans are read before the first of them is given, unless one trace alone has more.
const PORTION_SPANS_MAX: usize = 20_000;

/// At most so many traces are read at once.
const PORTION_TRACES_MAX: usize = 256;

/// How many hot rows there are of each of these traces; no more than `$2` of one are counted.
pub(in crate::store::postgres) const HOT_COUNTS: &str = "\
    select (select count(*) from (
        select from span_row s
        where s.step >= (select first_hot_step from tier)
            and encode(s.trace_id, 'hex') collate \"C\" = trace.id
        limit $2) counted)
    from unnest($1::text[]) with ordinality as trace (id, number) order by number";

/// The hot rows of these traces that had arrived by then. How many traces they are is hidden from the planner, who would
/// rather read everything.
pub(in crate::store::postgres) fn rows_statement() -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "select {SPAN_COLUMNS} from span_row s where {IS_HOT} \
             and encode(s.trace_id, 'hex') collate \"C\" = any (array(select unnest($1::text[]))) \
             and ($2::timestamptz is null or s.received_time <= $2)"
    ))
}

impl Reader {
    pub(in crate::store::postgres) fn traces(
        self,
        trace_ids: Vec<TraceId>,
        as_of: Option<Watermark>,
        work: Work,
    ) -> SpanStream {
        self.traces_in_portions(trace_ids, as_of, work, PORTION_SPANS_MAX)
    }

    fn traces_in_portions(
        self,
        trace_ids: Vec<TraceId>,
        as_of: Option<Watermark>,
        work: Work,
        portion_spans_max: usize,
    ) -> SpanStream {
        let stream = try_stream! {
            let mut blocks = self.blocks(work.clone());
            let mut unread = Unread::of(trace_ids, portion_spans_max);
            while !unread.is_empty() {
                let mut connection = self.connection().await?;
                let mut transaction = Reader::begin(&mut connection).await?;
                let portion = within(self.limit, unread.next(&mut transaction)).await?;
                if let Some(trace_id) = portion.large {
                    let merged = Merged::of(trace_id, as_of, self.blocks(work.clone()), &mut transaction);
                    let mut merged = within(self.limit, merged).await?;
                    work.add(Counted::TracesRead, 1);
                    while let Some(span) = within(self.limit, merged.next_once(&mut transaction)).await? {
                        yield span;
                    }
                    continue;
                }
                let traces = within(self.limit, portion.read(as_of, &mut blocks, &mut transaction)).await?;
                drop(transaction);
                drop(connection);
                work.add(Counted::TracesRead, traces.len());
                for span in traces.into_iter().flat_map(BTreeMap::into_values) {
                    yield span;
                }
            }
        };
        stream.boxed()
    }
}

/// The traces that were not read yet, in the order in which they were asked for.
struct Unread {
    trace_ids: VecDeque<TraceId>,
    /// So many are looked at next.
    next_max: usize,
    portion_spans_max: usize,
}

/// The traces that are read next.
#[derive(Default)]
struct Portion {
    /// The only one, when it is large.
    large: Option<TraceId>,
    trace_ids: Vec<TraceId>,
    /// Which blocks of the history have spans of them.
    block_ids: HashMap<TraceId, Vec<i64>>,
}

impl Unread {
    fn of(trace_ids: Vec<TraceId>, portion_spans_max: usize) -> Self {
        let mut seen = HashSet::with_capacity(trace_ids.len());
        let trace_ids = trace_ids.into_iter().filter(|trace_id| seen.insert(*trace_id)).collect();
        Self { trace_ids, next_max: PORTION_TRACES_MAX, portion_spans_max }
    }

    fn is_empty(&self) -> bool {
        self.trace_ids.is_empty()
    }

    /// As many of the next traces as a portion holds, at least one.
    async fn next(&mut self, connection: &mut PgConnection) -> Result<Portion, StoreError> {
        let trace_ids: Vec<_> = self.trace_ids.iter().copied().take(self.next_max).collect();
        let mut sizes = trace_row::sizes(connection, &trace_ids).await?;
        let hot = hot_counts(connection, &trace_ids, self.portion_spans_max).await?;
        let (mut portion, mut spans) = (Portion::default(), 0_usize);
        for (trace_id, hot) in trace_ids.into_iter().zip(hot) {
            let size = sizes.remove(&trace_id);
            spans = spans.saturating_add(hot).saturating_add(size.as_ref().map_or(0, |size| size.spans));
            if spans > self.portion_spans_max && !portion.trace_ids.is_empty() {
                break;
            }
            portion.large = (spans > self.portion_spans_max).then_some(trace_id);
            portion.trace_ids.push(trace_id);
            portion.block_ids.extend(size.map(|size| (trace_id, size.block_ids)));
        }
        self.trace_ids.drain(..portion.trace_ids.len());
        // No more than are likely to be read: the others would be counted again.
        self.next_max = portion.trace_ids.len().saturating_mul(2).min(PORTION_TRACES_MAX);
        Ok(portion)
    }
}

/// How many hot rows each of these traces has; of a large one, that it has too many for a portion.
async fn hot_counts(
    connection: &mut PgConnection,
    trace_ids: &[TraceId],
    portion_spans_max: usize,
) -> Result<Vec<usize>, StoreError> {
    let counted_max = rows_max(portion_spans_max.saturating_add(1));
    let ids: Vec<_> = trace_ids.iter().map(ToString::to_string).collect();
    let counts = sqlx::query_scalar(HOT_COUNTS).bind(ids).bind(counted_max).fetch_all(connection).await;
    let count = |count: i64| usize::try_from(count).unwrap_or(usize::MAX);
    Ok(counts.map_err(meaning)?.into_iter().map(count).collect())
}

impl Portion {
    /// The spans of each trace that had arrived by then; of one that has none, nothing.
    async fn read(
        &self,
        as_of: Option<Watermark>,
        blocks: &mut Blocks,
        connection: &mut PgConnection,
    ) -> Result<Vec<BTreeMap<SpanKey, Span>>, StoreError> {
        let mut traces: HashMap<TraceId, BTreeMap<SpanKey, Span>> = HashMap::new();
        let mut add = |key: SpanKey, span| {
            traces.entry(key.trace_id).or_default().insert(key, span);
        };
        let ids: Vec<_> = self.trace_ids.iter().map(ToString::to_string).collect();
        let query = sqlx::query(rows_statement()).bind(ids).bind(as_of.map(|as_of| Micros(as_of.0)));
        let rows = query.fetch_all(&mut *connection).await.map_err(meaning)?;
        blocks.work.add(Counted::SpansRead, rows.len());
        dictionary_of(&rows, &mut blocks.dictionary, connection).await?;
        for row in &rows {
            let (key, span) = read_span(row, &blocks.dictionary)?;
            add(key, span);
        }
        blocks.spans_of_traces(&self.block_ids, as_of, add, connection).await?;
        Ok(self.trace_ids.iter().filter_map(|trace_id| traces.remove(trace_id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::super::super::plans::support::TestDatabase;
    use super::super::super::{PostgresSettings, PostgresStore};
    use super::*;
    use crate::model::{SpanId, UnixNanos};
    use crate::store::{Batch, CompactionSettings, SpanStore};

    fn trace_id(number: u8) -> TraceId {
        TraceId::from_slice(&[number; 16]).unwrap()
    }

    /// So many spans of a trace.
    fn spans(trace: u8, count: u64) -> Vec<Span> {
        let span = |number: u64| Span {
            trace_id: trace_id(trace),
            span_id: SpanId::from_slice(&number.to_be_bytes()).unwrap(),
            start: UnixNanos(number),
            ..Span::example("get")
        };
        (1..=count).map(span).collect()
    }

    /// Scenario: traces of 1 to 9 spans, in both tiers, in portions of any size. Guarantee: all of them come, in the order
    /// asked for, whether a portion holds many of them, one, or not even one; and a portion opens a block once.
    #[tokio::test]
    async fn portions_of_any_size_give_the_same() {
        let database = TestDatabase::create().await;
        let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
        let all: Vec<_> = (1..=9).flat_map(|trace| spans(trace, trace.into())).collect();
        store.write(&[Batch::new(all[..20].to_vec())]).await.unwrap();
        store.compact(&CompactionSettings::at_once(std::time::Duration::ZERO)).await.unwrap();
        store.write(&[Batch::new(all[15..].to_vec())]).await.unwrap();
        let ids: Vec<_> = (1..=10).map(trace_id).collect();
        let mut blocks_read = Vec::new();
        for portion_spans_max in [0, 1, 2, 3, 5, 9, 10, 44, 1_000] {
            let work = Work::default();
            let stream = store.reader.clone().traces_in_portions(ids.clone(), None, work.clone(), portion_spans_max);
            assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap(), all, "portions of {portion_spans_max}");
            assert_eq!(work.of(Counted::TracesRead), 9);
            assert_eq!(work.of(Counted::SpansRead), 50);
            blocks_read.push(work.of(Counted::BlocksRead));
        }
        assert_eq!((blocks_read[0], blocks_read[8]), (6, 1));
        assert!(blocks_read.is_sorted_by(|a, b| a >= b), "{blocks_read:?}");
        store.close().await;
    }

    /// What a portion holds: as many traces as fit, or one.
    #[tokio::test]
    async fn a_portion_is_full_or_one_trace() {
        let database = TestDatabase::create().await;
        let store = PostgresStore::connect(&database.url(), &PostgresSettings::default()).await.unwrap();
        let all = [spans(1, 2), spans(2, 3), spans(3, 4), spans(4, 1)].concat();
        store.write(&[Batch::new(all)]).await.unwrap();
        let mut connection = store.reader.pool.acquire().await.unwrap();
        let mut unread = Unread::of([1, 2, 1, 9, 3, 3, 4].map(trace_id).to_vec(), 3);
        let mut portions = Vec::new();
        while !unread.is_empty() {
            let portion = unread.next(&mut connection).await.unwrap();
            portions.push((portion.trace_ids, portion.large));
        }
        let expected = [(vec![1], None), (vec![2, 9], None), (vec![3], Some(3)), (vec![4], None)];
        let expected = expected.map(|(ids, large)| (ids.into_iter().map(trace_id).collect(), large.map(trace_id)));
        assert_eq!(portions, expected);
        drop(connection);
        store.close().await;
    }
}
