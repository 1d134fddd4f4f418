//! Strangers at the doors: the released OpenTelemetry SDKs for Python and JavaScript send to the real binary, clients
//! that learn everything from server reflection ask it, and what comes out is compared with what the SDKs say they sent.
//!
//! OpenTelemetry's Zipkin exporter sends to Zipkin's door, in `zipkin`.
//!
//! Who sends is in `sender`, who asks in `client`, what makes two spans equal in `canonical`, and the example
//! `two-nodes`, end to end, in `two_nodes`. `scripts/test` installs what these need and tells where it is by variables.

mod canonical;
mod client;
mod sender;
mod two_nodes;
mod zipkin;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::directory::Directory;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;
use canonical::{canonical, list, spans_of_request};
use client::Client;
use sender::{SENDERS, Sender};

/// How many traces each sender sends; the second links to the first.
const TRACES: usize = 2;
/// How many spans each of them has, one of them failed; as `python/send.py` and `node/send.mjs` make them.
const SPANS_PER_TRACE: usize = 5;

/// The scenario of `check`; guarantees that no SDK loses or changes anything on the way to PostgreSQL and back.
#[tokio::test]
async fn what_the_sdks_send_comes_out_of_postgres() {
    let database = TestDatabase::create().await;
    check(&database.url());
}

/// The scenario of `check`; guarantees the same of SQLite.
#[test]
fn what_the_sdks_send_comes_out_of_sqlite() {
    let directory = Directory::create();
    check(&sqlite_url(&directory));
}

/// A client that was told nothing but the address finds every service that the server has.
#[test]
fn reflection_lists_the_services() {
    let directory = Directory::create();
    let server = Server::start(&sqlite_url(&directory));
    let services = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "opentelemetry.proto.collector.trace.v1.TraceService",
        "tracewell.v1.TraceQuery",
    ];
    for client in Client::all() {
        let listed = client.services(&server);
        for service in services {
            assert!(listed.iter().any(|name| name == service), "{client:?} does not find {service}: {listed:?}");
        }
    }
}

/// A trace that nobody sent is refused with the code that the contract names.
#[test]
fn an_unknown_trace_is_not_found() {
    let directory = Directory::create();
    let server = Server::start(&sqlite_url(&directory));
    let request = json!({ "traceId": "0af7651916cd43dd8448eb211c80319c" });
    let refusal = Client::Python.call(&server, "GetTrace", &request).unwrap_err();
    let refusal: Value = serde_json::from_str(&refusal).unwrap();
    assert_eq!(refusal["code"], "NOT_FOUND", "{refusal}");
}

fn sqlite_url(directory: &Directory) -> String {
    format!("sqlite:{}", directory.file("tracewell.db"))
}

/// Every SDK sends by every protocol it has, and every client asks for all of it; then the server is stopped and started
/// again, and the traces are still there.
fn check(database_url: &str) {
    let server = Server::start(database_url);
    let sent: Vec<(Sender, Value)> = SENDERS.into_iter().map(|sender| (sender, sender.send(&server, TRACES))).collect();
    check_answers(&server, &sent);
    assert!(server.stop().success());
    let server = Server::start(database_url);
    for (sender, sent) in &sent {
        check_traces(&Client::Python, &server, *sender, sent);
    }
}

fn check_answers(server: &Server, sent: &[(Sender, Value)]) {
    for client in Client::all() {
        check_services(&client, server, sent);
        for (sender, sent) in sent {
            check_traces(&client, server, *sender, sent);
            check_search(&client, server, *sender, sent);
            check_operations(&client, server, *sender);
        }
    }
}

/// Each trace, asked for by its id, is span for span what was sent, in order of time.
fn check_traces(client: &Client, server: &Server, sender: Sender, sent: &Value) {
    let mut expected: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for span in spans_of_request(&sent["request"]) {
        expected.entry(span["traceId"].as_str().unwrap().to_owned()).or_default().push(span);
    }
    assert_eq!(expected.len(), TRACES);
    for (trace_id, mut expected) in expected {
        let answers = client.call(server, "GetTrace", &json!({ "traceId": trace_id })).unwrap();
        let spans: Vec<&Value> = answers.iter().flat_map(|answer| list(answer, "spans")).collect();
        for span in &spans {
            assert_eq!(span["service"], sender.service(), "{client:?}");
            assert_eq!(span["node"], format!("{}-1", sender.service()), "{client:?}");
        }
        let mut spans: Vec<Value> = spans.into_iter().map(|s| canonical(s, &s["resource"], &s["scope"])).collect();
        assert!(spans.is_sorted_by_key(|span| span["start"].as_u64()), "{client:?}: not in order of time: {spans:#?}");
        spans.sort_by_key(|span| span["spanId"].to_string());
        expected.sort_by_key(|span| span["spanId"].to_string());
        assert_eq!(expected.len(), SPANS_PER_TRACE);
        pretty_assert_eq(&expected, &spans, &format!("{client:?}, {sender:?}"));
    }
}

/// Traces are found by service and by an attribute that only their roots have; their summaries count right.
fn check_search(client: &Client, server: &Server, sender: Sender, sent: &Value) {
    let attribute = json!({ "key": "int", "value": { "intValue": "42" }, "scope": "ATTRIBUTE_SCOPE_SPAN" });
    let search = json!({ "service": sender.service(), "attributes": [attribute] });
    let answers = client.call(server, "SearchTraces", &search).unwrap();
    let traces: Vec<&Value> = answers.iter().flat_map(|answer| list(answer, "traces")).collect();
    let mut found: Vec<&Value> = traces.iter().map(|trace| &trace["traceId"]).collect();
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, list(sent, "traceIds").collect::<Vec<_>>(), "{client:?}, {sender:?}");
    for trace in traces {
        assert_eq!(trace["rootService"], sender.service(), "{client:?}");
        assert!(trace["rootName"].as_str().unwrap().starts_with("receive "), "{client:?}: {trace}");
        assert_eq!(trace["spanCount"], SPANS_PER_TRACE.to_string(), "{client:?}");
        assert_eq!(trace["errorCount"], "1", "{client:?}");
    }
    let answers = client.call(server, "SearchSpans", &search).unwrap();
    let spans: Vec<&Value> = answers.iter().flat_map(|answer| list(answer, "spans")).collect();
    assert_eq!(spans.len(), TRACES, "{client:?}, {sender:?}");
    assert!(spans.iter().all(|span| span["kind"] == "SPAN_KIND_SERVER"), "{client:?}: {spans:?}");
}

fn check_services(client: &Client, server: &Server, sent: &[(Sender, Value)]) {
    let answers = client.call(server, "ListServices", &json!({})).unwrap();
    let services: Vec<&str> = answers.iter().flat_map(|a| list(a, "services")).filter_map(Value::as_str).collect();
    let mut expected: Vec<String> = sent.iter().map(|(sender, _)| sender.service()).collect();
    expected.sort();
    assert_eq!(services, expected, "{client:?}");
}

fn check_operations(client: &Client, server: &Server, sender: Sender) {
    let answers = client.call(server, "ListOperations", &json!({ "service": sender.service() })).unwrap();
    let operations: Vec<&Value> = answers.iter().flat_map(|answer| list(answer, "operations")).collect();
    let operation = |name: &str, kind: &str| json!({ "name": name, "kind": kind });
    let expected = [
        operation("call", "SPAN_KIND_CLIENT"),
        operation("compute", "SPAN_KIND_INTERNAL"),
        operation("consume", "SPAN_KIND_CONSUMER"),
        operation("publish", "SPAN_KIND_PRODUCER"),
        operation("receive 0", "SPAN_KIND_SERVER"),
        operation("receive 1", "SPAN_KIND_SERVER"),
    ];
    assert_eq!(operations, expected.iter().collect::<Vec<_>>(), "{client:?}");
}

/// Names the first span that differs, and shows both, since a whole trace is too much to read.
fn pretty_assert_eq(expected: &[Value], found: &[Value], who: &str) {
    assert_eq!(expected.len(), found.len(), "{who}: number of spans");
    for (expected, found) in expected.iter().zip(found) {
        assert!(expected == found, "{who}: sent {expected:#}\nfound {found:#}");
    }
}
