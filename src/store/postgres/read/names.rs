//! Listing what spans have: of all spans, what the tables say that tell who produced them and what they do; otherwise the
//! hot rows, each distinct thing once, and then the history. All of it in one snapshot.

use std::collections::{BTreeSet, HashSet};

use async_stream::try_stream;
use futures::{StreamExt, TryStreamExt, stream};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::Reader;
use crate::model::{Listed, Listing, Within};
use crate::store::postgres::error::{meaning, within};
use crate::store::postgres::history::{Blocks, NamesOfHistory};
use crate::store::postgres::row::{Columns, IS_HOT};
use crate::store::postgres::scan::push_start;
use crate::store::{Counted, NamePortion, NameScan, NameStream, StoreError, json, text};

type Builder = QueryBuilder<Postgres>;

/// So many rows make a portion.
const PORTION_ROWS: usize = 1_000;

/// What a row of a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The key of a resource.
    Resource,
    /// The key of a scope.
    Scope,
    Text,
    Number,
    /// A value as JSON.
    Json,
    /// What a span has under a key in all places.
    Places,
}

/// A place behind the span's own attributes: the resource, the values of the events and of the links, the scope.
type Behind = (i64, Vec<String>, Vec<String>, i64);

impl Reader {
    pub(in crate::store::postgres) fn names(self, scan: NameScan) -> NameStream {
        if scan.listing == Listing::Keys(Within::Anywhere) {
            let of = move |within| self.clone().names(NameScan { listing: Listing::Keys(within), ..scan.clone() });
            // Each of them begins anew with the newest spans.
            let uncovered = |portion| NamePortion { covered_since: None, ..portion };
            return stream::iter(Within::PLACES).flat_map(of).map_ok(uncovered).boxed();
        }
        let stream = try_stream! {
            let mut connection = self.connection().await?;
            let mut transaction = Reader::begin(&mut connection).await?;
            let all = if scan.is_of_all() { of_all(&scan.listing) } else { None };
            let is_all = all.is_some();
            let (kind, mut statement) = all.unwrap_or_else(|| of_hot_rows(&scan));
            let mut blocks = self.blocks(scan.work.clone());
            let (mut ids, mut behind) = (Vec::new(), HashSet::new());
            {
                let mut rows = statement.build().fetch(&mut *transaction).map_err(meaning).try_chunks(PORTION_ROWS);
                while let Some(rows) = within(self.limit, async { Ok(rows.next().await) }).await? {
                    let rows = rows.map_err(|error| error.1)?;
                    scan.work.add(Counted::SpansRead, rows.len());
                    let items = match kind {
                        Kind::Resource | Kind::Scope => keep_ids(&rows, &mut ids)?,
                        Kind::Places => places(&rows, &mut behind)?,
                        Kind::Text | Kind::Number | Kind::Json => items(kind, &rows)?,
                    };
                    yield NamePortion { items, covered_since: None };
                }
            }
            let rest: Vec<Behind> = behind.into_iter().collect();
            for ids in ids.chunks(PORTION_ROWS) {
                let items = referred(kind, &scan.listing, ids, &mut blocks, &mut transaction);
                yield NamePortion { items: within(self.limit, items).await?, covered_since: None };
            }
            for rest in rest.chunks(PORTION_ROWS) {
                let items = behind_spans(&scan.listing, rest, &mut blocks, &mut transaction);
                yield NamePortion { items: within(self.limit, items).await?, covered_since: None };
            }
            if !is_all {
                let mut history = NamesOfHistory::of(&scan, blocks);
                while let Some(portion) = within(self.limit, history.next(&mut transaction)).await? {
                    yield portion;
                }
            }
        };
        stream.boxed()
    }
}

/// Where that stands which all spans together have, when it is listed of all of them.
fn of_all(listing: &Listing) -> Option<(Kind, Builder)> {
    let (kind, statement) = match listing {
        Listing::Name => (Kind::Text, "select distinct name from operation"),
        Listing::Kind => (Kind::Number, "select distinct kind from operation"),
        _ => match shared(listing)? {
            Kind::Resource => (Kind::Resource, "select resource_id from resource_row"),
            kind => (kind, "select scope_id from scope"),
        },
    };
    Some((kind, Builder::new(statement)))
}

/// What spans refer to, when it is that which has the listing.
fn shared(listing: &Listing) -> Option<Kind> {
    match listing {
        Listing::Keys(Within::Resource) | Listing::Values { within: Within::Resource, .. } => Some(Kind::Resource),
        Listing::Keys(Within::Scope)
        | Listing::Values { within: Within::Scope, .. }
        | Listing::ScopeName
        | Listing::ScopeVersion => Some(Kind::Scope),
        _ => None,
    }
}

fn of_hot_rows(scan: &NameScan) -> (Kind, Builder) {
    let mut sql = Builder::new("select distinct ");
    let (kind, condition) = push_columns(&scan.listing, &mut sql);
    sql.push(" where ").push(IS_HOT).push(condition);
    if let Some(min) = scan.start_min {
        push_start(">=", min, &mut sql);
    }
    if let Some(max) = scan.start_max {
        push_start("<", max, &mut sql);
    }
    (kind, sql)
}

/// The columns and the tables; with it, what further must hold.
fn push_columns(listing: &Listing, sql: &mut Builder) -> (Kind, &'static str) {
    const EACH: &str = " cross join lateral jsonb_each(";
    const ELEMENTS: &str = " cross join lateral jsonb_array_elements(";
    const NOT_NULL: &str = " and pair.value <> 'null'::jsonb";
    let of_spans = |kind, column: &str, sql: &mut Builder| {
        sql.push(column).push(" from span_row s");
        (kind, "")
    };
    match listing {
        Listing::Name => of_spans(Kind::Text, "s.name", sql),
        Listing::Kind => of_spans(Kind::Number, "s.kind", sql),
        Listing::Status => of_spans(Kind::Number, "coalesce(s.status_code, 0)", sql),
        Listing::StatusMessage => of_spans(Kind::Text, "coalesce(s.status_message, '')", sql),
        Listing::EventName => {
            sql.push("item ->> 'name' from span_row s").push(ELEMENTS).push("s.events) item");
            (Kind::Text, "")
        }
        Listing::Keys(Within::Event | Within::Link) => {
            let column = if *listing == Listing::Keys(Within::Event) { "s.events) item" } else { "s.links) item" };
            sql.push("pair.key from span_row s").push(ELEMENTS).push(column);
            sql.push(EACH).push("item -> 'attributes') pair");
            (Kind::Text, NOT_NULL)
        }
        Listing::Values { within: Within::Event, key } => push_values(key, "s.events", sql),
        Listing::Values { within: Within::Link, key } => push_values(key, "s.links", sql),
        Listing::Values { within: Within::Span, key } => {
            sql.push("(s.attributes -> ").push_bind(text::stored(key).into_owned()).push(")::text from span_row s");
            (Kind::Json, "")
        }
        Listing::Values { within: Within::Anywhere, key } => push_places(key, sql),
        Listing::Keys(Within::Resource) | Listing::Values { within: Within::Resource, .. } => {
            of_spans(Kind::Resource, "s.resource_id", sql)
        }
        Listing::Keys(Within::Scope)
        | Listing::Values { within: Within::Scope, .. }
        | Listing::ScopeName
        | Listing::ScopeVersion => of_spans(Kind::Scope, "s.scope_id", sql),
        Listing::Keys(_) => {
            sql.push("pair.key from span_row s").push(EACH).push("s.attributes) pair");
            (Kind::Text, NOT_NULL)
        }
    }
}

fn push_values(key: &str, column: &str, sql: &mut Builder) -> (Kind, &'static str) {
    sql.push("(item -> 'attributes' -> ").push_bind(text::stored(key).into_owned());
    sql.push(")::text from span_row s cross join lateral jsonb_array_elements(").push(column).push(") item");
    (Kind::Json, "")
}

/// The span's own value; without one, what may have it instead.
fn push_places(key: &str, sql: &mut Builder) -> (Kind, &'static str) {
    let key = text::stored(key).into_owned();
    sql.push("own.value");
    for column in ["s.resource_id", "s.scope_id"] {
        sql.push(format_args!(", case when own.value is null then {column} end"));
    }
    for column in ["s.events", "s.links"] {
        sql.push(", case when own.value is null then array(select (item -> 'attributes' -> ").push_bind(key.clone());
        sql.push(format_args!(")::text from jsonb_array_elements({column}) item where (item -> 'attributes' -> "));
        sql.push_bind(key.clone()).push(") <> 'null'::jsonb) end");
    }
    sql.push(" from span_row s cross join lateral (select nullif((s.attributes -> ").push_bind(key);
    sql.push(")::text, 'null') as value) own");
    (Kind::Places, "")
}

fn keep_ids(rows: &[PgRow], ids: &mut Vec<i64>) -> Result<BTreeSet<Listed>, StoreError> {
    for row in rows {
        ids.push(Columns::of(row).take()?);
    }
    Ok(BTreeSet::new())
}

fn items(kind: Kind, rows: &[PgRow]) -> Result<BTreeSet<Listed>, StoreError> {
    let mut items = BTreeSet::new();
    for row in rows {
        let mut columns = Columns::of(row);
        if kind == Kind::Json {
            if let Some(json) = columns.take()? {
                add_json(json, &mut items)?;
            }
        } else if kind == Kind::Text {
            items.insert(Listed::Text(columns.text()?));
        } else {
            items.insert(Listed::Int(columns.take::<i32>()?.into()));
        }
    }
    Ok(items)
}

/// Says whether there is anything, as there is unless it is null.
fn add_json(json: &str, items: &mut BTreeSet<Listed>) -> Result<bool, StoreError> {
    let value = json::read_value(json.as_bytes())?;
    Ok(Listed::of_value(&value, &mut |item| {
        items.insert(item);
    }))
}

fn places(rows: &[PgRow], behind: &mut HashSet<Behind>) -> Result<BTreeSet<Listed>, StoreError> {
    let mut items = BTreeSet::new();
    for row in rows {
        let mut columns = Columns::of(row);
        if let Some(json) = columns.take()? {
            add_json(json, &mut items)?;
            continue;
        }
        let (resource_id, scope_id) = (columns.take()?, columns.take()?);
        behind.insert((resource_id, columns.take()?, columns.take()?, scope_id));
    }
    Ok(items)
}

/// What resources or scopes have.
async fn referred(
    kind: Kind,
    listing: &Listing,
    ids: &[i64],
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<BTreeSet<Listed>, StoreError> {
    let pair = |id: &i64| if kind == Kind::Resource { (*id, 0) } else { (0, *id) };
    blocks.dictionary.load(ids.iter().map(pair), connection).await?;
    let mut items = BTreeSet::new();
    let mut each = |item| {
        items.insert(item);
    };
    // Of one that can not be read there are no spans that can be.
    for id in ids {
        if kind == Kind::Resource {
            if let Ok(resource) = blocks.dictionary.resource(*id) {
                listing.of_attributes(&resource.attributes, &mut each);
            }
        } else if let Ok(scope) = blocks.dictionary.scope(*id) {
            listing.of_scope(&scope, &mut each);
        }
    }
    Ok(items)
}

/// What spans have that have nothing themselves: what the first of the places behind has.
async fn behind_spans(
    listing: &Listing,
    rows: &[Behind],
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<BTreeSet<Listed>, StoreError> {
    blocks
        .dictionary
        .load(rows.iter().map(|(resource_id, .., scope_id)| (*resource_id, *scope_id)), connection)
        .await?;
    let mut items = BTreeSet::new();
    for (resource_id, events, links, scope_id) in rows {
        let mut each = |item| {
            items.insert(item);
        };
        if listing.of_attributes(&blocks.dictionary.resource(*resource_id)?.attributes, &mut each) {
            continue;
        }
        let found = if events.is_empty() { links } else { events };
        if found.is_empty() {
            listing.of_scope(&*blocks.dictionary.scope(*scope_id)?, &mut each);
        }
        for json in found {
            add_json(json, &mut items)?;
        }
    }
    Ok(items)
}
