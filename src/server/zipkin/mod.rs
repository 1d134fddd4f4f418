//! Zipkin's door, on an address of its own: `POST /api/v2/spans` for its senders, and the v2 query API for its page and
//! for whoever asks as that does. docs/doors.md says of each endpoint and parameter what it does here.
//!
//! Spans go the way of OTLP's: a place, the limits, the commit, and only then the answer. Questions become searches in
//! `search.rs`, are asked of [`Query`], and what is found is merged and shown by `crate::zipkin`. Errors are plain text. A
//! parameter that the API does not have is refused, not passed over.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderValue, Response, header};
use serde::Serialize;

use super::intake::{self, Doors};
use super::status::{Encoding, Failure};
use crate::query::{PageRequest, Query, QueryError};
use crate::store::SpanStore;

mod about;
mod collect;
mod dependencies;
mod names;
mod parameters;
mod search;
mod terms;
mod traces;

use parameters::Parameters;

const NOTHING: &str = "nothing is served at this path: Zipkin's API is at /api/v2/";

/// With more services than this, lists of names may be kept by who asked, as Zipkin has it.
const SERVICES_UNCACHED_MAX: i32 = 3;

const NAMES_CACHE_CONTROL: HeaderValue = HeaderValue::from_static("max-age=300, must-revalidate");

/// What the door leads to.
pub struct ZipkinDoor {
    doors: Arc<Doors>,
    query: Arc<Query>,
    store: Arc<dyn SpanStore>,
}

impl ZipkinDoor {
    /// The door to these.
    #[must_use]
    pub fn new(doors: Arc<Doors>, query: Arc<Query>, store: Arc<dyn SpanStore>) -> Arc<Self> {
        Arc::new(Self { doors, query, store })
    }
}

/// All that is served at Zipkin's address.
pub fn router(door: Arc<ZipkinDoor>) -> Router {
    let questions = Router::new()
        .route("/api/v2/services", get(services))
        .route("/api/v2/remoteServices", get(remote_services))
        .route("/api/v2/traces", get(traces))
        .route("/api/v2/trace/{id}", get(trace))
        .route("/api/v2/traceMany", get(trace_many))
        .route("/api/v2/dependencies", get(dependencies))
        .route("/api/v2/autocompleteKeys", get(autocomplete_keys))
        .route("/api/v2/autocompleteValues", get(autocomplete_values));
    // Zipkin's page asks below its own path.
    let of_page = questions.clone().route("/api/v2/spans", get(span_names));
    questions
        .nest("/zipkin", of_page)
        .route("/health", get(health))
        .route("/info", get(async || answer(&about::info())))
        .route("/config.json", get(async || answer(&about::config())))
        .route("/zipkin/config.json", get(async || answer(&about::config())))
        .merge(spans(&door))
        .fallback(async || Failure::Unimplemented(NOTHING).to_text())
        .with_state(door)
}

/// The one path that takes and gives; pages may send to it from where OTLP's may, and not read.
fn spans(door: &ZipkinDoor) -> Router<Arc<ZipkinDoor>> {
    let origins = door.doors.settings.cors_origins.clone();
    let take = post(collect::spans);
    let take = if origins.is_empty() { take } else { take.layer(intake::http::cors(origins)) };
    Router::new().route("/api/v2/spans", take.get(span_names))
}

type Door = State<Arc<ZipkinDoor>>;

async fn services(State(door): Door, request: Request) -> Response<Body> {
    let asked = Parameters::of(&request, &[]);
    listed(&door.query, asked.map(|_| names::services(&door.query))).await
}

async fn span_names(State(door): Door, request: Request) -> Response<Body> {
    let asked = Parameters::of(&request, &["serviceName"]);
    listed(&door.query, asked.map(|asked| names::spans(&door.query, asked))).await
}

async fn remote_services(State(door): Door, request: Request) -> Response<Body> {
    let asked = Parameters::of(&request, &["serviceName"]);
    listed(&door.query, asked.map(|asked| names::remote_services(&door.query, asked))).await
}

async fn autocomplete_keys(State(door): Door, request: Request) -> Response<Body> {
    let asked = Parameters::of(&request, &[]);
    listed(&door.query, asked.map(|_| names::keys(&door.query))).await
}

async fn autocomplete_values(State(door): Door, request: Request) -> Response<Body> {
    let asked = Parameters::of(&request, &["key"]);
    listed(&door.query, asked.map(|asked| names::values(&door.query, asked))).await
}

async fn traces(State(door): Door, request: Request) -> Response<Body> {
    let asked = Parameters::of(&request, &search::PARAMETERS);
    let found = shown(asked.map(|asked| in_time(&door.query, traces::search(&door.query, asked)))).await;
    found.map_or_else(refusal, |(json, note)| noted(self::json(json), &note))
}

async fn trace(State(door): Door, Path(id): Path<String>, request: Request) -> Response<Body> {
    let asked = Parameters::of(&request, &[]);
    let found = shown(asked.map(|_| in_time(&door.query, traces::one(&door.query, id)))).await;
    found.map_or_else(refusal, json)
}

async fn trace_many(State(door): Door, request: Request) -> Response<Body> {
    let asked = Parameters::of(&request, &["traceIds"]);
    let found = shown(asked.map(|asked| in_time(&door.query, traces::many(&door.query, asked)))).await;
    found.map_or_else(refusal, json)
}

async fn dependencies(State(door): Door, request: Request) -> Response<Body> {
    let asked = Parameters::of(&request, &["endTs", "lookback"]);
    let links = shown(asked.map(|asked| dependencies::links(&door.query, asked))).await;
    links.map_or_else(refusal, |links| answer(&links))
}

async fn health(State(door): Door) -> Response<Body> {
    about::health(door.store.as_ref()).await.map_or_else(refusal, |health| answer(&health))
}

/// What is asked for, when it can be asked.
async fn shown<T, F: Future<Output = Result<T, Failure>>>(asked: Result<F, Failure>) -> Result<T, Failure> {
    asked?.await
}

/// An answer within the longest time of a query. A search takes tens of kilobytes, which its connection need not carry all
/// its life.
fn in_time<'q, T>(
    query: &Query,
    answer: impl Future<Output = Result<T, Failure>> + Send + 'q,
) -> BoxFuture<'q, Result<T, Failure>> {
    let limit = query.settings().query_timeout;
    let too_late = move |_| Err(QueryError::TimedOut { limit }.into());
    tokio::time::timeout(limit, answer).map(move |answered| answered.unwrap_or_else(too_late)).boxed()
}

/// By value: what `map_or_else` gives.
#[expect(clippy::needless_pass_by_value, reason = "it is given as a function")]
fn refusal(failure: Failure) -> Response<Body> {
    failure.to_text()
}

fn answer(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => json(bytes),
        Err(error) => Failure::Bug(Arc::new(error)).to_text(),
    }
}

fn json(bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, Encoding::Json.content_type());
    response
}

/// Names, and what is to be said of the list.
type Names = (Vec<String>, String);

async fn listed<'q, F>(query: &'q Query, asked: Result<F, Failure>) -> Response<Body>
where
    F: Future<Output = Result<Names, Failure>> + Send + 'q,
{
    let (names, note) = match shown(asked.map(|asked| in_time(query, asked))).await {
        Ok(listed) => listed,
        Err(failure) => return failure.to_text(),
    };
    let mut response = answer(&names);
    if note.is_empty() && has_many_services(query).await {
        response.headers_mut().insert(header::CACHE_CONTROL, NAMES_CACHE_CONTROL);
    }
    noted(response, &note)
}

/// Whether there are so many now; when that can not be said, no.
async fn has_many_services(query: &Query) -> bool {
    let page = PageRequest { size: Some(SERVICES_UNCACHED_MAX), token: "" };
    query.services(&page).await.is_ok_and(|page| !page.next.is_empty())
}

/// Says of an answer that it is a part: the API has no place for that but the header for it.
fn noted(mut response: Response<Body>, note: &str) -> Response<Body> {
    if let (false, Ok(value)) = (note.is_empty(), HeaderValue::from_str(&format!("299 tracewell \"{note}\""))) {
        response.headers_mut().insert(header::WARNING, value);
    }
    response
}
