//! Tempo's API, as Grafana's Tempo data source calls it: paths of HTTP (`http.rs`) and the gRPC service
//! `tempopb.StreamingQuerier` (`grpc.rs`).
//!
//! Thin: requests become what [`Query`] can be asked, answers become Tempo's messages, and those bytes or JSON (`json.rs`).
//! There is no way to spans but [`Query`]'s. What a door of Tempo's takes that is not TraceQL is made TraceQL of: tags
//! (`tags.rs`) and queries that somebody is still typing (`lenient.rs`). Which parameter does what is in docs/doors.md.
//!
//! ```text
//!  http  grpc       the doors            parameters  what stands after the question mark of a path
//!  trace  search    what is asked of spans           metrics  series      names  tags and their values
//! ```

use std::fmt::Write as _;
use std::sync::Arc;

use super::generated::tempopb::{MetadataMetrics, SearchMetrics};
use super::status::Failure;
use crate::model::UnixNanos;
use crate::query::{Coverage, Query, QueryError};
use crate::store::Counted;

mod grpc;
mod http;
mod json;
mod lenient;
mod metrics;
mod names;
mod parameters;
mod search;
mod tags;
mod trace;

pub use self::http::{TRACE_PATH, accepts_protobuf, router, trace_route};
pub use grpc::service;

/// So many traces that are left out are named; it stands in a header.
const TOO_LARGE_NAMED_MAX: usize = 10;

/// Tells the time: some requests of Tempo's mean "until now".
pub type Now = fn() -> UnixNanos;

/// What both doors ask.
#[derive(Clone)]
struct Door {
    query: Arc<Query>,
    now: Now,
}

/// An answer, and what of it is missing where the message itself can not say so.
struct Answer<M> {
    message: M,
    missing: Option<String>,
}

/// The coverage of all pages up to this one: a page names only the traces of its own that are too large.
fn with_page(mut all: Coverage, page: Coverage) -> Coverage {
    all.trace_ids_too_large.extend(page.trace_ids_too_large);
    Coverage { trace_ids_too_large: all.trace_ids_too_large, ..page }
}

/// What an answer lacks, for people; `None` when nothing.
fn missing(coverage: &Coverage) -> Option<String> {
    let mut text = String::new();
    if coverage.limit_reached {
        text.push_str("the limit on work was reached: ");
        // Writing to a String can not fail.
        let _ = match coverage.since {
            Some(since) => write!(text, "what starts before {} was not looked at", moment(since)),
            None => write!(text, "not everything was looked at"),
        };
    }
    if !coverage.trace_ids_too_large.is_empty() {
        let ids = &coverage.trace_ids_too_large;
        let named: Vec<_> = ids.iter().take(TOO_LARGE_NAMED_MAX).map(ToString::to_string).collect();
        let before = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{before}traces that are too large to be queried are left out: {}", named.join(", "));
        if ids.len() > named.len() {
            let _ = write!(text, " and {} more", ids.len().saturating_sub(named.len()));
        }
    }
    Some(text).filter(|text| !text.is_empty())
}

fn moment(time: UnixNanos) -> String {
    let (micros, _) = time.to_micros_and_nanos();
    let seconds = micros.div_euclid(1_000_000);
    let micros = i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0);
    prost_types::Timestamp { seconds, nanos: micros.saturating_mul(1_000) }.to_string()
}

/// Of an answer that is one job, done or not.
fn search_metrics(coverage: &Coverage, is_done: bool) -> SearchMetrics {
    let work = &coverage.work;
    let small = |counted| u32::try_from(work.of(counted)).unwrap_or(u32::MAX);
    SearchMetrics {
        inspected_traces: small(Counted::TracesRead),
        total_blocks: small(Counted::BlocksSeen),
        inspected_spans: work.of(Counted::SpansRead),
        total_jobs: 1,
        completed_jobs: u32::from(is_done && missing(coverage).is_none()),
        ..SearchMetrics::default()
    }
}

/// The same of a list.
fn metadata_metrics(coverage: &Coverage, is_done: bool) -> MetadataMetrics {
    let total_blocks = u32::try_from(coverage.work.of(Counted::BlocksSeen)).unwrap_or(u32::MAX);
    MetadataMetrics { total_jobs: 1, completed_jobs: u32::from(is_done), total_blocks, ..MetadataMetrics::default() }
}

fn status(error: QueryError) -> tonic::Status {
    Failure::from(error).to_grpc()
}

fn bad(field: &'static str, reason: impl Into<String>) -> QueryError {
    QueryError::BadRequest { field, reason: reason.into() }
}
