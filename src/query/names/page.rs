//! The items of a page, kept from items that come in any order and more than once: what is held is never much more than
//! the page.

use std::collections::BTreeSet;

use crate::model::Listed;
use crate::query::size;

/// A number beside a text: its tags and its length.
const ITEM_BYTES: usize = 24;

/// The least items after a point, as many as fit.
#[derive(Debug)]
pub(super) struct Listing {
    after: Option<(u8, Listed)>,
    /// Only texts that begin with it; all items, when it is empty.
    prefix: String,
    items: BTreeSet<(u8, Listed)>,
    items_max: usize,
    bytes: usize,
    bytes_max: usize,
    /// Everything from here on is for the next page.
    end: Option<(u8, Listed)>,
}

impl Listing {
    pub(super) fn new(after: Option<(u8, Listed)>, prefix: String, items_max: usize, bytes_max: usize) -> Self {
        Self { after, prefix, items: BTreeSet::new(), items_max, bytes: 0, bytes_max, end: None }
    }

    /// Takes an item if it belongs to the page, and lets go those behind it that do not fit any more. The first one stays,
    /// however large it is.
    pub(super) fn add(&mut self, list: u8, item: Listed) {
        let is_wanted = match &item {
            Listed::Text(text) => text.starts_with(&self.prefix),
            Listed::Int(_) | Listed::Double(_) | Listed::Bool(_) => self.prefix.is_empty(),
        };
        let item = (list, item);
        let is_after = self.after.as_ref().is_none_or(|after| item > *after);
        let is_before_end = self.end.as_ref().is_none_or(|end| item < *end);
        if !(is_wanted && is_after && is_before_end) || self.items.contains(&item) {
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes(&item.1));
        self.items.insert(item);
        while self.items.len() > self.items_max || (self.bytes > self.bytes_max && self.items.len() > 1) {
            self.end = self.items.pop_last();
            let freed = self.end.as_ref().map_or(0, |(_, item)| bytes(item));
            self.bytes = self.bytes.saturating_sub(freed);
        }
    }

    /// Whether no item of this list, or of a later one, belongs to the page.
    pub(super) fn is_beyond(&self, list: u8) -> bool {
        self.end.as_ref().is_some_and(|(end, _)| *end < list)
    }

    /// The items, and whether there are more behind them.
    pub(super) fn finish(self) -> (Vec<(u8, Listed)>, bool) {
        (self.items.into_iter().collect(), self.end.is_some())
    }
}

fn bytes(item: &Listed) -> usize {
    match item {
        Listed::Text(text) => size::text(text).saturating_add(ITEM_BYTES),
        Listed::Int(_) | Listed::Double(_) | Listed::Bool(_) => ITEM_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn text(text: &str) -> Listed {
        Listed::Text(text.to_owned())
    }

    fn page_of(items: &[(u8, Listed)], after: Option<(u8, Listed)>, max: usize, bytes_max: usize) -> Listing {
        let mut page = Listing::new(after, String::new(), max, bytes_max);
        for (list, item) in items {
            page.add(*list, item.clone());
        }
        page
    }

    proptest! {
        /// Scenario: items in any order, some of them large, and all pages of them one after the other. Guarantee: together
        /// they are all items once, in order, and no page is larger than it may be.
        #[test]
        fn pages_are_whole_in_any_order(
            given in vec((0..3_u8, "[a-c]{0,2}", 0..300_usize), 0..40), max in 1..8_usize, bytes_max in 1..900_usize,
        ) {
            let items: Vec<_> = given.iter().map(|(list, start, more)| (*list, text(&format!("{start}{}", "x".repeat(*more))))).collect();
            let (mut after, mut all) = (None, Vec::new());
            loop {
                let (page, has_more) = page_of(&items, after.clone(), max, bytes_max).finish();
                let size: usize = page.iter().map(|(_, item)| bytes(item)).sum();
                prop_assert!(page.len() <= max && (size <= bytes_max || page.len() == 1), "{page:?}");
                after = page.last().cloned();
                all.extend(page);
                if !has_more {
                    break;
                }
            }
            let mut expected = items;
            expected.sort();
            expected.dedup();
            prop_assert_eq!(all, expected);
        }
    }

    #[test]
    fn a_prefix_is_of_texts_alone() {
        let mut page = Listing::new(None, "a".to_owned(), 9, 900);
        for item in [text("ab"), text("b"), Listed::Int(1), Listed::Bool(true), text("a")] {
            page.add(0, item);
        }
        assert_eq!(page.finish(), (vec![(0, text("a")), (0, text("ab"))], false));
    }

    #[test]
    fn a_later_list_is_beyond_a_full_page() {
        let items = [(1, text("a")), (1, text("b")), (1, text("c"))];
        let page = page_of(&items, None, 2, 900);
        assert!(page.is_beyond(2) && !page.is_beyond(1));
        assert!(!page_of(&items, None, 3, 900).is_beyond(2));
    }
}
