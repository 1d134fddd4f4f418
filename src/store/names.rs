//! Listing what spans have: what is asked of a store, what it answers, and the way that is right for any store, which is
//! to go through the spans.

use std::collections::BTreeSet;

use async_stream::try_stream;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::{Scan, SpanStream, StoreError, Work};
use crate::model::{AttributeIs, Condition, Filter, Listed, Listing, Search, SearchFields, UnixNanos};

/// So many spans make a portion.
const PORTION_SPANS: usize = 256;

/// What to list, of which spans.
#[derive(Debug, Clone)]
pub struct NameScan {
    /// What is listed.
    pub listing: Listing,
    /// Only of spans that start at this time or later.
    pub start_min: Option<UnixNanos>,
    /// Only of spans that start before this time.
    pub start_max: Option<UnixNanos>,
    /// Counts what it takes.
    pub work: Work,
}

/// Some items of a listing, each perhaps in other portions too.
#[derive(Debug, Clone, Default)]
pub struct NamePortion {
    /// The items.
    pub items: BTreeSet<Listed>,
    /// With this portion and those before it, all spans that start at this time or later have been looked at; `None` when
    /// no such time can be told.
    pub covered_since: Option<UnixNanos>,
}

/// Portions of a listing; dropping the stream stops the query behind it.
pub type NameStream = BoxStream<'static, Result<NamePortion, StoreError>>;

impl NameScan {
    /// Whether it is of all spans there are.
    pub(crate) fn is_of_all(&self) -> bool {
        self.start_min.is_none() && self.start_max.is_none()
    }

    /// Whether a span that starts then is one of those.
    pub(crate) fn is_of(&self, start: UnixNanos) -> bool {
        self.start_min.is_none_or(|min| start >= min) && self.start_max.is_none_or(|max| start < max)
    }

    /// All spans that may have an item, newest first.
    pub(crate) fn spans(&self) -> Scan {
        let fields = SearchFields { start_min: self.start_min, start_max: self.start_max, ..SearchFields::default() };
        let filter = filter(&self.listing);
        match Search::try_from(fields) {
            Ok(search) => Scan { filter, work: self.work.clone(), ..Scan::of(search) },
            // Times that exclude everything.
            Err(_) => Scan { limit: 0, ..Scan::of(Search::default()) },
        }
    }
}

fn filter(listing: &Listing) -> Filter {
    match listing {
        Listing::Values { within, key } => {
            Filter::Is(Condition::Attribute { within: *within, key: key.clone(), is: AttributeIs::There })
        }
        _ => Filter::Everything,
    }
}

/// What spans have, which come newest first.
pub(crate) fn of_spans(spans: SpanStream, listing: Listing) -> NameStream {
    let stream = try_stream! {
        let mut spans = spans.try_chunks(PORTION_SPANS);
        while let Some(portion) = spans.next().await {
            // What came before an error is of no use: the listing fails.
            let portion = portion.map_err(|error| error.1)?;
            let mut items = BTreeSet::new();
            for span in &portion {
                listing.of_span(span, &mut |item| {
                    items.insert(item);
                });
            }
            let last = portion.last().map(|last| last.start);
            yield NamePortion { items, covered_since: last.map(after) };
        }
    };
    stream.boxed()
}

/// The next moment: others may start at the same one and not have come yet.
pub(crate) fn after(start: UnixNanos) -> UnixNanos {
    UnixNanos(start.0.saturating_add(1))
}
