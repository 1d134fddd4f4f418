//! Questions of scripts as requests, and their answers as text.

use prost_types::{Duration, Timestamp};
use tracewell::model::UnixNanos;
use tracewell::server::generated::tracewell_v1::{
    KeyScope, ListAttributeKeysRequest, ListAttributeValuesRequest, QueryMetricsRequest, SearchRequest,
};
use tracewell::traceql;
use tracewell::traceql::tree::Body;

use super::show;
use crate::traceql::{evaluate, text};
use crate::wire::query::Served;

/// A trace of a script has fewer spans, and a data set fewer traces.
const ALL: i32 = 100;

/// A query: traces with what was found in them, or series.
pub(super) async fn query(query: &str, times: Option<&str>, served: &Served) -> String {
    match traceql::parse(query).unwrap_or_else(|error| panic!("{error}: {query}")).body {
        Body::Metrics(_) => metrics(query, times.unwrap(), served).await,
        Body::Traces(_) => {
            let request = SearchRequest { spans_per_span_set: ALL, ..search(query) };
            let mut traces = served.client().search_traces(request).await.unwrap().into_inner().traces;
            traces.sort_by(|a, b| a.trace_id.cmp(&b.trace_id));
            let sets = traces.iter().flat_map(|trace| &trace.span_sets).map(show::span_set);
            show::lines(sets)
        }
    }
}

/// Spans, newest first.
pub(super) async fn spans(query: &str, served: &Served) -> String {
    let spans = served.client().search_spans(search(query)).await.unwrap().into_inner().spans;
    let names: Vec<_> = spans.iter().map(|span| show::name(&span.name)).collect();
    show::lines([names.join(" ")].into_iter().filter(|line| !line.is_empty()))
}

fn search(query: &str) -> SearchRequest {
    SearchRequest { query: query.to_owned(), page_size: ALL, ..SearchRequest::default() }
}

async fn metrics(query: &str, times: &str, served: &Served) -> String {
    let words: Vec<_> = times.split(' ').collect();
    let step = (words[4] == "step").then(|| {
        let nanos = text::nanos(words[5]);
        Duration { seconds: whole(nanos / 1_000_000_000), nanos: i32::try_from(nanos % 1_000_000_000).unwrap() }
    });
    let request = QueryMetricsRequest {
        query: query.to_owned(),
        start_time: Some(timestamp(text::nanos(words[1]))),
        end_time: Some(timestamp(text::nanos(words[3]))),
        step,
    };
    let series = served.client().query_metrics(request).await.unwrap().into_inner().series;
    let ends: Vec<_> = evaluate::times(times).ends().map(|UnixNanos(end)| timestamp(end)).collect();
    show::lines(series.iter().map(|series| show::series(series, &ends)))
}

/// What stands behind these words, each up to the next of them.
fn clauses<const N: usize>(text: &str, words: [&str; N]) -> [String; N] {
    let text = format!(" {text}");
    words.map(|word| {
        let Some((_, after)) = text.split_once(&format!(" {word} ")) else { return String::new() };
        let ends = words.iter().filter_map(|next| after.find(&format!(" {next} ")));
        after[..ends.min().unwrap_or(after.len())].to_owned()
    })
}

/// `of SCOPE from PREFIX in 10s..20s where QUERY`
pub(super) async fn keys(text: &str, served: &Served) -> String {
    let [scope, prefix, times, query] = clauses(text, ["of", "from", "in", "where"]);
    let (start_time_min, start_time_max) = range(&times);
    let scope = if scope.is_empty() { KeyScope::Unspecified } else { named_scope(&scope) }.into();
    let request =
        ListAttributeKeysRequest { scope, prefix, query, start_time_min, start_time_max, ..Default::default() };
    let keys = served.client().list_attribute_keys(request).await.unwrap().into_inner().keys;
    let of_scope = |keys: &[tracewell::server::generated::tracewell_v1::AttributeKey]| {
        let names: Vec<_> = keys.iter().map(|key| key.key.as_str()).collect();
        format!("{}: {}", scope_name(keys[0].scope()), names.join(" "))
    };
    show::lines(keys.chunk_by(|a, b| a.scope == b.scope).map(of_scope))
}

fn scope_name(scope: KeyScope) -> String {
    scope.as_str_name().trim_start_matches("KEY_SCOPE_").to_lowercase()
}

fn named_scope(name: &str) -> KeyScope {
    let full = format!("KEY_SCOPE_{}", name.to_uppercase());
    KeyScope::from_str_name(&full).unwrap_or_else(|| panic!("no such scope: {name}"))
}

/// `of NAME from PREFIX in 10s..20s where QUERY`
pub(super) async fn values(text: &str, served: &Served) -> String {
    let [name, prefix, times, query] = clauses(text, ["of", "from", "in", "where"]);
    let (start_time_min, start_time_max) = range(&times);
    let request =
        ListAttributeValuesRequest { name, prefix, query, start_time_min, start_time_max, ..Default::default() };
    let values = served.client().list_attribute_values(request).await.unwrap().into_inner().values;
    let values: Vec<_> = values.iter().map(|value| show::value(Some(value))).collect();
    show::lines([values.join(" ")].into_iter().filter(|line| !line.is_empty()))
}

fn range(times: &str) -> (Option<Timestamp>, Option<Timestamp>) {
    let Some((min, max)) = times.split_once("..") else { return (None, None) };
    (Some(timestamp(text::nanos(min))), Some(timestamp(text::nanos(max))))
}

fn timestamp(nanos: u64) -> Timestamp {
    Timestamp { seconds: whole(nanos / 1_000_000_000), nanos: i32::try_from(nanos % 1_000_000_000).unwrap() }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap()
}
