//! Looking into a block all of whose spans start in time: at the few columns that have what is listed, and at each value
//! once, instead of making spans.

use std::collections::{BTreeSet, HashMap, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{Decode, FromRow, PgConnection, Postgres, Type};

use super::columns::{self, Found, Places, Said};
use super::{NamesOfHistory, Place};
use crate::model::{Event, Link, Listed, Listing, Within};
use crate::store::StoreError;
use crate::store::json::{self, KeysOfLists};
use crate::store::postgres::block::Formats;
use crate::store::postgres::error::{is_damage, meaning};
use crate::store::postgres::history::damage::go_back;
use crate::store::postgres::time::Micros;

const FORMATS: &str = "\
    select b.hour, b.block_id, b.shape_format from span_block b where b.hour = any($1) and b.block_id = any($2)";
const EVENTS_OF_SOME: &str = "\
    select b.hour, b.block_id, b.events from span_block b where b.hour = any($1) and b.block_id = any($2)";
const LINKS_OF_SOME: &str = "\
    select b.hour, b.block_id, b.links from span_block b where b.hour = any($1) and b.block_id = any($2)";
const LINES: &str = "select b.shape, b.attribute_values from span_block b where b.hour = $1 and b.block_id = $2";
const EVENTS: &str = "select b.events from span_block b where b.hour = $1 and b.block_id = $2";
const LINKS: &str = "select b.links from span_block b where b.hour = $1 and b.block_id = $2";

/// What was seen in a block.
#[derive(Debug, Default)]
struct Seen {
    items: BTreeSet<Listed>,
    /// How much was looked at, as [`Counted::SpansRead`](crate::store::Counted::SpansRead) counts it.
    read: usize,
}

/// A column of some blocks.
type Column<T> = HashMap<Place, T>;

/// What is read of some blocks at once.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// What shapes say.
    shapes: Column<Vec<String>>,
    /// The events, or the links, of which there may be none.
    lists: Column<Option<String>>,
}

impl NamesOfHistory<'_> {
    /// What is looked at of all of these blocks. Of one that can not be read, nothing.
    pub(super) async fn read(&self, portion: &[&Found], connection: &mut PgConnection) -> Result<Read, StoreError> {
        let is_of_spans = |found: &&&Found| match (&self.scan.listing, &found.said) {
            (Listing::Keys(Within::Span) | Listing::Values { within: Within::Span, .. }, _) => true,
            (Listing::Values { within: Within::Anywhere, .. }, Said::Places(places)) => places.in_spans,
            _ => false,
        };
        let inside = || portion.iter().filter(|found| found.is_inside);
        let places: Vec<Place> = inside().filter(is_of_spans).map(|found| found.place).collect();
        let shapes = column(FORMATS, &places, connection).await?;
        let of_lists = match self.scan.listing {
            Listing::Keys(Within::Event) => Some(EVENTS_OF_SOME),
            Listing::Keys(Within::Link) => Some(LINKS_OF_SOME),
            _ => None,
        };
        let lists = match of_lists {
            Some(statement) => {
                let places: Vec<Place> = inside().map(|found| found.place).collect();
                column(statement, &places, connection).await?
            }
            None => Column::new(),
        };
        Ok(Read { shapes, lists })
    }

    /// Takes what the block has, and says what had to be read; `None` when that was not possible. Then it has to be opened.
    pub(super) async fn look(
        &mut self,
        found: &Found,
        read: &Read,
        items: &mut BTreeSet<Listed>,
        connection: &mut PgConnection,
    ) -> Result<Option<usize>, StoreError> {
        let formats = read.shapes.get(&found.place).map(Vec::as_slice);
        let seen = match (&self.scan.listing, &found.said) {
            (Listing::Keys(Within::Span) | Listing::Values { within: Within::Span, .. }, _) => {
                self.attributes(found.place, formats, connection).await?
            }
            (Listing::Keys(Within::Event | Within::Link), _) => {
                read.lists.get(&found.place).and_then(|lines| keys_in_lines(lines.as_deref()))
            }
            (Listing::EventName | Listing::Values { within: Within::Event, .. }, _) => {
                let of = |event: &Event, each: &mut dyn FnMut(Listed)| self.scan.listing.of_event(event, each);
                in_lines(EVENTS, found.place, json::read_events, of, connection).await?
            }
            (Listing::Values { within: Within::Link, .. }, _) => {
                let of =
                    |link: &Link, each: &mut dyn FnMut(Listed)| self.scan.listing.of_attributes(&link.attributes, each);
                in_lines(LINKS, found.place, json::read_links, of, connection).await?
            }
            (Listing::Values { within: Within::Anywhere, key }, Said::Places(places)) => {
                self.anywhere(key, found.place, places, formats, connection).await?
            }
            _ => None,
        };
        let Some(seen) = seen else { return Ok(None) };
        if columns::say_items(&self.scan.listing) {
            for item in &seen.items {
                self.known.add_item(item);
            }
        }
        items.extend(seen.items);
        Ok(Some(seen.read))
    }

    /// What the spans' own attributes have. Formats that an earlier block had as well are not looked at again.
    async fn attributes(
        &mut self,
        place: Place,
        formats: Option<&[String]>,
        connection: &mut PgConnection,
    ) -> Result<Option<Seen>, StoreError> {
        let key = match &self.scan.listing {
            Listing::Values { key, .. } => Some(key.as_str()),
            _ => None,
        };
        let Some(formats) = formats else { return Ok(None) };
        let Some(read) = Formats::read(formats, |format| self.known.has_format(format)) else { return Ok(None) };
        let mut seen = Seen { read: read.new_ones(), ..Seen::default() };
        if self.add(&read.shared(key), &mut seen.items).is_none() {
            return Ok(None);
        }
        if read.are_in_lines(key) {
            let Some((shapes, lines)) = fetch::<(Vec<i16>, String)>(LINES, place, connection).await? else {
                return Ok(None);
            };
            let Some((pairs, read)) = read.in_lines(key, &shapes, &lines) else { return Ok(None) };
            if self.add(&pairs, &mut seen.items).is_none() {
                return Ok(None);
            }
            seen.read = seen.read.saturating_add(read);
        }
        for format in read.without_lines(formats, key) {
            self.known.add_format(format);
        }
        Ok(Some(seen))
    }

    /// Adds what keys and the JSON of their values come to; `None` when a value can not be read.
    fn add(&self, pairs: &HashSet<(&str, &str)>, items: &mut BTreeSet<Listed>) -> Option<()> {
        for (key, json) in pairs {
            if matches!(self.scan.listing, Listing::Keys(_)) {
                if *json != "null" {
                    items.insert(Listed::Text((*key).to_owned()));
                }
            } else {
                let value = json::read_value(json.as_bytes()).ok()?;
                Listed::of_value(&value, &mut |item| {
                    items.insert(item);
                });
            }
        }
        Some(())
    }

    /// The values of the first places that have the attribute, when it does not take the spans to tell which these are.
    async fn anywhere(
        &mut self,
        key: &str,
        place: Place,
        places: &Places,
        formats: Option<&[String]>,
        connection: &mut PgConnection,
    ) -> Result<Option<Seen>, StoreError> {
        if places.in_events_or_links {
            return Ok(None);
        }
        let count = places.resource_ids.len().max(places.scope_ids.len());
        let pairs = places.resource_ids.iter().cycle().zip(places.scope_ids.iter().cycle()).take(count);
        self.blocks.dictionary.load(pairs.map(|(resource_id, scope_id)| (*resource_id, *scope_id)), connection).await?;
        let mut items = BTreeSet::new();
        let mut each = |item| {
            items.insert(item);
        };
        let listing = Listing::Values { within: Within::Resource, key: key.to_owned() };
        let (mut have, mut have_not) = (false, false);
        for id in &places.resource_ids {
            let Ok(resource) = self.blocks.dictionary.resource(*id) else { return Ok(None) };
            let has = listing.of_attributes(&resource.attributes, &mut each);
            (have, have_not) = (have || has, have_not || !has);
        }
        let mut scopes_have = false;
        for id in &places.scope_ids {
            let Ok(scope) = self.blocks.dictionary.scope(*id) else { return Ok(None) };
            scopes_have |= listing.of_attributes(&scope.attributes, &mut drop);
        }
        match (places.in_spans, have) {
            (true, false) if !scopes_have => self.attributes(place, formats, connection).await,
            // What a block refers to is not more than its spans.
            (false, _) if !(have_not && scopes_have) => Ok(Some(Seen { items, read: count })),
            _ => Ok(None),
        }
    }
}

/// What the events or links in a block's lines have.
async fn in_lines<T>(
    statement: &'static str,
    place: Place,
    read: impl Fn(&[u8]) -> Result<Vec<T>, StoreError>,
    of: impl Fn(&T, &mut dyn FnMut(Listed)) -> bool,
    connection: &mut PgConnection,
) -> Result<Option<Seen>, StoreError> {
    let Some((lines,)) = fetch::<(Option<String>,)>(statement, place, connection).await? else { return Ok(None) };
    let mut seen = Seen::default();
    for line in lines.iter().flat_map(|lines| lines.split('\n')).filter(|line| !line.is_empty()) {
        let Ok(read) = read(line.as_bytes()) else { return Ok(None) };
        seen.read = seen.read.saturating_add(1);
        for one in &read {
            of(one, &mut |item| {
                seen.items.insert(item);
            });
        }
    }
    Ok(Some(seen))
}

/// The keys in the attributes of the events or links in a block's lines; `None` when these can not be read.
fn keys_in_lines(lines: Option<&str>) -> Option<Seen> {
    let (mut found, mut read) = (KeysOfLists::default(), 0_usize);
    for line in lines.into_iter().flat_map(|lines| lines.split('\n')).filter(|line| !line.is_empty()) {
        found.add(line).ok()?;
        read = read.saturating_add(1);
    }
    Some(Seen { items: found.keys.into_iter().map(|key| Listed::Text(key.into_owned())).collect(), read })
}

/// A column of some blocks, by a statement that gives it third; of one that can not be read, nothing.
async fn column<T>(
    statement: &'static str,
    places: &[Place],
    connection: &mut PgConnection,
) -> Result<Column<T>, StoreError>
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
{
    if let Some(found) = column_at_once(statement, places, connection).await? {
        return Ok(found);
    }
    let mut found = Column::new();
    for place in places {
        found.extend(column_at_once(statement, &[*place], connection).await?.unwrap_or_default());
    }
    Ok(found)
}

/// The same; `None` when one of them can not be read.
async fn column_at_once<T>(
    statement: &'static str,
    places: &[Place],
    connection: &mut PgConnection,
) -> Result<Option<Column<T>>, StoreError>
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
{
    if places.is_empty() {
        return Ok(Some(Column::new()));
    }
    let query = sqlx::query_as(statement)
        .bind(places.iter().map(|place| place.hour).collect::<Vec<_>>())
        .bind(places.iter().map(|place| place.block_id).collect::<Vec<_>>());
    let rows: Vec<(Micros, i64, T)> = match query.fetch_all(&mut *connection).await {
        Ok(rows) => rows,
        Err(error) if is_damage(&error) => {
            go_back(connection).await?;
            return Ok(None);
        }
        Err(error) => return Err(meaning(error)),
    };
    Ok(Some(rows.into_iter().map(|(hour, block_id, column)| (Place { hour, block_id }, column)).collect()))
}

/// The columns of a block; `None` when they can not be read.
async fn fetch<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(
    statement: &'static str,
    place: Place,
    connection: &mut PgConnection,
) -> Result<Option<T>, StoreError> {
    let query = sqlx::query_as(statement).bind(place.hour).bind(place.block_id);
    match query.fetch_optional(&mut *connection).await {
        Ok(row) => Ok(row),
        Err(error) if is_damage(&error) => {
            go_back(connection).await?;
            Ok(None)
        }
        Err(error) => Err(meaning(error)),
    }
}
