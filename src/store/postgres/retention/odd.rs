//! Spans in the partitions of no day: their clock was wrong, or they came long after they began. They go by their arrival,
//! block by block, and so are deleted; the space is free for others of their kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::{Connection, Executor, PgConnection};

use super::traces::{Rows, Traces, trace_span};
use super::{Removed, Work, calls};
use crate::store::StoreError;
use crate::store::postgres::derived::day::Day;
use crate::store::postgres::derived::rollup::Rollups;
use crate::store::postgres::error::meaning;
use crate::store::postgres::history::{BEGIN, BlockSpan, Blocks, RELEASE};
use crate::store::postgres::time::Micros;
use crate::store::retention::{DAYS_AHEAD_MAX, Reason};

const DAYS: &str = "\
    select distinct (extract(epoch from hour)::bigint / 86400)::int from span_block_default
    where ($1::timestamptz is null or received_max < $1) and (hour < $2 or hour >= $3)
    order by 1";

const BLOCKS: &str = "\
    select block_id, hour, span_count from span_block_default
    where ($1::timestamptz is null or received_max < $1) and hour >= $2 and hour < $3";

const BLOCKS_THAT_STAY: &str = "\
    select block_id from span_block_default where hour = any ($1) and block_id <> all ($2)";

const DELETE_BLOCKS: &str = "delete from span_block_default where hour = any ($1) and block_id = any ($2)";

const DELETE_MINUTES: &str = "\
    delete from red_minute_row as red using unnest($1::timestamptz[]) as h (hour)
    where red.minute >= h.hour and red.minute < h.hour + interval '1 hour'";

const DELETE_HOURS: &str = "delete from red_hour_row where hour = any ($1)";

/// Which of them go: those that arrived before a moment, and began before a day or in days to come.
pub(super) struct Odd {
    pub(super) start_before: Day,
    pub(super) arrived_before: Option<Micros>,
    pub(super) today: Day,
}

impl Odd {
    /// Beyond this, no clock is right.
    fn too_late(&self) -> Day {
        Day(self.today.0.saturating_add(DAYS_AHEAD_MAX).saturating_add(1))
    }
}

impl Work<'_> {
    /// Removes them, each day of their start in one transaction.
    pub(super) async fn remove_odd(&mut self, odd: &Odd, reason: Reason) -> Result<(), StoreError> {
        let query = sqlx::query_scalar(DAYS).bind(odd.arrived_before).bind(odd.start_before.begin());
        let days = query.bind(odd.too_late().begin()).fetch_all(&mut *self.connection).await.map_err(meaning)?;
        for day in days {
            self.remove_odd_day(Day(day), odd, reason).await?;
        }
        Ok(())
    }

    async fn remove_odd_day(&mut self, day: Day, odd: &Odd, reason: Reason) -> Result<(), StoreError> {
        let mut transaction = self.connection.begin_with(BEGIN).await.map_err(meaning)?;
        let gone = Gone::of(day, odd, &mut transaction).await?;
        let rows = if day >= odd.start_before { Rows::OfAll } else { Rows::Until(day.next()) };
        let opened = || Blocks::new(Arc::clone(self.damage));
        let traces = Traces::of(gone.blocks.clone(), rows, opened(), &mut transaction).await?;
        let mut rollups = gone.rollups_without(opened(), &mut transaction).await?;
        let calls = calls::without(&gone.blocks, rows, &mut opened(), &mut transaction).await?;
        transaction.execute(RELEASE).await.map_err(meaning)?;
        traces.take_out(&mut transaction).await?;
        gone.delete(&mut transaction).await?;
        traces.put_back(&mut transaction).await?;
        rollups.flush(&mut transaction).await?;
        calls.write(&mut transaction).await?;
        Removed { day, spans: gone.spans, bytes: None }.log(reason, &mut transaction).await?;
        transaction.commit().await.map_err(meaning)?;
        self.done.add(reason, gone.spans.unsigned_abs());
        Ok(())
    }
}

/// What goes of a day.
struct Gone {
    hours: Vec<Micros>,
    blocks: Vec<i64>,
    spans: i64,
}

impl Gone {
    async fn of(day: Day, odd: &Odd, connection: &mut PgConnection) -> Result<Self, StoreError> {
        let query = sqlx::query_as(BLOCKS).bind(odd.arrived_before).bind(day.begin()).bind(day.next().begin());
        let found: Vec<(i64, Micros, i32)> = query.fetch_all(connection).await.map_err(meaning)?;
        let hours: BTreeSet<Micros> = found.iter().map(|(_, hour, _)| *hour).collect();
        Ok(Self {
            hours: hours.into_iter().collect(),
            blocks: found.iter().map(|(block_id, ..)| *block_id).collect(),
            spans: found.iter().map(|(.., spans)| i64::from(*spans)).sum(),
        })
    }

    /// The rollups of the same hours, of the spans that stay.
    async fn rollups_without(&self, mut opened: Blocks, connection: &mut PgConnection) -> Result<Rollups, StoreError> {
        let query = sqlx::query_scalar(BLOCKS_THAT_STAY).bind(&self.hours).bind(&self.blocks);
        let stay: Vec<i64> = query.fetch_all(&mut *connection).await.map_err(meaning)?;
        let mut rollups = Rollups::default();
        let add = |found: BlockSpan| {
            let span = trace_span(&found);
            let duration = found.span.end.nanos_since(found.span.start);
            rollups.add(found.key.start, span.operation_id, found.span.status.code, duration);
        };
        opened.each_span(&stay, |_| true, add, connection).await?;
        Ok(rollups)
    }

    async fn delete(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let blocks = sqlx::query(DELETE_BLOCKS).bind(&self.hours).bind(&self.blocks);
        connection.execute(blocks).await.map_err(meaning)?;
        for statement in [DELETE_MINUTES, DELETE_HOURS] {
            connection.execute(sqlx::query(statement).bind(&self.hours)).await.map_err(meaning)?;
        }
        Ok(())
    }
}
