//! A connection to the endpoint, and one attempt on it. gRPC is spoken by hand: a request is a frame that was made
//! once, and an answer is a short message and a status, so all that is needed is HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::answer::{Answer, Reply, unanswered};
use super::settings::{Compression, Protocol};

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Connecting takes no longer.
const CONNECT_SECONDS_MAX: Duration = Duration::from_secs(5);

/// How requests are sent.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) uri: Uri,
    pub(super) protocol: Protocol,
    pub(super) compression: Compression,
    pub(super) attempt_max: Duration,
}

/// One connection (or, over HTTP/1.1, one for each request in flight).
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    target: Target,
}

impl Client {
    pub(super) fn new(target: Target) -> Self {
        Self { http: http_client(target.protocol == Protocol::Grpc), target }
    }

    /// Sends a body once. Whatever goes wrong on the way is worth another attempt.
    pub(super) async fn attempt(&self, body: &Bytes) -> Answer {
        match tokio::time::timeout(self.target.attempt_max, self.exchange(body)).await {
            Ok(Ok(reply)) => reply.answer(self.target.protocol),
            Ok(Err(error)) => unanswered("connection", &with_causes(&*error)),
            Err(_) => unanswered("timeout", "there was no answer in time"),
        }
    }

    async fn exchange(&self, body: &Bytes) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let answer = self.http.request(self.request(body)?).await?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes(), trailers })
    }

    fn request(&self, body: &Bytes) -> http::Result<Request<Full<Bytes>>> {
        let Target { uri, protocol, compression, .. } = &self.target;
        let mut request = Request::builder().method(Method::POST).uri(uri.clone());
        let (kind, encoding) = match protocol {
            Protocol::Grpc => ("application/grpc", "grpc-encoding"),
            Protocol::HttpProtobuf => ("application/x-protobuf", "content-encoding"),
            Protocol::HttpJson => ("application/json", "content-encoding"),
        };
        request = request.header(header::CONTENT_TYPE, kind);
        if *protocol == Protocol::Grpc {
            request = request.header(header::TE, "trailers");
        }
        if let Some(name) = compression.encoding() {
            request = request.header(encoding, name);
        }
        request = request.header(header::USER_AGENT, concat!("tracewell-generate/", env!("CARGO_PKG_VERSION")));
        request.body(Full::new(body.clone()))
    }
}

/// A client with connections of its own. Nothing is sent again behind our back: attempts are counted.
pub(super) fn http_client<B>(http2: bool) -> HttpClient<HttpConnector, B>
where
    B: hyper::body::Body + Send + 'static + Unpin,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_SECONDS_MAX));
    let mut builder = HttpClient::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).http2_only(http2).retry_canceled_requests(false);
    builder.build(connector)
}

/// An error and what caused it, in one line.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
