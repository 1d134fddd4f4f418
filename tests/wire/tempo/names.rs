//! Tags and their values, in both versions.

use serde_json::{Value as Json, json};
use tracewell::model::{Event, Keyed, Scope, Span, UnixNanos, Value};

use super::{Served, spans};
use crate::support::span;

async fn served() -> Served {
    let attributes = [("event.key", Value::from("e"))].into_iter().collect();
    let event = Event { name: "log".to_owned(), attributes, ..Event::default() };
    let attributes = [("lang \"x\"", Value::from("go"))].into_iter().collect();
    let scope = Scope { name: "http".to_owned(), attributes, ..Scope::default() };
    let with_more = Span { events: vec![event], scope: std::sync::Arc::new(Keyed::new(scope)), ..span(3, 4, 30) };
    Served::of([spans(), vec![with_more]].concat()).await
}

async fn json(served: &Served, path: &str, parameters: &[(&str, &str)]) -> Json {
    let answer = served.ask(path, parameters).await;
    assert_eq!(answer.status, 200, "{path} {parameters:?}: {}", answer.text());
    answer.json()
}

/// Guarantees: names come by scope, those that every span has under their own; a scope, a limit and times leave out the
/// others.
#[tokio::test]
async fn tags_come_by_scope() {
    let served = served().await;
    let path = "/api/v2/search/tags";
    let all = json(&served, path, &[]).await;
    let scope = |number: usize| (all["scopes"][number]["name"].clone(), all["scopes"][number]["tags"].clone());
    assert_eq!(scope(0), (json!("resource"), json!(["service.name"])));
    assert_eq!(scope(1), (json!("span"), json!(["http.route", "items", "retry", "weight"])));
    assert_eq!(scope(2), (json!("event"), json!(["event.key"])));
    assert_eq!(scope(3), (json!("instrumentation"), json!(["lang \"x\""])));
    let (intrinsic, names) = scope(4);
    assert_eq!(intrinsic, "intrinsic");
    for name in ["duration", "kind", "name", "status", "rootServiceName", "trace:rootService", "event:name"] {
        assert!(names.as_array().unwrap().contains(&json!(name)), "{name}");
    }
    assert_eq!(all["metrics"], json!({ "totalJobs": 1, "completedJobs": 1 }));
    for (name, value, scopes) in [
        ("scope", "span", json!([{ "name": "span", "tags": ["http.route", "items", "retry", "weight"] }])),
        ("scope", "link", json!([])),
    ] {
        assert_eq!(json(&served, path, &[(name, value)]).await["scopes"], scopes);
    }
    let limited = json(&served, path, &[("limit", "2"), ("scope", "none")]).await;
    assert_eq!(limited["scopes"][1]["tags"], json!(["http.route", "items"]));
    let early = json(&served, path, &[("end", "1"), ("scope", "event")]).await;
    assert_eq!(early["scopes"], json!([{ "name": "event", "tags": ["event.key"] }]));
    let late = json(&served, path, &[("start", "15"), ("end", "30"), ("scope", "span")]).await;
    assert_eq!(late["scopes"][0]["tags"], json!(["retry", "weight"]));
}

/// Guarantees: the first version has the names of all scopes in one list, each once; the ones that every span has when they
/// are asked for.
#[tokio::test]
async fn tags_of_v1_are_one_list() {
    let served = served().await;
    let all = json(&served, "/api/search/tags", &[]).await["tagNames"].clone();
    let expected = json!(["event.key", "http.route", "items", "lang \"x\"", "retry", "service.name", "weight"]);
    assert_eq!(all, expected);
    let intrinsic = json(&served, "/api/search/tags", &[("scope", "intrinsic")]).await;
    assert!(intrinsic["tagNames"].as_array().unwrap().contains(&json!("statusMessage")));
}

/// Guarantees: values have their types; kinds and statuses are keywords; of what nearly every span has another of there are
/// none; a query leaves out others, one that is still being typed too, as far as it goes.
#[tokio::test]
async fn values_have_types() {
    let served = served().await;
    for (tag, query, values) in [
        ("resource.service.name", "", json!([["string", "shop"], ["string", "stock"]])),
        ("span.items", "", json!([["int", "3"]])),
        (".weight", "", json!([["float", "0.5"]])),
        ("span.retry", "", json!([["bool", "true"]])),
        ("status", "", json!([["keyword", "error"], ["keyword", "unset"]])),
        ("span:kind", "", json!([["keyword", "server"]])),
        ("name", "{ status = error }", json!([["string", "load"]])),
        ("name", "{ .items = 3 && resource.service.name = }", json!([["string", "buy"]])),
        ("name", "{ status = error } | rate()", json!([["string", "load"]])),
        ("status", "{ .items = 3 || }", json!([["keyword", "error"], ["keyword", "unset"]])),
        ("event.event.key", "", json!([["string", "e"]])),
        ("instrumentation.\"lang \\\"x\\\"\"", "", json!([["string", "go"]])),
        ("duration", "", json!([])),
        ("trace:id", "", json!([])),
        ("rootName", "{ status = error }", json!([["string", "buy"]])),
    ] {
        let path = format!("/api/v2/search/tag/{}/values", super::encoded(tag));
        let found = json(&served, &path, &[("q", query)]).await;
        let found = found["tagValues"].as_array().unwrap().iter().map(|value| json!([value["type"], value["value"]]));
        assert_eq!(Json::Array(found.collect()), values, "{tag} {query}");
    }
    let limited = json(&served, "/api/v2/search/tag/name/values", &[("limit", "2")]).await;
    assert_eq!(limited["tagValues"].as_array().unwrap().len(), 2);
}

/// Guarantee: values of the first version are texts, of a tag with a scope or without.
#[tokio::test]
async fn values_of_v1_are_texts() {
    let served = served().await;
    for (tag, values) in [
        ("service.name", json!(["shop", "stock"])),
        ("resource.service.name", json!(["shop", "stock"])),
        ("http.route", json!(["/", "/cart"])),
        ("items", json!(["3"])),
        ("lang \"x\"", json!(["go"])),
        ("root.service.name", json!(["shop"])),
        ("status.code", json!(["error", "unset"])),
    ] {
        let path = format!("/api/search/tag/{}/values", super::encoded(tag));
        assert_eq!(json(&served, &path, &[]).await["tagValues"], values, "{tag}");
    }
}

/// Scenario: a list that ends by the limit on work. Guarantee: it is not complete by its metrics, and a header says so.
#[tokio::test]
async fn a_list_that_is_cut_off_says_so() {
    use tracewell::query::QuerySettings;
    use tracewell::store::memory::MemoryStore;
    use tracewell::store::{Batch, SpanStore};
    let store = MemoryStore::default();
    let spans = (1..=600).map(|start| Span { end: UnixNanos(start), ..span(1, 1, start) }).collect();
    store.write(&[Batch::new(spans)]).await.unwrap();
    let settings = QuerySettings { work_spans_max: 10, ..QuerySettings::default() };
    let served = Served::with(std::sync::Arc::new(store), settings).await;
    let answer = served.get("/api/v2/search/tag/name/values").await;
    assert_eq!(answer.json()["metrics"], json!({ "totalJobs": 1 }));
    assert!(answer.header("warning").unwrap().contains("the limit on work was reached"));
}
