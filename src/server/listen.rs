//! Serves a router on a listener: HTTP/1.1 and HTTP/2 without TLS on the same port, every wait and size bounded, with
//! a graceful end. Knows nothing of what the router does.
//!
//! A stop lets requests in flight finish and takes no new ones: the listener closes, HTTP/2 clients get a GOAWAY,
//! HTTP/1.1 connections end after their answer, and what is left at the deadline is cut. Use [`serve`].

use std::io::{Cursor, ErrorKind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{self, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What an HTTP/2 client may send of one request before we read it: a common batch in one go.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// The same over all requests of a connection: enough that one slow request does not stop its neighbours.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// The largest HTTP/2 frame that a client may send: fewer, larger ones cost less.
const FRAME_BYTES_MAX: u32 = 64 << 10;

/// So much is read of an HTTP/1.1 connection at a time; a request's headers may not be larger.
const READ_BYTES_MAX: usize = 64 << 10;

/// The pause after the process ran out of something (file descriptors, mostly): trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// With these bytes an HTTP/2 connection begins, and no other does.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The limits of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSettings {
    /// At this many connections no further one is accepted until one ends; the kernel keeps some waiting.
    pub connections_max: usize,
    /// How many requests may be in flight on one HTTP/2 connection.
    pub streams_max: u32,
    /// How large an HTTP/2 request's headers may be together.
    pub header_bytes_max: u32,
    /// How long a client may take to say which protocol it speaks, and on HTTP/1.1 to send a request's headers. That
    /// time begins with the end of the request before, so it is also how long an idle HTTP/1.1 connection lives.
    pub header_read_timeout: Duration,
    /// How often an HTTP/2 connection is asked whether the client is still there.
    pub keepalive_interval: Duration,
    /// How long the client may take to answer that.
    pub keepalive_timeout: Duration,
    /// After this time a connection is ended as in a stop, so that clients spread over new servers; never if `None`.
    pub connection_age_max: Option<Duration>,
    /// How long requests in flight may take after a stop.
    pub drain_timeout: Duration,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            streams_max: 256,
            header_bytes_max: 16 << 10,
            // Longer than the 60 s for which load balancers keep idle connections: the one that does not close first
            // never writes into a closed one.
            header_read_timeout: Duration::from_secs(75),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            connection_age_max: None,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// Serves until `stop`, and then until the last request is answered or the deadline passes: `true` if they all were.
pub async fn serve(listener: TcpListener, router: Router, settings: ListenSettings, stop: CancellationToken) -> bool {
    let server = Arc::new(Server { http: http(&settings), router, settings, stop, cut: CancellationToken::new() });
    let connections = TaskTracker::new();
    server.stop.run_until_cancelled(accept_all(Arc::clone(&server), listener, connections.clone())).await;
    connections.close();
    let drained = timeout(server.settings.drain_timeout, connections.wait()).await.is_ok();
    server.cut.cancel();
    connections.wait().await;
    drained
}

struct Server {
    http: auto::Builder<TokioExecutor>,
    router: Router,
    settings: ListenSettings,
    /// Ends connections gracefully.
    stop: CancellationToken,
    /// Ends them.
    cut: CancellationToken,
}

fn http(settings: &ListenSettings) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_read_timeout)
        .max_buf_size(READ_BYTES_MAX);
    http.http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(settings.streams_max)
        .max_header_list_size(settings.header_bytes_max)
        .keep_alive_interval(settings.keepalive_interval)
        .keep_alive_timeout(settings.keepalive_timeout);
    http
}

/// Owns the listener, so that the port closes when this is dropped.
async fn accept_all(server: Arc<Server>, listener: TcpListener, connections: TaskTracker) {
    let places = Arc::new(Semaphore::new(server.settings.connections_max));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(Arc::clone(&server), stream, place));
            }
            Err(error) if is_of_one_connection(error.kind()) => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no connection can be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the client went away before it was accepted; anything else is about this process.
fn is_of_one_connection(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}

async fn connection(server: Arc<Server>, stream: TcpStream, place: OwnedSemaphorePermit) {
    if let Some(Err(error)) = server.cut.run_until_cancelled(server.connection(stream)).await {
        tracing::debug!(error = &*error as &dyn std::error::Error, "a connection ended");
    }
    drop(place);
}

impl Server {
    async fn connection(&self, mut stream: TcpStream) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        stream.set_nodelay(true)?;
        let first = timeout(self.settings.header_read_timeout, first_bytes(&mut stream));
        let Some(first) = self.stop.run_until_cancelled(first).await else { return Ok(()) };
        let (reader, writer) = stream.into_split();
        let stream = io::join(Cursor::new(first??).chain(reader), writer);
        let service = TowerToHyperService::new(self.router.clone());
        let mut http = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = http.as_mut() => return ended,
            () = self.stop.cancelled() => {}
            () = old_age(self.settings.connection_age_max) => {}
        }
        http.as_mut().graceful_shutdown();
        http.await
    }
}

/// Reads until it is clear which protocol it is. hyper would find out as well, but wait for these bytes forever.
async fn first_bytes(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HTTP2_PREFACE.len());
    while bytes.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&bytes) {
        if stream.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    Ok(bytes)
}

async fn old_age(age_max: Option<Duration>) {
    match age_max {
        Some(age_max) => sleep(age_max).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_one_connection_are_passed_over_without_a_pause() {
        assert!(is_of_one_connection(ErrorKind::ConnectionAborted));
        let out_of_files = io::Error::from_raw_os_error(24);
        assert!(!is_of_one_connection(out_of_files.kind()));
    }
}
