//! The HTTP paths. Answers are protobuf's JSON; traces stand in one object in an envelope, and so do errors, which are
//! called plain text, as Jaeger does.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http::{Response, Uri};
use serde_json::{Value as Json, json};

use super::super::super::generated::jaeger::api_v3 as proto;
use super::super::super::status::{Failure, TEXT};
use super::super::parameters::{Parameters, Spelling, bad};
use super::super::search::{self, Asked, Wanted};
use super::super::traces::{self, Form};
use super::super::{JaegerDoor, in_time, json, names, noted, summaries as told};
use crate::model::{Operation, Span, TraceId, Value};
use crate::otlp::{encode, encode_json};

/// What a search takes.
const SEARCH: [&str; 11] = [
    "query.serviceName",
    "query.operationName",
    "query.attributes",
    "query.startTimeMin",
    "query.startTimeMax",
    "query.durationMin",
    "query.durationMax",
    "query.searchDepth",
    NUM_TRACES,
    "query.rawTraces",
    "query.filter",
];
/// The oldest name of `query.searchDepth`.
const NUM_TRACES: &str = "query.num_traces";

/// What is said when there is no trace, or none is found.
const NO_TRACES: &str = "No traces found";

type Door = State<Arc<JaegerDoor>>;
type Answered = Result<Response<Body>, Failure>;

pub(in super::super) fn router() -> Router<Arc<JaegerDoor>> {
    Router::new()
        .route("/api/v3/traces", get(find_traces).post(find_traces_of_body))
        .route("/api/v3/traces/{id}", get(trace))
        .route("/api/v3/trace-summaries", get(summaries).post(summaries_of_body))
        .route("/api/v3/services", get(services))
        .route("/api/v3/operations", get(operations))
        .route("/api/v3/dependencies", get(dependencies))
}

async fn services(State(door): Door, request: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        Parameters::of(&request, Spelling::Exact, &[])?;
        Ok(json(json!({ "services": names::services(query).await? }).to_string()))
    }))
    .await
}

async fn operations(State(door): Door, request: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let asked = Parameters::of(&request, Spelling::SnakeToo, &["service", "spanKind"])?;
        let kind = names::kind("spanKind", asked.one("spanKind")?.unwrap_or_default())?;
        let operations = names::operations(query, asked.required("service")?, kind).await?;
        let operations: Vec<_> = operations.iter().map(operation).collect();
        Ok(json(json!({ "operations": operations }).to_string()))
    }))
    .await
}

/// A kind that is not said is shown as internal, as by Jaeger.
fn operation(operation: &Operation) -> Json {
    let kind = Some(names::kind_name(operation.kind)).filter(|kind| !kind.is_empty()).unwrap_or("internal");
    json!({ "name": operation.name, "spanKind": kind })
}

async fn trace(State(door): Door, Path(id): Path<String>, request: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let asked = Parameters::of(&request, Spelling::SnakeToo, &["startTime", "endTime", "rawTraces"])?;
        // Where to look is known by the id: the times need only be times.
        asked.rfc3339("startTime")?;
        asked.rfc3339("endTime")?;
        let form = Form::of(asked.flag("rawTraces")?);
        written(vec![traces::read(query, trace_id(&id)?, form, &mut traces::room(query)).await?]).await
    }))
    .await
}

/// Hex, or the id's bytes in base64.
fn trace_id(text: &str) -> Result<TraceId, Failure> {
    traces::parse(text).or_else(|reason| {
        let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok();
        bytes.and_then(|bytes| TraceId::from_slice(&bytes).ok()).ok_or_else(|| bad("trace_id", reason))
    })
}

async fn find_traces(State(door): Door, request: Uri) -> Response<Body> {
    found_traces(&door, Parameters::of(&request, Spelling::SnakeToo, &SEARCH)).await
}

async fn find_traces_of_body(State(door): Door, body: Bytes) -> Response<Body> {
    found_traces(&door, Parameters::of_json(&body, &SEARCH)).await
}

async fn found_traces(door: &JaegerDoor, parameters: Result<Parameters, Failure>) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let parameters = parameters?;
        let form = Form::of(parameters.flag("query.rawTraces")?);
        let found = traces::find(query, &asked(&parameters)?).await?;
        let read = traces::read_all(query, &found.ids(), form).await?;
        if read.is_empty() {
            return Err(Failure::NotFound("trace".to_owned()));
        }
        Ok(noted(written(read).await?, found.note))
    }))
    .await
}

async fn summaries(State(door): Door, request: Uri) -> Response<Body> {
    found_summaries(&door, Parameters::of(&request, Spelling::SnakeToo, &SEARCH)).await
}

async fn summaries_of_body(State(door): Door, body: Bytes) -> Response<Body> {
    found_summaries(&door, Parameters::of_json(&body, &SEARCH)).await
}

async fn found_summaries(door: &JaegerDoor, parameters: Result<Parameters, Failure>) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let parameters = parameters?;
        // A summary is the same either way.
        parameters.flag("query.rawTraces")?;
        let found = traces::find(query, &asked(&parameters)?).await?;
        let summaries = told::of(query, &found.summaries).await?;
        let summaries: Vec<_> = summaries.iter().map(summary).collect();
        Ok(noted(json(json!({ "summaries": summaries }).to_string()), found.note))
    }))
    .await
}

/// Every field, whatever its value: Jaeger's page misses those that are not there.
fn summary(summary: &proto::TraceSummary) -> Json {
    let service = |service: &proto::ServiceSummary| {
        json!({
            "name": service.name,
            "spanCount": service.span_count,
            "errorSpanCount": service.error_span_count,
        })
    };
    json!({
        "traceId": summary.trace_id,
        "rootServiceName": summary.root_service_name,
        "rootOperationName": summary.root_operation_name,
        "minStartTimeUnixNano": summary.min_start_time_unix_nano.to_string(),
        "maxEndTimeUnixNano": summary.max_end_time_unix_nano.to_string(),
        "spanCount": summary.span_count,
        "errorSpanCount": summary.error_span_count,
        "orphanSpanCount": summary.orphan_span_count,
        "services": summary.services.iter().map(service).collect::<Vec<_>>(),
    })
}

async fn dependencies(State(door): Door, request: Uri) -> Response<Body> {
    let query = &door.query;
    shown(in_time(query, async {
        let asked = Parameters::of(&request, Spelling::SnakeToo, &["startTime", "endTime"])?;
        let time = |name| asked.rfc3339(name)?.ok_or_else(|| bad(name, "is required"));
        let calls = told::calls(query, time("startTime")?, Some(time("endTime")?)).await?.into_iter();
        let dependency = |((parent, child), count): ((String, String), u64)| {
            json!({ "parent": parent, "child": child, "callCount": count.to_string() })
        };
        let dependencies: Vec<_> = calls.map(dependency).collect();
        Ok(json(json!({ "dependencies": dependencies }).to_string()))
    }))
    .await
}

fn asked(sent: &Parameters) -> Result<Asked, Failure> {
    if sent.one("query.filter")?.is_some() {
        return Err(bad("query.filter", "is not supported: use the other parameters"));
    }
    let required = |name| sent.rfc3339(name)?.ok_or_else(|| bad(name, "is required"));
    let wanted = Wanted {
        service: sent.text("query.serviceName")?,
        operation: sent.text("query.operationName")?,
        start_min: Some(required("query.startTimeMin")?),
        start_max: Some(required("query.startTimeMax")?),
        duration_min_nanos: sent.duration("query.durationMin")?,
        duration_max_nanos: sent.duration("query.durationMax")?,
        attributes: attributes(sent.one("query.attributes")?.unwrap_or("{}"))?,
    };
    let depth = match (sent.int("query.searchDepth")?, sent.int(NUM_TRACES)?) {
        (Some(_), Some(_)) => return Err(bad("query.searchDepth", "is there more than once")),
        (depth, older) => search::depth("query.searchDepth", depth.or(older).unwrap_or_default())?,
    };
    Ok(Asked { question: wanted.question()?, depth })
}

fn attributes(text: &str) -> Result<Vec<(String, Value)>, Failure> {
    let read: Result<BTreeMap<String, String>, _> = serde_json::from_str(text);
    let wrong = |error| bad("query.attributes", format!("must be an object of texts in JSON: {error}"));
    Ok(read.map_err(wrong)?.into_iter().map(|(key, text)| (key, Value::String(text))).collect())
}

/// Writes traces where nobody has to wait for it.
async fn written(traces: Vec<Vec<Span>>) -> Answered {
    let write = move || {
        let mut groups = Vec::new();
        for spans in traces {
            groups.extend(encode::traces_data(&spans).resource_spans);
        }
        let mut json = encode_json::Json::new(encode_json::Form::Otlp);
        json.object(|json| {
            json.name("result");
            json.object(|json| json.resource_spans("resourceSpans", &groups));
        });
        json.into_bytes()
    };
    let text = tokio::task::spawn_blocking(write).await.map_err(|error| Failure::Bug(Arc::new(error)))?;
    Ok(json(text))
}

async fn shown(answer: impl Future<Output = Answered>) -> Response<Body> {
    answer.await.unwrap_or_else(|failure| {
        failure.to_form(TEXT, |status, message| {
            let message = if matches!(failure, Failure::NotFound(_)) { NO_TRACES.to_owned() } else { message };
            json!({ "error": { "httpCode": status.as_u16(), "message": message } }).to_string()
        })
    })
}
