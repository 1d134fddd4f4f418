//! Traces in one line each. The history has its part of each trace summed up already, and is opened only when that does
//! not fit what is asked for: when a part of the trace is hot, which may be a copy, or when some of it arrived too late.

use std::collections::{BTreeMap, HashMap};

use futures::TryStreamExt;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::Reader;
use crate::model::{Span, SpanFacts, SpanKey, TraceFold, TraceId, TraceSummary, UnixNanos};
use crate::store::postgres::derived::trace_row::{self, StoredSummary};
use crate::store::postgres::error::{meaning, within};
use crate::store::postgres::history;
use crate::store::postgres::row::{Columns, corrupt, read_end, read_key};
use crate::store::postgres::time::Micros;
use crate::store::{StoreError, Watermark, Work};

pub(in crate::store::postgres) const SUMMARIES: &str = "\
    select s.start_time, s.start_nano, s.trace_id, s.span_id, s.digest, s.duration_nano, s.end_exact,
        s.parent_span_id is null, coalesce(s.status_code, 0) = 2, service.name,
        case when s.parent_span_id is null then s.name end
    from span_row s
    left join service on service.service_id = s.service_id
    where s.step >= (select first_hot_step from tier)
        and encode(s.trace_id, 'hex') collate \"C\" = any($1)
        and ($2::timestamptz is null or s.received_time <= $2)
    order by s.trace_id, s.start_time, s.start_nano, s.span_id, s.digest";

impl Reader {
    pub(in crate::store::postgres) async fn summaries(
        &self,
        trace_ids: &[TraceId],
        as_of: Option<Watermark>,
    ) -> Result<Vec<TraceSummary>, StoreError> {
        within(self.limit, async {
            let mut connection = self.connection().await?;
            let mut transaction = Reader::begin(&mut connection).await?;
            let mut stored = trace_row::summaries(&mut transaction, trace_ids, &self.damage).await?;
            let (mut done, both) = hot(trace_ids, as_of, &stored, &mut transaction).await?;
            for (trace_id, mut facts) in both {
                if let Some(stored) = stored.remove(&trace_id) {
                    facts.extend(self.opened(trace_id, &stored, as_of, &mut transaction).await?);
                }
                done.extend(fold(&facts));
            }
            for (trace_id, mut rest) in stored {
                let is_as_of = as_of.is_none_or(|as_of| rest.received_max <= as_of);
                if let Some(summary) = rest.summary.take().filter(|_| is_as_of) {
                    done.push(summary);
                } else {
                    let facts = self.opened(trace_id, &rest, as_of, &mut transaction).await?;
                    done.extend(fold(&facts));
                }
            }
            Ok(done)
        })
        .await
    }

    /// The facts of the spans that the history has of a trace.
    async fn opened(
        &self,
        trace_id: TraceId,
        stored: &StoredSummary,
        as_of: Option<Watermark>,
        connection: &mut PgConnection,
    ) -> Result<Facts, StoreError> {
        let blocks = self.blocks(Work::default());
        let spans = history::keys_and_spans(trace_id, &stored.block_ids, as_of, blocks, connection).await?;
        let fact = |(key, span): (SpanKey, Span)| {
            let fact = Fact {
                end: span.end,
                is_root: span.parent_span_id.is_none(),
                is_error: span.is_error(),
                service: span.resource.service().to_owned(),
                name: span.name,
            };
            (key, fact)
        };
        Ok(spans.into_iter().map(fact).collect())
    }
}

/// What a summary needs to know of the spans of a trace, by key.
type Facts = BTreeMap<SpanKey, Fact>;

struct Fact {
    end: UnixNanos,
    is_root: bool,
    is_error: bool,
    service: String,
    name: String,
}

fn fold(facts: &Facts) -> Option<TraceSummary> {
    let mut fold = TraceFold::default();
    for (key, fact) in facts {
        fold.add(fact.of(*key));
    }
    fold.finish()
}

impl Fact {
    fn of(&self, key: SpanKey) -> SpanFacts<'_> {
        let Self { end, is_root, is_error, service, name } = self;
        SpanFacts { key, end: *end, is_root: *is_root, is_error: *is_error, service, name }
    }
}

/// Sums up the hot part of traces, which come one after the other. Of those that the history knows too, it gives what is
/// to be put together with it.
async fn hot(
    trace_ids: &[TraceId],
    as_of: Option<Watermark>,
    stored: &HashMap<TraceId, StoredSummary>,
    connection: &mut PgConnection,
) -> Result<(Vec<TraceSummary>, HashMap<TraceId, Facts>), StoreError> {
    let ids: Vec<_> = trace_ids.iter().map(ToString::to_string).collect();
    let query = sqlx::query(SUMMARIES).bind(ids).bind(as_of.map(|watermark| Micros(watermark.0)));
    let mut rows = query.fetch(connection).map_err(meaning);
    let (mut done, mut both) = (Vec::new(), HashMap::<TraceId, Facts>::new());
    let mut current: Option<(TraceId, TraceFold)> = None;
    while let Some(row) = rows.try_next().await? {
        let (key, fact) = read_fact(&row)?;
        if stored.contains_key(&key.trace_id) {
            both.entry(key.trace_id).or_default().insert(key, fact);
            continue;
        }
        if current.as_ref().is_none_or(|(trace_id, _)| *trace_id != key.trace_id) {
            done.extend(current.take().and_then(|(_, fold)| fold.finish()));
        }
        let (_, fold) = current.get_or_insert_with(|| (key.trace_id, TraceFold::default()));
        fold.add(fact.of(key));
    }
    done.extend(current.and_then(|(_, fold)| fold.finish()));
    Ok((done, both))
}

/// Reads a row of [`SUMMARIES`].
fn read_fact(row: &PgRow) -> Result<(SpanKey, Fact), StoreError> {
    let mut columns = Columns::of(row);
    let key = read_key(&mut columns)?;
    let end = read_end(key.start, &mut columns)?;
    let (is_root, is_error) = (columns.take()?, columns.take()?);
    let missing = || corrupt(format!("trace {}: a service is not there", key.trace_id));
    let service = columns.optional_text()?.ok_or_else(missing)?;
    let name = columns.optional_text()?.unwrap_or_default();
    Ok((key, Fact { end, is_root, is_error, service, name }))
}
