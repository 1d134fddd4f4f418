//! The query API, by spans that came by it and by OTLP, whatever keeps them.

use prost::Message;
use serde_json::{Value, json};
use tracewell::model::SpanKind;
use tracewell::query::QuerySettings;
use tracewell::server::generated::tracewell_v1::SearchRequest;
use tracewell::store::{Batch, SpanStore};

use super::{Zipkin, and, span};
use crate::wire::client::{JSON, PROTOBUF, post};
use crate::wire::server::A_WHILE;
use crate::zipkin::protobuf as sent;

/// What is asked before every store.
macro_rules! asked_of {
    ($($backend:ident),+) => { $(mod $backend {
        asked_of!(in $backend: every_condition_finds_what_it_says, the_time_is_before_a_moment_and_not_longer_ago,
            a_trace_is_whole_and_merged, many_traces_are_those_that_there_are, names_are_listed_in_order,
            what_spans_have_is_listed_of_the_last_day, calls_are_linked_over_all_traces_of_the_time,
            spans_that_came_by_otlp_are_found_and_shown, tags_that_are_no_attributes_are_found_as_they_are_shown,
            a_request_that_is_sent_again_is_stored_once);
    })+ };
    (in $backend:ident: $($test:ident),+) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let database = crate::support::database::$backend::create().await;
            super::$test(super::Zipkin::over(database.open().await).await).await;
        }
    )+ };
}
asked_of!(memory, sqlite, postgres, postgres_compacted);

fn ids(traces: &Value) -> Vec<Vec<&str>> {
    let traces = traces.as_array().unwrap().iter();
    traces.map(|trace| trace.as_array().unwrap().iter().map(|span| span["id"].as_str().unwrap()).collect()).collect()
}

/// The ids of the traces that are found, each by that of its first span.
async fn found(zipkin: &Zipkin, parameters: &str) -> Vec<String> {
    let traces = zipkin.json(&format!("/api/v2/traces?endTs=10000&lookback=10000&{parameters}")).await;
    ids(&traces).iter().map(|ids| ids[0].trim_start_matches('0').to_owned()).collect()
}

/// Three traces, of one span each but the second, which begins one second after the first, and so on.
async fn shop(zipkin: &Zipkin) {
    let db = json!({ "kind": "CLIENT", "remoteEndpoint": { "serviceName": "db" }, "name": "select", "duration": 500 });
    let failed = json!({ "tags": { "error": "boom", "http.method": "GET" }, "duration": 90 });
    let noted = json!({ "annotations": [{ "timestamp": 3_000_100, "value": "cache.miss" }], "name": "put",
                        "localEndpoint": { "serviceName": "app" } });
    let spans = json!([
        and(span(1, 1, 1_000), &failed),
        span(2, 2, 2_000),
        and(and(span(2, 4, 2_001), &db), &json!({ "parentId": "0000000000000002" })),
        and(span(3, 3, 3_000), &noted),
    ]);
    zipkin.take(&spans).await;
}

async fn every_condition_finds_what_it_says(zipkin: Zipkin) {
    shop(&zipkin).await;
    for (parameters, traces) in [
        ("", vec!["3", "2", "1"]),
        ("limit=1", vec!["3"]),
        ("limit=2", vec!["3", "2"]),
        ("serviceName=web", vec!["2", "1"]),
        ("serviceName=WEB", vec!["2", "1"]),
        ("serviceName=none", vec![]),
        ("spanName=put", vec!["3"]),
        ("spanName=all", vec!["3", "2", "1"]),
        ("serviceName=web&spanName=put", vec![]),
        ("remoteServiceName=db", vec!["2"]),
        ("serviceName=app&remoteServiceName=db", vec![]),
        ("annotationQuery=error", vec!["1"]),
        ("annotationQuery=http.method%3DGET+and+error", vec!["1"]),
        ("annotationQuery=http.method%3DPUT", vec![]),
        ("annotationQuery=cache.miss", vec!["3"]),
        ("annotationQuery=cache.miss+and+error", vec![]),
        ("minDuration=91", vec!["2"]),
        ("minDuration=90", vec!["2", "1"]),
        ("minDuration=90&maxDuration=499", vec!["1"]),
        // Not one span has both; a trace does.
        ("spanName=get&minDuration=500", vec!["2"]),
    ] {
        assert_eq!(found(&zipkin, parameters).await, traces, "{parameters}");
    }
}

async fn the_time_is_before_a_moment_and_not_longer_ago(zipkin: Zipkin) {
    shop(&zipkin).await;
    let at = async |end: u64, lookback: u64| {
        let traces = zipkin.json(&format!("/api/v2/traces?endTs={end}&lookback={lookback}")).await;
        traces.as_array().unwrap().len()
    };
    assert_eq!((at(3_000, 1_000).await, at(2_999, 998).await, at(2_999, 999).await), (2, 1, 1));
    assert_eq!((at(999, 999).await, at(1_000, 1).await), (0, 1));
    // Without a moment it is now, and without a time a day.
    assert_eq!(zipkin.json("/api/v2/traces").await, json!([]));
    assert_eq!(zipkin.json("/api/v2/traces?endTs=10000").await.as_array().unwrap().len(), 3);
}

async fn a_trace_is_whole_and_merged(zipkin: Zipkin) {
    let first = and(span(1, 1, 5), &json!({ "duration": 0 }));
    let second = json!({ "traceId": "1", "id": "1", "timestamp": 5_000, "duration": 7, "tags": { "a": "b" },
                         "localEndpoint": { "serviceName": "web" } });
    zipkin.take(&json!([first, second])).await;
    let expected = json!([and(span(1, 1, 5), &json!({ "duration": 7, "tags": { "a": "b" } }))]);
    for id in ["1", "0000000000000001", "00000000000000000000000000000001"] {
        assert_eq!(zipkin.json(&format!("/api/v2/trace/{id}")).await, expected, "{id}");
    }
}

async fn many_traces_are_those_that_there_are(zipkin: Zipkin) {
    shop(&zipkin).await;
    let traces = zipkin.json("/api/v2/traceMany?traceIds=3,9,1").await;
    assert_eq!(ids(&traces), [["0000000000000003"], ["0000000000000001"]]);
}

async fn names_are_listed_in_order(zipkin: Zipkin) {
    shop(&zipkin).await;
    assert_eq!(zipkin.json("/api/v2/services").await, json!(["app", "web"]));
    assert_eq!(zipkin.json("/api/v2/spans?serviceName=web").await, json!(["get", "select"]));
    assert_eq!(zipkin.json("/api/v2/spans?serviceName=WEB").await, json!(["get", "select"]));
    assert_eq!(zipkin.json("/api/v2/spans?serviceName=none").await, json!([]));
    assert_eq!(zipkin.get("/api/v2/services").await.header("cache-control"), None);
}

/// Of what has to be looked for in spans, those of the last day are.
#[expect(clippy::disallowed_methods, reason = "the server has no other clock")]
async fn what_spans_have_is_listed_of_the_last_day(zipkin: Zipkin) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_millis()).unwrap();
    let remote =
        |name: &str| json!({ "kind": "CLIENT", "remoteEndpoint": { "serviceName": name }, "tags": { "k": name } });
    let old = and(span(1, 1, now - 90_000_000), &remote("old"));
    let other = json!({ "localEndpoint": { "serviceName": "app" } });
    let spans = [and(span(2, 2, now), &remote("db")), and(and(span(3, 3, now), &remote("queue")), &other), old];
    zipkin.take(&json!(spans)).await;
    assert_eq!(zipkin.json("/api/v2/remoteServices?serviceName=web").await, json!(["db"]));
    assert_eq!(zipkin.json("/api/v2/remoteServices?serviceName=App").await, json!(["queue"]));
    assert_eq!(zipkin.json("/api/v2/autocompleteKeys").await, json!(["k", "peer.service", "service.name"]));
    assert_eq!(zipkin.json("/api/v2/autocompleteValues?key=k").await, json!(["db", "queue"]));
    assert_eq!(zipkin.json("/api/v2/autocompleteValues?key=none").await, json!([]));
}

/// How many there are is looked at when it is asked, not before: all may have been removed since.
#[tokio::test]
async fn lists_may_be_kept_when_there_are_more_than_three_services() {
    let service = |id: u64| and(span(id, id, 5), &json!({ "localEndpoint": { "serviceName": format!("s{id}") } }));
    let zipkin = Zipkin::with(&json!([service(1), service(2), service(3)])).await;
    let kept = async |expected: Option<&str>| {
        for path in ["/api/v2/spans?serviceName=s1", "/api/v2/services", "/api/v2/autocompleteKeys"] {
            assert_eq!(zipkin.get(path).await.header("cache-control"), expected, "{path}");
        }
    };
    kept(None).await;
    zipkin.take(&json!([service(4)])).await;
    kept(Some("max-age=300, must-revalidate")).await;
    zipkin.server.store.purge().await.unwrap();
    kept(None).await;
}

/// Guarantee: what a list may read is said once for all that has to be looked at for it, not for each; and a list that
/// ends there says so.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the server has no other clock")]
async fn a_list_has_one_limit_on_its_work() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_nanos()).unwrap();
    // Each of the attributes that may name the other side is looked for in all of them.
    let calling = |id| tracewell::model::Span {
        kind: SpanKind::CLIENT,
        resource: crate::support::service("web"),
        ..crate::support::span(id, id, now)
    };
    let spans: Vec<_> = (1..=100).map(calling).collect();
    for (work_spans_max, is_whole) in [(600, false), (10_000, true)] {
        let settings = QuerySettings { work_spans_max, ..QuerySettings::default() };
        let zipkin = Zipkin::gated(100, A_WHILE, settings).await;
        zipkin.server.store.gate.add_permits(1);
        zipkin.server.store.write(&[Batch::new(spans.clone())]).await.unwrap();
        let answer = zipkin.get("/api/v2/remoteServices?serviceName=web").await;
        assert_eq!((answer.status.as_u16(), answer.header("warning").is_none()), (200, is_whole));
    }
}

async fn calls_are_linked_over_all_traces_of_the_time(zipkin: Zipkin) {
    shop(&zipkin).await;
    let expected = json!([{ "parent": "web", "child": "db", "callCount": 1 }]);
    assert_eq!(zipkin.json("/api/v2/dependencies?endTs=10000").await, expected);
    assert_eq!(zipkin.json("/api/v2/dependencies?endTs=1999").await, json!([]));
    let call = |trace: u64, error: &Value| {
        let client = and(span(trace, 7, 5_000), &json!({ "kind": "CLIENT" }));
        let server = json!({ "kind": "SERVER", "parentId": format!("{:016x}", 7), "tags": error,
                             "localEndpoint": { "serviceName": "app" } });
        json!([client, and(span(trace, 8, 5_001), &server)])
    };
    for (trace, error) in [(11, json!({})), (12, json!({ "error": "x" }))] {
        assert_eq!(zipkin.post(&[], call(trace, &error).to_string()).await.status.as_u16(), 202);
    }
    let expected = json!([
        { "parent": "web", "child": "app", "callCount": 2, "errorCount": 1 },
        { "parent": "web", "child": "db", "callCount": 1 },
    ]);
    assert_eq!(zipkin.json("/api/v2/dependencies?endTs=10000&lookback=9000").await, expected);
}

async fn spans_that_came_by_otlp_are_found_and_shown(zipkin: Zipkin) {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let status = json!({ "key": "status", "value": { "intValue": "404" } });
    let span = json!({
        "traceId": format!("{:032x}", 10), "spanId": format!("{:016x}", 11), "name": "Call", "kind": 3,
        "startTimeUnixNano": "2000000000", "endTimeUnixNano": "2000000001", "status": { "code": 2, "message": "boom" },
        "attributes": [status, text("server.address", "Db")],
    });
    let resource = json!({ "attributes": [text("service.name", "Shop")] });
    let request = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] });
    assert_eq!(post(zipkin.server.http.address, JSON, request.to_string()).await.status.as_u16(), 200);
    for parameters in [
        "serviceName=Shop",
        "annotationQuery=error",
        "annotationQuery=error%3Dboom",
        "annotationQuery=status%3D404",
        "remoteServiceName=Db",
        "minDuration=1&maxDuration=1",
    ] {
        assert_eq!(found(&zipkin, parameters).await, ["b"], "{parameters}");
    }
    let shown = zipkin.json("/api/v2/trace/a").await;
    assert_eq!(shown[0]["remoteEndpoint"], json!({ "serviceName": "Db" }));
    assert_eq!(shown[0]["tags"]["status"], json!("404"));
    let links = zipkin.json("/api/v2/dependencies?endTs=10000").await;
    assert_eq!(links, json!([{ "parent": "Shop", "child": "Db", "callCount": 1, "errorCount": 1 }]));
}

/// A span by OTLP of a trace with this number, one second after the other, with these members.
async fn by_otlp(zipkin: &Zipkin, number: u64, scope: &Value, more: &Value) {
    let begin = (number * 1_000_000_000).to_string();
    let span = json!({
        "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"), "name": "call",
        "startTimeUnixNano": begin, "endTimeUnixNano": begin,
    });
    let scope_spans = json!([{ "scope": scope, "spans": [and(span, more)] }]);
    let request = json!({ "resourceSpans": [{ "scopeSpans": scope_spans }] });
    assert_eq!(post(zipkin.server.http.address, JSON, request.to_string()).await.status.as_u16(), 200);
}

/// Scenario: spans by OTLP with a status, a scope and an attribute `error` of each sort, and spans by Zipkin with tags of
/// the same names. Guarantee: a tag is found by the value that it is shown with, and by no other.
async fn tags_that_are_no_attributes_are_found_as_they_are_shown(zipkin: Zipkin) {
    let error = |value: Value| json!({ "attributes": [{ "key": "error", "value": value }] });
    let (none, scope) = (json!({}), json!({ "name": "lib", "version": "1.2" }));
    by_otlp(&zipkin, 1, &scope, &none).await;
    by_otlp(&zipkin, 2, &none, &json!({ "status": { "code": 1 } })).await;
    by_otlp(
        &zipkin,
        3,
        &none,
        &and(error(json!({ "boolValue": true })), &json!({ "status": { "code": 2, "message": "boom" } })),
    )
    .await;
    by_otlp(&zipkin, 4, &none, &error(json!({ "boolValue": false }))).await;
    by_otlp(&zipkin, 5, &none, &error(json!({ "stringValue": "false" }))).await;
    by_otlp(&zipkin, 6, &none, &error(json!({ "stringValue": "odd" }))).await;
    let tags = |tags: Value| json!({ "tags": tags });
    zipkin
        .take(&json!([
            and(span(7, 7, 7_000), &tags(json!({ "error": "false" }))),
            and(span(8, 8, 8_000), &tags(json!({ "otel.status_code": "OK", "otel.scope.name": "lib" }))),
            and(span(9, 9, 9_000), &tags(json!({ "error": "true" }))),
        ]))
        .await;
    let keys = ["error", "otel.status_code", "otel.scope.name", "otel.scope.version"];
    let values = ["", "boom", "true", "false", "odd", "OK", "ERROR", "lib", "1.2", "zipkin"];
    let mut shown = Vec::new();
    for number in 1..=9 {
        let trace = zipkin.json(&format!("/api/v2/trace/{number}")).await;
        shown.push((number.to_string(), trace[0]["tags"].clone()));
    }
    for key in keys {
        let has = |tags: &Value| tags.get(key).is_some();
        let expected: Vec<_> =
            shown.iter().rev().filter(|(_, tags)| has(tags)).map(|(number, _)| number.clone()).collect();
        assert!(!expected.is_empty());
        assert_eq!(found(&zipkin, &format!("annotationQuery={key}")).await, expected, "{key}: {shown:?}");
        for value in values {
            let has = |tags: &Value| tags.get(key).is_some_and(|tag| tag == value);
            let expected: Vec<_> =
                shown.iter().rev().filter(|(_, tags)| has(tags)).map(|(number, _)| number.clone()).collect();
            let query = format!("annotationQuery={key}%3D{value}");
            assert_eq!(found(&zipkin, &query).await, expected, "{key}={value}: {shown:?}");
        }
    }
}

/// How many spans `tracewell.v1` finds.
async fn count(zipkin: &Zipkin) -> usize {
    let mut client = zipkin.own();
    client.search_spans(SearchRequest::default()).await.unwrap().into_inner().spans.len()
}

/// Scenario: a sender did not hear the answer and sends the same again, with spans that have a timestamp, annotations only,
/// and neither, in either format. Guarantee: each span is there once, and begins when it arrived first.
async fn a_request_that_is_sent_again_is_stored_once(zipkin: Zipkin) {
    let noted = json!({ "traceId": "2", "id": "2", "annotations": [{ "timestamp": 5, "value": "a" }] });
    let bare = json!({ "traceId": "3", "id": "3", "duration": 7, "tags": { "a": "b" } });
    let json = json!([span(1, 1, 5), noted, bare, { "traceId": "0", "id": "1" }]).to_string();
    let protobuf = sent::Span { trace_id: vec![4; 16], id: vec![4; 8], ..sent::Span::default() };
    let protobuf = sent::ListOfSpans { spans: vec![protobuf] }.encode_to_vec();
    let mut starts = Vec::new();
    for _ in 0..3 {
        assert_eq!(zipkin.post(&[], json.clone()).await.status.as_u16(), 202);
        assert_eq!(zipkin.post(&[("content-type", PROTOBUF)], protobuf.clone()).await.status.as_u16(), 202);
        assert_eq!(count(&zipkin).await, 4);
        let mut client = zipkin.own();
        let found = client.search_spans(SearchRequest::default()).await.unwrap().into_inner().spans;
        starts.push(found.into_iter().map(|span| span.start_time.unwrap()).collect::<Vec<_>>());
    }
    assert!(starts.iter().all(|some| *some == starts[0]), "{starts:?}");
    // What differs in anything else is another request.
    let longer = json.replace("\"duration\":7", "\"duration\":8");
    assert_eq!(zipkin.post(&[], longer).await.status.as_u16(), 202);
    assert_eq!(count(&zipkin).await, 5);
}

#[tokio::test]
async fn the_door_says_how_the_server_is() {
    let zipkin = Zipkin::start().await;
    assert_eq!(zipkin.json("/health").await["status"], "UP");
    assert!(zipkin.json("/info").await["zipkin"]["version"].as_str().unwrap().starts_with("tracewell "));
    let config = zipkin.json("/zipkin/config.json").await;
    assert_eq!((&config["queryLimit"], &config["searchEnabled"]), (&json!(10), &json!(true)));
    assert_eq!(zipkin.json("/config.json").await, config);
    let page = config["basePath"].as_str().unwrap();
    for question in ["services", "spans?serviceName=web"] {
        let asked = zipkin.json(&format!("/api/v2/{question}")).await;
        assert_eq!(zipkin.json(&format!("{page}/api/v2/{question}")).await, asked);
    }
}
