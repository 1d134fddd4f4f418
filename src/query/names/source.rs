//! Where items come from: from the store as it lists them, from the roots of traces, or from what a query finds.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use async_stream::try_stream;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::found::{self, Found};
use super::request::{NamesOf, Valued};
use crate::model::{
    Listed, Listing, Search, SearchFields, SpanKey, SpanKind, StatusCode, TraceId, TraceSummary, UnixNanos,
};
use crate::store::{NamePortion, NameScan, Scan, SpanStore, StoreError, Work};
use crate::traceql::tree::Literal;

/// So many places are read at once, in search of traces.
pub(super) const PLACES_MAX: usize = 4_096;
/// So many traces are looked up at once.
const TRACES_MAX: usize = 512;
/// So many traces are remembered; when there are more, all are forgotten and looked up once more.
pub(super) const SEEN_MAX: usize = 65_536;

/// Where items come from, with the number of the list that they belong to.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Store(u8, Listing),
    Roots(Valued),
    Found(Vec<(u8, Valued)>),
}

/// Some of the items.
#[derive(Debug, Default)]
pub(super) struct Portion {
    pub(super) items: BTreeSet<(u8, Listed)>,
    /// As [`NamePortion::covered_since`].
    pub(super) covered_since: Option<UnixNanos>,
    pub(super) too_large: BTreeSet<TraceId>,
}

pub(super) type Portions = BoxStream<'static, Result<Portion, StoreError>>;

impl Source {
    /// The least number of a list that it has something of.
    pub(super) fn first_list(&self) -> u8 {
        match self {
            Self::Store(list, _) => *list,
            Self::Roots(_) | Self::Found(_) => 0,
        }
    }

    pub(super) fn portions(
        self,
        of: &NamesOf,
        store: &Arc<dyn SpanStore>,
        trace_spans_max: u64,
        work: &Work,
    ) -> Portions {
        match (self, &of.query) {
            (Self::Store(list, listing), _) => {
                let (start_min, start_max) = (of.start_min, of.start_max);
                let scan = NameScan { listing: listing.clone(), start_min, start_max, work: work.clone() };
                let portion = move |NamePortion { items, covered_since }| {
                    let items = items.into_iter().map(|item| (list, shown(&listing, item))).collect();
                    Portion { items, covered_since, ..Portion::default() }
                };
                store.names(scan).map_ok(portion).boxed()
            }
            (Self::Roots(valued), _) => roots(Arc::clone(store), of, valued, work),
            (Self::Found(lists), Some(query)) => {
                let (store, scan, query) = (Arc::clone(store), scan(of, work), query.clone());
                found::portions(Found { store, scan, query, lists, trace_spans_max })
            }
            (Self::Found(_), None) => futures::stream::empty().boxed(),
        }
    }
}

/// The next moment: others may start at the same one and not have come yet.
pub(super) fn after(start: UnixNanos) -> UnixNanos {
    UnixNanos(start.0.saturating_add(1))
}

/// All spans that start in time, newest first.
pub(super) fn scan(of: &NamesOf, work: &Work) -> Scan {
    let fields = SearchFields { start_min: of.start_min, start_max: of.start_max, ..SearchFields::default() };
    // The times were looked at when the request was made.
    let search = Search::try_from(fields).unwrap_or_default();
    Scan { work: work.clone(), ..Scan::of(search) }
}

/// Kinds and statuses by the words of the language, as far as it has one.
pub(super) fn shown(listing: &Listing, item: Listed) -> Listed {
    let literal = match (listing, &item) {
        (Listing::Kind, Listed::Int(number)) => i32::try_from(*number).ok().map(|kind| Literal::Kind(SpanKind(kind))),
        (Listing::Status, Listed::Int(number)) => {
            i32::try_from(*number).ok().map(|code| Literal::Status(StatusCode(code)))
        }
        _ => None,
    };
    let word = literal.map(|literal| literal.to_string()).filter(|word| word.parse::<i32>().is_err());
    word.map_or(item, Listed::Text)
}

/// What the root of a trace has, when one has arrived.
pub(super) fn of_root(valued: &Valued, root: Option<&(String, String)>) -> Option<Listed> {
    let (service, name) = root?;
    match valued {
        Valued::RootName => Some(Listed::Text(name.clone())),
        Valued::RootService => Some(Listed::Text(service.clone())),
        Valued::OfSpan(_) => None,
    }
}

/// What the roots have of the traces that have a span.
fn roots(store: Arc<dyn SpanStore>, of: &NamesOf, valued: Valued, work: &Work) -> Portions {
    let scan = scan(of, work);
    let stream = try_stream! {
        let (mut before, mut seen) = (None, HashSet::new());
        loop {
            let places = store.scan_places(Scan { before, limit: PLACES_MAX, ..scan.clone() }).await?;
            before = places.last().map(|(start, id)| SpanKey::least(*start, *id));
            let covered_since = places.last().map(|(start, _)| after(*start));
            if seen.len() > SEEN_MAX {
                seen.clear();
            }
            let ids: Vec<TraceId> = places.iter().map(|(_, id)| *id).filter(|id| seen.insert(*id)).collect();
            let mut items = BTreeSet::new();
            for ids in ids.chunks(TRACES_MAX) {
                let summaries: Vec<TraceSummary> = store.summaries(ids, None).await?;
                items.extend(summaries.iter().filter_map(|trace| Some((0, of_root(&valued, trace.root.as_ref())?))));
            }
            yield Portion { items, covered_since, ..Portion::default() };
            if places.len() < PLACES_MAX {
                break;
            }
        }
    };
    stream.boxed()
}
