//! Who calls whom without the spans that go. Calls to spans of a day that goes are gone with its partition; what is left to
//! find are the calls of its spans to later ones, and messages that they sent.

use std::collections::{BTreeSet, HashSet};

use sqlx::{AssertSqlSafe, PgConnection};

use super::traces::{LOSES, Rows};
use crate::model::TraceId;
use crate::store::StoreError;
use crate::store::postgres::derived::calls::{CallChange, CallDifference, Stay, Uncounted};
use crate::store::postgres::error::meaning;
use crate::store::postgres::history::{BlockSpan, Blocks};
use crate::store::postgres::row::corrupt;

/// The traces that lose blocks, with all their blocks; of a day's, only those that keep some.
fn traces_statement(condition: &str, rows: Rows) -> AssertSqlSafe<String> {
    let keeps = match rows {
        Rows::OfDay(_) => "and exists (select from unnest(t.block_ids) as named (id) where id <> all ($1))",
        Rows::Until(_) | Rows::OfAll => "",
    };
    AssertSqlSafe(format!(
        "select encode(uuid_send(t.trace_id), 'hex'), t.block_ids from trace_row t where {condition} and {LOSES} {keeps}"
    ))
}

/// What changes when these blocks go. Opens blocks, and writes nothing.
pub(super) async fn without(
    gone: &[i64],
    rows: Rows,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<CallDifference, StoreError> {
    let (mut named, mut wanted) = (BTreeSet::<i64>::new(), HashSet::<TraceId>::new());
    for condition in rows.conditions().into_iter().flatten() {
        let query = sqlx::query_as(traces_statement(&condition, rows)).bind(gone).bind(rows.until());
        let found: Vec<(String, Vec<i64>)> = query.fetch_all(&mut *connection).await.map_err(meaning)?;
        for (trace_id, block_ids) in found {
            let trace_id = TraceId::parse_hex(&trace_id);
            wanted.insert(trace_id.map_err(|error| corrupt(format!("the id of a trace's row {error}")))?);
            named.extend(block_ids);
        }
    }
    let change = CallChange::but_for(Uncounted::load(connection).await?);
    let mut change = match rows {
        Rows::OfDay(day) => change.without_day(day),
        Rows::Until(_) | Rows::OfAll => change,
    };
    let gone: HashSet<i64> = gone.iter().copied().collect();
    let add = |found: BlockSpan| {
        let stay = if gone.contains(&found.block_id) { Stay::Goes } else { Stay::Stays };
        change.add_span(&found.span, stay);
    };
    let named: Vec<i64> = named.into_iter().collect();
    blocks.each_span(&named, |id| wanted.contains(id), add, connection).await?;
    change.settle(blocks, connection).await
}
