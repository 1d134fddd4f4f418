//! Metrics queries: series over time, each of a query's functions over spans answered from as little as it needs.
//!
//! ```text
//!  request    what is asked, and over which intervals      path       from what each function is answered
//!  windows    the time, cut into parts, newest first       run        part by part, until done or the limit is reached
//!  rollups    spans counted before, as the functions see them
//! ```
//!
//! What a query means is in `traceql/evaluate/metrics`, and all of it is computed there: from whole traces, from spans
//! one by one, or from spans that were counted before, whichever is enough. All parts are as of one moment. The intervals
//! that all functions have got all spans of are shown; when the limit on work is reached, the others are not.

mod path;
mod request;
mod rollups;
mod run;
mod windows;

use std::time::Duration;

use tokio::time::Instant;

use super::traces::TOO_LARGE_NAMED_MAX;
use super::{Coverage, Evaluation, Explained, Query, QueryError, size};
use crate::model::UnixNanos;
use crate::traceql::evaluate::{MeasurementLimits, Series, TooMuch};

pub use request::MetricsRequest;
use run::{Ended, Run};

/// An answer's series may come to so many bytes, as [`size`] estimates them: there are no pages of it, and a gRPC client
/// takes 4 MiB by default.
const ANSWER_BYTES_MAX: usize = 4_000_000;

/// What a metrics query gives.
#[derive(Debug)]
pub struct MetricsAnswer {
    /// The series, by their labels.
    pub series: Vec<Series>,
    /// The times of their values.
    pub times: Vec<UnixNanos>,
    /// What it was computed over: of its functions, what needs most.
    pub evaluation: Evaluation,
    /// How far it goes: values of intervals that were not looked at whole are not there.
    pub coverage: Coverage,
}

impl Query {
    /// What a metrics query gives.
    pub async fn metrics(&self, request: &MetricsRequest) -> Result<MetricsAnswer, QueryError> {
        let mut run = self.run_of(request);
        let ended = self.in_time(run.run()).await?;
        run.answer(ended)
    }

    /// Asks a metrics query, and says how the answer came about.
    pub async fn explain_metrics(&self, request: &MetricsRequest) -> Result<Explained, QueryError> {
        let began = Instant::now();
        let mut run = self.run_of(request);
        let pushed_down = run.pushed_down();
        let ended = self.in_time(run.run()).await?;
        let duration = began.elapsed();
        self.in_time(run.count_blocks()).await?;
        let MetricsAnswer { evaluation, coverage, .. } = run.answer(ended)?;
        Ok(Explained { query: request.query().to_string(), pushed_down, evaluation, cost: coverage, duration })
    }

    fn run_of<'q>(&'q self, request: &'q MetricsRequest) -> Run<'q> {
        Run::new(self.store.as_ref(), &self.settings, request, MeasurementLimits::default())
    }
}

impl Run<'_> {
    /// The series of the intervals that are finished.
    fn answer(self, ended: Ended) -> Result<MetricsAnswer, QueryError> {
        let limit_reached = ended == Ended::AtLimit;
        if limit_reached && self.request.is_instant() {
            return Err(self.too_far());
        }
        let (evaluation, since) = (self.evaluation(), self.covered_since());
        let coverage = Coverage {
            limit_reached,
            since: limit_reached.then_some(since),
            work: self.budget.work().clone(),
            trace_ids_too_large: self.too_large.into_iter().take(TOO_LARGE_NAMED_MAX).collect(),
        };
        let times = self.request.intervals().ends().collect();
        let series = self.measurement.finish(self.first_shown)?;
        let bytes = series.iter().fold(0_usize, |sum, series| sum.saturating_add(size::series(series)));
        if bytes > ANSWER_BYTES_MAX {
            return Err(too_many_bytes());
        }
        Ok(MetricsAnswer { series, times, evaluation, coverage })
    }

    /// A value of some of the spans is no answer.
    fn too_far(&self) -> QueryError {
        let covered = Duration::from_nanos(self.request.end().0.saturating_sub(self.covered_since().0));
        let reason = format!(
            "the limit on work, {} spans or {:?}, was reached when only the last {covered:?} of the time were looked at: \
             ask for a shorter time, for fewer spans, or for a step",
            self.settings.work_spans_max, self.settings.work_time_max
        );
        QueryError::BadRequest { field: "start_time", reason }
    }
}

fn too_many_bytes() -> QueryError {
    let reason = format!(
        "its series have more than {ANSWER_BYTES_MAX} bytes: group by less, or take a longer step or a shorter time"
    );
    QueryError::BadRequest { field: "query", reason }
}

impl From<TooMuch> for QueryError {
    fn from(error: TooMuch) -> Self {
        Self::BadRequest { field: "query", reason: error.to_string() }
    }
}
