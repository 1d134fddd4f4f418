//! How a question is answered, and what its first page costs: it is asked for that.

use std::time::Duration;

use tokio::time::Instant;

use super::drive::Drive;
use super::{Coverage, PageRequest, Query, QueryError, Question};
use crate::store::Scan;
use crate::traceql::plan::{Plan, Reach};

/// What a query is computed over, from what costs least to what costs most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evaluation {
    /// What was counted of each minute before.
    Rollups,
    /// Spans, one at a time.
    Spans,
    /// Whole traces.
    Traces,
}

/// How a question is answered.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The query as it was understood; empty without one.
    pub query: String,
    /// What the store uses to leave spans out, as text of the language; empty when it can not.
    pub pushed_down: String,
    /// What the rest is computed over.
    pub evaluation: Evaluation,
    /// What the first page cost; its work counts the blocks in the time that is asked for, and those left of them, too.
    pub cost: Coverage,
    /// How long it took.
    pub duration: Duration,
}

impl Query {
    /// Asks for the first page of traces, and says how it came about.
    pub async fn explain_search(
        &self,
        question: &Question<'_>,
        request: &PageRequest<'_>,
    ) -> Result<Explained, QueryError> {
        let plan = question.query.map(Plan::of);
        let is_of_traces = plan.as_ref().is_some_and(|plan| plan.reach == Reach::Trace);
        let began = Instant::now();
        let page = self.search_traces(question, request).await?;
        let duration = began.elapsed();
        let drive = Drive::of_traces(question, plan.as_ref());
        let (filter, work) = (drive.filter.clone(), page.coverage.work.clone());
        self.in_time(self.store.count_blocks(&Scan { filter, work, ..Scan::of(drive.search.clone()) })).await?;
        Ok(Explained {
            query: question.query.map(ToString::to_string).unwrap_or_default(),
            pushed_down: drive.text(),
            evaluation: if is_of_traces { Evaluation::Traces } else { Evaluation::Spans },
            cost: page.coverage,
            duration,
        })
    }
}
