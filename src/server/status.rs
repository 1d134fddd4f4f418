//! The one table of what a caller hears when something went wrong: gRPC status and HTTP answer in the same row.
//!
//! Doors turn every inner error into a [`Failure`], and a failure into an answer here and nowhere else. It is also
//! where such an error is logged, once: a bug with its causes and a request id that the caller is told too, the rest
//! quietly. `INTERNAL` and not `DATA_LOSS` for a bug: OTLP clients repeat the latter. Refusals that a protocol makes before
//! there is a request (a wrong method, an unknown content type) belong to the protocol's door.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt};

use crate::ingest::IngestError;
use crate::model::SearchError;
use crate::query::QueryError;
use crate::store::StoreError;

/// When a caller that was refused for lack of room should come again. Queues empty within this time, or it is not
/// load that keeps them full.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The longest message that is sent: it travels in HTTP/2 headers, twice, and clients limit those to a few KiB.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Between two warnings that the server is busy. In an overload every request would be one.
const BUSY_WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// The media type of plain text.
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What went wrong, named by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The request is not what its protocol says; what is wrong with it.
    #[error("the request can not be read: {0}")]
    Undecodable(String),
    /// The request is larger than the server takes, as sent or after decompression.
    #[error("the request is larger than {request_bytes_max} bytes")]
    TooLarge {
        /// The limit.
        request_bytes_max: usize,
    },
    /// The request would take more memory than the server has for all.
    #[error("the request takes more than {queue_bytes_max} bytes of memory when it is read: send less at once")]
    TooLargeInMemory {
        /// The limit.
        queue_bytes_max: usize,
    },
    /// There is no place in the queue.
    #[error("busy: the queue is full, try again later")]
    QueueFull,
    /// Everything is being removed at the moment.
    #[error("busy: all data is being removed, try again")]
    Purging,
    /// Requests that came before did not end in time.
    #[error("busy: requests that began before are still coming in, try again")]
    Occupied,
    /// The server takes no more requests.
    #[error("busy: the server is stopping, try again")]
    Stopping,
    /// The server, or the time that the caller gave it, ran out.
    #[error("timed out; what was sent may be stored or not")]
    Deadline,
    /// A query ran out of the time that it may take, which is this.
    #[error("the query took longer than {0:?}: ask for less")]
    QueryDeadline(Duration),
    /// A condition can not be searched for.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// There is no such thing; which.
    #[error("{0} not found")]
    NotFound(String),
    /// A question whose answer is more than the limits allow, and makes no sense in part; which, and what to do.
    #[error("the answer is too much: {0}")]
    TooMuch(String),
    /// Nothing answers at this path; what does, or what to do.
    #[error("{0}")]
    Unimplemented(&'static str),
    /// A part of a protocol that is not there; what to do instead.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// The store said no. Shared, since one error may be the answer to many requests.
    #[error("{}", store_message(.0))]
    Store(#[source] Arc<StoreError>),
    /// Something failed here that never should.
    #[error("internal error")]
    Bug(#[source] Arc<dyn Error + Send + Sync>),
}

fn store_message(error: &StoreError) -> String {
    match error {
        StoreError::Busy(_) => "busy: the database can not answer now, try again later".to_owned(),
        StoreError::Refused { reason } => format!("the database refuses the spans: {reason}"),
        StoreError::Corrupt { .. } | StoreError::Bug(_) => "internal error".to_owned(),
    }
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::QueueFull => Self::QueueFull,
            IngestError::Purging => Self::Purging,
            IngestError::Occupied => Self::Occupied,
            IngestError::TooLarge { queue_bytes_max } => Self::TooLargeInMemory { queue_bytes_max },
            IngestError::Stopping => Self::Stopping,
            IngestError::Store(error) => Self::Store(error),
        }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::BadRequest { field, reason } => Self::Search(SearchError { field, reason }),
            QueryError::NotFound { what } => Self::NotFound(what),
            QueryError::TimedOut { limit } => Self::QueryDeadline(limit),
            QueryError::TooMuch { what } => Self::TooMuch(what),
            QueryError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// The two forms of a body: protobuf's binary one and its JSON mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`
    Protobuf,
    /// `application/json`
    Json,
}

impl Encoding {
    /// The media type.
    #[must_use]
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

/// A request was stored that its protocol answers with 202; what there is to say of it, mostly nothing.
#[must_use]
pub fn accepted(message: String) -> Response<Body> {
    let mut response = Response::new(Body::from(message));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// What a failure is called in metrics and logs, and what it is on either protocol.
struct Row {
    reason: &'static str,
    grpc: Code,
    http: StatusCode,
    kind: Kind,
}

/// What a row means for the caller and for us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The caller's to change.
    Callers,
    /// Load or a restart: the same request may pass later.
    Busy,
    /// Too slow.
    Late,
    /// Nothing is wrong.
    Absent,
    /// Ours to mend.
    Bug,
}

impl Failure {
    /// The table.
    fn row(&self) -> Row {
        let row = |reason, grpc, http, kind| Row { reason, grpc, http, kind };
        match self {
            Self::Undecodable(_) => row("undecodable", Code::InvalidArgument, StatusCode::BAD_REQUEST, Kind::Callers),
            Self::TooLarge { .. } => {
                row("too_large", Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE, Kind::Callers)
            }
            Self::TooLargeInMemory { .. } => {
                row("too_large_in_memory", Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE, Kind::Callers)
            }
            Self::QueueFull => row("queue_full", Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Kind::Busy),
            Self::Purging => row("purging", Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Kind::Busy),
            Self::Occupied => row("occupied", Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Kind::Busy),
            Self::Stopping => row("stopping", Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Kind::Busy),
            Self::Deadline => row("deadline", Code::DeadlineExceeded, StatusCode::GATEWAY_TIMEOUT, Kind::Late),
            Self::QueryDeadline(_) => {
                row("query_deadline", Code::DeadlineExceeded, StatusCode::GATEWAY_TIMEOUT, Kind::Late)
            }
            Self::Search(_) => row("bad_search", Code::InvalidArgument, StatusCode::BAD_REQUEST, Kind::Callers),
            Self::NotFound(_) => row("not_found", Code::NotFound, StatusCode::NOT_FOUND, Kind::Absent),
            Self::TooMuch(_) => {
                row("too_much", Code::ResourceExhausted, StatusCode::UNPROCESSABLE_ENTITY, Kind::Callers)
            }
            Self::Unimplemented(_) => row("unimplemented", Code::Unimplemented, StatusCode::NOT_FOUND, Kind::Callers),
            Self::Unsupported(_) => row("unsupported", Code::Unimplemented, StatusCode::NOT_IMPLEMENTED, Kind::Callers),
            Self::Store(error) => match &**error {
                StoreError::Busy(_) => {
                    row("database_busy", Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE, Kind::Busy)
                }
                StoreError::Refused { .. } => {
                    row("database_refused", Code::InvalidArgument, StatusCode::BAD_REQUEST, Kind::Callers)
                }
                StoreError::Corrupt { .. } => {
                    row("corrupt", Code::Internal, StatusCode::INTERNAL_SERVER_ERROR, Kind::Bug)
                }
                StoreError::Bug(_) => row("bug", Code::Internal, StatusCode::INTERNAL_SERVER_ERROR, Kind::Bug),
            },
            Self::Bug(_) => row("bug", Code::Internal, StatusCode::INTERNAL_SERVER_ERROR, Kind::Bug),
        }
    }

    /// One word for the metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.row().reason
    }

    /// Whether the same request may pass later.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.row().kind == Kind::Busy
    }

    /// The answer on gRPC. Logs the failure, so call it once, when the answer goes out.
    #[must_use]
    pub fn to_grpc(&self) -> tonic::Status {
        let row = self.row();
        let (message, details) = self.tell(&row);
        tonic::Status::with_error_details(row.grpc, message, details)
    }

    /// The answer on HTTP, its body a `google.rpc.Status` in the encoding of the request. Logs the failure, so call
    /// it once, when the answer goes out.
    #[must_use]
    pub fn to_http(&self, encoding: Encoding) -> Response<Body> {
        let row = self.row();
        let (message, details) = self.tell(&row);
        let body = match encoding {
            Encoding::Json => Body::from(status_json(row.grpc, &message, &details).to_string()),
            // The details of a gRPC status are a whole google.rpc.Status in binary.
            Encoding::Protobuf => {
                Body::from(tonic::Status::with_error_details(row.grpc, message, details).details().to_vec())
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = row.http;
        response.headers_mut().insert(header::CONTENT_TYPE, encoding.content_type());
        if row.kind == Kind::Busy {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_DELAY.as_secs()));
        }
        response
    }

    /// The answer on HTTP where errors are plain text. Logs the failure, so call it once, when the answer goes out.
    #[must_use]
    pub fn to_text(&self) -> Response<Body> {
        self.to_form(TEXT, |_, message| message)
    }

    /// The answer on HTTP where errors have a form of their own, made of the status and the message. Logs the failure, so
    /// call it once, when the answer goes out.
    #[must_use]
    pub fn to_form(
        &self,
        content_type: HeaderValue,
        form: impl FnOnce(StatusCode, String) -> String,
    ) -> Response<Body> {
        let row = self.row();
        let (message, _) = self.tell(&row);
        let mut response = Response::new(Body::from(form(row.http, message)));
        *response.status_mut() = row.http;
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        if row.kind == Kind::Busy {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_DELAY.as_secs()));
        }
        response
    }

    /// Logs the failure and says what the caller hears of it.
    fn tell(&self, row: &Row) -> (String, ErrorDetails) {
        let message = shorten(self.to_string());
        let mut details = ErrorDetails::new();
        match row.kind {
            Kind::Bug => {
                let request_id = next_request_id();
                tracing::error!(request_id, reason = row.reason, causes = causes(self), "internal error");
                details.set_request_info(request_id.to_string(), "");
                return (format!("{message} (request {request_id})"), details);
            }
            Kind::Busy => {
                details.set_retry_info(Some(RETRY_DELAY));
                warn_of_load(row.reason, self);
            }
            Kind::Late => tracing::warn!(reason = row.reason, "a request timed out"),
            Kind::Absent => {}
            Kind::Callers => tracing::debug!(reason = row.reason, message, "a request was refused"),
        }
        match self {
            Self::Search(error) => {
                details.add_bad_request_violation(error.field, shorten(error.reason.clone()));
            }
            Self::Undecodable(what) => {
                details.add_bad_request_violation("request", shorten(what.clone()));
            }
            _ => {}
        }
        (message, details)
    }
}

/// What lies behind a failure, the nearest cause first.
fn causes(failure: &Failure) -> String {
    let causes = std::iter::successors(failure.source(), |cause| (**cause).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Cuts a text to what may be sent, between two characters.
fn shorten(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
    text
}

/// Numbers the internal errors of this process, so that what a caller was told can be found in the log.
fn next_request_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed).saturating_add(1)
}

/// Says that requests are refused, at most once per interval; the metrics count each one.
fn warn_of_load(reason: &'static str, failure: &Failure) {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_none_or(|last| last.elapsed() >= BUSY_WARNING_INTERVAL) {
        *last = Some(Instant::now());
        tracing::warn!(reason, causes = causes(failure), "requests are refused and will come again");
    }
}

/// A `google.rpc.Status` in protobuf's JSON mapping, with the details that the table gives.
fn status_json(code: Code, message: &str, details: &ErrorDetails) -> Value {
    let mut list = Vec::new();
    if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
        let delay = format!("{}s", delay.as_secs());
        list.push(json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay }));
    }
    if let Some(request) = details.bad_request() {
        let violations: Vec<_> = request
            .field_violations
            .iter()
            .map(|violation| json!({ "field": violation.field, "description": violation.description }))
            .collect();
        list.push(json!({ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations }));
    }
    if let Some(request) = details.request_info() {
        let id = &request.request_id;
        list.push(json!({ "@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": id }));
    }
    json!({ "code": i32::from(code), "message": message, "details": list })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use prost::Message;

    fn bug() -> Failure {
        StoreError::Bug("secret".into()).into()
    }

    /// Every row with what it must be on the wire: gRPC code, HTTP status, whether the caller is told to come again.
    fn rows() -> Vec<(Failure, Code, u16, bool)> {
        let search = SearchError { field: "service", reason: "must not contain U+0000".to_owned() };
        vec![
            (Failure::Undecodable("no".to_owned()), Code::InvalidArgument, 400, false),
            (Failure::TooLarge { request_bytes_max: 9 }, Code::ResourceExhausted, 413, false),
            (IngestError::TooLarge { queue_bytes_max: 9 }.into(), Code::ResourceExhausted, 413, false),
            (IngestError::QueueFull.into(), Code::Unavailable, 503, true),
            (IngestError::Purging.into(), Code::Unavailable, 503, true),
            (IngestError::Occupied.into(), Code::Unavailable, 503, true),
            (IngestError::Stopping.into(), Code::Unavailable, 503, true),
            (StoreError::Busy("away".into()).into(), Code::Unavailable, 503, true),
            (Failure::Deadline, Code::DeadlineExceeded, 504, false),
            (QueryError::TimedOut { limit: RETRY_DELAY }.into(), Code::DeadlineExceeded, 504, false),
            (search.into(), Code::InvalidArgument, 400, false),
            (Failure::NotFound("trace".to_owned()), Code::NotFound, 404, false),
            (QueryError::TooMuch { what: "spans".to_owned() }.into(), Code::ResourceExhausted, 422, false),
            (StoreError::Refused { reason: "too wide".to_owned() }.into(), Code::InvalidArgument, 400, false),
            (StoreError::Corrupt { what: "row 1".to_owned() }.into(), Code::Internal, 500, false),
            (bug(), Code::Internal, 500, false),
            (Failure::Bug(Arc::from(Box::<dyn Error + Send + Sync>::from("secret"))), Code::Internal, 500, false),
        ]
    }

    #[test]
    fn grpc_answers_follow_the_table() {
        for (failure, code, _, retry) in rows() {
            let status = failure.to_grpc();
            assert_eq!(status.code(), code, "{failure:?}");
            let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
            assert_eq!(delay, retry.then_some(RETRY_DELAY), "{failure:?}");
            assert_eq!(failure.is_busy(), retry);
        }
    }

    #[tokio::test]
    async fn http_answers_follow_the_table_and_say_what_grpc_says() {
        for (failure, code, http, retry) in rows() {
            for encoding in [Encoding::Protobuf, Encoding::Json] {
                let response = failure.to_http(encoding);
                assert_eq!(response.status().as_u16(), http, "{failure:?}");
                let after = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
                assert_eq!(after, retry.then(|| "1".to_owned()), "{failure:?}");
                assert_eq!(response.headers()[header::CONTENT_TYPE], encoding.content_type());
                let body = response.into_body().collect().await.unwrap().to_bytes();
                let (said, details) = match encoding {
                    Encoding::Protobuf => {
                        let status = tonic_types::pb::Status::decode(body).unwrap();
                        (status.code, status.details.len())
                    }
                    Encoding::Json => {
                        let status: Value = serde_json::from_slice(&body).unwrap();
                        let code = i32::try_from(status["code"].as_i64().unwrap()).unwrap();
                        (code, status["details"].as_array().unwrap().len())
                    }
                };
                assert_eq!(said, i32::from(code), "{failure:?}");
                let grpc = tonic_types::pb::Status::decode(failure.to_grpc().details()).unwrap();
                assert_eq!(details, grpc.details.len(), "{failure:?}");
            }
        }
    }

    #[tokio::test]
    async fn plain_text_follows_the_table_too() {
        for (failure, _, http, retry) in rows() {
            let response = failure.to_text();
            assert_eq!(response.status().as_u16(), http, "{failure:?}");
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), retry, "{failure:?}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(!body.is_empty() && !body.windows(6).any(|text| text == b"secret"), "{failure:?}");
        }
    }

    #[test]
    fn a_bad_search_names_its_field_and_what_is_not_found_is_named() {
        let failure = Failure::from(SearchError { field: "node", reason: "too odd".to_owned() });
        let details = failure.to_grpc().get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!((violation.field.as_str(), violation.description.as_str()), ("node", "too odd"));
        assert_eq!(Failure::NotFound("trace".to_owned()).to_grpc().message(), "trace not found");
    }

    #[test]
    fn the_inside_of_a_bug_stays_inside_and_has_a_number() {
        let (one, two) = (bug().to_grpc(), bug().to_grpc());
        assert!(!format!("{one:?}").contains("secret"));
        let id = one.get_details_request_info().unwrap().request_id;
        assert_eq!(one.message(), format!("internal error (request {id})"));
        assert_ne!(id, two.get_details_request_info().unwrap().request_id);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let status = Failure::Undecodable("é".repeat(5_000)).to_grpc();
        assert!(status.message().len() <= MESSAGE_BYTES_MAX);
        assert!(status.message().ends_with('é'));
        assert!(status.details().len() < 3 * MESSAGE_BYTES_MAX);
    }
}
