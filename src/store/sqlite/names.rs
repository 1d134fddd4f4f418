//! Listing what many spans share without reading the spans: who produced them, with which instrumentation, and the few
//! texts and numbers that are columns of their own. All else is listed by going through the spans.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_stream::try_stream;
use futures::{Stream, StreamExt, TryStreamExt};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

use super::error::store_error;
use super::read::Reader;
use super::row::Columns;
use super::search::push_times;
use crate::model::{Listed, Listing, Within};
use crate::store::{Counted, NamePortion, NameScan, NameStream, StoreError};

/// So many rows make a portion.
const PORTION_ROWS: usize = 1_000;

/// What a row of a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Resource,
    Scope,
    Text,
    Number,
}

/// The listing from the tables and columns that have it; `None` for one that needs the spans.
pub(super) fn names(reader: Arc<Reader>, scan: &NameScan) -> Option<NameStream> {
    let (column, statement) = statement(scan)?;
    let work = scan.work.clone();
    let count = move |portion: &NamePortion| work.add(Counted::SpansRead, portion.items.len());
    Some(match column {
        Column::Text | Column::Number => columns(reader, column, statement).inspect_ok(count).boxed(),
        Column::Resource | Column::Scope => {
            shared(reader, column, statement, scan.listing.clone()).inspect_ok(count).boxed()
        }
    })
}

type Statement = QueryBuilder<Sqlite>;
type Portions = Result<NamePortion, StoreError>;

/// Of what stands in the rows.
fn columns(reader: Arc<Reader>, column: Column, mut statement: Statement) -> impl Stream<Item = Portions> {
    try_stream! {
        let mut reading = reader.begin().await?;
        let mut rows = statement.build().fetch(&mut *reading).map_err(store_error).try_chunks(PORTION_ROWS);
        while let Some(rows) = rows.next().await {
            let rows = rows.map_err(|error| error.1)?;
            let item = |row: &SqliteRow| {
                let mut columns = Columns::of(row);
                Ok(if column == Column::Text { Listed::Text(columns.text()?) } else { Listed::Int(columns.take()?) })
            };
            let items = rows.iter().map(item).collect::<Result<_, StoreError>>()?;
            yield NamePortion { items, covered_since: None };
        }
    }
}

/// Of what the rows refer to. The keys are read first: who has a connection must not wait for another.
fn shared(
    reader: Arc<Reader>,
    column: Column,
    mut statement: Statement,
    listing: Listing,
) -> impl Stream<Item = Portions> {
    try_stream! {
        let rows = statement.build().fetch_all(&mut *reader.begin().await?).await.map_err(store_error)?;
        let keys: Vec<i64> = rows.iter().map(|row| Columns::of(row).take()).collect::<Result<_, _>>()?;
        drop(rows);
        for keys in keys.chunks(PORTION_ROWS) {
            let mut items = BTreeSet::new();
            let mut each = |item| {
                items.insert(item);
            };
            let keys = keys.iter().copied().collect();
            if column == Column::Resource {
                for resource in reader.resources(keys).await? {
                    listing.of_attributes(&resource.attributes, &mut each);
                }
            } else {
                for scope in reader.scopes(keys).await? {
                    listing.of_scope(&scope, &mut each);
                }
            }
            yield NamePortion { items, covered_since: None };
        }
    }
}

/// How the rows are found that have the listing: of all spans in the tables that say what spans have, else among those
/// that start in time.
fn statement(scan: &NameScan) -> Option<(Column, QueryBuilder<Sqlite>)> {
    let (column, in_spans, in_all) = match &scan.listing {
        Listing::Keys(Within::Resource) | Listing::Values { within: Within::Resource, .. } => {
            (Column::Resource, "select distinct resource_id", Some("select resource_id from resource_row"))
        }
        Listing::Keys(Within::Scope)
        | Listing::Values { within: Within::Scope, .. }
        | Listing::ScopeName
        | Listing::ScopeVersion => (Column::Scope, "select distinct scope_id", Some("select scope_id from scope")),
        Listing::Name => (Column::Text, "select distinct name", Some("select distinct name from operation")),
        Listing::Kind => (Column::Number, "select distinct kind", Some("select distinct kind from operation")),
        Listing::Status => (Column::Number, "select distinct coalesce(status_code, 0)", None),
        Listing::StatusMessage => (Column::Text, "select distinct coalesce(status_message, '')", None),
        Listing::Keys(_) | Listing::Values { .. } | Listing::EventName => return None,
    };
    if let Some(in_all) = in_all.filter(|_| scan.is_of_all()) {
        return Some((column, QueryBuilder::new(in_all)));
    }
    let mut statement = QueryBuilder::new(in_spans);
    let spans = scan.spans();
    statement.push(if spans.limit == 0 { " from span_row where false" } else { " from span_row where true" });
    push_times(&mut statement, &spans);
    Some((column, statement))
}
