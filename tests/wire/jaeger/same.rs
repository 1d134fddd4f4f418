//! The same search through each of Jaeger's doors and through `tracewell.v1` gives the same traces; and what attributes
//! find is what a plain look at every span finds. Over random spans, on every store.

use std::collections::BTreeSet;
use std::fmt::Write;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use tracewell::model::{Attributes, Span, TraceId, Value};
use tracewell::query::QuerySettings;
use tracewell::server::generated::jaeger::api_v3 as v3;
use tracewell::server::generated::jaeger::storage::v2 as storage;
use tracewell::server::generated::tracewell_v1 as own;
use tracewell::store::Batch;

use super::v3_grpc::{at, everything};
use super::{Jaeger, encoded, object};
use crate::support::{arbitrary, database::Database};

/// A test for each store, with as many searches as it runs through in some seconds.
macro_rules! same_on {
    ($($backend:ident: $cases:literal),+) => { $(
        #[test]
        fn $backend() {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let config = Config { cases: $cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
            let run = |(spans, asked): (Vec<Span>, Asked)| {
                runtime.block_on(async {
                    let database = crate::support::database::$backend::create().await;
                    check(&*database, spans, asked).await;
                });
                Ok(())
            };
            TestRunner::new(config).run(&(arbitrary::spans(12), asked()), run).unwrap();
        }
    )+ };
}
same_on!(memory: 150, sqlite: 25, postgres: 8, postgres_compacted: 8);

/// What is searched for: each may be missing.
#[derive(Debug, Clone)]
struct Asked {
    service: Option<String>,
    name: Option<String>,
    duration_min: Option<i32>,
    /// An attribute of the spans, by its place in all of them: whether a search finds what is there is the question.
    attribute: Option<usize>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let plain = |texts: BoxedStrategy<String>| {
        option::weighted(0.3, texts.prop_filter("none", |text| !text.is_empty() && !text.contains('\0')))
    };
    (
        plain(arbitrary::service()),
        plain(arbitrary::name()),
        option::weighted(0.3, select(vec![1, 1_000, 999_999_999])),
        option::of(0..100_usize),
    )
        .prop_map(|(service, name, duration_min, attribute)| Asked { service, name, duration_min, attribute })
}

/// Where attributes are looked for.
fn places(span: &Span) -> Vec<&Attributes> {
    let mut places = vec![&span.attributes, &span.resource.attributes, &span.scope.attributes];
    places.extend(span.events.iter().map(|event| &event.attributes));
    places.extend(span.links.iter().map(|link| &link.attributes));
    places
}

/// A value as a text, of those that can be searched for by one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        // The zero below zero is a zero.
        Value::Double(0.0) => Some("0".to_owned()),
        Value::Double(value) if value.is_finite() && (value.abs() < 1e15) && value.abs() > 1e-5 => {
            Some(value.to_string())
        }
        _ => None,
    }
}

/// An attribute that some span has, as a key and a text.
fn chosen(spans: &[Span], at: usize) -> Option<(String, String)> {
    const NOT_ATTRIBUTES: [&str; 5] = ["error", "span.status", "span.kind", "scope.name", "scope.version"];
    let all: Vec<_> = spans
        .iter()
        .flat_map(places)
        .flat_map(|place| {
            place.iter().filter_map(|attribute| Some((attribute.key.clone(), text(place.get(&attribute.key)?)?)))
        })
        .filter(|(key, _)| !key.is_empty() && !key.contains('\0') && !key.starts_with("resource."))
        .filter(|(key, _)| !NOT_ATTRIBUTES.contains(&key.as_str()))
        .collect();
    (!all.is_empty()).then(|| all[at % all.len()].clone())
}

/// Whether a span has it: a list has what one of its elements is.
fn has(span: &Span, (key, wanted): &(String, String)) -> bool {
    let is_it = |value: &Value| match value {
        Value::Array(values) => values.iter().any(|value| text(value).as_ref() == Some(wanted)),
        value => text(value).as_ref() == Some(wanted),
    };
    places(span).iter().any(|place| place.get(key).is_some_and(is_it))
}

impl Asked {
    fn holds(&self, span: &Span, attribute: Option<&(String, String)>) -> bool {
        self.service.as_ref().is_none_or(|service| span.resource.service() == service)
            && self.name.as_ref().is_none_or(|name| span.name == *name)
            && self.duration_min.is_none_or(|min| span.duration_nanos() >= u64::try_from(min).unwrap())
            && attribute.is_none_or(|attribute| has(span, attribute))
            && (0..=4_000_000_000_000_000_000).contains(&span.start.0)
    }
}

async fn check(database: &dyn Database, spans: Vec<Span>, asked: Asked) {
    let attribute = asked.attribute.and_then(|at| chosen(&spans, at));
    let expected: BTreeSet<TraceId> =
        spans.iter().filter(|span| asked.holds(span, attribute.as_ref())).map(|span| span.trace_id).collect();
    let store = database.open().await;
    store.write(&[Batch::new(spans)]).await.unwrap();
    let jaeger = Jaeger::before(store, QuerySettings::default()).await;
    if attribute.is_none() {
        assert_eq!(by_own(&jaeger, &asked).await, expected, "tracewell.v1: {asked:?}");
    }
    assert_eq!(by_v3(&jaeger, &asked, attribute.clone()).await, expected, "api_v3: {asked:?} {attribute:?}");
    assert_eq!(by_storage(&jaeger, &asked, attribute.clone()).await, expected, "storage.v2: {asked:?} {attribute:?}");
    if asked.service.is_some() {
        assert_eq!(by_older(&jaeger, &asked, attribute.clone()).await, expected, "/api/: {asked:?} {attribute:?}");
    }
}

async fn by_own(jaeger: &Jaeger, asked: &Asked) -> BTreeSet<TraceId> {
    let request = own::SearchRequest {
        start_time_min: at(0),
        start_time_max: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 1 }),
        service: asked.service.clone().unwrap_or_default(),
        span_name: asked.name.clone().unwrap_or_default(),
        duration_min: asked.duration_min.map(|nanos| prost_types::Duration { seconds: 0, nanos }),
        page_size: 1_000,
        ..Default::default()
    };
    let found = jaeger.own().search_traces(request).await.unwrap().into_inner();
    found.traces.iter().map(|found| TraceId::parse_hex(&found.trace_id).unwrap()).collect()
}

async fn by_v3(jaeger: &Jaeger, asked: &Asked, attribute: Option<(String, String)>) -> BTreeSet<TraceId> {
    let query = v3::TraceQueryParameters {
        service_name: asked.service.clone().unwrap_or_default(),
        operation_name: asked.name.clone().unwrap_or_default(),
        duration_min: asked.duration_min.map(|nanos| prost_types::Duration { seconds: 0, nanos }),
        attributes: attribute.into_iter().collect(),
        search_depth: 1_000,
        ..everything()
    };
    let request = v3::FindTraceSummariesRequest { query: Some(query.clone()) };
    let mut found = jaeger.v3().find_trace_summaries(request).await.unwrap().into_inner();
    let mut summaries = BTreeSet::new();
    while let Some(message) = found.message().await.unwrap() {
        summaries.extend(message.summaries.iter().map(|one| TraceId::parse_hex(&one.trace_id).unwrap()));
    }
    let mut found = jaeger.v3().find_traces(v3::FindTracesRequest { query: Some(query) }).await.unwrap().into_inner();
    let mut traces = BTreeSet::new();
    while let Some(part) = found.message().await.unwrap() {
        let scopes = part.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        traces.extend(scopes.flat_map(|scope| &scope.spans).map(|span| TraceId::from_slice(&span.trace_id).unwrap()));
    }
    assert_eq!(traces, summaries);
    traces
}

async fn by_storage(jaeger: &Jaeger, asked: &Asked, attribute: Option<(String, String)>) -> BTreeSet<TraceId> {
    let value = |text| Some(storage::AnyValue { value: Some(storage::any_value::Value::StringValue(text)) });
    let attributes = attribute.into_iter().map(|(key, text)| storage::KeyValue { key, value: value(text) });
    let query = Some(storage::TraceQueryParameters {
        service_name: asked.service.clone().unwrap_or_default(),
        operation_name: asked.name.clone().unwrap_or_default(),
        duration_min: asked.duration_min.map(|nanos| prost_types::Duration { seconds: 0, nanos }),
        attributes: attributes.collect(),
        start_time_min: at(0),
        start_time_max: at(4_000_000_000),
        search_depth: 1_000,
        ..Default::default()
    });
    let found = jaeger.storage().find_trace_i_ds(storage::FindTraceIDsRequest { query }).await.unwrap().into_inner();
    found.trace_ids.iter().map(|found| TraceId::from_slice(&found.trace_id).unwrap()).collect()
}

async fn by_older(jaeger: &Jaeger, asked: &Asked, attribute: Option<(String, String)>) -> BTreeSet<TraceId> {
    let mut path = "/api/traces?start=0&end=4000000000000000&limit=1000".to_owned();
    for (name, value) in [("service", &asked.service), ("operation", &asked.name)] {
        if let Some(value) = value {
            write!(path, "&{name}={}", encoded(value)).unwrap();
        }
    }
    if let Some(nanos) = asked.duration_min {
        write!(path, "&minDuration={nanos}ns").unwrap();
    }
    if let Some((key, value)) = attribute {
        write!(path, "&tags={}", encoded(&object(&[(&key, &value)]))).unwrap();
    }
    let found = jaeger.json(&path).await;
    let traces = found["data"].as_array().unwrap().iter().map(|trace| trace["traceID"].as_str().unwrap());
    traces.map(|id| TraceId::parse_hex(id).unwrap()).collect()
}
