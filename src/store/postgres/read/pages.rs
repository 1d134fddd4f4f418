//! A scan, page by page: the newest hot rows and the newest of the history, put together.

use std::collections::BTreeMap;

use async_stream::try_stream;
use futures::StreamExt;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::Reader;
use crate::model::{Span, SpanKey};
use crate::store::postgres::error::{meaning, within};
use crate::store::postgres::history::{self, Blocks};
use crate::store::postgres::row::{Columns, KEY_COLUMNS, SPAN_COLUMNS, dictionary_of, read_key, read_span};
use crate::store::postgres::scan;
use crate::store::{Scan, SpanStream, StoreError};

/// A scan fetches at most so many spans at once, and is not connected to the database in between.
const SPANS_MAX: usize = 1_000;
/// The same for keys.
const KEYS_MAX: usize = 20_000;

impl Reader {
    pub(in crate::store::postgres) fn scan_spans(self, scan: Scan) -> SpanStream {
        let stream = try_stream! {
            let mut blocks = self.blocks();
            let mut pages = Pages::of(&scan, SPANS_MAX);
            while pages.wanted() > 0 {
                let page = within(self.limit, self.spans(&scan, &pages, &mut blocks)).await?;
                for (key, span) in pages.cut(page) {
                    if pages.is_new(key) {
                        yield span;
                    }
                }
            }
        };
        stream.boxed()
    }

    pub(in crate::store::postgres) async fn scan_keys(&self, scan: &Scan) -> Result<Vec<SpanKey>, StoreError> {
        let (mut keys, mut blocks) = (Vec::new(), self.blocks());
        let mut pages = Pages::of(scan, KEYS_MAX);
        while pages.wanted() > 0 {
            let page = within(self.limit, self.keys(scan, &pages, &mut blocks)).await?;
            for (key, ()) in pages.cut(page) {
                if pages.is_new(key) {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }

    async fn spans(&self, scan: &Scan, pages: &Pages, blocks: &mut Blocks) -> Result<Page<Span>, StoreError> {
        let mut connection = self.connection().await?;
        let mut transaction = Reader::begin(&mut connection).await?;
        let rows = pages.rows(scan, SPAN_COLUMNS, &mut transaction).await?;
        dictionary_of(&rows, &mut blocks.dictionary, &mut transaction).await?;
        let rows: Vec<_> = rows.iter().map(|row| read_span(row, &blocks.dictionary)).collect::<Result<_, _>>()?;
        pages.with_history(scan, rows, |span| span, blocks, &mut transaction).await
    }

    async fn keys(&self, scan: &Scan, pages: &Pages, blocks: &mut Blocks) -> Result<Page<()>, StoreError> {
        let mut connection = self.connection().await?;
        let mut transaction = Reader::begin(&mut connection).await?;
        let rows = pages.rows(scan, KEY_COLUMNS, &mut transaction).await?;
        let key = |row: &PgRow| read_key(&mut Columns::of(row)).map(|key| (key, ()));
        let rows: Vec<_> = rows.iter().map(key).collect::<Result<_, _>>()?;
        pages.with_history(scan, rows, drop, blocks, &mut transaction).await
    }
}

/// The next spans of a scan, by key.
struct Page<T> {
    spans: BTreeMap<SpanKey, T>,
    /// Nothing from here on is missing; `None` when nothing is missing at all.
    floor: Option<SpanKey>,
}

/// How far a scan has come. The limit counts spans, the statements' limits count rows, and exact copies make the
/// difference.
struct Pages {
    last: Option<SpanKey>,
    missing: usize,
    page_max: usize,
    at_end: bool,
}

impl Pages {
    fn of(scan: &Scan, page_max: usize) -> Self {
        Self { last: scan.before, missing: scan.limit, page_max, at_end: false }
    }

    /// How many spans to ask for; none when the scan is done.
    fn wanted(&self) -> usize {
        if self.at_end { 0 } else { self.missing.min(self.page_max) }
    }

    /// The newest hot rows.
    async fn rows(
        &self,
        scan: &Scan,
        columns: &'static str,
        connection: &mut PgConnection,
    ) -> Result<Vec<PgRow>, StoreError> {
        let wanted = i64::try_from(self.wanted()).unwrap_or(i64::MAX);
        let mut statement = scan::statement(scan, columns, self.last, wanted)?;
        statement.build().fetch_all(connection).await.map_err(meaning)
    }

    /// Puts what the history has between these rows, and as many as it has beyond when they are all.
    async fn with_history<T: Send>(
        &self,
        scan: &Scan,
        rows: Vec<(SpanKey, T)>,
        keep: impl Fn(Span) -> T + Send + Sync,
        blocks: &mut Blocks,
        connection: &mut PgConnection,
    ) -> Result<Page<T>, StoreError> {
        let wanted = self.wanted();
        let rows_floor = rows.last().filter(|_| rows.len() >= wanted).map(|(key, _)| *key);
        let found = history::newest(scan, self.last, rows_floor, wanted, keep, blocks, connection).await?;
        let found_floor = found.first_key_value().filter(|_| found.len() >= wanted).map(|(key, _)| *key);
        let floor = rows_floor.max(found_floor);
        let mut spans = found;
        spans.extend(rows);
        Ok(Page { spans, floor })
    }

    /// Takes a page: its spans from the floor on, newest first.
    fn cut<T>(&mut self, mut page: Page<T>) -> impl Iterator<Item = (SpanKey, T)> + use<T> {
        self.at_end = page.floor.is_none();
        if let Some(floor) = page.floor {
            page.spans = page.spans.split_off(&floor);
        }
        page.spans.into_iter().rev()
    }

    /// Whether the next span is wanted.
    fn is_new(&mut self, key: SpanKey) -> bool {
        let is_wanted = self.missing > 0;
        if is_wanted {
            self.last = Some(key);
        }
        self.missing = self.missing.saturating_sub(1);
        is_wanted
    }
}
