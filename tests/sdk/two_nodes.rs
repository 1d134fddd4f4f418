//! The example `examples/two-nodes`, end to end: its nodes send, and the question of its README is asked as the README
//! asks it, by gRPC and in SQL.

use std::net::TcpListener;

use serde_json::{Value, json};
use sqlx::{ColumnIndex, Connection, Database, Decode, PgConnection, Row, SqliteConnection, Type};

use super::canonical::{canonical, list};
use super::client::Client;
use super::sender::given;
use super::sqlite_url;
use crate::support::directory::Directory;
use crate::support::postgres::TestDatabase;
use crate::support::process::{Server, command, run};

const README: &str = include_str!("../../examples/two-nodes/README.md");
const SQL: &str = "select start_time, duration_nano, status, status_message from span \
                   where node = 'nodeA' and name = 'do_something' order by start_time";

/// The README asks in SQL what this file asks.
#[test]
fn the_readme_has_the_query() {
    assert!(README.contains(SQL), "{README}");
}

/// Both nodes run; nodeA succeeded once, failed once and says why, nodeB is not mixed up with it. On PostgreSQL.
#[tokio::test]
async fn what_did_do_something_do_on_node_a_in_postgres() {
    let database = TestDatabase::create().await;
    let _server = check(&database.url());
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    check_rows(&sqlx::query(SQL).fetch_all(&mut connection).await.unwrap());
    connection.close().await.unwrap();
}

/// The same on SQLite, whose file is read while the server has it open.
#[tokio::test]
async fn what_did_do_something_do_on_node_a_in_sqlite() {
    let directory = Directory::create();
    let _server = check(&sqlite_url(&directory));
    let mut connection = SqliteConnection::connect(&sqlite_url(&directory)).await.unwrap();
    check_rows(&sqlx::query(SQL).fetch_all(&mut connection).await.unwrap());
    connection.close().await.unwrap();
}

/// A node whose spans nobody took says so by its exit status.
#[test]
fn a_node_that_is_not_heard_fails() {
    // Bound and let go again: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let complaint = run_node(&address.to_string(), &["nodeA", "1"]).unwrap_err();
    assert!(complaint.contains("UNAVAILABLE") || complaint.contains("DEADLINE_EXCEEDED"), "{complaint}");
}

fn run_node(address: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = command(&given("TRACEWELL_TEST_PYTHON"));
    command.arg("examples/two-nodes/node.py").args(arguments);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")).env("OTEL_EXPORTER_OTLP_TIMEOUT", "2");
    run(&mut command)
}

/// Runs both nodes and asks every client; returns the server, still running.
fn check(database_url: &str) -> Server {
    let server = Server::start(database_url);
    let address = server.grpc.to_string();
    run_node(&address, &["nodeA", "1", "0"]).unwrap();
    run_node(&address, &["nodeB", "2"]).unwrap();
    for client in Client::all() {
        let [failed, succeeded] = search(&client, &server, "nodeA").try_into().unwrap();
        check_failed(&failed);
        check_succeeded(&succeeded);
        let [succeeded] = search(&client, &server, "nodeB").try_into().unwrap();
        check_succeeded(&succeeded);
    }
    server
}

fn search(client: &Client, server: &Server, node: &str) -> Vec<Value> {
    let request = json!({ "node": node, "spanName": "do_something" });
    let answers = client.call(server, "SearchSpans", &request).unwrap();
    let spans = answers.iter().flat_map(|answer| list(answer, "spans"));
    spans.inspect(|span| assert_eq!(span["node"], node)).map(|s| canonical(s, &s["resource"], &s["scope"])).collect()
}

fn check_succeeded(span: &Value) {
    assert_eq!(span["status"], json!({ "code": "STATUS_CODE_UNSET", "message": "" }));
    assert_eq!(span["events"], json!([]));
    assert!(span["end"].as_u64() > span["start"].as_u64(), "{span}");
}

fn check_failed(span: &Value) {
    let message = "ZeroDivisionError: division by zero";
    assert_eq!(span["status"], json!({ "code": "STATUS_CODE_ERROR", "message": message }));
    assert!(span["end"].as_u64() > span["start"].as_u64(), "{span}");
    let events = span["events"].as_array().unwrap();
    assert_eq!(events.len(), 1, "{span}");
    assert_eq!(events[0]["name"], "exception");
    let attributes = events[0]["attributes"].as_array().unwrap();
    for (key, text) in [("exception.type", "ZeroDivisionError"), ("exception.message", "division by zero")] {
        assert!(attributes.contains(&json!([key, { "stringValue": text }])), "{span}");
    }
}

/// The rows of `SQL`: first the run that succeeded, then the one that failed.
fn check_rows<R: Row>(rows: &[R])
where
    &'static str: ColumnIndex<R>,
    i64: for<'r> Decode<'r, R::Database> + Type<R::Database>,
    String: for<'r> Decode<'r, R::Database> + Type<R::Database>,
    R::Database: Database,
{
    let found: Vec<(String, Option<String>)> =
        rows.iter().map(|row| (row.get("status"), row.get("status_message"))).collect();
    let failed = ("error".to_owned(), Some("ZeroDivisionError: division by zero".to_owned()));
    assert_eq!(found, [("unset".to_owned(), None), failed]);
    assert!(rows.iter().all(|row| row.get::<i64, _>("duration_nano") > 0));
}
