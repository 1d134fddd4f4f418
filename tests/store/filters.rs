//! Promise 7 for filters: no span is left out on which one holds, whatever else is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::TryStreamExt;
use proptest::collection::vec;
use tracewell::model::{Filter, Parts, Search, Span, SpanKey};
use tracewell::store::{Scan, SpanStore, Watermark};

use super::batch;
use crate::support::arbitrary;
use crate::support::database::{AT_ONCE, Database};
use crate::support::filters::filter;
use crate::support::outline::outline;

macro_rules! filters_of {
    ($($backend:ident),+) => { $(mod $backend {
        filters_of!(in $backend: by_themselves, with_all_else);
    })+ };
    (in $backend:ident: $($case:ident),+) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            super::$case(&*crate::support::database::$backend::create().await).await;
        }
    )+ };
}
filters_of!(memory, sqlite, postgres, postgres_compacted, postgres_sql_ascii);

/// Filters of the random tests, with spans that they are about.
fn filters(spans: &[Span], count: usize) -> Vec<Filter> {
    arbitrary::samples(&filter(), count).iter().map(|filter| filter.of(spans)).collect()
}

/// Spans by their keys, exact copies once.
pub(super) type ByKey = BTreeMap<SpanKey, Span>;

pub(super) fn by_key(spans: &[Span]) -> ByKey {
    spans.iter().map(|span| (span.key(), span.clone())).collect()
}

/// The spans of a scan with a filter, after a check of all that is promised: `stored` are all that had arrived.
pub(super) async fn filtered(store: &dyn SpanStore, scan: Scan, stored: &ByKey) -> Vec<Span> {
    let is_below = |key: SpanKey| scan.before.is_none_or(|before| key < before);
    let may_come = stored.iter().filter(|(key, span)| is_below(**key) && scan.search.matches(span));
    let may_come: BTreeMap<SpanKey, &Span> = may_come.map(|(key, span)| (*key, span)).collect();
    let spans: Vec<Span> = store.scan_spans(scan.clone()).try_collect().await.unwrap();
    let keys: Vec<_> = spans.iter().map(Span::key).collect();
    check(&keys, &may_come, &scan);
    assert!(keys.iter().zip(&spans).all(|(key, span)| may_come.get(key) == Some(&span)));
    check(&store.scan_keys(scan.clone()).await.unwrap(), &may_come, &scan);
    check_places(store, &scan, stored).await;
    check_outlines(store, &scan, &may_come).await;
    spans
}

/// The places of a scan are those of its spans, those that its filter leaves out or not.
async fn check_places(store: &dyn SpanStore, scan: &Scan, stored: &ByKey) {
    let place = |key: &SpanKey| (key.start, key.trace_id);
    let is_below = |key: &SpanKey| scan.before.is_none_or(|before| place(key) < place(&before));
    let may_come: Vec<_> = stored.iter().filter(|(key, span)| is_below(key) && scan.search.matches(span)).collect();
    let of = |spans: &[(&SpanKey, &Span)]| spans.iter().map(|(key, _)| place(key)).collect::<BTreeSet<_>>();
    let must_come: Vec<_> = may_come.iter().copied().filter(|(_, span)| scan.filter.matches(span)).collect();
    let (may_come, must_come) = (of(&may_come), of(&must_come));
    let places = store.scan_places(scan.clone()).await.unwrap();
    assert!(places.is_sorted_by(|a, b| a > b) && places.len() <= scan.limit, "{places:?}: {scan:?}");
    assert!(places.iter().all(|place| may_come.contains(place)), "a place too many: {scan:?}");
    let floor = places.last().filter(|_| places.len() == scan.limit);
    let missing = must_come.iter().rev().find(|at| floor.is_none_or(|floor| *at > floor) && !places.contains(at));
    assert!(scan.limit == 0 || missing.is_none(), "the place {missing:?} is missing: {scan:?}");
}

/// Whether an event or a link of the span has an attribute that is looked for there.
fn is_elsewhere(span: &Span, parts: &Parts) -> bool {
    let events = span.events.iter().map(|event| &event.attributes);
    let mut all = events.chain(span.links.iter().map(|link| &link.attributes));
    all.any(|attributes| parts.elsewhere.iter().any(|key| attributes.get(key).is_some()))
}

/// How often a store gave outlines.
static OUTLINED: AtomicUsize = AtomicUsize::new(0);

/// Where there are outlines, they are those of the spans of the scan: all of them, or all that are not less than the last one.
async fn check_outlines(store: &dyn SpanStore, scan: &Scan, may_come: &BTreeMap<SpanKey, &Span>) {
    let attributes = may_come.values().flat_map(|span| &span.attributes).step_by(7);
    let keys: BTreeSet<_> =
        attributes.map(|attribute| attribute.key.clone()).take(3).chain(["none".to_owned()]).collect();
    let number = may_come.len();
    let elsewhere = if number.is_multiple_of(3) { keys.clone() } else { BTreeSet::new() };
    let parts = &Parts { keys, parent: number.is_multiple_of(2), scope: number % 3 == 1, elsewhere };
    let Some(outlines) = store.scan_outlines(scan.clone(), parts).await.unwrap() else { return };
    OUTLINED.fetch_add(1, Ordering::Relaxed);
    let ids = |key: &SpanKey| SpanKey { digest: i64::MIN, ..*key };
    let given: Vec<_> = outlines.spans.iter().map(|(key, _)| *key).collect();
    assert!(given.is_sorted_by(|a, b| a > b) && given.iter().all(|key| ids(key) == *key), "not in order: {scan:?}");
    for (key, span) in &outlines.spans {
        let known: Vec<_> = may_come.iter().filter(|(known, _)| ids(known) == *key).map(|(_, known)| *known).collect();
        let is_right = |known: &&Span| {
            let is_whole = span.events == known.events && span.links == known.links;
            (is_whole || !is_elsewhere(known, parts)) && outline(span, parts) == outline(known, parts)
        };
        assert!(known.iter().any(is_right), "{span:?} is an outline of none of {known:?}: {scan:?}");
        let wanted = known.iter().filter(|known| scan.filter.matches(known));
        assert!(wanted.count() < 2, "a copy that may be none is left out: {scan:?}");
    }
    let floor = given.last().filter(|_| !outlines.is_all);
    assert!(outlines.is_all || floor.is_some(), "nothing, and not all: {scan:?}");
    let must_come = may_come.iter().filter(|(_, span)| scan.filter.matches(span)).map(|(key, _)| ids(key));
    let missing = must_come.rev().find(|key| floor.is_none_or(|floor| key > floor) && !given.contains(key));
    assert!(missing.is_none(), "the outline of {missing:?} is missing: {scan:?}");
}

fn check(keys: &[SpanKey], may_come: &BTreeMap<SpanKey, &Span>, scan: &Scan) {
    let (filter, limit) = (&scan.filter, scan.limit);
    let must_come = may_come.iter().filter(|(_, span)| filter.matches(span)).map(|(key, _)| key);
    assert!(keys.is_sorted_by(|a, b| a > b), "not in order: {filter:?}");
    assert!(keys.iter().all(|key| may_come.contains_key(key)), "one too many: {filter:?}");
    assert!(keys.len() <= limit, "{} are more than {limit}: {filter:?}", keys.len());
    let floor = keys.last().filter(|_| keys.len() == limit);
    let missing = must_come.rev().find(|key| floor.is_none_or(|floor| *key > floor) && !keys.contains(key));
    assert!(limit == 0 || missing.is_none(), "{missing:?} is missing, limit {limit}: {filter:?}");
}

/// Filters by themselves and with a limit, on what is new, on what is history, and on both; a filter is as good as a search:
/// what it does not hold on does not come.
async fn by_themselves(database: &dyn Database) {
    let store = database.open().await;
    let spans = arbitrary::samples(&vec(arbitrary::span(), 200), 1).concat();
    let filters = filters(&spans, 150);
    let (mut hits, mut rest) = (0, 0);
    for (part, written) in [(&spans[..100], 100), (&spans[100..], 200)] {
        store.write(&[batch(part)]).await.unwrap();
        let stored = &by_key(&spans[..written]);
        for (number, filter) in filters.iter().enumerate() {
            let scan = Scan { filter: filter.clone(), ..Scan::of(Search::default()) };
            let found = filtered(&*store, scan.clone(), stored).await;
            assert!(found.iter().all(|span| filter.matches(span)), "one too many: {filter:?}");
            hits += usize::from(!found.is_empty());
            rest += usize::from(found.len() < stored.len() / 2);
            let limit = number % (found.len() + 2);
            assert!(filtered(&*store, Scan { limit, ..scan }, stored).await == found[..limit.min(found.len())]);
        }
        store.compact(&AT_ONCE).await.unwrap();
    }
    assert!(hits > 150 && rest > 150, "{hits} filters of 300 find something, {rest} leave out most");
    let scan = Scan::of(Search::default());
    if store.scan_outlines(scan, &Parts::default()).await.unwrap().is_some() {
        assert!(OUTLINED.load(Ordering::Relaxed) > 100, "few outlines");
    }
    store.close().await;
}

/// Filters with searches, from any place on, as of any moment, part of what is there being history.
async fn with_all_else(database: &dyn Database) {
    let store = database.open().await;
    let spans = arbitrary::samples(&arbitrary::spans(50), 6);
    let all = spans.concat();
    let mut marks: Vec<(Option<Watermark>, usize)> = Vec::new();
    for end in 0..spans.len() {
        marks.push((Some(store.watermark().await.unwrap()), end));
        store.write(&[batch(&spans[end]), batch(&spans[end / 2])]).await.unwrap();
        if end == 2 {
            store.compact(&AT_ONCE).await.unwrap();
        }
    }
    marks.push((None, spans.len()));
    let stored: Vec<_> = (0..=spans.len()).map(|end| by_key(&spans[..end].concat())).collect();
    let searches = arbitrary::samples(&arbitrary::search(), 120);
    for (number, (filter, search)) in filters(&all, 120).into_iter().zip(searches).enumerate() {
        let (as_of, arrived) = marks[number % marks.len()];
        let search = if number % 3 == 0 { search } else { Search::default() };
        let before = (number % 2 == 0).then(|| all[number % all.len()].key());
        for limit in [usize::MAX, 1 + number % 5] {
            let scan = Scan { filter: filter.clone(), as_of, before, limit, ..Scan::of(search.clone()) };
            filtered(&*store, scan, &stored[arrived]).await;
        }
    }
    store.close().await;
}
