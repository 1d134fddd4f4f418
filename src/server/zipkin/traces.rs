//! Traces as Zipkin shows them: found or named, read whole, and merged.

use std::sync::Arc;

use futures::TryStreamExt;

use super::super::room::Room;
use super::super::status::Failure;
use super::parameters::{Parameters, bad};
use super::search::{self, Asked};
use crate::model::{IdError, TraceId};
use crate::query::{PageRequest, Query, QueryError};
use crate::zipkin::merge::merge;
use crate::zipkin::{Span, encode};

/// How many traces may be named in a request.
const NAMED_TRACES_MAX: usize = 100;

const ADVICE: &str = "ask for fewer traces";

/// What an answer has room for.
fn room(query: &Query) -> Room {
    Room::of(query.settings(), ADVICE)
}

/// One trace by its id.
pub(super) async fn one(query: &Query, id: String) -> Result<Vec<u8>, Failure> {
    let spans = read(query, parse(&id).map_err(|reason| bad("traceId", reason))?, &mut room(query)).await?;
    written(vec![spans], |mut traces| serde_json::to_vec(&traces.pop().unwrap_or_default())).await
}

/// Several traces by their ids; those that there are.
pub(super) async fn many(query: &Query, parameters: Parameters) -> Result<Vec<u8>, Failure> {
    let refused = |reason: String| bad("traceIds", reason);
    let texts: Vec<_> = parameters.required("traceIds")?.split(',').map(str::trim).collect();
    if !(2..=NAMED_TRACES_MAX).contains(&texts.len()) {
        return Err(refused(format!("must be 2 to {NAMED_TRACES_MAX} ids, separated by commas")));
    }
    let mut ids = Vec::new();
    for text in texts {
        let id = parse(text).map_err(refused)?;
        if ids.contains(&id) {
            return Err(refused(format!("{text} is there more than once")));
        }
        ids.push(id);
    }
    written(read_all(query, &ids).await?, |traces| serde_json::to_vec(&traces)).await
}

/// Traces that are searched for, newest first; and what is to be said of the answer when it is a part.
pub(super) async fn search(query: &Query, parameters: Parameters) -> Result<(Vec<u8>, String), Failure> {
    let Asked { question, traces_max } = search::asked(&parameters, query.settings().page_size_max)?;
    let (mut ids, mut token, mut note) = (Vec::new(), String::new(), String::new());
    while ids.len() < traces_max {
        let size = i32::try_from(traces_max.saturating_sub(ids.len())).unwrap_or(i32::MAX);
        let request = PageRequest { size: Some(size), token: &token };
        let page = query.search_traces(&question.borrowed(), &request).await?;
        ids.extend(page.items.iter().map(|found| found.summary.trace_id));
        if !page.coverage.trace_ids_too_large.is_empty() {
            "traces that are too large to be read as a whole are left out".clone_into(&mut note);
        }
        if page.coverage.limit_reached {
            "the limit on work was reached; older traces are left out".clone_into(&mut note);
        }
        if page.next.is_empty() || page.coverage.limit_reached {
            break;
        }
        token = page.next;
    }
    let traces = read_all(query, &ids).await?;
    Ok((written(traces, |traces| serde_json::to_vec(&traces)).await?, note))
}

/// A trace that is gone meanwhile, or never was, is left out.
async fn read_all(query: &Query, ids: &[TraceId]) -> Result<Vec<Vec<Span>>, Failure> {
    let (mut room, mut traces) = (self::room(query), Vec::new());
    for id in ids {
        match read(query, *id, &mut room).await {
            Ok(spans) => traces.push(spans),
            Err(Failure::NotFound(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(traces)
}

async fn read(query: &Query, id: TraceId, room: &mut Room) -> Result<Vec<Span>, Failure> {
    let mut stored = query.trace(id).await?;
    let mut spans = Vec::new();
    while let Some(span) = stored.try_next().await.map_err(QueryError::from)? {
        room.take(&span)?;
        spans.push(encode::span(&span));
    }
    Ok(spans)
}

/// Merges traces and writes them, where nobody has to wait for it.
async fn written(
    traces: Vec<Vec<Span>>,
    write: fn(Vec<Vec<Span>>) -> serde_json::Result<Vec<u8>>,
) -> Result<Vec<u8>, Failure> {
    let merged = move || write(traces.into_iter().map(merge).collect());
    match tokio::task::spawn_blocking(merged).await {
        Ok(Ok(json)) => Ok(json),
        Ok(Err(error)) => Err(Failure::Bug(Arc::new(error))),
        Err(error) => Err(Failure::Bug(Arc::new(error))),
    }
}

/// A trace id of up to 32 digits; zeros on the left may be missing.
fn parse(text: &str) -> Result<TraceId, String> {
    let wrong = || IdError::Hex("1 to 32").to_string();
    if text.is_empty() || text.len() > 32 || !text.is_ascii() {
        return Err(wrong());
    }
    TraceId::parse_hex(&format!("{text:0>32}")).map_err(|error| match error {
        IdError::Hex(_) => wrong(),
        other => other.to_string(),
    })
}
