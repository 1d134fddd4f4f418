//! Random histories: the same writes and questions go to a backend and to the memory store, and every answer is
//! compared. A history that fails is shrunk, printed, and its seed kept beside this file, to be tried first next time.

use std::fmt::Debug;
use std::sync::Arc;

use futures::TryStreamExt;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseResult};
use tracewell::model::{
    Attribute, AttributeCondition, AttributeScope, Attributes, Link, Operation, Search, SearchFields, Span, SpanId,
    SpanKey, SpanKind, Status, StatusCode, TraceId, UnixNanos, Value,
};
use tracewell::query::{Query, QuerySettings};
use tracewell::store::memory::MemoryStore;
use tracewell::store::{Batch, CallRequest, MINUTE_NANOS, RetentionSettings, Scan, SpanStore, Watermark, Work};

use super::filters::{by_key, filtered};
use super::retention::{DAY, today};
use super::traces::traces;
use crate::support::database::{AT_ONCE, Database};
use crate::support::filters::{AnyFilter, filter};
use crate::support::property::{self, on_databases};
use crate::support::{arbitrary, service as named, span};

/// Steps of one history at the most.
const STEPS_MAX: usize = 40;
/// Spans of one history at the most, before near-copies of them are added.
const SPANS_MAX: usize = 16;
/// What a scan of places has to spare.
const SPARE: usize = 5;

mod of_all {
    super::on_databases!(super::check_all; memory: 64, sqlite: 96, postgres: 20);
}
mod of_calls {
    super::on_databases!(super::check_calls; sqlite: 48, postgres: 40);
}

fn check_all(cases: u32, run: impl Fn(History) -> TestCaseResult) {
    check(&history(), cases, run);
}

fn check_calls(cases: u32, run: impl Fn(History) -> TestCaseResult) {
    check(&history_of_calls(), cases, run);
}

fn check(histories: &impl Strategy<Value = History>, cases: u32, run: impl Fn(History) -> TestCaseResult) {
    let persistence = FileFailurePersistence::Direct("tests/store/proptest-regressions/histories.txt");
    let config = Config {
        failure_persistence: Some(Box::new(persistence)),
        source_file: Some(file!()),
        ..property::config(cases, 400)
    };
    property::check(config, histories, run);
}

#[derive(Debug, Clone)]
struct History {
    spans: Vec<Span>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<Vec<Index>>),
    /// Keep the watermark of now, for later questions.
    Mark,
    Reopen,
    /// What is there becomes history, where that is another way to keep it.
    Compact,
    /// What is there becomes history, and what is older than so many days goes.
    Retain(u32),
    Trace(TraceId),
    Scan {
        search: Asked,
        as_of: Option<Index>,
        before: Option<Before>,
        limit: usize,
    },
    /// A scan with a filter, which may leave out what it does not hold on.
    Filtered {
        search: Asked,
        filter: AnyFilter,
        as_of: Option<Index>,
        before: Option<Before>,
        limit: usize,
    },
    /// Every page of a search, from the newest span to the end.
    Pages {
        search: Asked,
        as_of: Option<Index>,
        page: usize,
    },
    Traces {
        ids: Vec<TraceId>,
        as_of: Option<Index>,
    },
    Summaries {
        ids: Vec<TraceId>,
        as_of: Option<Index>,
    },
    Services {
        after: Option<String>,
        limit: usize,
    },
    Operations {
        service: String,
        after: Option<Operation>,
        limit: usize,
    },
    /// Who calls whom in some minutes, the first of which is a span's; or ever since.
    Calls {
        span: Index,
        minutes: Option<u64>,
    },
}

/// A search: any, or for one attribute of one of the history's spans, so that it finds something.
#[derive(Debug, Clone)]
enum Asked {
    Any(Search),
    Like { span: Index, attribute: Index, scope: AttributeScope },
}

/// A place in the order of spans: at a span that may or may not be stored, or right beside it.
#[derive(Debug, Clone)]
struct Before {
    span: Index,
    digest_add: i64,
    start_add: u64,
}

/// Half of the spans began in these days, the others whenever.
fn history() -> impl Strategy<Value = History> {
    let days_ago = vec(option::of(0..5_u64), 2 * SPANS_MAX);
    (arbitrary::spans(SPANS_MAX), days_ago, vec(step(), 1..STEPS_MAX)).prop_map(|(mut spans, days_ago, steps)| {
        for (span, days_ago) in spans.iter_mut().zip(days_ago) {
            if let Some(days_ago) = days_ago {
                let moved = (today() - days_ago) * DAY + span.start.0 % 1_000_000;
                span.end = UnixNanos(span.end.0.saturating_sub(span.start.0).saturating_add(moved));
                span.start = UnixNanos(moved);
            }
        }
        History { spans, steps }
    })
}

/// Spans of few traces and ids, of three days; most have a parent, many take messages.
fn history_of_calls() -> impl Strategy<Value = History> {
    let steps = prop_oneof![
        4 => vec(vec(any::<Index>(), 0..8), 1..3).prop_map(Step::Write),
        3 => Just(Step::Compact),
        1 => select(vec![0, 1, 2]).prop_map(Step::Retain),
        5 => calls(),
    ];
    (vec(calling_span(), 1..3 * SPANS_MAX), vec(steps, 1..STEPS_MAX)).prop_map(|(mut spans, steps)| {
        for span in &mut spans {
            span.start = UnixNanos((today() - span.start.0 / DAY) * DAY + span.start.0 % DAY);
        }
        History { spans, steps }
    })
}

/// A span that calls and is called: few traces, ids and services, three days, a minute or two; of equal ones there are many.
fn calling_span() -> BoxedStrategy<Span> {
    let id = || (1..=4_u64).prop_map(|id| SpanId::from_slice(&id.to_be_bytes()).unwrap());
    let trace = || (1..=3_u128).prop_map(|id| TraceId::from_slice(&id.to_be_bytes()).unwrap());
    let link = (option::weighted(0.9, trace()), option::weighted(0.9, id())).prop_map(|(trace_id, span_id)| Link {
        trace_id,
        span_id,
        ..Link::default()
    });
    let says = select(vec!["", "receive", "process", "send"]);
    let what = (select(vec![1, 2, 2, 3, 4, 5, 5]), 0..3_u64, 0..4_u64, select(vec![0, 2]), says);
    (trace(), id(), option::weighted(0.8, id()), select(vec!["a", "b", "c"]), what, vec(link, 0..3))
        .prop_map(|(trace_id, span_id, parent_span_id, service, (kind, day, half_minute, status, says), links)| {
            let said = Attribute { key: "messaging.operation.type".to_owned(), value: Value::from(says) };
            Span {
                trace_id,
                span_id,
                parent_span_id,
                kind: SpanKind(kind),
                start: UnixNanos(day * 86_400_000_000_000 + half_minute * 30_000_000_000),
                attributes: Attributes(if says.is_empty() { Vec::new() } else { vec![said] }),
                links,
                status: Status { code: StatusCode(status), message: String::new() },
                resource: named(service),
                ..span(1, 1, 0)
            }
        })
        .boxed()
}

fn calls() -> impl Strategy<Value = Step> {
    (any::<Index>(), option::of(0..3_u64)).prop_map(|(span, minutes)| Step::Calls { span, minutes })
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let as_of = || option::weighted(0.4, index());
    let limit = || select(vec![0, 1, 2, 3, 10, 1_000, usize::MAX]);
    let before = (index(), -1_i64..=1, 0_u64..=1)
        .prop_map(|(span, digest_add, start_add)| Before { span, digest_add, start_add })
        .boxed();
    let scope = select(vec![AttributeScope::Any, AttributeScope::Span, AttributeScope::Resource]);
    let like =
        (index(), index(), scope).prop_map(|(span, attribute, scope)| Asked::Like { span, attribute, scope }).boxed();
    let asked = || prop_oneof![1 => arbitrary::search().prop_map(Asked::Any), 1 => like.clone()];
    let operation = (arbitrary::name(), arbitrary::kind()).prop_map(|(name, kind)| Operation { name, kind });
    prop_oneof![
        5 => vec(vec(index(), 0..8), 1..3).prop_map(Step::Write),
        2 => Just(Step::Mark),
        1 => Just(Step::Reopen),
        2 => Just(Step::Compact),
        1 => select(vec![0, 1, 2, 4, 40, 60_000]).prop_map(Step::Retain),
        2 => arbitrary::trace_id().prop_map(Step::Trace),
        4 => (asked(), as_of(), option::of(before.clone()), limit())
            .prop_map(|(search, as_of, before, limit)| Step::Scan { search, as_of, before, limit }),
        4 => (option::of(asked()), filter(), as_of(), option::of(before), limit()).prop_map(
            |(search, filter, as_of, before, limit)| {
                let search = search.unwrap_or_else(|| Asked::Any(Search::default()));
                Step::Filtered { search, filter, as_of, before, limit }
            }
        ),
        2 => (asked(), as_of(), 1_usize..5)
            .prop_map(|(search, as_of, page)| Step::Pages { search, as_of, page }),
        3 => (vec(arbitrary::trace_id(), 0..6), as_of()).prop_map(|(ids, as_of)| Step::Traces { ids, as_of }),
        2 => (vec(arbitrary::trace_id(), 0..4), as_of()).prop_map(|(ids, as_of)| Step::Summaries { ids, as_of }),
        1 => (option::of(arbitrary::service()), limit()).prop_map(|(after, limit)| Step::Services { after, limit }),
        2 => (arbitrary::service(), option::of(operation), limit())
            .prop_map(|(service, after, limit)| Step::Operations { service, after, limit }),
        2 => calls(),
    ]
}

impl History {
    async fn run(&self, database: &dyn Database) -> TestCaseResult {
        let mut pair = Pair { store: database.open().await, oracle: MemoryStore::default(), marks: Vec::new() };
        for (number, step) in self.steps.iter().enumerate() {
            if matches!(step, Step::Reopen) {
                pair.store.close().await;
                pair.store = database.open().await;
            }
            pair.step(step, &self.spans)
                .await
                .map_err(|error| TestCaseError::fail(format!("step {number}: {error}")))?;
        }
        pair.store.close().await;
        Ok(())
    }
}

/// The store under test and the one that is too simple to be wrong, with the same history.
struct Pair {
    store: Arc<dyn SpanStore>,
    oracle: MemoryStore,
    /// Watermarks that both named at the same moment.
    marks: Vec<(Watermark, Watermark)>,
}

impl Pair {
    async fn step(&mut self, step: &Step, spans: &[Span]) -> TestCaseResult {
        match step {
            Step::Write(batches) => self.write(batches, spans).await,
            Step::Mark => {
                let marks = (self.store.watermark().await?, self.oracle.watermark().await?);
                self.marks.push(marks);
                Ok(())
            }
            Step::Compact => {
                self.store.compact(&AT_ONCE).await?;
                Ok(())
            }
            Step::Retain(days) => self.retain(*days).await,
            Step::Reopen => self.compare_trace(spans[0].trace_id).await,
            Step::Trace(id) => self.compare_trace(*id).await,
            Step::Scan { search, as_of, before, limit } => {
                let before = before.as_ref().map(|before| before.key(spans));
                self.compare_scan(&search.search(spans), *as_of, before, *limit).await.map(|_| ())
            }
            Step::Filtered { search, filter, as_of, before, limit } => {
                let (store_as_of, oracle_as_of) = self.mark(*as_of);
                let arrived = Scan { as_of: oracle_as_of, ..Scan::of(Search::default()) };
                let arrived: Vec<Span> = self.oracle.scan_spans(arrived).try_collect().await?;
                let before = before.as_ref().map(|before| before.key(spans));
                let (filter, search) = (filter.of(spans), search.search(spans));
                let scan = Scan { filter, as_of: store_as_of, before, limit: *limit, ..Scan::of(search) };
                filtered(&*self.store, scan, &by_key(&arrived)).await;
                Ok(())
            }
            Step::Pages { search, as_of, page } => self.compare_pages(&search.search(spans), *as_of, *page).await,
            Step::Traces { ids, as_of } => self.compare_traces(ids, *as_of).await,
            Step::Summaries { ids, as_of } => self.compare_summaries(ids, *as_of).await,
            Step::Calls { span, minutes } => {
                let start = span.get(spans).start;
                let end = minutes.map(|minutes| UnixNanos(start.0.saturating_add(minutes * MINUTE_NANOS)));
                self.compare_calls(start, end).await
            }
            Step::Services { after, limit } => {
                let after = after.as_deref();
                same(&self.store.services(after, *limit).await?, &self.oracle.services(after, *limit).await?)
            }
            Step::Operations { service, after, limit } => {
                let (after, limit) = (after.as_ref(), *limit);
                let found = self.store.operations(service, after, limit).await?;
                same(&found, &self.oracle.operations(service, after, limit).await?)
            }
        }
    }

    async fn retain(&self, days: u32) -> TestCaseResult {
        let settings = RetentionSettings { age_days_max: Some(days), arrival_age_days_max: None, bytes_max: None };
        self.store.compact(&AT_ONCE).await?;
        self.store.retain(&settings).await?;
        self.oracle.retain(&settings).await?;
        // Which services and operations are left is asked for seldom otherwise.
        same(&self.store.services(None, 100).await?, &self.oracle.services(None, 100).await?)?;
        self.compare_calls(UnixNanos(0), None).await?;
        let all = Search::default();
        self.compare_scan(&all, None, None, usize::MAX).await.map(drop)
    }

    /// By what was counted, and as people ask.
    async fn compare_calls(&self, start: UnixNanos, end: Option<UnixNanos>) -> TestCaseResult {
        let request = CallRequest::around(start, end, Work::default());
        let expected = self.oracle.calls(request.clone()).await?.unwrap_or_default();
        if let Some(counted) = self.store.calls(request).await? {
            same(&counted, &expected)?;
        }
        let query = Query::new(Arc::clone(&self.store), QuerySettings::default());
        same(&query.calls(start, end).await.map_err(|error| TestCaseError::fail(error.to_string()))?, &expected)
    }

    async fn write(&self, batches: &[Vec<Index>], spans: &[Span]) -> TestCaseResult {
        let batch = |indices: &Vec<Index>| Batch::new(indices.iter().map(|i| i.get(spans).clone()).collect());
        let batches: Vec<_> = batches.iter().map(batch).collect();
        self.store.write(&batches).await?;
        self.oracle.write(&batches).await?;
        Ok(())
    }

    /// The watermarks of one moment; of none, when none was kept.
    fn mark(&self, as_of: Option<Index>) -> (Option<Watermark>, Option<Watermark>) {
        match as_of {
            Some(index) if !self.marks.is_empty() => {
                let (store, oracle) = *index.get(&self.marks);
                (Some(store), Some(oracle))
            }
            _ => (None, None),
        }
    }

    async fn compare_trace(&self, id: TraceId) -> TestCaseResult {
        let found: Vec<Span> = self.store.trace(id).try_collect().await?;
        same(&found, &self.oracle.trace(id).try_collect().await?)
    }

    /// One scan, by spans and by keys; its keys.
    async fn compare_scan(
        &self,
        search: &Search,
        as_of: Option<Index>,
        before: Option<SpanKey>,
        limit: usize,
    ) -> Result<Vec<SpanKey>, TestCaseError> {
        let (store_as_of, oracle_as_of) = self.mark(as_of);
        let asked = Scan { as_of: store_as_of, before, limit, ..Scan::of(search.clone()) };
        let expected = Scan { as_of: oracle_as_of, ..asked.clone() };
        let found: Vec<Span> = self.store.scan_spans(asked.clone()).try_collect().await?;
        same(&found, &self.oracle.scan_spans(expected.clone()).try_collect().await?)?;
        let keys = self.store.scan_keys(asked.clone()).await?;
        same(&keys, &self.oracle.scan_keys(expected.clone()).await?)?;
        let (places, known) =
            (self.store.scan_places(asked.clone()).await?, self.oracle.scan_places(expected.clone()).await?);
        same(&places, &known)?;
        let spare = SPARE.min(usize::MAX - limit);
        let places = self.store.scan_places(Scan { spare, ..asked }).await?;
        let all = self.oracle.scan_places(Scan { limit: limit + spare, ..expected }).await?;
        prop_assert!(places.len() >= known.len() && all.starts_with(&places), "{places:?}, of {all:?}");
        Ok(keys)
    }

    async fn compare_pages(&self, search: &Search, as_of: Option<Index>, page: usize) -> TestCaseResult {
        let mut all = Vec::new();
        loop {
            let keys = self.compare_scan(search, as_of, all.last().copied(), page).await?;
            let is_last = keys.len() < page;
            all.extend(keys);
            if is_last {
                break;
            }
        }
        same(&all, &self.compare_scan(search, as_of, None, usize::MAX).await?)
    }

    async fn compare_traces(&self, ids: &[TraceId], as_of: Option<Index>) -> TestCaseResult {
        let (store_as_of, oracle_as_of) = self.mark(as_of);
        let found = traces(&*self.store, ids, store_as_of).await;
        same(&found, &traces(&self.oracle, ids, oracle_as_of).await)
    }

    async fn compare_summaries(&self, ids: &[TraceId], as_of: Option<Index>) -> TestCaseResult {
        let (store_as_of, oracle_as_of) = self.mark(as_of);
        let mut found = self.store.summaries(ids, store_as_of).await?;
        let mut expected = self.oracle.summaries(ids, oracle_as_of).await?;
        found.sort_by_key(|summary| summary.trace_id);
        expected.sort_by_key(|summary| summary.trace_id);
        same(&found, &expected)
    }
}

impl Asked {
    fn search(&self, spans: &[Span]) -> Search {
        let (span, attribute, scope) = match self {
            Self::Any(search) => return search.clone(),
            Self::Like { span, attribute, scope } => (span.get(spans), attribute, *scope),
        };
        let attributes = [span.attributes.0.as_slice(), span.resource.attributes.0.as_slice()].concat();
        if attributes.is_empty() {
            return Search::default();
        }
        let Attribute { key, value } = attribute.get(&attributes).clone();
        let condition = AttributeCondition { scope, key, value };
        // Some keys can not be searched for.
        Search::try_from(SearchFields { attributes: vec![condition], ..SearchFields::default() }).unwrap_or_default()
    }
}

impl Before {
    fn key(&self, spans: &[Span]) -> SpanKey {
        let key = self.span.get(spans).key();
        let start = UnixNanos(key.start.0.saturating_add(self.start_add));
        SpanKey { start, digest: key.digest.saturating_add(self.digest_add), ..key }
    }
}

fn same<T: PartialEq + Debug>(found: &T, expected: &T) -> TestCaseResult {
    prop_assert_eq!(found, expected);
    Ok(())
}
