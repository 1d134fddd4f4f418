//! Looking into a block all of whose spans start in time: at the few columns that have what is listed, and at each value
//! once, instead of making spans.

use std::collections::{BTreeSet, HashSet};

use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection};

use super::columns::{self, Found, Places, Said};
use super::{NamesOfHistory, Place};
use crate::model::{Event, Link, Listed, Listing, Within};
use crate::store::postgres::block::Formats;
use crate::store::postgres::error::{is_damage, meaning};
use crate::store::postgres::history::damage::go_back;
use crate::store::{StoreError, json};

const FORMATS: &str = "select b.shape_format from span_block b where b.hour = $1 and b.block_id = $2";
const LINES: &str = "select b.shape, b.attribute_values from span_block b where b.hour = $1 and b.block_id = $2";
const EVENTS: &str = "select b.events from span_block b where b.hour = $1 and b.block_id = $2";
const LINKS: &str = "select b.links from span_block b where b.hour = $1 and b.block_id = $2";

impl NamesOfHistory<'_> {
    /// Takes what the block has; says whether that was possible. If not, it has to be opened.
    pub(super) async fn look(
        &mut self,
        found: &Found,
        items: &mut BTreeSet<Listed>,
        connection: &mut PgConnection,
    ) -> Result<bool, StoreError> {
        let seen = match (&self.scan.listing, &found.said) {
            (Listing::Keys(Within::Span) | Listing::Values { within: Within::Span, .. }, _) => {
                self.attributes(found.place, connection).await?
            }
            (Listing::EventName | Listing::Keys(Within::Event) | Listing::Values { within: Within::Event, .. }, _) => {
                let of = |event: &Event, each: &mut dyn FnMut(Listed)| self.scan.listing.of_event(event, each);
                in_lines(EVENTS, found.place, json::read_events, of, connection).await?
            }
            (Listing::Keys(Within::Link) | Listing::Values { within: Within::Link, .. }, _) => {
                let of =
                    |link: &Link, each: &mut dyn FnMut(Listed)| self.scan.listing.of_attributes(&link.attributes, each);
                in_lines(LINKS, found.place, json::read_links, of, connection).await?
            }
            (Listing::Values { within: Within::Anywhere, key }, Said::Places(places)) => {
                self.anywhere(key, found.place, places, connection).await?
            }
            _ => None,
        };
        let Some(seen) = seen else { return Ok(false) };
        if columns::say_items(&self.scan.listing) {
            for item in &seen {
                self.known.add_item(item);
            }
        }
        items.extend(seen);
        Ok(true)
    }

    /// What the spans' own attributes have.
    async fn attributes(
        &self,
        place: Place,
        connection: &mut PgConnection,
    ) -> Result<Option<BTreeSet<Listed>>, StoreError> {
        let key = match &self.scan.listing {
            Listing::Values { key, .. } => Some(key.as_str()),
            _ => None,
        };
        let Some((formats,)) = fetch::<(Vec<String>,)>(FORMATS, place, connection).await? else { return Ok(None) };
        let Some(formats) = Formats::read(&formats) else { return Ok(None) };
        let mut items = BTreeSet::new();
        if self.add(&formats.shared(key), &mut items).is_none() {
            return Ok(None);
        }
        if !formats.are_in_lines(key) {
            return Ok(Some(items));
        }
        let Some((shapes, lines)) = fetch::<(Vec<i16>, String)>(LINES, place, connection).await? else {
            return Ok(None);
        };
        let pairs = formats.in_lines(key, &shapes, &lines);
        Ok(pairs.and_then(|pairs| self.add(&pairs, &mut items)).map(|()| items))
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
        connection: &mut PgConnection,
    ) -> Result<Option<BTreeSet<Listed>>, StoreError> {
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
            (true, false) if !scopes_have => self.attributes(place, connection).await,
            (false, _) if !(have_not && scopes_have) => Ok(Some(items)),
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
) -> Result<Option<BTreeSet<Listed>>, StoreError> {
    let Some((lines,)) = fetch::<(Option<String>,)>(statement, place, connection).await? else { return Ok(None) };
    let mut items = BTreeSet::new();
    for line in lines.iter().flat_map(|lines| lines.split('\n')).filter(|line| !line.is_empty()) {
        let Ok(read) = read(line.as_bytes()) else { return Ok(None) };
        for one in &read {
            of(one, &mut |item| {
                items.insert(item);
            });
        }
    }
    Ok(Some(items))
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
