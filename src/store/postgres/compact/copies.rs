//! What the history has of a step's traces already: late spans join their trace, exact copies are not stored again, and
//! calls go from earlier spans to late ones and back.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use crate::model::{Span, SpanKey, TraceId};
use crate::store::StoreError;
use crate::store::postgres::derived::calls::{CallChange, CallSpan, Stay, Uncounted};
use crate::store::postgres::derived::day::Day;
use crate::store::postgres::derived::trace_row;
use crate::store::postgres::error::meaning;
use crate::store::postgres::history::{self, Blocks};

/// Traces are looked up in portions of so many.
const TRACES_MAX: usize = 1_000;

/// The step's traces that have a row. Each is looked up through the index of each day.
const LATE_TRACES: &str = "\
    select distinct s.trace_id from span_row s
    where s.step = $1 and exists (
        select from trace_row t
        where encode(uuid_send(t.trace_id), 'hex') collate \"C\" = encode(s.trace_id, 'hex') collate \"C\")";

const TODAY: &str = "select (now() at time zone 'UTC')::date - date '1970-01-01'";

/// What is known of the traces of a step.
#[derive(Debug)]
pub(super) struct Late {
    /// Of each trace that has a row: the day that the row is filed under.
    pub(super) days: HashMap<TraceId, Day>,
    /// The day that the rows of the other traces are filed under.
    pub(super) today: Day,
    /// The keys of all spans in the history of those traces.
    pub(super) keys: HashSet<SpanKey>,
    /// The same spans, for what the step changes in who calls whom.
    pub(super) calls: CallChange,
}

impl Late {
    /// The day that a trace's row is filed under.
    pub(super) fn day_of(&self, trace_id: &[u8; 16]) -> Day {
        let trace_id = TraceId::from_slice(trace_id).ok();
        trace_id.and_then(|id| self.days.get(&id)).copied().unwrap_or(self.today)
    }
}

/// What the history knows of the traces of a step.
pub(super) async fn late(connection: &mut PgConnection, step: i32, mut blocks: Blocks) -> Result<Late, StoreError> {
    let today = sqlx::query_scalar(TODAY).fetch_one(&mut *connection).await.map_err(meaning)?;
    let ids: Vec<Vec<u8>> =
        sqlx::query_scalar(LATE_TRACES).bind(step).fetch_all(&mut *connection).await.map_err(meaning)?;
    let ids: Vec<TraceId> = ids.iter().filter_map(|id| TraceId::from_slice(id).ok()).collect();
    let calls = CallChange::but_for(Uncounted::load(connection).await?);
    let mut late = Late { days: HashMap::new(), today: Day(today), keys: HashSet::new(), calls };
    let Late { keys, calls, days, .. } = &mut late;
    for ids in ids.chunks(TRACES_MAX) {
        let rows = trace_row::existing(connection, ids).await?;
        let each = |key, span: &Span| {
            keys.insert(key);
            calls.add(CallSpan::of(span, Stay::Stays));
        };
        history::each_of_traces(connection, &rows, &mut blocks, each).await?;
        days.extend(rows.into_iter().map(|(id, row)| (id, row.day)));
    }
    Ok(late)
}
