//! A scan, page by page: the newest hot rows and the newest of the history, put together.

use std::collections::BTreeMap;

use async_stream::try_stream;
use futures::StreamExt;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::Reader;
use crate::model::{Filter, Span, SpanKey};
use crate::store::postgres::error::{meaning, within};
use crate::store::postgres::filter::{Told, tell};
use crate::store::postgres::history::{self, Between, Blocks, Wanted};
use crate::store::postgres::row::{Columns, KEY_COLUMNS, SPAN_COLUMNS, dictionary_of, read_key, read_span};
use crate::store::postgres::scan;
use crate::store::{Counted, Scan, SpanStream, StoreError};

/// A scan fetches at most so many spans at once, and is not connected to the database in between.
pub(super) const SPANS_MAX: usize = 1_000;
/// The same for keys.
pub(super) const KEYS_MAX: usize = 20_000;

impl Reader {
    pub(in crate::store::postgres) fn scan_spans(self, scan: Scan) -> SpanStream {
        let stream = try_stream! {
            let mut blocks = self.blocks(scan.work.clone());
            let told = within(self.limit, self.told(&scan.filter)).await?;
            let mut pages = Pages::of(&scan, &told, SPANS_MAX);
            while pages.wanted() > 0 {
                let page = within(self.limit, self.spans(&pages, |span| span, &mut blocks)).await?;
                for (_, span) in pages.cut(page) {
                    if pages.takes_one() {
                        yield span;
                    }
                }
            }
        };
        stream.boxed()
    }

    pub(in crate::store::postgres) async fn scan_keys(&self, scan: &Scan) -> Result<Vec<SpanKey>, StoreError> {
        let (mut keys, mut blocks) = (Vec::new(), self.blocks(scan.work.clone()));
        let told = within(self.limit, self.told(&scan.filter)).await?;
        // A key that is not wanted costs whoever asks more than a span costs here.
        let is_told = told.is_told_by_rows();
        let mut pages = Pages::of(scan, &told, if is_told { KEYS_MAX } else { SPANS_MAX });
        while pages.wanted() > 0 {
            let page = if is_told {
                within(self.limit, self.keys(&pages, &mut blocks)).await?
            } else {
                within(self.limit, self.spans(&pages, drop, &mut blocks)).await?
            };
            for (key, ()) in pages.cut(page) {
                if pages.takes_one() {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }

    /// Adds to the work of the scan how many blocks it has to do with.
    pub(in crate::store::postgres) async fn count_blocks(&self, scan: &Scan) -> Result<(), StoreError> {
        within(self.limit, async {
            let told = self.told(&scan.filter).await?;
            let mut connection = self.connection().await?;
            let mut transaction = Reader::begin(&mut connection).await?;
            history::count_blocks(scan, &told, &mut transaction).await
        })
        .await
    }

    pub(super) async fn told(&self, filter: &Filter) -> Result<Told, StoreError> {
        if filter.is_everything() {
            return Ok(Told::everything());
        }
        let mut connection = self.connection().await?;
        let mut transaction = Reader::begin(&mut connection).await?;
        tell(filter, &mut transaction).await
    }

    async fn spans<T: Send>(
        &self,
        pages: &Pages<'_>,
        keep: impl Fn(Span) -> T + Send + Sync,
        blocks: &mut Blocks,
    ) -> Result<Page<T>, StoreError> {
        let mut connection = self.connection().await?;
        let mut transaction = Reader::begin(&mut connection).await?;
        let rows = pages.rows(SPAN_COLUMNS, &mut transaction).await?;
        dictionary_of(&rows, &mut blocks.dictionary, &mut transaction).await?;
        let rows: Vec<_> = rows.iter().map(|row| read_span(row, &blocks.dictionary)).collect::<Result<_, _>>()?;
        let rows_floor = pages.floor_of(&rows);
        let is_wanted = |(_, span): &(SpanKey, Span)| pages.scan.filter.matches(span);
        let rows = rows.into_iter().filter(is_wanted).map(|(key, span)| (key, keep(span))).collect();
        pages.with_history(rows, rows_floor, keep, blocks, &mut transaction).await
    }

    async fn keys(&self, pages: &Pages<'_>, blocks: &mut Blocks) -> Result<Page<()>, StoreError> {
        let mut connection = self.connection().await?;
        let mut transaction = Reader::begin(&mut connection).await?;
        let rows = pages.rows(KEY_COLUMNS, &mut transaction).await?;
        let key = |row: &PgRow| read_key(&mut Columns::of(row)).map(|key| (key, ()));
        let rows: Vec<_> = rows.iter().map(key).collect::<Result<_, _>>()?;
        let rows_floor = pages.floor_of(&rows);
        pages.with_history(rows, rows_floor, drop, blocks, &mut transaction).await
    }
}

/// The next spans of a scan, by key.
struct Page<T> {
    spans: BTreeMap<SpanKey, T>,
    /// Nothing from here on is missing; `None` when nothing is missing at all.
    floor: Option<SpanKey>,
}

/// How far a scan has come. The limit counts spans, the statements' limits count rows; exact copies, and rows on which the
/// filter does not hold, make the difference.
struct Pages<'s> {
    scan: &'s Scan,
    told: &'s Told,
    /// What is not before this one was seen.
    before: Option<SpanKey>,
    missing: usize,
    page_max: usize,
    /// So many rows are read next, at the least.
    rows_min: usize,
    at_end: bool,
}

impl<'s> Pages<'s> {
    fn of(scan: &'s Scan, told: &'s Told, page_max: usize) -> Self {
        Self { scan, told, before: scan.before, missing: scan.limit, page_max, rows_min: 0, at_end: false }
    }

    /// How many spans to ask for; none when the scan is done.
    fn wanted(&self) -> usize {
        if self.at_end { 0 } else { self.missing.min(self.page_max) }
    }

    fn rows_max(&self) -> usize {
        self.wanted().max(self.rows_min)
    }

    /// The newest hot rows.
    async fn rows(&self, columns: &'static str, connection: &mut PgConnection) -> Result<Vec<PgRow>, StoreError> {
        let rows_max = super::rows_max(self.rows_max());
        let mut statement = scan::statement(self.scan, self.told, columns, self.before, rows_max)?;
        let rows = statement.build().fetch_all(connection).await.map_err(meaning)?;
        self.scan.work.add(Counted::SpansRead, rows.len());
        Ok(rows)
    }

    /// From where on these rows are all that there are; `None` when there are no more at all.
    fn floor_of<T>(&self, rows: &[(SpanKey, T)]) -> Option<SpanKey> {
        rows.last().filter(|_| rows.len() >= self.rows_max()).map(|(key, _)| *key)
    }

    /// Puts what the history has between these rows, and as many as it has beyond when they are all.
    async fn with_history<T: Send>(
        &self,
        rows: Vec<(SpanKey, T)>,
        rows_floor: Option<SpanKey>,
        keep: impl Fn(Span) -> T + Send + Sync,
        blocks: &mut Blocks,
        connection: &mut PgConnection,
    ) -> Result<Page<T>, StoreError> {
        let between = Between { before: self.before, floor: rows_floor };
        let wanted = Wanted { scan: self.scan, told: self.told, between, limit: self.wanted() };
        let found = history::newest(wanted, keep, blocks, connection).await?;
        let found_floor = found.first_key_value().filter(|_| found.len() >= wanted.limit).map(|(key, _)| *key);
        let floor = rows_floor.max(found_floor);
        let mut spans = found;
        spans.extend(rows);
        Ok(Page { spans, floor })
    }

    /// Takes a page: its spans from the floor on, newest first. When the scan goes on, it does below the floor, with more
    /// rows than this time: few of these were wanted.
    fn cut<T>(&mut self, mut page: Page<T>) -> impl Iterator<Item = (SpanKey, T)> + use<T> {
        self.at_end = page.floor.is_none();
        self.rows_min = self.rows_max().saturating_mul(2).min(self.page_max);
        if let Some(floor) = page.floor {
            page.spans = page.spans.split_off(&floor);
            self.before = Some(floor);
        }
        page.spans.into_iter().rev()
    }

    /// Whether one more span is wanted.
    fn takes_one(&mut self) -> bool {
        let is_wanted = self.missing > 0;
        self.missing = self.missing.saturating_sub(1);
        is_wanted
    }
}
