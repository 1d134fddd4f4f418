//! The JSON paths below `/api/` that Jaeger had before `/api/v3/`: Jaeger's page up to 2.20 calls them all and later ones
//! some, and so does Grafana's data source. `search.rs` reads a search, `ui.rs` writes traces, `metrics.rs` has series.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::routing::{MethodRouter, get, post};
use http::{Response, StatusCode, Uri};
use serde_json::{Value as Json, json};

use super::super::clock::now;
use super::super::status::{Encoding, Failure};
use super::parameters::{Parameters, Spelling, bad};
use super::traces::{self, Form};
use super::{JaegerDoor, in_time, json, names, noted, summaries};
use crate::model::{Span, TraceId, UnixNanos};
use crate::otlp::decode;
use crate::otlp::encode_json::{self, Json as Out};

mod metrics;
mod search;
mod ui;

/// The largest file that is made a trace of.
const TRANSFORM_BYTES_MAX: usize = 16 << 20;
/// A day, as with Jaeger.
const DEPENDENCIES_LOOKBACK_MILLIS: u64 = 86_400_000;
const NANOS_PER_MILLI: u64 = 1_000_000;
/// Set by a person who reads the answer himself.
const PRETTY: &str = "prettyPrint";

const NO_ARCHIVE: &str = "there is no archive: traces stay for as long as the retention lets them";
const NOT_OURS: &str = "tracewell does not compute this";
const NO_TRACE: &str = "trace not found";

type Door = State<Arc<JaegerDoor>>;
type Answered = Result<Response<Body>, Failure>;

/// What is at `/api/traces/{id}`, which is a path of Tempo's as well.
pub(super) fn trace_route() -> MethodRouter<Arc<JaegerDoor>> {
    get(trace)
}

/// The other paths.
pub(super) fn router() -> Router<Arc<JaegerDoor>> {
    Router::new()
        .route("/api/services", get(services))
        .route("/api/services/{service}/operations", get(operations_of))
        .route("/api/operations", get(operations))
        .route("/api/traces", get(search))
        .route("/api/dependencies", get(dependencies))
        .route("/api/metrics/minstep", get(step_min))
        .route("/api/metrics/{kind}", get(series))
        .route("/api/transform", post(transform).layer(DefaultBodyLimit::max(TRANSFORM_BYTES_MAX)))
        .route("/api/archive/{id}", post(async || refusal(&Failure::Unsupported(NO_ARCHIVE))))
        .route("/api/deep-dependencies", get(async || refusal(&Failure::Unsupported(NOT_OURS))))
        .route("/api/quality-metrics", get(async || refusal(&Failure::Unsupported(NOT_OURS))))
}

/// Parameters of a request that may have these, and whether its answer is for a person.
fn parameters(uri: &Uri, known: &[&'static str]) -> Result<(Parameters, bool), Failure> {
    let known: Vec<_> = known.iter().copied().chain([PRETTY]).collect();
    let asked = Parameters::of(uri, Spelling::Exact, &known)?;
    let is_pretty = asked.flag(PRETTY)?;
    Ok((asked, is_pretty))
}

async fn services(State(door): Door, uri: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let (_, is_pretty) = parameters(&uri, &[])?;
        let services = names::services(query).await?;
        enveloped(|out| out.raw(&json!(services).to_string()), services.len(), Vec::new(), is_pretty)
    }))
    .await
}

/// Names alone: one that spans of several kinds have is there once.
async fn operations_of(State(door): Door, Path(service): Path<String>, uri: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let (_, is_pretty) = parameters(&uri, &[])?;
        let operations = names::operations(query, &service, None).await?;
        let mut names: Vec<_> = operations.into_iter().map(|operation| operation.name).collect();
        names.dedup();
        enveloped(|out| out.raw(&json!(names).to_string()), names.len(), Vec::new(), is_pretty)
    }))
    .await
}

async fn operations(State(door): Door, uri: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let (asked, is_pretty) = parameters(&uri, &["service", "spanKind"])?;
        let kind = names::kind("spanKind", asked.one("spanKind")?.unwrap_or_default())?;
        let operations = names::operations(query, asked.required("service")?, kind).await?;
        let operation =
            |one: &crate::model::Operation| json!({ "name": one.name, "spanKind": names::kind_name(one.kind) });
        let operations: Vec<_> = operations.iter().map(operation).collect();
        enveloped(|out| out.raw(&json!(operations).to_string()), operations.len(), Vec::new(), is_pretty)
    }))
    .await
}

async fn search(State(door): Door, uri: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let (asked, is_pretty) = parameters(&uri, &search::PARAMETERS)?;
        let form = Form::of(asked.flag("raw")?);
        let named = search::named(&asked)?;
        let (ids, note) = if named.is_empty() {
            let found = traces::find(query, &search::asked(&asked, now())?).await?;
            (found.ids(), found.note)
        } else {
            (named.clone(), "")
        };
        let read = traces::read_all(query, &ids, form).await?;
        let is_missing =
            |id: &&TraceId| !read.iter().any(|spans| spans.first().is_some_and(|span| span.trace_id == **id));
        let errors = named.iter().filter(is_missing).map(|id| error(StatusCode::NOT_FOUND, NO_TRACE, Some(*id)));
        let errors = errors.collect();
        Ok(noted(written(read, errors, is_pretty).await?, note))
    }))
    .await
}

async fn trace(State(door): Door, Path(id): Path<String>, uri: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let (asked, is_pretty) = parameters(&uri, &["start", "end", "raw"])?;
        // Where to look is known by the id: the times, which Grafana sends in another unit, need only be numbers.
        asked.count("start")?;
        asked.count("end")?;
        let form = Form::of(asked.flag("raw")?);
        let id = traces::parse(&id).map_err(|reason| bad("traceID", reason))?;
        written(vec![traces::read(query, id, form, &mut traces::room(query)).await?], Vec::new(), is_pretty).await
    }))
    .await
}

async fn dependencies(State(door): Door, uri: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let (asked, is_pretty) = parameters(&uri, &["endTs", "lookback"])?;
        let (start, end) = before(&asked, DEPENDENCIES_LOOKBACK_MILLIS)?;
        let calls = summaries::calls(query, start, Some(end)).await?;
        let dependency = |((parent, child), count)| json!({ "parent": parent, "child": child, "callCount": count });
        let dependencies: Vec<_> = calls.into_iter().map(dependency).collect();
        enveloped(|out| out.raw(&json!(dependencies).to_string()), dependencies.len(), Vec::new(), is_pretty)
    }))
    .await
}

/// The time that ends at `endTs` and is `lookback` long, both in milliseconds.
fn before(asked: &Parameters, lookback_millis: u64) -> Result<(UnixNanos, UnixNanos), Failure> {
    let end = asked.count("endTs")?.map_or_else(now, |millis| UnixNanos(millis.saturating_mul(NANOS_PER_MILLI)));
    let lookback = asked.count("lookback")?.unwrap_or(lookback_millis).saturating_mul(NANOS_PER_MILLI);
    if lookback == 0 {
        return Err(bad("lookback", "must be longer than 0"));
    }
    let start = UnixNanos(end.0.saturating_sub(lookback));
    if start == end { Err(bad("endTs", "must be later than 0")) } else { Ok((start, end)) }
}

/// How short the steps of series may be, which is as short as they can be said.
async fn step_min(uri: Uri) -> Response<Body> {
    shown(async {
        let (_, is_pretty) = parameters(&uri, &[])?;
        enveloped(|out| out.raw(&metrics::STEP_MILLIS_MIN.to_string()), 0, Vec::new(), is_pretty)
    })
    .await
}

async fn series(State(door): Door, Path(kind): Path<String>, uri: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let Some(kind) = metrics::Kind::of(&kind) else {
            return Err(Failure::Unimplemented("there are latencies, calls, errors and minstep at /api/metrics/"));
        };
        let (asked, is_pretty) = parameters(&uri, &metrics::PARAMETERS)?;
        let family = metrics::family(query, kind, &asked).await?;
        Ok(json(if is_pretty { format!("{family:#}") } else { family.to_string() }))
    }))
    .await
}

/// Shows traces that came in a file, and keeps nothing.
async fn transform(State(door): Door, uri: Uri, body: Result<Bytes, BytesRejection>) -> Response<Body> {
    shown(async {
        let (_, is_pretty) = parameters(&uri, &[])?;
        let too_large = |_| Failure::TooLarge { request_bytes_max: TRANSFORM_BYTES_MAX };
        let body = body.map_err(too_large)?;
        let _turn = door.transforms.acquire().await.map_err(|_| Failure::Stopping)?;
        let decoded = tokio::task::spawn_blocking(move || decode::json(&body)).await;
        let decoded = decoded.map_err(|error| Failure::Bug(Arc::new(error)))?;
        let decoded = decoded.map_err(|error| Failure::Undecodable(error.to_string()))?;
        if decoded.spans.is_empty() && decoded.rejected.count() > 0 {
            return Err(Failure::Undecodable(decoded.rejected.message()));
        }
        let mut traces: Vec<Vec<Span>> = Vec::new();
        let mut spans = decoded.spans;
        spans.sort_by_key(|span| (span.trace_id, span.start));
        for span in spans {
            match traces.last_mut().filter(|spans| spans.last().is_some_and(|last| last.trace_id == span.trace_id)) {
                Some(spans) => spans.push(span),
                None => traces.push(vec![span]),
            }
        }
        let rejected = Some(decoded.rejected.message()).filter(|_| decoded.rejected.count() > 0);
        let errors = rejected.map(|message| error(StatusCode::BAD_REQUEST, &message, None)).into_iter().collect();
        written(traces, errors, is_pretty).await
    })
    .await
}

fn error(status: StatusCode, message: &str, trace: Option<TraceId>) -> Json {
    let mut error = json!({ "code": status.as_u16(), "msg": message });
    if let Some(trace) = trace {
        error["traceID"] = json!(ui::trace_id_text(trace));
    }
    error
}

/// Writes traces where nobody has to wait for it.
async fn written(traces: Vec<Vec<Span>>, errors: Vec<Json>, is_pretty: bool) -> Answered {
    let write = move || {
        let traces: Vec<_> = traces.iter().filter_map(|spans| Some((spans.first()?.trace_id, spans))).collect();
        let data = |json: &mut Out| json.array(&traces, |json, (trace_id, spans)| ui::trace(json, *trace_id, spans));
        enveloped(data, traces.len(), errors, is_pretty)
    };
    tokio::task::spawn_blocking(write).await.map_err(|error| Failure::Bug(Arc::new(error)))?
}

/// Data in the envelope.
fn enveloped(data: impl FnOnce(&mut Out), total: usize, errors: Vec<Json>, is_pretty: bool) -> Answered {
    let errors = if errors.is_empty() { Json::Null } else { Json::Array(errors) };
    let mut out = Out::new(encode_json::Form::Otlp);
    out.object(|out| {
        out.name("data");
        data(out);
        for (name, number) in [("total", total), ("limit", 0), ("offset", 0)] {
            out.name(name);
            out.raw(&number.to_string());
        }
        out.name("errors");
        out.raw(&errors.to_string());
    });
    let text = out.into_bytes();
    if !is_pretty {
        return Ok(json(text));
    }
    let value: Json = serde_json::from_slice(&text).map_err(|error| Failure::Bug(Arc::new(error)))?;
    Ok(json(format!("{value:#}")))
}

async fn shown(answer: impl Future<Output = Answered>) -> Response<Body> {
    answer.await.unwrap_or_else(|failure| refusal(&failure))
}

fn refusal(failure: &Failure) -> Response<Body> {
    failure.to_form(Encoding::Json.content_type(), |status, message| {
        let message = if matches!(failure, Failure::NotFound(_)) { NO_TRACE.to_owned() } else { message };
        let errors = [error(status, &message, None)];
        json!({ "data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors }).to_string()
    })
}
