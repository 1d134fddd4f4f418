//! The listener: both protocols on one port, its limits, and its end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracewell::server::listen::ListenSettings;

use super::server::{A_WHILE, Listening};

/// `/` answers at once, `/slow` when the gate opens.
struct Routes {
    begun: Arc<Semaphore>,
    gate: Arc<Semaphore>,
}

impl Routes {
    fn new() -> Self {
        Self { begun: Arc::new(Semaphore::new(0)), gate: Arc::new(Semaphore::new(0)) }
    }

    fn router(&self) -> Router {
        let (begun, gate) = (Arc::clone(&self.begun), Arc::clone(&self.gate));
        let slow = move || {
            let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
            async move {
                begun.add_permits(1);
                gate.acquire().await.unwrap().forget();
                "slow"
            }
        };
        Router::new().route("/", get(|| async { "fast" })).route("/slow", get(slow))
    }
}

fn ask(listening: &Listening, path: &str, http2: bool) -> JoinHandle<Option<Bytes>> {
    let uri = format!("http://{}{path}", listening.address).parse().unwrap();
    tokio::spawn(async move {
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Empty<Bytes>>();
        let response = client.get(uri).await.ok()?;
        Some(response.into_body().collect().await.ok()?.to_bytes())
    })
}

fn settings() -> ListenSettings {
    ListenSettings { drain_timeout: A_WHILE, ..ListenSettings::default() }
}

#[tokio::test]
async fn both_protocols_are_served_on_one_port() {
    let listening = Listening::start(Routes::new().router(), settings()).await;
    for http2 in [false, true] {
        assert_eq!(ask(&listening, "/", http2).await.unwrap().unwrap(), "fast");
    }
}

/// A stop closes the port at once, and lets requests in flight have their answers.
#[tokio::test]
async fn a_stop_waits_for_requests_in_flight() {
    for http2 in [false, true] {
        let slow = Routes::new();
        let mut listening = Listening::start(slow.router(), settings()).await;
        let answer = ask(&listening, "/slow", http2);
        slow.begun.acquire().await.unwrap().forget();
        // A connection that never says a word must not hold the end up.
        let silent = TcpStream::connect(listening.address).await.unwrap();
        listening.stop.cancel();
        while TcpStream::connect(listening.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!listening.served.is_finished());
        slow.gate.add_permits(1);
        assert_eq!(answer.await.unwrap().unwrap(), "slow");
        assert!((&mut listening.served).await.unwrap());
        drop(silent);
    }
}

/// A client that keeps its connection for a next request does not hold the end up, and hears that it is over.
#[tokio::test]
async fn a_stop_ends_idle_connections_at_once() {
    for http2 in [false, true] {
        let mut listening = Listening::start(Routes::new().router(), settings()).await;
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Empty<Bytes>>();
        let uri = format!("http://{}/", listening.address).parse().unwrap();
        let answer = client.get(uri).await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(answer.to_bytes(), "fast");
        listening.stop.cancel();
        assert!((&mut listening.served).await.unwrap());
        drop(client);
    }
}

#[tokio::test]
async fn at_the_deadline_what_is_left_is_cut() {
    for http2 in [false, true] {
        let slow = Routes::new();
        let settings = ListenSettings { drain_timeout: Duration::from_millis(20), ..settings() };
        let mut listening = Listening::start(slow.router(), settings).await;
        let answer = ask(&listening, "/slow", http2);
        slow.begun.acquire().await.unwrap().forget();
        listening.stop.cancel();
        assert!(!(&mut listening.served).await.unwrap());
        assert_eq!(answer.await.unwrap(), None);
    }
}

/// Clients that connect and stay silent, stop within HTTP/2's preface, or within HTTP/1.1's headers, are let go.
#[tokio::test]
async fn a_client_that_does_not_say_what_it_wants_is_let_go() {
    let settings = ListenSettings { header_read_timeout: Duration::from_millis(20), ..settings() };
    let listening = Listening::start(Routes::new().router(), settings).await;
    for beginning in ["", "PRI * HT", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut stream = TcpStream::connect(listening.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let ended = tokio::time::timeout(A_WHILE, stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "after {beginning:?} the connection stays");
    }
}

/// The connection over the limit is served when another has ended, and not before.
#[tokio::test]
async fn connections_over_the_limit_wait_for_a_place() {
    let settings = ListenSettings { connections_max: 1, ..settings() };
    let slow = Routes::new();
    let listening = Listening::start(slow.router(), settings).await;
    let first = ask(&listening, "/slow", false);
    slow.begun.acquire().await.unwrap().forget();
    let second = ask(&listening, "/slow", false);
    let begun = tokio::time::timeout(Duration::from_millis(50), slow.begun.acquire()).await;
    assert!(begun.is_err(), "a second connection is served beside the first");
    slow.gate.add_permits(2);
    assert_eq!(first.await.unwrap().unwrap(), "slow");
    assert_eq!(second.await.unwrap().unwrap(), "slow");
}

/// A request split over its first bytes in any way is the same request.
#[tokio::test]
async fn a_preface_may_come_in_pieces() {
    let listening = Listening::start(Routes::new().router(), settings()).await;
    for pieces in
        [&["P", "OST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"][..], &["GET / HTTP/1.0\r\n", "\r\n"]]
    {
        let mut stream = TcpStream::connect(listening.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1."), "{answer:?}");
    }
}

/// An old connection ends after the answer in flight, and its client opens another.
#[tokio::test]
async fn an_old_connection_ends_gracefully() {
    let settings = ListenSettings { connection_age_max: Some(Duration::from_millis(1)), ..settings() };
    let slow = Routes::new();
    let listening = Listening::start(slow.router(), settings).await;
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    slow.begun.acquire().await.unwrap().forget();
    slow.gate.add_permits(1);
    let mut answer = String::new();
    tokio::time::timeout(A_WHILE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with("slow"), "{answer:?}");
}
