//! The places of a scan: hot rows and history put together, a page at a time.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::pages::KEYS_MAX;
use super::{Reader, rows_max};
use crate::model::SpanKey;
use crate::store::postgres::error::{meaning, within};
use crate::store::postgres::filter::Told;
use crate::store::postgres::history::{Between, Wanted, is_of_starts, newest_places};
use crate::store::postgres::row::{Columns, KEY_COLUMNS, read_key};
use crate::store::postgres::scan;
use crate::store::{Counted, Scan, StoreError, TracePlace, places};

/// The next places, the greatest last, and the least of which nothing above is missing; `None` when nothing is missing at
/// all.
type Page = (BTreeSet<TracePlace>, Option<TracePlace>);

impl Reader {
    pub(in crate::store::postgres) async fn scan_places(&self, scan: &Scan) -> Result<Vec<TracePlace>, StoreError> {
        if !is_of_starts(scan) {
            return places::of_keys(scan, |scan| async move { self.scan_keys(&scan).await }).await;
        }
        let mut places = Vec::new();
        let mut before = scan.before.map(|before| SpanKey::least(before.start, before.trace_id));
        while places.len() < scan.limit {
            let wanted = scan.limit.saturating_sub(places.len()).min(KEYS_MAX);
            let (page, floor) = within(self.limit, self.page_of_places(scan, before, wanted)).await?;
            let is_sure = |place: &TracePlace| floor.is_none_or(|floor| *place >= floor);
            places.extend(page.into_iter().rev().take_while(is_sure));
            let Some((start, trace_id)) = floor else { break };
            before = Some(SpanKey::least(start, trace_id));
        }
        places.truncate(scan.limit);
        Ok(places)
    }

    async fn page_of_places(&self, scan: &Scan, before: Option<SpanKey>, wanted: usize) -> Result<Page, StoreError> {
        let mut connection = self.connection().await?;
        let mut transaction = Reader::begin(&mut connection).await?;
        let rows = hot_keys(scan, before, wanted, &mut transaction).await?;
        let rows_floor = rows.last().copied().filter(|_| rows.len() >= wanted);
        let (told, between) = (Told::everything(), Between { before, floor: rows_floor });
        let wanted_of_history = Wanted { scan, told: &told, between, limit: wanted };
        let mut blocks = self.blocks(scan.work.clone());
        let found = newest_places(wanted_of_history, &mut blocks, &mut transaction).await?;
        let place = |key: &SpanKey| (key.start, key.trace_id);
        let found_floor = found.first().copied().filter(|_| found.len() >= wanted);
        let floor = rows_floor.as_ref().map(place).max(found_floor);
        Ok((rows.iter().map(place).chain(found).collect(), floor))
    }
}

/// The keys of the newest hot rows.
async fn hot_keys(
    scan: &Scan,
    before: Option<SpanKey>,
    wanted: usize,
    connection: &mut PgConnection,
) -> Result<Vec<SpanKey>, StoreError> {
    let mut statement = scan::statement(scan, &Told::everything(), KEY_COLUMNS, before, rows_max(wanted))?;
    let rows = statement.build().fetch_all(connection).await.map_err(meaning)?;
    scan.work.add(Counted::SpansRead, rows.len());
    rows.iter().map(|row| read_key(&mut Columns::of(row))).collect()
}
