//! More is sent than the server takes, and worse than that is sent: what it refuses it refuses well, what it acknowledges
//! it has, and its memory stays within what its settings say.
//!
//! The bound, in resident bytes at their peak: what the server has had before the load (its code, the database's caches),
//! and `--queue-bytes-max`, and for each connection what HTTP/2's window lets a client send of a request before anybody
//! reads it; and what the allocator keeps, which gives memory back a second after it was free: as much again or twice
//! that under ordinary load, and several times as much when all of it is taken and freed many times a second.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request as HttpRequest, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracewell::model::Value;

use super::lock::{lock, unlock};
use super::{A_WHILE, assert_shows, gauge, gauge_at, rounds};
use crate::support::directory::Directory;
use crate::support::ledger::Ledger;
use crate::support::load::Load;
use crate::support::postgres::TestDatabase;
use crate::support::process::Server;
use crate::support::sender::{Door, Doors, Heard, Request, Sender};

const MIB: u64 = 1 << 20;

const QUEUE_BYTES_MAX: u64 = 20 * MIB;
const QUEUE_REQUESTS_MAX: i64 = 12;
/// The window of one HTTP/2 request, and as much that the allocator keeps of the one before.
const CONNECTION_BYTES_MAX: u64 = 2 * MIB;

/// Each with a connection of its own, and one request in flight. Together they are many times what fits.
const SENDERS: u64 = 16;
/// The text of each of a request's spans, which makes the request 6 MB large.
const TEXT_BYTES: usize = 1_200_000;
/// So many requests are acknowledged in each round.
const STORED: u64 = 5;

/// Scenario: senders whose requests together are many times what the server may hold send again and again what it does
/// not take, by every door; in each round the database is locked until three times as many were refused as are then
/// stored. Guarantee: memory and queue stay within their bounds, every refusal says in its protocol's way when to come
/// again (the senders see to that), every span that was acknowledged is there once, and the ledger balances.
#[tokio::test(flavor = "multi_thread")]
async fn four_times_as_much_as_fits_is_refused_well() {
    let database = TestDatabase::create().await;
    let (server, mut holder) = (start(&database.url()), database.connect().await);
    let before = warm(&server).await;
    let load = Load::start_with(SENDERS, Doors::of(&server), large);
    let watched = tokio::spawn(watch_queue(server.web));
    for _ in 0..rounds(2) {
        lock(&mut holder).await;
        let busy = load.progress().busy + 3 * STORED;
        load.until("refusals", |progress| progress.busy >= busy).await;
        unlock(&mut holder).await;
        let stored = load.progress().stored + STORED;
        load.until("requests", |progress| progress.stored >= stored).await;
    }
    let progress = load.progress();
    let spans = load.finish().await;
    watched.abort();
    assert!(watched.await.unwrap_err().is_cancelled(), "the queue was larger than it may be");
    assert_eq!((progress.late, progress.unheard), (0, 0), "{progress:?}");
    assert_memory(&server, before + 3 * QUEUE_BYTES_MAX + SENDERS * CONNECTION_BYTES_MAX);
    let ledger = Ledger::read(&server);
    let spans = [warming().into_iter().flat_map(|request| request.spans).collect(), spans].concat();
    assert_eq!((ledger.total("stored"), ledger.total("received")), (spans.len() as u64, spans.len() as u64));
    assert_eq!((gauge(&server, "tracewell_queue_requests"), gauge(&server, "tracewell_queue_bytes")), (0, 0));
    assert_shows(&database.url(), &spans).await;
}

/// Scenario: clients that mean no good send bodies that are small on the wire and unfold when they are decompressed and
/// decoded: millions of empty links, of empty events in JSON, a gigabyte of nothing. Guarantee: memory stays within its
/// bound, each is refused for good, or for now where others take the room, and afterwards the server does its work.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_unfold_take_no_more_than_there_is() {
    let directory = Directory::create();
    let url = format!("sqlite:{}", directory.file("spans.db"));
    let server = start(&url);
    let before = warm(&server).await;
    let bombs = Arc::new(bombs());
    let (clients, rounds) = (24, rounds(2));
    let mut sends = JoinSet::new();
    for client in 0..clients {
        let (doors, bombs) = (Doors::of(&server), Arc::clone(&bombs));
        sends.spawn(async move {
            for round in 0..rounds {
                let bomb = &bombs[usize::try_from(client + round).unwrap() % bombs.len()];
                timeout(A_WHILE, bomb.send(doors)).await.expect("no answer");
            }
        });
    }
    sends.join_all().await;
    assert_memory(&server, before + 8 * QUEUE_BYTES_MAX + clients * CONNECTION_BYTES_MAX);
    assert_eq!((gauge(&server, "tracewell_queue_requests"), gauge(&server, "tracewell_queue_bytes")), (0, 0));
    let (request, mut sender) = (Request::numbered(7, 0), Sender::new());
    assert_eq!(sender.send(Doors::of(&server), Door::Grpc, &request).await, Heard::Stored);
    assert_eq!(Ledger::read(&server).total("received"), Ledger::read(&server).total("stored"));
}

fn start(url: &str) -> Server {
    let (bytes, requests) = (QUEUE_BYTES_MAX.to_string(), QUEUE_REQUESTS_MAX.to_string());
    block_in_place(|| Server::start_with(url, &["--queue-bytes-max", &bytes, "--queue-requests-max", &requests]))
}

/// What is sent before the load.
fn warming() -> Vec<Request> {
    (0..3).map(|number| large(SENDERS, number)).collect()
}

/// Has the server store some requests, one after the other; the peak of its memory after that.
async fn warm(server: &Server) -> u64 {
    let mut sender = Sender::new();
    for (request, door) in warming().iter().zip(Door::ALL.into_iter().cycle()) {
        assert_eq!(sender.send(Doors::of(server), door, request).await, Heard::Stored);
    }
    peak_bytes(server)
}

fn large(sender: u64, number: u64) -> Request {
    let mut spans = Request::numbered(sender, number).spans;
    for span in &mut spans {
        span.attributes = [("text", Value::from("x".repeat(TEXT_BYTES).as_str()))].into_iter().collect();
    }
    Request::of(spans)
}

/// Looks at the queue as long as it is let; ends when it is larger than it may be.
async fn watch_queue(web: SocketAddr) {
    let most_bytes = i64::try_from(QUEUE_BYTES_MAX).unwrap();
    while gauge_at(web, "tracewell_queue_bytes") <= most_bytes
        && gauge_at(web, "tracewell_queue_requests") <= QUEUE_REQUESTS_MAX
    {
        tokio::task::yield_now().await;
    }
}

fn assert_memory(server: &Server, bound_bytes: u64) {
    let (peak, bound) = (peak_bytes(server) / MIB, bound_bytes / MIB);
    eprintln!("{peak} MiB resident at the peak, {bound} MiB are the bound");
    assert!(peak <= bound, "{peak} MiB resident at the peak, {bound} MiB are the bound");
}

/// The most memory that the server ever had resident.
fn peak_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

/// A hostile request.
struct Bomb {
    door: Door,
    gzip: Vec<u8>,
}

/// Each takes more memory than there is, and less than a hundred kilobytes on the wire.
fn bombs() -> Vec<Bomb> {
    let links = in_a_span(&[0x6a, 0x00].repeat(1_000_000));
    let events = in_a_span(&[0x5a, 0x00].repeat(1_000_000));
    let attributes = in_a_span(&[0x4a, 0x00].repeat(1_000_000));
    let json = |list: &str| {
        let items = "{},".repeat(500_000);
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"{list}":[{items}{{}}]}}]}}]}}]}}"#)
    };
    let (json_links, json_events) = (json("links"), json("events"));
    let nothing = vec![0; 60_000_000];
    let bombs = [
        (Door::Grpc, &*links),
        (Door::Http, &*events),
        (Door::Json, json_links.as_bytes()),
        (Door::Http, &*attributes),
        (Door::Json, json_events.as_bytes()),
        (Door::Grpc, &*nothing),
        (Door::Http, &*nothing),
    ];
    bombs.into_iter().map(|(door, plain)| Bomb { door, gzip: gzip(plain) }).collect()
}

/// A request of one span that has these bytes.
fn in_a_span(span: &[u8]) -> Vec<u8> {
    [0x12, 0x12, 0x0a].into_iter().fold(span.to_vec(), |message, key| {
        let mut outer = vec![key];
        prost::encode_length_delimiter(message.len(), &mut outer).unwrap();
        outer.extend(message);
        outer
    })
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

impl Bomb {
    /// Sends it, and asserts that it is refused, for good or for now.
    async fn send(&self, doors: Doors) {
        match self.door {
            Door::Grpc => self.send_grpc(doors.grpc).await,
            Door::Http => self.send_http(doors.http, "application/x-protobuf").await,
            Door::Json => self.send_http(doors.http, "application/json").await,
        }
    }

    async fn send_grpc(&self, address: SocketAddr) {
        let mut frame = vec![1];
        frame.extend(u32::try_from(self.gzip.len()).unwrap().to_be_bytes());
        frame.extend(&self.gzip);
        let path = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let request = HttpRequest::post(format!("http://{address}/{path}"))
            .header("content-type", "application/grpc")
            .header("grpc-encoding", "gzip")
            .header("te", "trailers");
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let answer = client.request(request.body(Full::new(Bytes::from(frame))).unwrap()).await.unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        let retry = status.get_details_retry_info().is_some();
        assert!(
            matches!((status.code(), retry), (Code::ResourceExhausted, false) | (Code::Unavailable, true)),
            "{status:?}"
        );
    }

    async fn send_http(&self, address: SocketAddr, content_type: &str) {
        let request = HttpRequest::post(format!("http://{address}/v1/traces"))
            .header("content-type", content_type)
            .header("content-encoding", "gzip");
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request.body(Full::new(Bytes::from(self.gzip.clone()))).unwrap()).await.unwrap();
        let retry = answer.headers().contains_key("retry-after");
        assert!(
            matches!(
                (answer.status(), retry),
                (StatusCode::PAYLOAD_TOO_LARGE, false) | (StatusCode::SERVICE_UNAVAILABLE, true)
            ),
            "{answer:?}"
        );
        assert_eq!(answer.headers()["content-type"], content_type);
        answer.into_body().collect().await.unwrap();
    }
}
