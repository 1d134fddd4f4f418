//! The statements on `call_minute_row` and `message_row`.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::super::day::Day;
use super::{Caller, MessageKey, Minutes, Tally};
use crate::model::{SpanId, TraceId};
use crate::store::StoreError;
use crate::store::calls::CallerId;
use crate::store::postgres::error::meaning;
use crate::store::postgres::row::{Columns, corrupt};
use crate::store::postgres::time::Micros;

/// One statement is about so many traces or rows at the most.
const STATEMENT_ROWS_MAX: usize = 5_000;

const HAS_MESSAGES: &str = "select exists (select from message_row)";

/// How many traces there are is hidden from the planner, who would rather read everything.
const TAKEN: &str = "\
    select encode(uuid_send(trace_id), 'hex'), span_id, minute, called_id, message_count, error_count, caller_id,
        caller_day - date '1970-01-01'
    from message_row where trace_id = any (array(select unnest($1::text[])::uuid))";

/// Those whose sender begins on a day, and which were not taken on it.
const TAKEN_FROM_DAY: &str = "\
    select encode(uuid_send(trace_id), 'hex'), span_id, minute, called_id, message_count, error_count, caller_id,
        caller_day - date '1970-01-01'
    from message_row
    where caller_day = date '1970-01-01' + $1 and (minute < $2 or minute >= $3)";

const ADD_MINUTES: &str = "\
    insert into call_minute_row as known (minute, caller_id, called_id, call_count, error_count)
    select * from unnest($1::timestamptz[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    on conflict (minute, caller_id, called_id) do update set
        call_count = known.call_count + excluded.call_count, error_count = known.error_count + excluded.error_count";

/// Rows of which nothing is left; the bounds are for pruning.
const DELETE_EMPTY_MINUTES: &str = "\
    delete from call_minute_row
    where minute between $1 and $2 and minute = any ($3) and call_count = 0 and error_count = 0";

const ADD_MESSAGES: &str = "\
    insert into message_row as known
        (trace_id, span_id, minute, called_id, message_count, error_count, caller_id, caller_day)
    select trace_id::uuid, span_id, minute, called_id, messages, errors, caller_id, date '1970-01-01' + caller_day
    from unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::int[], $6::int[], $7::bigint[], $8::int[])
        as taken (trace_id, span_id, minute, called_id, messages, errors, caller_id, caller_day)
    on conflict (trace_id, span_id, minute, called_id) do update set
        message_count = known.message_count + excluded.message_count,
        error_count = known.error_count + excluded.error_count";

const DELETE_EMPTY_MESSAGES: &str = "\
    delete from message_row
    where trace_id = any (array(select unnest($1::text[])::uuid)) and message_count <= 0";

const MOVE_MESSAGES: &str = "\
    update message_row as known set caller_id = moved.caller_id, caller_day = date '1970-01-01' + moved.caller_day
    from unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[]) as moved (trace_id, span_id, caller_id, caller_day)
    where known.trace_id = moved.trace_id::uuid and known.span_id = moved.span_id";

const DELETE_MESSAGES_OF_DAY: &str = "delete from message_row where minute >= $1 and minute < $2";

/// A day that got its partitions only in part may have rows here.
const DELETE_MINUTES_OF_DAY: &str = "delete from call_minute_row_default where minute >= $1 and minute < $2";

/// The messages of one sender that were taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) caller: Option<Caller>,
    /// In which minute, by which service, and how many.
    pub(super) messages: Vec<(Micros, i64, Tally)>,
}

/// The messages that spans of these traces sent, and spans of this day.
pub(super) async fn taken(
    traces: &BTreeSet<TraceId>,
    day: Option<Day>,
    connection: &mut PgConnection,
) -> Result<BTreeMap<CallerId, Taken>, StoreError> {
    let mut taken = BTreeMap::new();
    let has_messages: bool = sqlx::query_scalar(HAS_MESSAGES).fetch_one(&mut *connection).await.map_err(meaning)?;
    if !has_messages {
        return Ok(taken);
    }
    let traces: Vec<_> = traces.iter().map(ToString::to_string).collect();
    for traces in traces.chunks(STATEMENT_ROWS_MAX) {
        let rows = sqlx::query(TAKEN).bind(traces).fetch_all(&mut *connection).await.map_err(meaning)?;
        for row in &rows {
            read_taken(&mut Columns::of(row), &mut taken)?;
        }
    }
    if let Some(day) = day {
        let known: BTreeSet<CallerId> = taken.keys().copied().collect();
        let query = sqlx::query(TAKEN_FROM_DAY).bind(day.0).bind(day.begin()).bind(day.next().begin());
        let mut of_day = BTreeMap::new();
        for row in &query.fetch_all(&mut *connection).await.map_err(meaning)? {
            read_taken(&mut Columns::of(row), &mut of_day)?;
        }
        taken.extend(of_day.into_iter().filter(|(sender, _)| !known.contains(sender)));
    }
    Ok(taken)
}

fn read_taken(columns: &mut Columns<'_>, taken: &mut BTreeMap<CallerId, Taken>) -> Result<(), StoreError> {
    let trace_id = TraceId::parse_hex(columns.take()?).map_err(|error| corrupt(format!("a trace id {error}")))?;
    let span_id = SpanId::from_slice(&columns.take::<i64>()?.to_be_bytes());
    let span_id = span_id.map_err(|error| corrupt(format!("a span id {error}")))?;
    let (minute, called_id) = (columns.take()?, columns.take()?);
    let tally = Tally { calls: columns.take::<i32>()?.into(), errors: columns.take::<i32>()?.into() };
    let (service_id, day): (Option<i64>, Option<i32>) = (columns.take()?, columns.take()?);
    let of_sender = taken.entry((trace_id, span_id)).or_default();
    of_sender.caller = service_id.zip(day).map(|(service_id, day)| Caller { service_id, day: Day(day) });
    of_sender.messages.push((minute, called_id, tally));
    Ok(())
}

/// Adds to the table's rows.
pub(super) async fn add_minutes(minutes: &Minutes, connection: &mut PgConnection) -> Result<(), StoreError> {
    let all: Vec<_> = minutes.iter().collect();
    for rows in all.chunks(STATEMENT_ROWS_MAX) {
        sqlx::query(ADD_MINUTES)
            .bind(rows.iter().map(|(key, _)| key.minute).collect::<Vec<_>>())
            .bind(rows.iter().map(|(key, _)| key.caller_id).collect::<Vec<_>>())
            .bind(rows.iter().map(|(key, _)| key.called_id).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, tally)| tally.calls).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, tally)| tally.errors).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await
            .map_err(meaning)?;
    }
    let lessened: BTreeSet<Micros> =
        all.iter().filter(|(_, tally)| tally.calls < 0).map(|(key, _)| key.minute).collect();
    let lessened: Vec<_> = lessened.into_iter().collect();
    for minutes in lessened.chunks(STATEMENT_ROWS_MAX) {
        let query = sqlx::query(DELETE_EMPTY_MINUTES)
            .bind(minutes.first().copied())
            .bind(minutes.last().copied())
            .bind(minutes);
        query.execute(&mut *connection).await.map_err(meaning)?;
    }
    Ok(())
}

/// Adds messages, or takes them away.
pub(super) async fn add_messages(
    messages: &BTreeMap<MessageKey, (Tally, Option<Caller>)>,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let all: Vec<_> = messages.iter().collect();
    for rows in all.chunks(STATEMENT_ROWS_MAX) {
        let number = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
        let callers = || rows.iter().map(|(_, (_, caller))| *caller);
        sqlx::query(ADD_MESSAGES)
            .bind(rows.iter().map(|(key, _)| key.sender.0.to_string()).collect::<Vec<_>>())
            .bind(rows.iter().map(|(key, _)| number_of(key.sender.1)).collect::<Vec<_>>())
            .bind(rows.iter().map(|(key, _)| key.minute).collect::<Vec<_>>())
            .bind(rows.iter().map(|(key, _)| key.called_id).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, (tally, _))| number(tally.calls)).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, (tally, _))| number(tally.errors)).collect::<Vec<_>>())
            .bind(callers().map(|caller| caller.map(|caller| caller.service_id)).collect::<Vec<_>>())
            .bind(callers().map(|caller| caller.map(|caller| caller.day.0)).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await
            .map_err(meaning)?;
    }
    let lessened: BTreeSet<_> =
        all.iter().filter(|(_, (tally, _))| tally.calls < 0).map(|(key, _)| key.sender.0).collect();
    let lessened: Vec<_> = lessened.iter().map(ToString::to_string).collect();
    for traces in lessened.chunks(STATEMENT_ROWS_MAX) {
        sqlx::query(DELETE_EMPTY_MESSAGES).bind(traces).execute(&mut *connection).await.map_err(meaning)?;
    }
    Ok(())
}

fn number_of(span_id: SpanId) -> i64 {
    i64::from_be_bytes(*span_id.as_bytes())
}

/// Names the senders anew.
pub(super) async fn move_messages(
    moved: &BTreeMap<CallerId, Option<Caller>>,
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let all: Vec<_> = moved.iter().collect();
    for rows in all.chunks(STATEMENT_ROWS_MAX) {
        sqlx::query(MOVE_MESSAGES)
            .bind(rows.iter().map(|((trace_id, _), _)| trace_id.to_string()).collect::<Vec<_>>())
            .bind(rows.iter().map(|((_, span_id), _)| number_of(*span_id)).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, caller)| caller.map(|caller| caller.service_id)).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, caller)| caller.map(|caller| caller.day.0)).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await
            .map_err(meaning)?;
    }
    Ok(())
}

/// Deletes the messages that were taken on a day, and what calls of it are in no partition of its own.
pub(super) async fn delete_day(day: Day, connection: &mut PgConnection) -> Result<(), StoreError> {
    for statement in [DELETE_MESSAGES_OF_DAY, DELETE_MINUTES_OF_DAY] {
        let query = sqlx::query(statement).bind(day.begin()).bind(day.next().begin());
        query.execute(&mut *connection).await.map_err(meaning)?;
    }
    Ok(())
}
