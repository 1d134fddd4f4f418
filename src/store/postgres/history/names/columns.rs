//! What blocks say of their spans without being opened, for a listing.

use std::collections::BTreeSet;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::super::candidates::{push_not_after, push_not_before};
use super::super::damage::go_back;
use super::Place;
use crate::model::{Listed, Listing, UnixNanos, Within};
use crate::store::postgres::error::{is_damage, meaning};
use crate::store::postgres::row::corrupt;
use crate::store::postgres::time::Micros;
use crate::store::{NameScan, StoreError, text};

type Builder = QueryBuilder<Postgres>;

/// So many blocks are found at once.
const FOUND_MAX: i64 = 256;
/// The same when it is likely that most of them have to be looked at.
const LOOKED_MAX: i64 = 32;

const ALWAYS: &str = "b.hour, b.block_id, b.start_min, b.start_max";

/// A block.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    /// No span of it begins later.
    pub(super) start_max: Micros,
    /// Whether all of its spans start in the times that are asked for.
    pub(super) is_inside: bool,
    pub(super) said: Said,
}

/// What its columns say.
#[derive(Debug)]
pub(super) enum Said {
    /// Its spans have just these items.
    Items(BTreeSet<Listed>),
    /// They have these keys, but for those that are null in all of them.
    Keys(BTreeSet<Listed>),
    /// They have just these resources.
    Resources(Vec<i64>),
    /// They have just these scopes.
    Scopes(Vec<i64>),
    /// Where an attribute may be.
    Places(Places),
    Nothing,
}

/// Where the spans of a block may have an attribute.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) in_spans: bool,
    pub(super) in_events_or_links: bool,
    pub(super) resource_ids: Vec<i64>,
    pub(super) scope_ids: Vec<i64>,
}

/// The blocks behind the last one.
pub(super) async fn next(
    scan: &NameScan,
    last: Option<(Micros, i64)>,
    connection: &mut PgConnection,
) -> Result<Vec<Found>, StoreError> {
    if matches!((scan.start_min, scan.start_max), (Some(min), Some(max)) if min >= max) {
        return Ok(Vec::new());
    }
    match statement(scan, last, true).build().fetch_all(&mut *connection).await {
        Ok(rows) => rows.iter().map(|row| read(scan, row, true)).collect(),
        Err(error) if is_damage(&error) => {
            // One of them can not even be asked that. It is found, and told of, when all of them are opened.
            go_back(connection).await?;
            let rows = statement(scan, last, false).build().fetch_all(connection).await.map_err(meaning)?;
            rows.iter().map(|row| read(scan, row, false)).collect()
        }
        Err(error) => Err(meaning(error)),
    }
}

/// Without `with_contents`, of what is never stored out of line.
fn statement(scan: &NameScan, last: Option<(Micros, i64)>, with_contents: bool) -> Builder {
    let mut sql = Builder::new("select ");
    sql.push(ALWAYS);
    if with_contents {
        push_columns(&scan.listing, &mut sql);
    }
    sql.push(" from span_block b where true");
    if let Some((start_max, block_id)) = last {
        sql.push(" and (b.start_max, b.block_id) < (").push_bind(start_max).push(", ").push_bind(block_id).push(")");
    }
    if let Some(min) = scan.start_min {
        push_not_before(min, &mut sql);
    }
    if let Some(max) = scan.start_max {
        push_not_after(max, &mut sql);
    }
    if with_contents {
        push_condition(&scan.listing, &mut sql);
    }
    let is_looked_at = matches!(scan.listing, Listing::Values { .. } | Listing::Keys(_) | Listing::EventName);
    sql.push(" order by b.start_max desc, b.block_id desc limit ");
    sql.push_bind(if is_looked_at && !is_shared(&scan.listing) { LOOKED_MAX } else { FOUND_MAX });
    sql
}

/// Whether blocks say items of it, so that it is of use to know which were found.
pub(super) fn say_items(listing: &Listing) -> bool {
    matches!(
        listing,
        Listing::Keys(Within::Span) | Listing::Name | Listing::Kind | Listing::Status | Listing::StatusMessage
    )
}

/// Whether it is of what spans refer to.
fn is_shared(listing: &Listing) -> bool {
    let (Listing::Keys(within) | Listing::Values { within, .. }) = listing else { return false };
    matches!(within, Within::Resource | Within::Scope)
}

fn push_columns(listing: &Listing, sql: &mut Builder) {
    let column = match listing {
        Listing::Keys(Within::Resource) | Listing::Values { within: Within::Resource, .. } => ", b.resource_ids",
        Listing::Keys(Within::Scope)
        | Listing::Values { within: Within::Scope, .. }
        | Listing::ScopeName
        | Listing::ScopeVersion => ", b.shape_scope",
        Listing::Keys(Within::Span) => ", b.attribute_keys",
        Listing::Name => ", b.names",
        Listing::Kind => ", b.shape_kind",
        // A column of zeros is null.
        Listing::Status => ", coalesce(b.shape_status, '{0}')",
        Listing::StatusMessage => {
            ", case when b.status_message is null or 0 = any(b.status_message) then array[''] || b.status_messages \
             else b.status_messages end"
        }
        Listing::Values { within: Within::Anywhere, key } => {
            let key = text::stored(key).into_owned();
            sql.push(", b.attribute_keys @> array[").push_bind(key.clone()).push("] collate \"C\"");
            sql.push(", coalesce(strpos(b.events, to_jsonb(").push_bind(key.clone()).push("::text)::text) > 0, false)");
            sql.push(" or coalesce(strpos(b.links, to_jsonb(").push_bind(key).push("::text)::text) > 0, false)");
            ", b.resource_ids, b.shape_scope"
        }
        Listing::Keys(_) | Listing::Values { .. } | Listing::EventName => "",
    };
    sql.push(column);
}

/// Leaves out blocks that have nothing of the listing.
fn push_condition(listing: &Listing, sql: &mut Builder) {
    match listing {
        Listing::Values { within: Within::Span, key } => {
            let key = text::stored(key).into_owned();
            sql.push(" and b.attribute_keys @> array[").push_bind(key).push("] collate \"C\"");
        }
        Listing::EventName | Listing::Keys(Within::Event) | Listing::Values { within: Within::Event, .. } => {
            sql.push(" and b.events is not null");
        }
        Listing::Keys(Within::Link) | Listing::Values { within: Within::Link, .. } => {
            sql.push(" and b.links is not null");
        }
        _ => {}
    }
}

fn read(scan: &NameScan, row: &PgRow, with_contents: bool) -> Result<Found, StoreError> {
    let always = || -> Result<_, sqlx::Error> {
        let place = Place { hour: row.try_get(0)?, block_id: row.try_get(1)? };
        Ok((place, row.try_get(2)?, row.try_get(3)?))
    };
    let (place, start_min, start_max) = always().map_err(meaning)?;
    let said = if with_contents { said(&scan.listing, row)? } else { Said::Nothing };
    Ok(Found { place, start_max, is_inside: is_inside(scan, start_min, start_max), said })
}

/// The later time is rounded up.
fn is_inside(scan: &NameScan, Micros(start_min): Micros, Micros(start_max): Micros) -> bool {
    let time = |micros| UnixNanos::from_micros_and_nanos(micros, 0);
    scan.start_min.is_none_or(|min| time(start_min).is_some_and(|first| min <= first))
        && scan.start_max.is_none_or(|max| time(start_max).is_some_and(|last| last < max))
}

fn said(listing: &Listing, row: &PgRow) -> Result<Said, StoreError> {
    let ids = || row.try_get(4).map_err(meaning);
    Ok(match listing {
        Listing::Keys(Within::Resource) | Listing::Values { within: Within::Resource, .. } => Said::Resources(ids()?),
        Listing::Keys(Within::Scope)
        | Listing::Values { within: Within::Scope, .. }
        | Listing::ScopeName
        | Listing::ScopeVersion => Said::Scopes(ids()?),
        Listing::Keys(Within::Span) => Said::Keys(texts(row)?),
        Listing::Name | Listing::StatusMessage => Said::Items(texts(row)?),
        Listing::Kind | Listing::Status => {
            let numbers: Vec<i32> = row.try_get(4).map_err(meaning)?;
            Said::Items(numbers.into_iter().map(|number| Listed::Int(number.into())).collect())
        }
        Listing::Values { within: Within::Anywhere, .. } => {
            let places = || -> Result<_, sqlx::Error> {
                Ok(Places {
                    in_spans: row.try_get(4)?,
                    in_events_or_links: row.try_get(5)?,
                    resource_ids: row.try_get(6)?,
                    scope_ids: row.try_get(7)?,
                })
            };
            Said::Places(places().map_err(meaning)?)
        }
        Listing::Keys(_) | Listing::Values { .. } | Listing::EventName => Said::Nothing,
    })
}

fn texts(row: &PgRow) -> Result<BTreeSet<Listed>, StoreError> {
    let stored: Vec<String> = row.try_get(4).map_err(meaning)?;
    let item = |stored: &String| {
        let original = text::original(stored).ok_or_else(|| corrupt("a text has a broken U+0001"))?;
        Ok(Listed::Text(original.into_owned()))
    };
    stored.iter().map(item).collect()
}
