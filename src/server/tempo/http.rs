//! Tempo's paths. An answer is JSON, or protobuf for who accepts that; what is wrong is said in plain text, as Tempo does.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, Response, Uri, header};
use prost::Message;

use super::super::generated::tempopb::SearchResponse;
use super::super::status::Failure;
use super::json::ToJson;
use super::names::{TagsAsked, ValuesAsked};
use super::parameters::Parameters;
use super::{Answer, Door, Now, metrics, missing, search, trace, with_page};
use crate::query::{Coverage, Query, QueryError};

const PROTOBUF: &str = "application/protobuf";
const JSON: &str = "application/json";
/// What of an answer is missing, where its message has no place for that, stands in this header.
const WARNING: &str = "warning";

/// Whose API it is that of, and then ours: clients that look at the version look for what Tempo has since when.
const BUILD_INFO: &str = concat!(
    r#"{"version":"3.0.0+tracewell."#,
    env!("CARGO_PKG_VERSION"),
    r#"","revision":"","branch":"","buildDate":"","buildUser":"","goVersion":""}"#
);

/// The path of a trace that Jaeger has as well.
pub const TRACE_PATH: &str = "/api/traces/{id}";

/// What is there.
pub fn trace_route(query: Arc<Query>, now: Now) -> MethodRouter {
    get(trace_v1).with_state(Door { query, now })
}

/// The other paths.
pub fn router(query: Arc<Query>, now: Now) -> Router {
    Router::new()
        .route("/api/echo", get(async || "echo"))
        .route("/api/status/buildinfo", get(async || ([(header::CONTENT_TYPE, JSON)], BUILD_INFO)))
        .route("/api/v2/traces/{id}", get(trace_v2))
        .route("/api/search", get(search))
        .route("/api/search/tags", get(tags_v1))
        .route("/api/v2/search/tags", get(tags))
        .route("/api/search/tag/{tag}/values", get(values_v1))
        .route("/api/v2/search/tag/{tag}/values", get(values))
        .route("/api/metrics/query_range", get(range))
        .route("/api/metrics/query", get(instant))
        .with_state(Door { query, now })
}

type Answered = Response<Body>;

async fn trace_v1(State(door): State<Door>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answered {
    let found = async {
        let id = trace::id(&id)?;
        trace::check(&Parameters::of(&uri)?)?;
        Ok(Answer { message: door.trace_v1(id).await?, missing: None })
    };
    answer(&headers, found.await)
}

async fn trace_v2(State(door): State<Door>, Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Answered {
    let found = async {
        let id = trace::id(&id)?;
        trace::check(&Parameters::of(&uri)?)?;
        Ok(Answer { message: door.trace_v2(id).await?, missing: None })
    };
    answer(&headers, found.await)
}

async fn search(State(door): State<Door>, uri: Uri, headers: HeaderMap) -> Answered {
    let found = async {
        let page_size_max = door.query.settings().page_size_max;
        let asked = search::Asked::of_parameters(&Parameters::of(&uri)?, page_size_max)?;
        door.search(asked).await
    };
    answer(&headers, found.await.map_err(Failure::from))
}

async fn tags_v1(State(door): State<Door>, uri: Uri, headers: HeaderMap) -> Answered {
    let found = async { door.tags_v1(&TagsAsked::of_parameters(&Parameters::of(&uri)?)?).await };
    answer(&headers, found.await.map_err(Failure::from))
}

async fn tags(State(door): State<Door>, uri: Uri, headers: HeaderMap) -> Answered {
    let found = async { door.tags(&TagsAsked::of_parameters(&Parameters::of(&uri)?)?).await };
    answer(&headers, found.await.map_err(Failure::from))
}

async fn values_v1(State(door): State<Door>, Path(tag): Path<String>, uri: Uri, headers: HeaderMap) -> Answered {
    let found = async { door.values_v1(&ValuesAsked::of_v1_parameters(&tag, &Parameters::of(&uri)?)?).await };
    answer(&headers, found.await.map_err(Failure::from))
}

async fn values(State(door): State<Door>, Path(tag): Path<String>, uri: Uri, headers: HeaderMap) -> Answered {
    let found = async { door.values(&ValuesAsked::of_parameters(&tag, &Parameters::of(&uri)?)?).await };
    answer(&headers, found.await.map_err(Failure::from))
}

async fn range(State(door): State<Door>, uri: Uri, headers: HeaderMap) -> Answered {
    let found = async { door.range(&metrics::Asked::range(&Parameters::of(&uri)?, (door.now)())?).await };
    answer(&headers, found.await.map_err(Failure::from))
}

async fn instant(State(door): State<Door>, uri: Uri, headers: HeaderMap) -> Answered {
    let found = async { door.instant(&metrics::Asked::instant(&Parameters::of(&uri)?, (door.now)())?).await };
    answer(&headers, found.await.map_err(Failure::from))
}

impl Door {
    /// All parts of a search together.
    async fn search(&self, asked: search::Asked) -> Result<Answer<SearchResponse>, QueryError> {
        let mut pages = Arc::clone(&self.query).stream_traces(asked.question, asked.limit, String::new());
        let (mut traces, mut covered) = (Vec::new(), Coverage::default());
        while let Some(page) = pages.try_next().await? {
            traces.extend(page.items);
            covered = with_page(covered, page.coverage);
        }
        Ok(Answer { message: search::response(traces, &covered, true), missing: missing(&covered) })
    }
}

/// Whether the client takes an answer as protobuf.
#[must_use]
pub fn accepts_protobuf(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.any(|accepted| accepted.contains(PROTOBUF))
}

/// The answer in the form that the client accepts.
fn answer<M: Message + ToJson>(headers: &HeaderMap, answer: Result<Answer<M>, Failure>) -> Answered {
    let Answer { message, missing } = match answer {
        Ok(answer) => answer,
        Err(failure) => return failure.to_text(),
    };
    let (content_type, body) =
        if accepts_protobuf(headers) { (PROTOBUF, message.encode_to_vec()) } else { (JSON, message.to_json()) };
    let mut response = ([(header::CONTENT_TYPE, content_type)], body).into_response();
    let warning = missing.and_then(|missing| HeaderValue::try_from(format!("199 tracewell \"{missing}\"")).ok());
    if let Some(warning) = warning {
        response.headers_mut().insert(WARNING, warning);
    }
    response
}
