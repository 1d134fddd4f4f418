//! The parameters of `/api/traces`.

use std::collections::BTreeMap;

use super::super::super::status::Failure;
use super::super::parameters::{Parameters, bad};
use super::super::search::{self, Asked, Wanted};
use super::super::traces;
use crate::model::{TraceId, UnixNanos, Value};

/// What a search takes. `lookback` is what the page's form had; the times beside it were made of it.
pub(super) const PARAMETERS: [&str; 12] = [
    "service",
    "operation",
    "tags",
    "tag",
    "start",
    "end",
    "minDuration",
    "maxDuration",
    "limit",
    TRACE_ID,
    "raw",
    "lookback",
];
const TRACE_ID: &str = "traceID";

/// What can not be asked for beside ids.
const CONDITIONS: [&str; 6] = ["service", "operation", "tags", "tag", "minDuration", "maxDuration"];

/// How many traces may be named in a request.
const NAMED_TRACES_MAX: usize = 100;

/// Two days, as with Jaeger.
const LOOKBACK_NANOS: u64 = 2 * 86_400 * 1_000_000_000;
const NANOS_PER_MICRO: u64 = 1_000;

/// The traces that are named, each once.
pub(super) fn named(sent: &Parameters) -> Result<Vec<TraceId>, Failure> {
    let mut named = Vec::new();
    for text in sent.all(TRACE_ID) {
        let id = traces::parse(text).map_err(|reason| bad(TRACE_ID, reason))?;
        if !named.contains(&id) {
            named.push(id);
        }
    }
    if named.len() > NAMED_TRACES_MAX {
        return Err(bad(TRACE_ID, format!("at most {NAMED_TRACES_MAX} traces can be named")));
    }
    match CONDITIONS.into_iter().find(|condition| sent.all(condition).next().is_some()) {
        Some(condition) if !named.is_empty() => {
            Err(bad(TRACE_ID, format!("names traces, and {condition} searches for them: use one of the two")))
        }
        _ => Ok(named),
    }
}

/// The search, as of now.
pub(super) fn asked(sent: &Parameters, now: UnixNanos) -> Result<Asked, Failure> {
    let micros = |name| -> Result<Option<UnixNanos>, Failure> {
        Ok(sent.count(name)?.map(|micros| UnixNanos(micros.saturating_mul(NANOS_PER_MICRO))))
    };
    let ago = UnixNanos(now.0.saturating_sub(LOOKBACK_NANOS));
    let wanted = Wanted {
        service: sent.required("service")?.to_owned(),
        operation: sent.text("operation")?,
        start_min: Some(micros("start")?.unwrap_or(ago)),
        start_max: Some(micros("end")?.unwrap_or(now)),
        duration_min_nanos: sent.duration("minDuration")?,
        duration_max_nanos: sent.duration("maxDuration")?,
        attributes: attributes(sent)?,
    };
    let depth = search::depth("limit", sent.int("limit")?.unwrap_or_default())?;
    Ok(Asked { question: wanted.question()?, depth })
}

/// Both forms of them together; what both say is wanted once.
fn attributes(sent: &Parameters) -> Result<Vec<(String, Value)>, Failure> {
    let mut all: Vec<(String, String)> = Vec::new();
    for text in sent.all("tags") {
        let read: Result<BTreeMap<String, String>, _> = serde_json::from_str(text);
        let wrong = |error| bad("tags", format!("must be an object of texts in JSON: {error}"));
        all.extend(read.map_err(wrong)?);
    }
    for text in sent.all("tag") {
        let (key, value) = text.split_once(':').ok_or_else(|| bad("tag", "must be key:value"))?;
        all.push((key.to_owned(), value.to_owned()));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all.into_iter().map(|(key, value)| (key, Value::String(value))).collect())
}
