//! A page of a list: how many items were asked for, and which of them fit into one answer.

use super::QueryError;
use crate::model::{TraceId, UnixNanos};
use crate::store::Work;

/// Which page a request asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageRequest<'a> {
    /// How many items at the most, as sent; `None` and 0 mean the default.
    pub size: Option<i32>,
    /// Empty for the first page, then [`Page::next`] of the page before.
    pub token: &'a str,
}

impl PageRequest<'_> {
    /// The number of items to return at the most. More than `max` is read as `max`.
    pub(super) fn size(&self, default: usize, max: usize) -> Result<usize, QueryError> {
        let size = usize::try_from(self.size.unwrap_or(0))
            .map_err(|_| QueryError::BadRequest { field: "page_size", reason: "must not be negative".to_owned() })?;
        Ok(if size == 0 { default } else { size }.min(max))
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The token of the next page; empty when this is the last.
    pub next: String,
}

/// A part of what a search finds.
#[derive(Debug, Clone)]
pub struct SearchPage<T> {
    /// The items, in the search's order. There may be none although there are more: when the limit was reached before.
    pub items: Vec<T>,
    /// The token of the next page; empty when this is the last.
    pub next: String,
    /// How far the page goes, and what it has cost.
    pub coverage: Coverage,
}

/// How far an answer goes, and what it has cost.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// Whether the limit on work ended it.
    pub limit_reached: bool,
    /// Everything that starts at this time or later was looked at; `None` when everything was.
    pub since: Option<UnixNanos>,
    /// What it has cost.
    pub work: Work,
    /// Traces that are larger than what is queried as a whole, and left out therefore; not all, when they are many.
    pub trace_ids_too_large: Vec<TraceId>,
}

/// A page that is being filled.
#[derive(Debug)]
pub(super) struct Filling<T> {
    items: Vec<T>,
    items_max: usize,
    bytes: usize,
    bytes_max: usize,
}

impl<T> Filling<T> {
    pub(super) fn new(items_max: usize, bytes_max: usize) -> Self {
        Self { items: Vec::new(), items_max, bytes: 0, bytes_max }
    }

    /// How many items there is still room for.
    pub(super) fn free(&self) -> usize {
        self.items_max.saturating_sub(self.items.len())
    }

    /// How many items to read to know whether there is a next page.
    pub(super) fn one_too_many(&self) -> usize {
        self.items_max.saturating_add(1)
    }

    /// Adds an item if it still fits: its number, and its size in bytes unless it is the first.
    pub(super) fn take(&mut self, item: T, size: impl Fn(&T) -> usize) -> bool {
        let bytes = size(&item);
        let fits = self.has_room_for(bytes);
        if fits {
            self.bytes = self.bytes.saturating_add(bytes);
            self.items.push(item);
        }
        fits
    }

    /// Whether an item of this size in bytes would be taken.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.free() > 0 && (self.items.is_empty() || self.bytes.saturating_add(bytes) <= self.bytes_max)
    }

    /// The items that were taken.
    pub(super) fn into_items(self) -> Vec<T> {
        self.items
    }

    /// Takes as many of the items as fit; those that do not are for the next page.
    pub(super) fn fill(mut self, items: Vec<T>, size: impl Fn(&T) -> usize, token: impl Fn(&T) -> String) -> Page<T> {
        for item in items {
            if !self.take(item, &size) {
                return self.with_more(token);
            }
        }
        self.the_last()
    }

    /// The page, when there are items after it; `token` makes the token from the last item.
    pub(super) fn with_more(self, token: impl Fn(&T) -> String) -> Page<T> {
        let next = self.items.last().map(token).unwrap_or_default();
        Page { items: self.items, next }
    }

    /// The page, when nothing is left after it.
    pub(super) fn the_last(self) -> Page<T> {
        Page { items: self.items, next: String::new() }
    }
}
