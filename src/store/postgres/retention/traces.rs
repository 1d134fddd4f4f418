//! The rows of traces that lose blocks. Nearly all of a day's traces go with it. One that has spans of a later day stays,
//! and its row is made anew of the spans that it still has.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::{AssertSqlSafe, Error, Executor, PgConnection};

use crate::model::{Span, TraceId};
use crate::store::StoreError;
use crate::store::postgres::derived::day::Day;
use crate::store::postgres::derived::trace_fold::TraceSpan;
use crate::store::postgres::derived::trace_row::TraceRows;
use crate::store::postgres::dictionary::{operation_id, service_id};
use crate::store::postgres::error::meaning;
use crate::store::postgres::history::{BlockSpan, Blocks};
use crate::store::postgres::row::corrupt;

/// Which rows may name one of the blocks. A row is filed under the day on which its trace became history.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rows {
    /// Those filed under this day, whose partition goes too, and those of traces that began before its end.
    OfDay(Day),
    /// Those of traces that began before the begin of this day.
    Until(Day),
    /// Any.
    OfAll,
}

impl Rows {
    /// Conditions on `trace_row t`; no row fulfils two of them. `$2` is [`Rows::until`]. The first is of the rows whose
    /// partition goes.
    pub(super) fn conditions(self) -> [Option<String>; 2] {
        match self {
            Self::OfDay(Day(day)) => [
                Some(format!("t.day = date '1970-01-01' + {day}")),
                Some(format!("t.day <> date '1970-01-01' + {day} and t.start_time < $2")),
            ],
            Self::Until(_) => [None, Some("t.start_time < $2".to_owned())],
            Self::OfAll => [None, Some("true".to_owned())],
        }
    }

    pub(super) fn until(self) -> crate::store::postgres::time::Micros {
        match self {
            Self::OfDay(day) => day.next().begin(),
            Self::Until(day) => day.begin(),
            Self::OfAll => Day(i32::MAX).begin(),
        }
    }
}

/// Of the blocks that a row names, one goes.
pub(super) const LOSES: &str = "exists (select from unnest(t.block_ids) as named (id) where id = any ($1))";

/// The traces that lose blocks and keep some: where the row is filed, and the blocks that stay.
fn split_statement(condition: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "select encode(uuid_send(t.trace_id), 'hex'), t.day - date '1970-01-01',
             array(select id from unnest(t.block_ids) as named (id) where id <> all ($1))
         from trace_row t
         where {condition} and {LOSES}
             and exists (select from unnest(t.block_ids) as named (id) where id <> all ($1))"
    ))
}

/// The rows that are changed by the removal of some blocks.
pub(super) struct Traces {
    gone: Vec<i64>,
    rows: Rows,
    /// What becomes of those that stay.
    anew: Vec<TraceRows>,
}

impl Traces {
    /// What the removal of these blocks means for them. Opens the blocks that stay, and writes nothing.
    pub(super) async fn of(
        gone: Vec<i64>,
        rows: Rows,
        mut blocks: Blocks,
        connection: &mut PgConnection,
    ) -> Result<Self, StoreError> {
        let (mut days, mut stay) = (HashMap::<TraceId, Day>::new(), BTreeSet::<i64>::new());
        for condition in rows.conditions().into_iter().flatten() {
            let query = sqlx::query_as(split_statement(&condition)).bind(&gone).bind(rows.until());
            let split: Vec<(String, i32, Vec<i64>)> = query.fetch_all(&mut *connection).await.map_err(meaning)?;
            for (trace_id, day, block_ids) in split {
                let trace_id = TraceId::parse_hex(&trace_id);
                let trace_id = trace_id.map_err(|error| corrupt(format!("the id of a trace's row {error}")))?;
                days.insert(trace_id, Day(day));
                stay.extend(block_ids);
            }
        }
        // A block that stays is named by the row of each trace that it has.
        let stay: Vec<i64> = stay.into_iter().collect();
        let mut anew = BTreeMap::<Day, TraceRows>::new();
        let add = |found: BlockSpan| {
            let Some(day) = days.get(&found.key.trace_id).copied() else { return };
            anew.entry(day).or_insert_with(|| TraceRows::filed_under(day)).add(&trace_span(&found));
        };
        let wanted: HashSet<&TraceId> = days.keys().collect();
        blocks.each_span(&stay, |id| wanted.contains(id), add, connection).await?;
        Ok(Self { gone, rows, anew: anew.into_values().collect() })
    }

    /// Deletes the rows that name a block that goes, but those in the partition that goes.
    pub(super) async fn take_out(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let [_, Some(condition)] = self.rows.conditions() else { return Ok(()) };
        let statement = AssertSqlSafe(format!("delete from trace_row t where {condition} and {LOSES}"));
        let query = sqlx::query(statement).bind(&self.gone).bind(self.rows.until());
        connection.execute(query).await.map_err(meaning)?;
        Ok(())
    }

    /// Moves those out of a partition that goes that lose nothing; they are filed under its day for ever.
    pub(super) async fn keep_untouched(&self, partition: &str, connection: &mut PgConnection) -> Result<(), Error> {
        let move_out = format!("insert into trace_row select t.* from {partition} t where not {LOSES}");
        connection.execute(sqlx::query(AssertSqlSafe(move_out)).bind(&self.gone)).await.map(drop)
    }

    /// Writes those that were made anew.
    pub(super) async fn put_back(mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        for rows in &mut self.anew {
            rows.flush(connection).await?;
        }
        Ok(())
    }
}

/// What is derived from a span, of the span as it was read.
pub(super) fn trace_span(found: &BlockSpan) -> TraceSpan {
    let span: &Span = &found.span;
    let service_id = service_id(span.resource.service());
    TraceSpan {
        key: found.key,
        end: span.end,
        is_root: span.parent_span_id.is_none(),
        is_error: span.is_error(),
        service_id,
        operation_id: operation_id(service_id, span.kind, &span.name, &mut Vec::new()),
        block_id: found.block_id,
        received: found.received,
    }
}
