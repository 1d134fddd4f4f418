//! Random searches against their meaning: all pages together are what the reference evaluator gives over all traces in
//! memory, in order, whatever a page may cost and whatever arrives between two pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;
use tracewell::model::{Search, SearchFields, Span, SpanKey, TraceId, UnixNanos};
use tracewell::query::{FoundTrace, PageRequest, Query, QuerySettings, Question, SearchPage};
use tracewell::store::{Batch, SpanStore};
use tracewell::traceql::evaluate::{Trace, spansets};
use tracewell::traceql::plan::{Plan, Reach};
use tracewell::traceql::tree::Pipeline;

use crate::support::database::{AT_ONCE, Database};
use crate::support::property::{self, on_databases};
use crate::support::{arbitrary, queries, queries_about};

/// Pages of one list at the most; more are without end.
const PAGES_MAX: usize = 500;

on_databases!(check; memory: 400, sqlite: 60, postgres: 16, postgres_compacted: 12);

fn check(cases: u32, run: impl Fn(Case) -> TestCaseResult) {
    property::check(property::config(cases, 400), &cases_of(), run);
}

#[derive(Debug, Clone)]
struct Case {
    /// What arrives before the first page, in batches; after each it may become history.
    first: Vec<(Vec<Span>, bool)>,
    /// What arrives between two pages.
    late: Vec<(Vec<Span>, bool)>,
    search: Search,
    query: Option<Pipeline>,
    settings: QuerySettings,
    sizes: Vec<i32>,
    spans_per_set_max: usize,
}

fn cases_of() -> impl Strategy<Value = Case> {
    let settings = (
        select(vec![0, 1, 7, u64::MAX]),
        select(vec![1, 3_000, 2 << 20]),
        prop_oneof![4 => Just(u64::MAX), 1 => 1..4_u64],
    );
    (arbitrary::spans(14), arbitrary::spans(6), settings, vec(1..5_i32, 1..4), 0..4_usize).prop_flat_map(
        |(spans, late, (work_spans_max, page_bytes_max, trace_spans_max), sizes, spans_per_set_max)| {
            let settings =
                QuerySettings { work_spans_max, page_bytes_max, trace_spans_max, ..QuerySettings::default() };
            let about = queries_about::pipeline(&spans);
            let query =
                prop_oneof![1 => Just(None), 6 => about.prop_map(Some), 1 => queries::pipeline().prop_map(Some)];
            (batches(spans, 4), batches(late, 6), search(), query).prop_map(move |(first, late, search, query)| Case {
                first,
                late,
                search,
                query,
                settings,
                sizes: sizes.clone(),
                spans_per_set_max,
            })
        },
    )
}

/// These spans in a few batches.
fn batches(spans: Vec<Span>, most: usize) -> impl Strategy<Value = Vec<(Vec<Span>, bool)>> {
    let count = spans.len();
    vec((0..=count, any::<bool>()), 1..=most).prop_map(move |mut cuts| {
        cuts.sort_unstable();
        let mut from = 0;
        let mut batches = Vec::new();
        for (to, compacted) in cuts {
            batches.push((spans[from..to].to_vec(), compacted));
            from = to;
        }
        batches.push((spans[from..].to_vec(), false));
        batches
    })
}

/// Mostly no condition beside the query, or one that many spans meet.
fn search() -> BoxedStrategy<Search> {
    let bounds = (option::of(arbitrary::time()), option::of(arbitrary::time())).prop_filter_map(
        "no time between",
        |(start_min, start_max)| {
            Search::try_from(SearchFields { start_min, start_max, ..SearchFields::default() }).ok()
        },
    );
    prop_oneof![4 => Just(Search::default()), 2 => bounds, 1 => arbitrary::search()].boxed()
}

/// A trace of the list: its start, its id, and its sets of spans as text.
type Line = (UnixNanos, TraceId, Vec<String>);

/// A store, and everything that has arrived there.
struct Filled {
    store: Arc<dyn SpanStore>,
    spans: Vec<Span>,
}

impl Filled {
    async fn write(&mut self, (spans, compacted): &(Vec<Span>, bool)) {
        self.store.write(&[Batch::new(spans.clone())]).await.unwrap();
        self.spans.extend(spans.iter().cloned());
        if *compacted {
            self.store.compact(&AT_ONCE).await.unwrap();
        }
    }

    fn traces(&self) -> BTreeMap<TraceId, Vec<Span>> {
        let mut traces = BTreeMap::<TraceId, Vec<Span>>::new();
        for span in &self.spans {
            let trace = traces.entry(span.trace_id).or_default();
            if !trace.contains(span) {
                trace.push(span.clone());
            }
        }
        traces
    }
}

impl Case {
    async fn run(&self, database: &dyn Database) -> TestCaseResult {
        let mut filled = Filled { store: database.open().await, spans: Vec::new() };
        for batch in &self.first {
            filled.write(batch).await;
        }
        let query = Query::new(filled.store.clone(), self.settings);
        self.compare_traces(&query, &mut filled).await?;
        self.compare_spans(&query, &mut filled).await?;
        filled.store.close().await;
        Ok(())
    }

    async fn compare_traces(&self, query: &Query, filled: &mut Filled) -> TestCaseResult {
        let found = self.found(filled);
        let expected = found.lines();
        let (mut shown, mut token): (Vec<Line>, String) = Default::default();
        for round in 0..PAGES_MAX {
            let page = query.search_traces(&self.question(), &self.request(round, &token)).await?;
            shown.extend(page.items.iter().map(line));
            self.check(&page)?;
            let missing = expected.iter().find(|line| is_covered(&page, line.0) && !shown.contains(line));
            prop_assert!(missing.is_none(), "{:?} is covered, and is not there", missing);
            prop_assert!(page.coverage.trace_ids_too_large.iter().all(|id| found.too_large.contains(id)));
            token = page.next;
            if token.is_empty() {
                prop_assert_eq!(shown, expected);
                return Ok(());
            }
            self.arrive(round, filled).await;
        }
        Err(TestCaseError::fail("no end"))
    }

    async fn compare_spans(&self, query: &Query, filled: &mut Filled) -> TestCaseResult {
        let found = self.found(filled);
        let expected: Vec<_> = found.keys.iter().rev().copied().collect();
        let (mut shown, mut token): (Vec<SpanKey>, String) = Default::default();
        for round in 0..PAGES_MAX {
            let page = query.search_spans(&self.question(), &self.request(round, &token)).await?;
            shown.extend(page.items.iter().map(Span::key));
            self.check(&page)?;
            let missing = expected.iter().find(|key| is_covered(&page, key.start) && !shown.contains(key));
            prop_assert!(missing.is_none(), "{:?} is covered, and is not there", missing);
            prop_assert!(page.coverage.trace_ids_too_large.iter().all(|id| found.too_large.contains(id)));
            token = page.next;
            if token.is_empty() {
                prop_assert_eq!(shown, expected);
                return Ok(());
            }
            self.arrive(round, filled).await;
        }
        Err(TestCaseError::fail("no end"))
    }

    /// Between the first pages something arrives.
    async fn arrive(&self, round: usize, filled: &mut Filled) {
        if let Some(batch) = self.late.get(round) {
            filled.write(batch).await;
        }
    }

    fn question(&self) -> Question<'_> {
        Question { search: &self.search, query: self.query.as_ref(), spans_per_set_max: self.spans_per_set_max }
    }

    fn request<'a>(&self, round: usize, token: &'a str) -> PageRequest<'a> {
        PageRequest { size: Some(self.sizes[round % self.sizes.len()]), token }
    }

    /// What holds of every page.
    fn check<T>(&self, page: &SearchPage<T>) -> TestCaseResult {
        let is_cut = page.coverage.limit_reached;
        prop_assert!(!is_cut || self.settings.work_spans_max < u64::MAX, "no limit was reached");
        prop_assert!(page.next.is_empty() || is_cut || !page.items.is_empty(), "only a page that is cut may be empty");
        prop_assert_eq!(page.next.is_empty(), page.coverage.since.is_none(), "what is not covered is on the next page");
        Ok(())
    }

    /// What is found in all that has arrived.
    fn found(&self, filled: &Filled) -> Found {
        let mut found = Found::default();
        for (id, spans) in filled.traces() {
            let whole = self.query.as_ref().is_some_and(|query| Plan::of(query).reach == Reach::Trace);
            if whole && spans.len() as u64 > self.settings.trace_spans_max {
                found.too_large.insert(id);
            } else {
                self.find_in(&spans, &mut found);
            }
        }
        found
    }

    fn find_in(&self, spans: &[Span], found: &mut Found) {
        let place = |spans: &[Span]| (spans.iter().map(|span| span.start).min().unwrap(), spans[0].trace_id);
        let Some(query) = &self.query else {
            let keys: Vec<_> = spans.iter().filter(|span| self.search.matches(span)).map(Span::key).collect();
            if !keys.is_empty() {
                found.sets.insert(place(spans), Vec::new());
            }
            found.keys.extend(keys);
            return;
        };
        for set in spansets(query, &Trace::new(spans)) {
            let wanted: Vec<_> = set.spans.iter().filter(|found| self.search.matches(found.span)).collect();
            if wanted.is_empty() {
                continue;
            }
            found.keys.extend(wanted.iter().map(|found| found.span.key()));
            let first = wanted.iter().take(self.spans_per_set_max);
            let first: Vec<_> = first.map(|found| (found.span.span_id, found.span.start, &found.selected)).collect();
            let text = format!("{} {first:?} {:?}", wanted.len(), set.attributes);
            found.sets.entry(place(spans)).or_default().push(text);
        }
    }
}

/// What a search finds, by the evaluator.
#[derive(Default)]
struct Found {
    sets: BTreeMap<(UnixNanos, TraceId), Vec<String>>,
    keys: BTreeSet<SpanKey>,
    too_large: BTreeSet<TraceId>,
}

impl Found {
    fn lines(&self) -> Vec<Line> {
        self.sets.iter().rev().map(|((start, id), sets)| (*start, *id, sets.clone())).collect()
    }
}

fn line(found: &FoundTrace) -> Line {
    let sets = found.span_sets.iter().map(|set| {
        let first: Vec<_> = set.spans.iter().map(|span| (span.span_id, span.start, &span.selected)).collect();
        format!("{} {first:?} {:?}", set.matched, set.attributes)
    });
    (found.summary.start, found.summary.trace_id, sets.collect())
}

/// Nothing can be said of the very last moment alone: there is none after it.
fn is_covered<T>(page: &SearchPage<T>, start: UnixNanos) -> bool {
    page.coverage.since.is_none_or(|since| start >= since && start.0 < u64::MAX)
}
