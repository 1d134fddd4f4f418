//! OpenTelemetry's released Zipkin exporter for Python sends to the real binary; what comes out by Zipkin's API is what
//! it says that it sent.

use serde_json::{Value, json};

use super::sender::given;
use super::sqlite_url;
use crate::support::directory::Directory;
use crate::support::http::get;
use crate::support::postgres::TestDatabase;
use crate::support::process::{Server, command, run};

const SETTINGS: [&str; 2] = ["--zipkin-listen", "127.0.0.1:0"];

/// The scenario of `check`; guarantees that nothing is lost on the way to PostgreSQL and back.
#[tokio::test]
async fn what_the_zipkin_exporter_sends_comes_out_of_postgres() {
    let database = TestDatabase::create().await;
    check(&database.url());
}

/// The scenario of `check`; guarantees the same of SQLite.
#[test]
fn what_the_zipkin_exporter_sends_comes_out_of_sqlite() {
    let directory = Directory::create();
    check(&sqlite_url(&directory));
}

/// Who was not told to speak Zipkin does not listen for it.
#[test]
fn zipkins_door_is_closed_unless_asked_for() {
    let directory = Directory::create();
    let server = Server::start(&sqlite_url(&directory));
    assert_eq!(server.zipkin.port(), 0);
}

/// A trace is sent, shown, found and linked; then the server is stopped as it should be.
fn check(database_url: &str) {
    let server = Server::start_with(database_url, &SETTINGS);
    let mut sender = command(&given("TRACEWELL_TEST_PYTHON"));
    sender.arg("tests/sdk/python/send_zipkin.py");
    sender.args(["--endpoint", &format!("http://{}/api/v2/spans", server.zipkin), "--service", "Shop"]);
    let sent: Value = serde_json::from_str(&run(&mut sender).unwrap()).unwrap();
    let expected = in_order(sent.as_array().unwrap().iter().map(normal).collect());
    assert_eq!(expected.len(), 4);
    let trace_id = expected[0]["traceId"].as_str().unwrap();
    let shown = ask(&server, &format!("trace/{trace_id}"));
    assert_eq!(in_order(shown.as_array().unwrap().clone()), expected);
    for parameters in ["serviceName=shop", "annotationQuery=error%3Dno+rows", "spanName=publish"] {
        let found = ask(&server, &format!("traces?{parameters}"));
        assert_eq!(found.as_array().unwrap().len(), 1, "{parameters}");
    }
    assert_eq!(ask(&server, "services"), json!(["shop"]));
    assert_eq!(ask(&server, "spans?serviceName=shop"), json!(["compute", "publish", "receive", "select"]));
    assert!(server.stop().success());
}

fn ask(server: &Server, path: &str) -> Value {
    let (status, body) = get(server.zipkin, &format!("/api/v2/{path}")).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// A span as Zipkin keeps it: names in lower case, nothing that is null.
fn normal(span: &Value) -> Value {
    let members = span.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    let mut span: Value = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    span["name"] = json!(span["name"].as_str().unwrap().to_lowercase());
    let service = &mut span["localEndpoint"]["serviceName"];
    *service = json!(service.as_str().unwrap().to_lowercase());
    span
}

fn in_order(mut spans: Vec<Value>) -> Vec<Value> {
    spans.sort_by_key(|span| span["id"].to_string());
    spans
}
