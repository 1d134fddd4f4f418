//! Traces that are searched for or named, read whole, and sent in parts.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::super::room::Room;
use super::super::status::Failure;
use super::adjust::adjusted;
use super::search::Asked;
use crate::model::{IdError, Span, TraceId, TraceSummary};
use crate::otlp::encode;
use crate::query::{PageRequest, Query, QueryError, size};
use crate::store::SpanStream;

/// A part of a trace ends before it is larger than this, as [`size`] estimates it: a client takes 4 MiB. Only a single
/// span that is larger makes a larger one.
const PART_BYTES_MAX: usize = 1 << 20;
/// Parts of one answer that wait for the client to read them.
const PARTS_WAITING_MAX: usize = 1;

/// What a search found.
pub(super) struct Found {
    /// The traces, newest first.
    pub(super) summaries: Vec<TraceSummary>,
    /// What is to be said of the answer when it is a part.
    pub(super) note: &'static str,
    /// Where the search goes on; empty at its end.
    pub(super) next: String,
}

impl Found {
    pub(super) fn ids(&self) -> Vec<TraceId> {
        self.summaries.iter().map(|summary| summary.trace_id).collect()
    }
}

/// Searches for so many traces. That nothing was found is said only when nothing is there.
pub(super) async fn find(query: &Query, asked: &Asked) -> Result<Found, Failure> {
    let found = find_after(query, asked, String::new()).await?;
    if found.summaries.is_empty() && !found.note.is_empty() {
        return Err(Failure::TooMuch(format!("nothing was found so far, and {}: ask for a shorter time", found.note)));
    }
    Ok(found)
}

/// Goes on where a search ended, for so many traces more.
pub(super) async fn find_after(query: &Query, asked: &Asked, mut token: String) -> Result<Found, Failure> {
    let mut found = Found { summaries: Vec::new(), note: "", next: String::new() };
    while found.summaries.len() < asked.depth {
        let size = i32::try_from(asked.depth.saturating_sub(found.summaries.len())).unwrap_or(i32::MAX);
        let request = PageRequest { size: Some(size), token: &token };
        let page = query.search_traces(&asked.question.borrowed(), &request).await?;
        found.summaries.extend(page.items.into_iter().map(|found| found.summary));
        if !page.coverage.trace_ids_too_large.is_empty() {
            found.note = "traces that are too large to be searched as a whole are left out";
        }
        if page.coverage.limit_reached {
            found.note = "the limit on work was reached; older traces are left out";
        }
        found.next.clone_from(&page.next);
        if page.next.is_empty() || page.coverage.limit_reached {
            break;
        }
        token = page.next;
    }
    Ok(found)
}

/// How a trace is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it was sent.
    Raw,
    /// As Jaeger changes it.
    Adjusted,
}

impl Form {
    pub(super) fn of(is_raw: bool) -> Self {
        if is_raw { Self::Raw } else { Self::Adjusted }
    }
}

/// What an answer has room for.
pub(super) fn room(query: &Query) -> Room {
    Room::of(query.settings(), "ask for fewer traces, or for raw ones by gRPC")
}

/// A trace with all its spans.
pub(super) async fn read(query: &Query, id: TraceId, form: Form, room: &mut Room) -> Result<Vec<Span>, Failure> {
    gather(query.trace(id).await?, form, room).await
}

async fn gather(mut stored: SpanStream, form: Form, room: &mut Room) -> Result<Vec<Span>, Failure> {
    let mut spans = Vec::new();
    while let Some(span) = stored.try_next().await.map_err(QueryError::from)? {
        room.take(&span)?;
        spans.push(span);
    }
    Ok(match form {
        Form::Raw => spans,
        Form::Adjusted => adjusted(spans),
    })
}

/// These traces, each with all its spans. One that is gone meanwhile, or never was, is left out.
pub(super) async fn read_all(query: &Query, ids: &[TraceId], form: Form) -> Result<Vec<Vec<Span>>, Failure> {
    let (mut room, mut traces) = (self::room(query), Vec::new());
    for id in ids {
        match read(query, *id, form, &mut room).await {
            Ok(spans) => traces.push(spans),
            Err(Failure::NotFound(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(traces)
}

/// How many spans of a trace name a parent that is not there.
pub(super) async fn orphans(query: &Query, id: TraceId) -> Result<u64, Failure> {
    let mut stored = match query.trace(id).await {
        Err(QueryError::NotFound { .. }) => return Ok(0),
        stored => stored?,
    };
    let (mut ids, mut parents) = (HashSet::new(), Vec::new());
    while let Some(span) = stored.try_next().await.map_err(QueryError::from)? {
        ids.insert(span.span_id);
        parents.extend(span.parent_span_id);
    }
    let missing = parents.iter().filter(|parent| !ids.contains(parent)).count();
    Ok(u64::try_from(missing).unwrap_or(u64::MAX))
}

/// A trace id of up to 32 hex digits; zeros on the left may be missing.
pub(super) fn parse(text: &str) -> Result<TraceId, String> {
    let wrong = || IdError::Hex("1 to 32").to_string();
    if text.is_empty() || text.len() > 32 || !text.is_ascii() {
        return Err(wrong());
    }
    TraceId::parse_hex(&format!("{text:0>32}")).map_err(|error| match error {
        IdError::Hex(_) => wrong(),
        other => other.to_string(),
    })
}

/// Parts of traces, as they are sent: a part is of one trace and is never empty, and a trace's parts follow each other.
pub(super) type Parts = ReceiverStream<Result<TracesData, Status>>;

/// What sends them, for as long as the client is there.
struct Sender {
    query: Arc<Query>,
    form: Form,
    parts: mpsc::Sender<Result<TracesData, Status>>,
}

/// A trace that was opened.
pub(super) fn send_one(query: Arc<Query>, spans: SpanStream, form: Form) -> Parts {
    start(query, form, async move |sender| sender.trace(spans).await)
}

/// These traces, one after the other. One that is not there is passed over.
pub(super) fn send_all(query: Arc<Query>, ids: Vec<TraceId>, form: Form) -> Parts {
    start(query, form, async move |sender| {
        for id in ids {
            match sender.query.trace(id).await {
                Err(QueryError::NotFound { .. }) => {}
                spans => sender.trace(spans?).await?,
            }
        }
        Ok(())
    })
}

fn start<F: Future<Output = Result<(), Failure>> + Send + 'static>(
    query: Arc<Query>,
    form: Form,
    send: impl FnOnce(Sender) -> F,
) -> Parts {
    let (parts, receiver) = mpsc::channel(PARTS_WAITING_MAX);
    let all_sent = send(Sender { query, form, parts: parts.clone() });
    tokio::spawn(async move {
        let all_sent = async {
            if let Err(failure) = all_sent.await {
                // Fails only when the client is gone, and then there is nobody to tell.
                drop(parts.send(Err(failure.to_grpc())).await);
            }
        };
        tokio::select! {
            () = parts.closed() => {}
            () = all_sent => {}
        }
    });
    ReceiverStream::new(receiver)
}

impl Sender {
    /// A client that reads a trace slower than the time limit allows gets an error at the end.
    async fn trace(&self, spans: SpanStream) -> Result<(), Failure> {
        let limit = self.query.settings().query_timeout;
        let sent = tokio::time::timeout(limit, self.parts_of(spans)).await;
        sent.unwrap_or_else(|_| Err(QueryError::TimedOut { limit }.into()))
    }

    async fn parts_of(&self, spans: SpanStream) -> Result<(), Failure> {
        let mut spans = match self.form {
            Form::Raw => spans,
            Form::Adjusted => {
                let whole = gather(spans, self.form, &mut room(&self.query)).await?;
                stream::iter(whole.into_iter().map(Ok)).boxed()
            }
        };
        let (mut part, mut bytes) = (Vec::new(), 0_usize);
        while let Some(span) = spans.try_next().await.map_err(QueryError::from)? {
            let span_bytes = size::span(&span);
            bytes = bytes.saturating_add(span_bytes);
            if bytes > PART_BYTES_MAX && !part.is_empty() {
                self.send(&std::mem::take(&mut part)).await;
                bytes = span_bytes;
            }
            part.push(span);
        }
        if !part.is_empty() {
            self.send(&part).await;
        }
        Ok(())
    }

    /// When the client is gone, so is soon who sends.
    async fn send(&self, spans: &[Span]) {
        drop(self.parts.send(Ok(encode::traces_data(spans))).await);
    }
}
