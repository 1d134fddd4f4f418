//! Who calls whom: of the history, what was counted; of the hot rows, what it will change when they become history,
//! reckoned as compaction reckons it and written nowhere. All of it in one snapshot.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};

use super::Reader;
use crate::model::{Span, SpanId, SpanKey, SpanKind, StatusCode, TraceId, UnixNanos};
use crate::store::calls::{CallRequest, CallerId, add_calls};
use crate::store::postgres::derived::calls::{CallChange, CallSpan, Stay, Tally, senders_of_texts};
use crate::store::postgres::derived::trace_row;
use crate::store::postgres::error::{meaning, within};
use crate::store::postgres::history::{self, Blocks};
use crate::store::postgres::row::{Columns, IS_HOT, KEY_COLUMNS, corrupt, read_key};
use crate::store::postgres::time::Micros;
use crate::store::{CallCounts, Calls, Counted, StoreError, Work, text};

/// As for all who read the history, see `history::BEGIN_READ_ONLY`; in the order in which retention locks.
const BEGIN: &str = "\
    begin isolation level repeatable read read only; \
    lock table only trace_row, only span_block, only call_minute_row in access share mode; \
    savepoint history";

/// After the last moment of the model, in microseconds.
const END_OF_TIME: Micros = Micros(18_446_744_100_000_000);

const IS_UNCOUNTED: &str = "\
    select exists (
        select from call_uncounted
        where hour >= date_bin('1 hour', $1::timestamptz, '1970-01-01 00:00:00+00') and hour < $2)";

const HISTORY: &str = "\
    select caller_id, called_id, sum(call_count)::bigint, sum(error_count)::bigint from call_minute_row
    where minute >= $1 and minute < $2 group by caller_id, called_id";

const NAMES: &str = "select service_id, name from service where service_id = any ($1)";

/// Traces are looked up in portions of so many.
const TRACES_MAX: usize = 5_000;

/// Of attributes, those by which it is known whether a span with links takes messages.
fn hot_statement() -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "select {KEY_COLUMNS}, s.parent_span_id, s.service_id, s.kind, coalesce(s.status_code, 0), s.links::text,
             case when s.links is not null then s.attributes::text end,
             case when s.links is not null then s.attributes_shape end
         from span_row s where {IS_HOT}"
    ))
}

/// By caller and called.
type ById = BTreeMap<(i64, i64), Tally>;

impl Reader {
    pub(in crate::store::postgres) async fn calls(&self, request: CallRequest) -> Result<Option<Calls>, StoreError> {
        let (from, until) = minutes(&request);
        within(self.limit, async {
            let mut transaction = self.pool.begin_with(BEGIN).await.map_err(meaning)?;
            let query = sqlx::query_scalar(IS_UNCOUNTED).bind(from).bind(until);
            let is_uncounted: bool = query.fetch_one(&mut *transaction).await.map_err(meaning)?;
            if is_uncounted {
                return Ok(None);
            }
            let mut counted = of_history(from, until, &mut transaction).await?;
            let mut blocks = self.blocks(request.work.clone());
            let hot = of_hot_rows(&request.work, &mut blocks, &mut transaction).await?;
            let difference = hot.settle(&mut blocks, &mut transaction).await?;
            for (key, tally) in difference.minutes().filter(|(key, _)| (from..until).contains(&key.minute)) {
                counted.entry((key.caller_id, key.called_id)).or_default().add(tally);
            }
            named(counted, &mut transaction).await.map(Some)
        })
        .await
    }
}

fn minutes(request: &CallRequest) -> (Micros, Micros) {
    let micros = |time: UnixNanos| Micros(time.to_micros_and_nanos().0);
    (micros(request.start), if request.end.0 == u64::MAX { END_OF_TIME } else { micros(request.end) })
}

async fn of_history(from: Micros, until: Micros, connection: &mut PgConnection) -> Result<ById, StoreError> {
    let rows = sqlx::query_as(HISTORY).bind(from).bind(until).fetch_all(connection).await.map_err(meaning)?;
    let tally = |(from, to, calls, errors): (i64, i64, i64, i64)| ((from, to), Tally { calls, errors });
    Ok(rows.into_iter().map(tally).collect())
}

/// A hot span, and whose messages it takes.
type Hot = (CallSpan, BTreeSet<CallerId>);

/// The hot spans that are not in the history, each once, with what the history has of their traces.
async fn of_hot_rows(
    work: &Work,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<CallChange, StoreError> {
    let mut hot = HashMap::<SpanKey, Hot>::new();
    let mut rows = sqlx::query(hot_statement()).fetch(&mut *connection);
    while let Some(row) = rows.try_next().await.map_err(meaning)? {
        work.add(Counted::SpansRead, 1);
        let (key, span) = read_hot(&row)?;
        hot.insert(key, span);
    }
    drop(rows);
    let traces: HashSet<TraceId> = hot.keys().map(|key| key.trace_id).collect();
    let traces: Vec<TraceId> = traces.into_iter().collect();
    let mut change = CallChange::default();
    for traces in traces.chunks(TRACES_MAX) {
        let filed = trace_row::existing(connection, traces).await?;
        let each = |key: SpanKey, span: &Span| {
            work.add(Counted::SpansRead, 1);
            hot.remove(&key);
            change.add(CallSpan::of(span, Stay::Stays));
        };
        history::each_of_traces(connection, &filed, blocks, each).await?;
    }
    for (span, senders) in hot.into_values() {
        change.add_taker(span, senders);
    }
    Ok(change)
}

/// A row of [`hot_statement`].
fn read_hot(row: &PgRow) -> Result<(SpanKey, Hot), StoreError> {
    let mut columns = Columns::of(row);
    let key = read_key(&mut columns)?;
    let parent = columns.take::<Option<&[u8]>>()?.map(SpanId::from_slice).transpose();
    let parent = parent.map_err(|error| corrupt(format!("the id of a parent {error}")))?;
    let (service_id, kind) = (columns.take()?, SpanKind(columns.take()?));
    let span = CallSpan {
        trace_id: key.trace_id,
        span_id: key.span_id,
        parent,
        start: key.start,
        service_id,
        is_server: kind == SpanKind::SERVER,
        is_error: StatusCode(columns.take()?) == StatusCode::ERROR,
        stay: Stay::Comes,
    };
    let mut bytes = || Ok::<_, StoreError>(columns.take::<Option<&str>>()?.unwrap_or_default().as_bytes());
    let (links, attributes) = (bytes()?, bytes()?);
    let own = (key.trace_id, key.span_id);
    let senders = senders_of_texts(own, parent, kind, (attributes, columns.take()?), links)?;
    Ok((key, (span, senders)))
}

/// By the names of the services; those between which nothing is left are left out.
async fn named(counted: ById, connection: &mut PgConnection) -> Result<Calls, StoreError> {
    let ids: HashSet<i64> = counted.keys().flat_map(|(from, to)| [*from, *to]).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    let names: Vec<(i64, String)> = sqlx::query_as(NAMES).bind(ids).fetch_all(connection).await.map_err(meaning)?;
    let names: HashMap<i64, String> =
        names.into_iter().filter_map(|(id, name)| Some((id, text::original(&name)?.into_owned()))).collect();
    let mut calls = Calls::new();
    for ((from, to), tally) in counted {
        let counts = CallCounts {
            calls: u64::try_from(tally.calls).unwrap_or_default(),
            errors: u64::try_from(tally.errors).unwrap_or_default(),
        };
        if let (Some(from), Some(to), 1..) = (names.get(&from), names.get(&to), counts.calls) {
            add_calls(&mut calls, from, to, counts);
        }
    }
    Ok(calls)
}
