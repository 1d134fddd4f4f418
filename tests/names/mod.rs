//! Lists of attribute keys and values, on every backend: page by page they are what is computed from the spans in memory.
//! What a store lists by itself is in `store/names.rs`, the messages are in `wire/query/names.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use tracewell::model::{Listed, Listing, Span, SpanKind, StatusCode, UnixNanos, Within};
use tracewell::query::{KeysRequest, NamesOf, PageRequest, Query, QuerySettings, ValuesRequest};
use tracewell::traceql;
use tracewell::traceql::evaluate::{Trace, spansets};
use tracewell::traceql::tree::{Body, Literal, Pipeline};

use crate::store::batch;
use crate::support::database::{AT_ONCE, Database};
use crate::support::{arbitrary, queries};

/// Names of the language with what they list; the last two are of traces.
const NAMES: [(&str, Option<Listing>); 9] = [
    ("name", Some(Listing::Name)),
    ("kind", Some(Listing::Kind)),
    ("span:status", Some(Listing::Status)),
    ("statusMessage", Some(Listing::StatusMessage)),
    ("event:name", Some(Listing::EventName)),
    ("instrumentation:name", Some(Listing::ScopeName)),
    ("instrumentation:version", Some(Listing::ScopeVersion)),
    ("rootName", None),
    ("rootServiceName", None),
];
const SCOPES: [(&str, Within); 6] = [
    ("", Within::Anywhere),
    ("span", Within::Span),
    ("resource", Within::Resource),
    ("event", Within::Event),
    ("link", Within::Link),
    ("instrumentation", Within::Scope),
];
const KEYS: [&str; 6] = ["a", "b", "http.route", "$bytes", "host.name", "service.name"];

macro_rules! lists_of {
    ($($backend:ident: $cases:literal),+) => { $(
        /// Scenario: any spans, half of them history where that is something else, and lists of keys and of values: with or
        /// without a query, a prefix and times, in pages of any size. Guarantee: each is what the spans in memory have.
        #[test]
        fn $backend() {
            check($cases, || crate::support::database::$backend::create());
        }
    )+ };
}
lists_of!(memory: 60, sqlite: 40, postgres: 25, postgres_compacted: 15);

/// A list that is asked for.
#[derive(Debug, Clone)]
struct Asked {
    /// The place of keys, or the name of values.
    what: Result<usize, String>,
    prefix: String,
    start_min: Option<UnixNanos>,
    start_max: Option<UnixNanos>,
    query: Option<Pipeline>,
    page_size: i32,
}

fn check<F: Future<Output = Box<dyn Database>>>(cases: u32, create: impl Fn() -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let given = (arbitrary::spans(16), proptest::collection::vec((asked(), any::<[Index; 2]>()), 12));
    let run = TestRunner::new(config).run(&given, |(spans, asked)| {
        runtime.block_on(async {
            let database = create().await;
            let store = database.open().await;
            let (first, second) = spans.split_at(spans.len() / 2);
            store.write(&[batch(first)]).await.unwrap();
            store.compact(&AT_ONCE).await.unwrap();
            store.write(&[batch(second), batch(&first[..first.len().min(2)])]).await.unwrap();
            let query = Query::new(Arc::clone(&store), QuerySettings::default());
            for (asked, places) in asked {
                asked.at(&places, &spans).check(&query, &spans).await?;
            }
            store.close().await;
            Ok(())
        })
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let attribute =
        (select(SCOPES.to_vec()), select(KEYS.to_vec())).prop_map(|((scope, _), key)| format!("{scope}.{key}"));
    let name = select(NAMES.map(|(name, _)| name).to_vec()).prop_map(str::to_owned);
    let what = prop_oneof![1 => (0..SCOPES.len()).prop_map(Ok), 1 => name.prop_map(Err), 2 => attribute.prop_map(Err)];
    let prefix = prop_oneof![3 => Just(String::new()), 1 => select(vec!["a", "g", "se", "\0"]).prop_map(str::to_owned)];
    (what, prefix, any::<[bool; 2]>(), option::of(queries::pipeline()), select(vec![1, 2, 3, 1_000])).prop_map(
        |(what, prefix, times, query, page_size)| Asked {
            what,
            prefix,
            start_min: times[0].then_some(UnixNanos(0)),
            start_max: times[1].then_some(UnixNanos(0)),
            query,
            page_size,
        },
    )
}

impl Asked {
    /// With times at which spans start.
    fn at(self, places: &[Index; 2], spans: &[Span]) -> Self {
        let mut times = places.map(|place| place.get(spans).start);
        times.sort_unstable();
        let start_max = self.start_max.map(|_| UnixNanos(times[1].0.saturating_add(1)));
        Self { start_min: self.start_min.map(|_| times[0]).filter(|min| start_max != Some(*min)), start_max, ..self }
    }

    async fn check(&self, query: &Query, spans: &[Span]) -> TestCaseResult {
        let text = self.query.as_ref().map(ToString::to_string).unwrap_or_default();
        let of = NamesOf::new(self.prefix.clone(), self.start_min, self.start_max, &text).unwrap();
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = PageRequest { size: Some(self.page_size), token: &token };
            let (items, next, is_complete) = match &self.what {
                Ok(place) => {
                    let request = KeysRequest::new(of.clone(), SCOPES[*place].1);
                    let page = query.attribute_keys(&request, &page).await.unwrap();
                    let items = page.items.into_iter().map(|key| (key.within, Listed::Text(key.key)));
                    (items.collect::<Vec<_>>(), page.next, !page.coverage.limit_reached)
                }
                Err(name) => {
                    let request = ValuesRequest::new(of.clone(), name).unwrap();
                    let page = query.attribute_values(&request, &page).await.unwrap();
                    let items = page.items.into_iter().map(|item| (Within::Anywhere, item));
                    (items.collect(), page.next, !page.coverage.limit_reached)
                }
            };
            prop_assert!(is_complete && items.len() <= usize::try_from(self.page_size).unwrap());
            found.extend(items);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        prop_assert_eq!(&found, &self.expected(spans), "{:?} {}", self, text);
        Ok(())
    }

    /// The same by going through the spans.
    fn expected(&self, spans: &[Span]) -> Vec<(Within, Listed)> {
        let mut ids: Vec<_> = spans.iter().map(|span| span.trace_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut all = Vec::new();
        let listings = match &self.what {
            Ok(place) if SCOPES[*place].1 == Within::Anywhere => Within::PLACES.map(Some).to_vec(),
            Ok(place) => vec![Some(SCOPES[*place].1)],
            Err(_) => vec![None],
        };
        for place in listings {
            let mut items = BTreeSet::new();
            for id in &ids {
                let trace: Vec<&Span> = spans.iter().filter(|span| span.trace_id == *id).collect();
                self.of_trace(place, &trace, &mut items);
            }
            let is_wanted = |item: &Listed| match item {
                Listed::Text(text) => text.starts_with(&self.prefix),
                _ => self.prefix.is_empty(),
            };
            all.extend(items.into_iter().filter(is_wanted).map(|item| (place.unwrap_or(Within::Anywhere), item)));
        }
        all
    }

    fn of_trace(&self, place: Option<Within>, spans: &[&Span], items: &mut BTreeSet<Listed>) {
        let trace = Trace::new(spans.iter().copied());
        let found = match &self.query {
            None => spans.to_vec(),
            Some(query) => spansets(query, &trace).iter().flat_map(|set| &set.spans).map(|found| found.span).collect(),
        };
        let in_time = |span: &&Span| {
            self.start_min.is_none_or(|min| span.start >= min) && self.start_max.is_none_or(|max| span.start < max)
        };
        let found: Vec<_> = found.into_iter().filter(in_time).collect();
        match (&self.what, place) {
            (Ok(_), Some(place)) => found.iter().for_each(|span| add(&Listing::Keys(place), span, items)),
            (Ok(_), None) => unreachable!("keys are of a place"),
            (Err(name), _) => match NAMES.iter().find(|(known, _)| known == name) {
                Some((_, Some(listing))) => found.iter().for_each(|span| add(listing, span, items)),
                Some((name, None)) => items.extend(found.first().and_then(|_| root(name, spans))),
                None => {
                    let (scope, key) = name.split_once('.').unwrap();
                    let within = SCOPES.into_iter().find(|(known, _)| *known == scope).unwrap().1;
                    let listing = Listing::Values { within, key: key.to_owned() };
                    for span in &found {
                        add(&listing, span, items);
                    }
                }
            },
        }
    }
}

/// What the span has; kinds and statuses as the language has them.
fn add(listing: &Listing, span: &Span, items: &mut BTreeSet<Listed>) {
    listing.of_span(span, &mut |item| {
        let literal = match (listing, &item) {
            (Listing::Kind, Listed::Int(0..=5)) => Some(Literal::Kind(SpanKind(span.kind.0))),
            (Listing::Status, Listed::Int(0..=2)) => Some(Literal::Status(StatusCode(span.status.code.0))),
            _ => None,
        };
        items.insert(literal.map_or(item, |literal| Listed::Text(literal.to_string())));
    });
}

/// The name or the service of the earliest span without a parent.
fn root(name: &str, spans: &[&Span]) -> Option<Listed> {
    let roots = spans.iter().filter(|span| span.parent_span_id.is_none());
    let root = roots.min_by_key(|span| span.key())?;
    Some(Listed::Text(if name == "rootName" { root.name.clone() } else { root.resource.service().to_owned() }))
}

/// Scenario: a name, or a query, that can not be listed by. Guarantee: it is refused with its field and a reason.
#[test]
fn what_can_not_be_listed_is_refused_by_name() {
    let of = || NamesOf::new(String::new(), None, None, "").unwrap();
    for (name, reason) in [
        ("duration", "name: the values of duration can not be listed: nearly every one is another"),
        ("span:id", "name: the values of span:id can not be listed: nearly every one is another"),
        ("childCount", "name: the values of span:childCount can not be listed: nearly every one is another"),
        ("parent.a", "name: column 1: the scope parent is not supported"),
        ("name, kind", "name: column 5: found `,`, expected nothing after it"),
        (
            "foo",
            "name: column 1: found `foo`, expected an attribute such as .name or resource.name, or an intrinsic such as duration",
        ),
        (
            "1",
            "name: column 1: found `1`, expected an attribute such as .name or resource.name, or an intrinsic such as duration",
        ),
    ] {
        assert_eq!(ValuesRequest::new(of(), name).unwrap_err().to_string(), reason);
    }
    for (query, reason) in [
        ("{ } | rate()", "query: must find spans; it ends in a metrics function, which gives numbers"),
        (
            "{",
            "query: column 2: found the end of the query, expected a value, an attribute such as .name or resource.name, or an intrinsic such as duration",
        ),
    ] {
        assert_eq!(NamesOf::new(String::new(), None, None, query).unwrap_err().to_string(), reason);
    }
    assert!(matches!(traceql::parse("{ } | select(name)").unwrap().body, Body::Traces(_)));
}

/// Scenario: a list for which more has to be read than an answer may. Guarantee: it ends, and says of which spans it is:
/// it has all that those have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_goes_as_far_as_it_says() {
    let spans: Vec<Span> = arbitrary::samples(&arbitrary::span(), 3_000);
    let spans: Vec<Span> =
        spans.into_iter().enumerate().map(|(number, span)| Span { start: UnixNanos(number as u64), ..span }).collect();
    for database in
        [crate::support::database::memory::create().await, crate::support::database::postgres_compacted::create().await]
    {
        let store = database.open().await;
        store.write(&[batch(&spans)]).await.unwrap();
        let settings = QuerySettings { work_spans_max: 100, ..QuerySettings::default() };
        let query = Query::new(Arc::clone(&store), settings);
        for text in ["", "{ true }", "{ } | count() > 0"] {
            let of = NamesOf::new(String::new(), None, None, text).unwrap();
            let request = ValuesRequest::new(of, "span.a").unwrap();
            let page = query.attribute_values(&request, &PageRequest::default()).await.unwrap();
            let since = page.coverage.since.unwrap();
            assert!(page.coverage.limit_reached && since > UnixNanos(0), "{text}: {:?}", page.coverage);
            let listing = Listing::Values { within: Within::Span, key: "a".to_owned() };
            let mut items = BTreeSet::new();
            spans.iter().filter(|span| span.start >= since).for_each(|span| add(&listing, span, &mut items));
            assert!(items.iter().all(|item| page.items.contains(item)), "{text}");
        }
        store.close().await;
    }
}
