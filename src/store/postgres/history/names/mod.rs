//! What can be listed of the history, block by block, the newest first. Most of it is told by columns of a block
//! (`columns.rs`): when all of its spans start in time, they say what its spans have. Of the others a part is looked at
//! (`look.rs`), or they are opened; but no block that says nothing new.

mod columns;
mod look;

use std::collections::{BTreeSet, HashSet};

use sqlx::PgConnection;
use xxhash_rust::xxh3::xxh3_128;

use self::columns::{Found, Said};
use super::{Blocks, OPEN_BLOCKS_MAX, Place};
use crate::model::{Listed, Listing, Span, UnixNanos, Within};
use crate::store::postgres::time::Micros;
use crate::store::{Counted, NamePortion, NameScan, StoreError};

/// So much that is known is remembered at the most: what is beyond that is looked at again and again.
const KNOWN_MAX: usize = 20_000;
/// And no text that is longer.
const KNOWN_TEXT_BYTES_MAX: usize = 512;

/// A way through the history.
pub(in crate::store::postgres) struct NamesOfHistory<'s> {
    scan: &'s NameScan,
    blocks: Blocks,
    known: Known,
    /// The last block seen.
    last: Option<(Micros, i64)>,
}

/// What was found already, so that a block that has nothing else is passed over.
#[derive(Debug, Default)]
struct Known {
    /// Keys of resources, or of scopes.
    ids: HashSet<i64>,
    /// Items that blocks say they have.
    items: BTreeSet<Listed>,
    /// Hashes of formats that say all of what is listed.
    formats: HashSet<u128>,
}

impl<'s> NamesOfHistory<'s> {
    pub(in crate::store::postgres) fn of(scan: &'s NameScan, blocks: Blocks) -> Self {
        Self { scan, blocks, known: Known::default(), last: None }
    }

    /// What the next blocks have; `None` after the last one.
    pub(in crate::store::postgres) async fn next(
        &mut self,
        connection: &mut PgConnection,
    ) -> Result<Option<NamePortion>, StoreError> {
        let found = columns::next(self.scan, self.last, connection).await?;
        let Some(last) = found.last() else { return Ok(None) };
        self.last = Some((last.start_max, last.place.block_id));
        let covered_since = Some(after(last.start_max));
        self.scan.work.add(Counted::BlocksSeen, found.len());
        let mut items = BTreeSet::new();
        let mut rest = Vec::new();
        for found in found {
            if !self.take(&found, &mut items, connection).await? {
                rest.push(found);
            }
        }
        for portion in rest.chunks(OPEN_BLOCKS_MAX) {
            self.go_into(portion, &mut items, connection).await?;
        }
        Ok(Some(NamePortion { items, covered_since }))
    }

    /// Takes what the block's columns say; says whether that is all.
    async fn take(
        &mut self,
        found: &Found,
        items: &mut BTreeSet<Listed>,
        connection: &mut PgConnection,
    ) -> Result<bool, StoreError> {
        if self.known.has(&found.said) {
            return Ok(true);
        }
        if !found.is_inside {
            return Ok(false);
        }
        self.scan.work.add(Counted::SpansRead, self.known.news(&found.said));
        match &found.said {
            Said::Items(said) => {
                for item in said {
                    self.known.add_item(item);
                }
                items.extend(said.iter().cloned());
                Ok(true)
            }
            Said::Resources(ids) => {
                self.blocks.dictionary.load(ids.iter().map(|id| (*id, 0)), connection).await?;
                Ok(ids.iter().all(|id| self.take_resource(*id, items)))
            }
            Said::Scopes(ids) => {
                self.blocks.dictionary.load(ids.iter().map(|id| (0, *id)), connection).await?;
                Ok(ids.iter().all(|id| self.take_scope(*id, items)))
            }
            Said::Keys(_) | Said::Places(_) | Said::Nothing => Ok(false),
        }
    }

    /// Whether there is such a resource. Who refers to one that is not there can not be read.
    fn take_resource(&mut self, id: i64, items: &mut BTreeSet<Listed>) -> bool {
        let Ok(resource) = self.blocks.dictionary.resource(id) else { return false };
        if self.known.add_id(id) {
            self.scan.listing.of_attributes(&resource.attributes, &mut |item| {
                items.insert(item);
            });
        }
        true
    }

    fn take_scope(&mut self, id: i64, items: &mut BTreeSet<Listed>) -> bool {
        let Ok(scope) = self.blocks.dictionary.scope(id) else { return false };
        if self.known.add_id(id) {
            self.scan.listing.of_scope(&scope, &mut |item| {
                items.insert(item);
            });
        }
        true
    }

    /// Looks into these blocks, or opens them.
    async fn go_into(
        &mut self,
        portion: &[Found],
        items: &mut BTreeSet<Listed>,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let news: Vec<&Found> = portion.iter().filter(|found| !self.known.has(&found.said)).collect();
        let work = self.scan.work.clone();
        work.add(Counted::BlocksLeft, news.len());
        let read_of_all = self.read(&news, connection).await?;
        let mut to_open = Vec::new();
        for found in news {
            let read = if found.is_inside { self.look(found, &read_of_all, items, connection).await? } else { None };
            match read {
                Some(read) => {
                    work.add(Counted::BlocksRead, 1);
                    work.add(Counted::SpansRead, read);
                }
                None => to_open.push(found.place),
            }
        }
        self.open(&to_open, items, connection).await
    }

    /// Makes the spans that start in time.
    async fn open(
        &mut self,
        places: &[Place],
        items: &mut BTreeSet<Listed>,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        if places.is_empty() {
            return Ok(());
        }
        let scan = self.scan;
        for block in self.blocks.open(places, connection).await? {
            scan.work.add(Counted::SpansRead, block.stored.heads().len());
            let heads = block.stored.heads().iter().enumerate();
            let wanted: Vec<usize> = heads.filter(|(_, head)| scan.is_of(head.start)).map(|(place, _)| place).collect();
            let known = &mut self.known;
            let each = |_, _, span: Span| {
                known.add_span(&scan.listing, &span);
                scan.listing.of_span(&span, &mut |item| {
                    if columns::say_items(&scan.listing) {
                        known.add_item(&item);
                    }
                    items.insert(item);
                });
            };
            self.blocks.spans(&block, wanted.into_iter(), each, connection).await?;
        }
        Ok(())
    }
}

/// The moment after a time in whole microseconds, when that was rounded up.
fn after(Micros(time): Micros) -> UnixNanos {
    let time = UnixNanos::from_micros_and_nanos(time, 0).unwrap_or(UnixNanos(u64::MAX));
    UnixNanos(time.0.saturating_add(1))
}

impl Known {
    /// Whether a block that says so has nothing new.
    fn has(&self, said: &Said) -> bool {
        match said {
            Said::Items(items) | Said::Keys(items) => items.iter().all(|item| self.items.contains(item)),
            Said::Resources(ids) | Said::Scopes(ids) => ids.iter().all(|id| self.ids.contains(id)),
            Said::Places(_) | Said::Nothing => false,
        }
    }

    /// How much of what a block says is to be taken: the rest was, with another block.
    fn news(&self, said: &Said) -> usize {
        match said {
            Said::Items(items) => items.iter().filter(|item| !self.items.contains(item)).count(),
            Said::Resources(ids) | Said::Scopes(ids) => ids.iter().filter(|id| !self.ids.contains(id)).count(),
            Said::Keys(_) | Said::Places(_) | Said::Nothing => 0,
        }
    }

    fn has_format(&self, format: &str) -> bool {
        self.formats.contains(&xxh3_128(format.as_bytes()))
    }

    fn add_format(&mut self, format: &str) {
        if self.formats.len() < KNOWN_MAX {
            self.formats.insert(xxh3_128(format.as_bytes()));
        }
    }

    fn add_item(&mut self, item: &Listed) {
        let is_long = matches!(item, Listed::Text(text) if text.len() > KNOWN_TEXT_BYTES_MAX);
        if !is_long && self.items.len() < KNOWN_MAX && !self.items.contains(item) {
            self.items.insert(item.clone());
        }
    }

    /// Whether it is new, as far as is remembered.
    fn add_id(&mut self, id: i64) -> bool {
        !self.ids.contains(&id) && (self.ids.len() >= KNOWN_MAX || self.ids.insert(id))
    }

    /// Of listings of what spans refer to, what this span does.
    fn add_span(&mut self, listing: &Listing, span: &Span) {
        match listing {
            Listing::Keys(Within::Resource) | Listing::Values { within: Within::Resource, .. } => {
                self.add_id(span.resource.key());
            }
            Listing::Keys(Within::Scope)
            | Listing::Values { within: Within::Scope, .. }
            | Listing::ScopeName
            | Listing::ScopeVersion => {
                self.add_id(span.scope.key());
            }
            _ => {}
        }
    }
}
