//! The places of a scan: hot rows and history put together, a page at a time.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::pages::{KEYS_MAX, SPANS_MAX};
use super::{Reader, rows_max};
use crate::model::{Span, SpanKey};
use crate::store::postgres::error::{meaning, within};
use crate::store::postgres::filter::Told;
use crate::store::postgres::history::{Between, Blocks, Wanted, is_of_starts, newest_places};
use crate::store::postgres::row::{Columns, KEY_COLUMNS, SPAN_COLUMNS, dictionary_of, read_key, read_span};
use crate::store::postgres::scan;
use crate::store::{Counted, Scan, StoreError, TracePlace, places};

/// The next places, the greatest last, and the least of which nothing above is missing; `None` when nothing is missing at
/// all.
type Page = (BTreeSet<TracePlace>, Option<TracePlace>);

/// The newest hot rows on which a filter holds, and the last of the rows when there may be more.
pub(super) type HotSpans = (BTreeMap<SpanKey, Span>, Option<SpanKey>);

impl Reader {
    pub(in crate::store::postgres) async fn scan_places(&self, scan: &Scan) -> Result<Vec<TracePlace>, StoreError> {
        if is_of_starts(scan)
            && let Some(places) = self.places_of_starts(scan).await?
        {
            return Ok(places);
        }
        places::of_keys(scan, |scan| async move { self.scan_keys(&scan).await }).await
    }

    /// `None` when events or links have to be looked at.
    async fn places_of_starts(&self, scan: &Scan) -> Result<Option<Vec<TracePlace>>, StoreError> {
        let told = within(self.limit, self.told(&scan.filter)).await?;
        // A row costs less to look at than a place that is not wanted costs whoever asks.
        let page_max = if told.is_told_by_rows() { KEYS_MAX } else { SPANS_MAX };
        let (mut places, mut rows_min) = (Vec::new(), 0_usize);
        let mut before = scan.before.map(|before| SpanKey::least(before.start, before.trace_id));
        while places.len() < scan.limit {
            let wanted = scan.limit.saturating_sub(places.len()).min(page_max);
            let rows = wanted.max(rows_min);
            rows_min = rows.saturating_mul(2).min(page_max);
            let asked = Asked { scan, told: &told, before, wanted, rows };
            let Some((page, floor)) = within(self.limit, self.page_of_places(asked)).await? else { return Ok(None) };
            let is_sure = |place: &TracePlace| floor.is_none_or(|floor| *place >= floor);
            places.extend(page.into_iter().rev().take_while(is_sure));
            let Some((start, trace_id)) = floor else { break };
            before = Some(SpanKey::least(start, trace_id));
        }
        places.truncate(scan.limit.saturating_add(scan.spare));
        Ok(Some(places))
    }

    async fn page_of_places(&self, asked: Asked<'_>) -> Result<Option<Page>, StoreError> {
        let Asked { scan, told, before, wanted, rows } = asked;
        let mut connection = self.connection().await?;
        let mut transaction = Reader::begin(&mut connection).await?;
        let mut blocks = self.blocks(scan.work.clone());
        let place = |key: &SpanKey| (key.start, key.trace_id);
        let (hot, rows_floor): (BTreeSet<_>, _) = if told.is_told_by_rows() {
            let keys = hot_keys(scan, told, before, rows, &mut transaction).await?;
            (keys.iter().map(place).collect(), keys.last().copied().filter(|_| keys.len() >= rows))
        } else {
            let (spans, floor) = hot_spans(scan, told, before, rows, &mut blocks, &mut transaction).await?;
            (spans.keys().map(place).collect(), floor)
        };
        let between = Between { before, floor: rows_floor };
        let wanted_of_history = Wanted { scan, told, between, limit: wanted };
        let found = newest_places(wanted_of_history, &mut blocks, &mut transaction).await?;
        let Some((found, found_floor)) = found else { return Ok(None) };
        let floor = rows_floor.as_ref().map(place).max(found_floor);
        Ok(Some((hot.into_iter().chain(found).collect(), floor)))
    }
}

/// What is asked of one page.
#[derive(Clone, Copy)]
struct Asked<'s> {
    scan: &'s Scan,
    /// What is known of the scan's filter.
    told: &'s Told,
    before: Option<SpanKey>,
    /// So many places of the history, and what the scan has to spare,
    wanted: usize,
    /// and those of so many rows.
    rows: usize,
}

/// The keys of the newest hot rows. The filter may not hold on all of them.
async fn hot_keys(
    scan: &Scan,
    told: &Told,
    before: Option<SpanKey>,
    rows: usize,
    connection: &mut PgConnection,
) -> Result<Vec<SpanKey>, StoreError> {
    let mut statement = scan::statement(scan, told, KEY_COLUMNS, before, rows_max(rows))?;
    let rows = statement.build().fetch_all(connection).await.map_err(meaning)?;
    scan.work.add(Counted::SpansRead, rows.len());
    rows.iter().map(|row| read_key(&mut Columns::of(row))).collect()
}

/// The spans of so many of the newest hot rows, those on which the filter holds.
pub(super) async fn hot_spans(
    scan: &Scan,
    told: &Told,
    before: Option<SpanKey>,
    rows: usize,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<HotSpans, StoreError> {
    let mut statement = scan::statement(scan, told, SPAN_COLUMNS, before, rows_max(rows))?;
    let fetched = statement.build().fetch_all(&mut *connection).await.map_err(meaning)?;
    scan.work.add(Counted::SpansRead, fetched.len());
    dictionary_of(&fetched, &mut blocks.dictionary, connection).await?;
    let spans: Vec<_> = fetched.iter().map(|row| read_span(row, &blocks.dictionary)).collect::<Result<_, _>>()?;
    let floor = spans.last().map(|(key, _)| *key).filter(|_| spans.len() >= rows);
    Ok((spans.into_iter().filter(|(_, span)| scan.filter.matches(span)).collect(), floor))
}
