//! Which blocks may hold what a scan looks for, those with the newest spans first. What can be said of a block without
//! opening it leaves most of them out: times, service, durations, names, keys of attributes, resources, and whether an
//! attribute's value stands anywhere in its text.

use std::collections::VecDeque;

use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::damage::go_back;
use super::{Place, Wanted};
use crate::model::{AttributeCondition, AttributeScope, DURATION_NANOS_MAX, Search, SpanKey, StatusCode, UnixNanos};
use crate::store::postgres::dictionary::{json_text, service_id};
use crate::store::postgres::error::{is_damage, meaning};
use crate::store::postgres::filter::{Told, push_block, push_spans_have, push_traces};
use crate::store::postgres::time::{HOUR_MICROS, Micros};
use crate::store::{Scan, StoreError, json, text};

type Builder = QueryBuilder<Postgres>;

/// So many are named at first: for the text of each is looked into, and often the first few are enough. Then twice as many
/// each time, up to the other number.
const NAMED_FIRST: usize = 16;
const NAMED_MAX: usize = 128;

const COUNT: &str = "select count(*) from span_block b where true";

/// A block that may hold something.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::postgres) struct Candidate {
    pub(super) place: Place,
    /// No span of it begins later.
    pub(super) start_max: Micros,
}

/// Which spans are looked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::postgres) struct Between {
    /// Only those before this one,
    pub(in crate::store::postgres) before: Option<SpanKey>,
    /// and from this one on.
    pub(in crate::store::postgres) floor: Option<SpanKey>,
}

impl Between {
    /// Whether a span is one of them.
    pub(super) fn has(self, key: SpanKey) -> bool {
        self.before.is_none_or(|before| key < before) && self.floor.is_none_or(|floor| key >= floor)
    }
}

/// Goes through the candidates of a scan, some at a time: more each time.
#[derive(Debug)]
pub(super) struct Walk {
    named: VecDeque<Candidate>,
    last: Option<Candidate>,
    /// So many are named the next time.
    naming: usize,
    /// So many are given the next time,
    giving: usize,
    /// and at the most.
    giving_max: usize,
}

impl Walk {
    /// From the first one on.
    pub(super) fn new(giving_max: usize) -> Self {
        Self { named: VecDeque::new(), last: None, naming: NAMED_FIRST, giving: 1, giving_max }
    }

    /// The next ones. None when there are no more, or when it is enough, which is asked with the time after which no span of
    /// them or of later ones begins.
    pub(super) async fn next(
        &mut self,
        wanted: Wanted<'_>,
        is_enough: impl FnOnce(Micros) -> bool,
        connection: &mut PgConnection,
    ) -> Result<Vec<Candidate>, StoreError> {
        if self.named.is_empty() {
            self.named.extend(named(wanted, self.last, self.naming, connection).await?);
            self.last = self.named.back().copied();
            self.naming = self.naming.saturating_mul(2).min(NAMED_MAX);
        }
        if self.named.front().is_none_or(|next| is_enough(next.start_max)) {
            return Ok(Vec::new());
        }
        // Those that go on after the last moment that is asked for may all hold the newest: nothing found in one of them
        // makes another one needless.
        let last = wanted.last_micros();
        let certain = self.named.iter().take_while(|candidate| candidate.start_max.0 >= last).count();
        let giving = self.giving.max(certain).min(self.giving_max);
        let given = self.named.drain(..giving.min(self.named.len())).collect();
        self.giving = self.giving.saturating_mul(2).min(self.giving_max);
        Ok(given)
    }
}

/// The candidates behind the last one seen.
async fn named(
    wanted: Wanted<'_>,
    last: Option<Candidate>,
    limit: usize,
    connection: &mut PgConnection,
) -> Result<Vec<Candidate>, StoreError> {
    let Wanted { scan, told, between, .. } = wanted;
    let mut sql = statement(scan, told, between, last, limit)?;
    let found = match sql.build().fetch_all(&mut *connection).await {
        Err(error) if is_damage(&error) => {
            // One of them can not even be asked that. It is found, and told of, when all of them are opened.
            go_back(connection).await?;
            let mut sql = by_bounds(scan, told, between, last);
            push_order(limit, &mut sql);
            sql.build().fetch_all(connection).await
        }
        found => found,
    };
    let candidate = |row: &sqlx::postgres::PgRow| {
        let place = Place { hour: row.try_get(0)?, block_id: row.try_get(1)? };
        Ok(Candidate { place, start_max: row.try_get(2)? })
    };
    found.map_err(meaning)?.iter().map(candidate).collect::<Result<_, sqlx::Error>>().map_err(meaning)
}

/// Counts the blocks in the time of a scan, and those of them that may have what it looks for.
pub(super) async fn count(
    scan: &Scan,
    told: &Told,
    connection: &mut PgConnection,
) -> Result<(usize, usize), StoreError> {
    let between = Between { before: scan.before, floor: None };
    let mut seen = Builder::new(COUNT);
    push_times(scan, between, &mut seen);
    let mut left = Builder::new(COUNT);
    push_times(scan, between, &mut left);
    push_bounds(&scan.search, told, &mut left);
    let mut by_contents = Builder::new(COUNT);
    push_times(scan, between, &mut by_contents);
    push_bounds(&scan.search, told, &mut by_contents);
    push_contents(&scan.search, told, &mut by_contents)?;
    let seen = counted(seen, connection).await.map_err(meaning)?;
    let left = match counted(by_contents, connection).await {
        Err(error) if is_damage(&error) => {
            go_back(connection).await?;
            counted(left, connection).await
        }
        counted => counted,
    };
    Ok((seen, left.map_err(meaning)?))
}

async fn counted(mut sql: Builder, connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
    let count: i64 = sql.build_query_scalar().fetch_one(connection).await?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// The statement that finds the next candidates.
pub(in crate::store::postgres) fn statement(
    scan: &Scan,
    told: &Told,
    between: Between,
    last: Option<Candidate>,
    limit: usize,
) -> Result<Builder, StoreError> {
    let mut sql = by_bounds(scan, told, between, last);
    push_contents(&scan.search, told, &mut sql)?;
    push_order(limit, &mut sql);
    Ok(sql)
}

/// By what is never stored out of line.
fn by_bounds(scan: &Scan, told: &Told, between: Between, last: Option<Candidate>) -> Builder {
    let mut sql = Builder::new("select b.hour, b.block_id, b.start_max from span_block b where true");
    if let Some(last) = last {
        sql.push(" and (b.start_max, b.block_id) < (").push_bind(last.start_max);
        sql.push(", ").push_bind(last.place.block_id).push(")");
    }
    push_times(scan, between, &mut sql);
    push_bounds(&scan.search, told, &mut sql);
    sql
}

fn push_times(scan: &Scan, between: Between, sql: &mut Builder) {
    let not_after = [between.before.map(|key| key.start), scan.search.start_max];
    let not_before = [between.floor.map(|key| key.start), scan.search.start_min];
    not_after.into_iter().flatten().for_each(|time| push_not_after(time, sql));
    not_before.into_iter().flatten().for_each(|time| push_not_before(time, sql));
    if let Some(as_of) = scan.as_of {
        sql.push(" and b.received_min <= ").push_bind(Micros(as_of.0));
    }
}

fn push_order(limit: usize, sql: &mut Builder) {
    sql.push(" order by b.start_max desc, b.block_id desc limit ");
    sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
}

/// Something in the block begins at or before a time, so that all of it does within an hour, which the index by time knows.
/// The hour leaves out whole days.
pub(super) fn push_not_after(time: UnixNanos, sql: &mut Builder) {
    let (micros, _) = time.to_micros_and_nanos();
    sql.push(" and b.start_min <= ").push_bind(Micros(micros));
    sql.push(" and b.start_max <= ").push_bind(Micros(micros.saturating_add(HOUR_MICROS)));
    sql.push(" and b.hour <= ").push_bind(Micros(micros));
}

/// Something in the block begins at or after a time.
pub(super) fn push_not_before(time: UnixNanos, sql: &mut Builder) {
    let (micros, _) = time.to_micros_and_nanos();
    sql.push(" and b.start_max >= ").push_bind(Micros(micros));
    sql.push(" and b.hour > ").push_bind(Micros(micros.saturating_sub(HOUR_MICROS)));
}

fn push_bounds(search: &Search, told: &Told, sql: &mut Builder) {
    if let Some(service) = &search.service {
        sql.push(" and b.service_id = ").push_bind(service_id(service));
    }
    match told.service_ids().map(Vec::from_iter).as_deref() {
        Some([service_id]) => {
            sql.push(" and b.service_id = ").push_bind(*service_id);
        }
        Some(service_ids) => {
            sql.push(" and b.service_id = any(").push_bind(service_ids.to_vec()).push(")");
        }
        None => {}
    }
    if let Some(trace_ids) = told.trace_ids() {
        sql.push(" and ");
        push_traces(trace_ids.iter().map(ToString::to_string).collect(), sql);
    }
    if search.status == Some(StatusCode::ERROR) {
        sql.push(" and b.error_count > 0");
    }
    if let Some(min) = search.duration_min_nanos {
        sql.push(" and b.duration_max >= ").push_bind(min.min(DURATION_NANOS_MAX).cast_signed());
    }
    if let Some(max) = search.duration_max_nanos {
        sql.push(" and b.duration_min <= ").push_bind(max.min(DURATION_NANOS_MAX).cast_signed());
    }
}

fn push_contents(search: &Search, told: &Told, sql: &mut Builder) -> Result<(), StoreError> {
    sql.push(" and ");
    push_block(told, sql);
    if let Some(node) = &search.node {
        sql.push(" and b.resource_ids && array(select resource_id from resource_row where node = ");
        sql.push_bind(text::stored(node).into_owned()).push(")");
    }
    if let Some(name) = &search.span_name {
        sql.push(" and b.names @> array[").push_bind(text::stored(name).into_owned()).push("] collate \"C\"");
    }
    search.attributes.iter().try_for_each(|condition| push_attribute(condition, sql))
}

fn push_attribute(condition: &AttributeCondition, sql: &mut Builder) -> Result<(), StoreError> {
    let mut json = Vec::new();
    if json::value(&condition.value, &mut json).is_err() {
        // Nested too deep to be stored, so no span has it.
        sql.push(" and false");
        return Ok(());
    }
    let (key, value) = (text::stored(&condition.key).into_owned(), json_text(json)?);
    sql.push(" and (");
    match condition.scope {
        AttributeScope::Span => push_spans_have(key, value, sql),
        AttributeScope::Resource => push_resources_have(key, value, sql),
        AttributeScope::Any => {
            push_spans_have(key.clone(), value.clone(), sql);
            sql.push(" or ");
            push_resources_have(key, value, sql);
        }
    }
    sql.push(")");
    Ok(())
}

fn push_resources_have(key: String, value: String, sql: &mut Builder) {
    sql.push("b.resource_ids && array(select r.resource_id from resource_row r where (r.attributes -> ").push_bind(key);
    sql.push(")::text = (").push_bind(value).push("::jsonb)::text)");
}
