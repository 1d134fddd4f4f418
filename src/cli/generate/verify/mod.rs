//! Reads traces back from the query service and compares them, field by field, with what was sent. What was sent is
//! made again from the seed.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use http::Uri;
use tonic::{Code, Status};

use super::client::http_client;
use super::plan::Window;
use super::shop::Shop;
use crate::model::{Span, SpanId};
use crate::server::generated::tracewell_v1 as sent;
use crate::server::generated::tracewell_v1::trace_query_client::TraceQueryClient;

mod fields;
mod received;

use fields::Seen;

/// Traces that are asked for at the same time.
const QUERIES_MAX: usize = 8;
/// The largest message that is read, in bytes: a span alone may be large.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verified {
    /// Traces that were asked for.
    pub(super) traces: u64,
    /// Those that came back different.
    pub(super) traces_wrong: u64,
    /// Spans that were compared.
    pub(super) spans: u64,
    /// What is different in the first of them: which trace, span and field.
    pub(super) first_difference: Option<String>,
}

/// Where traces are read, and what they should be.
#[derive(Debug, Clone)]
pub(super) struct Verifier {
    pub(super) at: Uri,
    pub(super) shop: Arc<Shop>,
    pub(super) window: Window,
}

impl Verifier {
    /// Compares these traces.
    pub(super) async fn verify(&self, numbers: impl Iterator<Item = u64>) -> Verified {
        let http = http_client::<tonic::body::Body>(true);
        let client = TraceQueryClient::with_origin(http, self.at.clone());
        let client = client.max_decoding_message_size(MESSAGE_BYTES_MAX);
        let checks = stream::iter(numbers).map(|number| {
            let mut client = client.clone();
            async move {
                let expected = self.shop.trace(number, self.window.start_of(number));
                let request = sent::GetTraceRequest { trace_id: self.shop.trace_id(number).to_string() };
                let found = match client.get_trace(request).await {
                    Ok(answer) => answer.into_inner().map_ok(|message| message.spans).try_concat().await,
                    Err(status) => Err(status),
                };
                (expected.len(), difference(&expected, found))
            }
        });
        let found = checks.buffered(QUERIES_MAX);
        found.fold(Verified::default(), |sum, (spans, difference)| async move { sum.add(spans, difference) }).await
    }
}

impl Verified {
    fn add(self, spans: usize, difference: Option<String>) -> Self {
        Self {
            traces: self.traces.saturating_add(1),
            traces_wrong: self.traces_wrong.saturating_add(u64::from(difference.is_some())),
            spans: self.spans.saturating_add(u64::try_from(spans).unwrap_or(u64::MAX)),
            first_difference: self.first_difference.or(difference),
        }
    }
}

/// The first difference between a trace as it was sent and as it came back, in one sentence.
fn difference(expected: &[Span], found: Result<Vec<sent::Span>, Status>) -> Option<String> {
    let trace_id = expected.first().map(|span| span.trace_id.to_string()).unwrap_or_default();
    let what = match found {
        Ok(found) => spans_difference(expected, found)?,
        Err(status) if status.code() == Code::NotFound => "is not found".to_owned(),
        Err(status) => format!("can not be read: {:?}: {}", status.code(), status.message()),
    };
    Some(format!("trace {trace_id} {what}"))
}

fn spans_difference(expected: &[Span], found: Vec<sent::Span>) -> Option<String> {
    let mut missing: HashMap<SpanId, &Span> = expected.iter().map(|span| (span.span_id, span)).collect();
    let mut last = None;
    for span in found {
        let id = span.span_id.clone();
        let seen: Seen = match received::seen(span) {
            Ok(seen) => seen,
            Err(field) => return Some(format!("span {id} has a {field} that can not be read")),
        };
        let Some(sent) = missing.remove(&seen.span.span_id) else {
            let known = expected.iter().any(|span| span.span_id == seen.span.span_id);
            return Some(format!("has span {id} {}", if known { "twice" } else { "that was not sent" }));
        };
        if let Some(field) = fields::difference(sent, &seen) {
            return Some(format!("span {id} {field}"));
        }
        if last.replace(sent.start).is_some_and(|last| last > sent.start) {
            return Some(format!("has span {id} after one that started later"));
        }
    }
    let first = expected.iter().find(|span| missing.contains_key(&span.span_id))?;
    Some(format!("lacks {} of its {} spans, the first is {}", missing.len(), expected.len(), first.span_id))
}

#[cfg(test)]
mod tests;
