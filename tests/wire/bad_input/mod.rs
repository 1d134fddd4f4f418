//! Bad input through the real doors: the real binary, on SQLite and on PostgreSQL, is sent each case of the table
//! (`cases.rs`) by OTLP/gRPC, http/protobuf and http/json, in one request with a good neighbour before it and one after.
//!
//! Whatever the case is, the request is a success, and its neighbours are there when the query door is asked
//! (`answer.rs`). The bad span itself is what the table says: stored as it was sent; or stored with texts repaired,
//! which the answer and the metrics say; or rejected, which they say too, with the reason.

mod answer;
mod cases;
mod names;
mod sent;

use std::net::SocketAddr;

use http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tokio::task::block_in_place;

use self::cases::{Becomes, Case, Sent};
use self::sent::{NAME, neighbour};
use super::client::{JSON, PROTOBUF, export_raw, post};
use crate::otlp::property::normal::normal;
use crate::otlp::text::resource_spans;
use crate::otlp::wire::delimited;
use crate::support::directory::Directory;
use crate::support::http::get;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;

/// The longest message that a sender gets.
const MESSAGE_BYTES_MAX: usize = 1_024 + 100;

/// Whoever asks in SQL can read all that is stored.
const READ_VIEWS: &str = "select count(span::text) from span union all select count(trace::text) from trace";
const READ_VIEWS_OF_SQLITE: &str = "select * from span; select * from trace";

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_on_sqlite() {
    let directory = Directory::create();
    let url = sqlite_url(&directory);
    check(&Server::start(&url)).await;
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    connection.execute(sqlx::raw_sql(READ_VIEWS_OF_SQLITE)).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_on_postgres() {
    let database = TestDatabase::create().await;
    check(&Server::start(&database.url())).await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    connection.execute(READ_VIEWS).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn long_names_on_sqlite() {
    let directory = Directory::create();
    names::check(&Server::start(&sqlite_url(&directory))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_names_on_postgres() {
    let database = TestDatabase::create().await;
    names::check(&Server::start(&database.url())).await;
}

fn sqlite_url(directory: &Directory) -> String {
    format!("sqlite:{}", directory.file("tracewell.db"))
}

#[derive(Debug, Clone, Copy)]
enum Door {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

/// Sends every case by every door that can be told of it.
async fn check(server: &Server) {
    let (mut number, mut complaints) = (0_u128, Vec::new());
    for case in cases::all() {
        for door in [Door::Grpc, Door::HttpProtobuf, Door::HttpJson] {
            number += 1;
            if let Err(complaint) = check_case(server, door, &case, number.to_be_bytes()).await {
                complaints.push(format!("{} by {door:?}: {complaint}", case.what));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Sends one case as a part of this trace; complains when something is not as the table says.
async fn check_case(server: &Server, door: Door, case: &Case, trace_id: [u8; 16]) -> Result<(), String> {
    let Sent { protobuf, json, becomes } = (case.make)(trace_id);
    let neighbours = [neighbour(trace_id, 1, "before"), neighbour(trace_id, 3, "after")];
    let body = match door {
        Door::Grpc | Door::HttpProtobuf => protobuf.map(|case| protobuf_request(&neighbours, &case)),
        Door::HttpJson => json.map(|case| json_request(&neighbours, &case)),
    };
    let Some(body) = body else { return Ok(()) };
    let before = Counts::of(server, &becomes);
    let partial = send(server, door, body).await?;
    let after = Counts::of(server, &becomes);
    check_told(&becomes, &partial)?;
    let counted = (after.rejected - before.rejected, after.repaired - before.repaired);
    let expected = match becomes {
        Becomes::Stored(_) => (0, 0),
        Becomes::Repaired(texts, _) => (0, texts),
        Becomes::Rejected { .. } => (1, 0),
    };
    if counted != expected {
        return Err(format!("rejected and repaired are counted as {counted:?}, not {expected:?}"));
    }
    check_stored(server, becomes, neighbours, trace_id).await
}

fn protobuf_request([before, after]: &[ResourceSpans; 2], case: &[u8]) -> Vec<u8> {
    [delimited(1, before.encode_to_vec()), delimited(1, case), delimited(1, after.encode_to_vec())].concat()
}

fn json_request(neighbours: &[ResourceSpans; 2], case: &[u8]) -> Vec<u8> {
    let [before, after] = neighbours.each_ref().map(|group| resource_spans(group).to_string().into_bytes());
    [br#"{"resourceSpans":["#, &before[..], b",", case, b",", &after, b"]}"].concat()
}

/// Sends a request; what was not perfect about it.
async fn send(server: &Server, door: Door, body: Vec<u8>) -> Result<ExportTracePartialSuccess, String> {
    match door {
        Door::Grpc => {
            let answer = export_raw(server.grpc, &[], false, &body).await.map_err(|status| format!("{status:?}"))?;
            Ok(answer.partial_success.unwrap_or_default())
        }
        Door::HttpProtobuf => send_http(server.http, PROTOBUF, body).await,
        Door::HttpJson => send_http(server.http, JSON, body).await,
    }
}

async fn send_http(
    address: SocketAddr,
    content_type: &str,
    body: Vec<u8>,
) -> Result<ExportTracePartialSuccess, String> {
    let answer = post(address, content_type, body).await;
    if answer.status != StatusCode::OK {
        return Err(format!("{} {:?}", answer.status, answer.body));
    }
    Ok(answer.partial_success())
}

fn check_told(becomes: &Becomes, told: &ExportTracePartialSuccess) -> Result<(), String> {
    let message = &told.error_message;
    let is_right = match becomes {
        Becomes::Stored(_) => message.is_empty(),
        Becomes::Repaired(1, _) => message == "1 text was not valid UTF-8 and was repaired",
        Becomes::Repaired(texts, _) => *message == format!("{texts} texts were not valid UTF-8 and were repaired"),
        Becomes::Rejected { says, .. } => {
            message.starts_with("1 span rejected: span 1 \"") && message.contains(NAME) && message.contains(says)
        }
    };
    let rejected = i64::from(matches!(becomes, Becomes::Rejected { .. }));
    if !is_right || told.rejected_spans != rejected || message.len() > MESSAGE_BYTES_MAX {
        return Err(format!("the sender is told of {} rejected spans, and {message:?}", told.rejected_spans));
    }
    Ok(())
}

/// What the server counts of the things that the table tells.
struct Counts {
    rejected: u64,
    repaired: u64,
}

impl Counts {
    fn of(server: &Server, becomes: &Becomes) -> Self {
        let (_, text) = block_in_place(|| get(server.web, "/metrics").unwrap());
        let sum = |name: &str, label: &str| {
            let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
            lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
        };
        let reason =
            if let Becomes::Rejected { reason, .. } = becomes { format!("reason=\"{reason}\"") } else { String::new() };
        Self {
            rejected: sum("tracewell_spans_rejected_total", &reason),
            repaired: sum("tracewell_values_repaired_total", ""),
        }
    }
}

/// The trace has the neighbours, and of the case what it becomes.
async fn check_stored(
    server: &Server,
    becomes: Becomes,
    [before, after]: [ResourceSpans; 2],
    trace_id: [u8; 16],
) -> Result<(), String> {
    let expected = match becomes {
        Becomes::Stored(case) | Becomes::Repaired(_, case) => vec![before, *case, after],
        Becomes::Rejected { .. } => vec![before, after],
    };
    let found = answer::trace(server, trace_id).await?;
    let each = |groups: Vec<ResourceSpans>| {
        let mut spans: Vec<_> = groups.into_iter().flat_map(|group| normal(vec![group]).0).collect();
        spans.sort();
        spans
    };
    let names: Vec<_> = found.iter().map(answer::short_name).collect();
    let (found, expected) = (each(found), each(expected));
    if found == expected { Ok(()) } else { Err(format!("the trace has, perhaps changed, {names:?}")) }
}
