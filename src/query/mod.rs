//! Floor 3: what can be asked of the store, with a limit on every answer: pages, sizes, time.
//!
//! [`Query`] knows paging ([`token`], [`traces`]) and sizes ([`size`]); it knows no protocol (that is `server/query`)
//! and no database (that is `store/`). Every list is steady: the first page names a moment, and all pages show the
//! data of that moment, so what arrives between two pages neither shifts nor repeats anything.
//!
//! ```text
//!  traces/  spans    the lists that searches give, in their orders      token   where a list goes on
//!  sweep    goes through spans, newest first, and knows how far         drive   by which conditions it does
//!  finder   what a query finds in what was read                         budget  what all this may cost
//!  whole    whole traces, or an error                          explain  how a question is answered
//!  metrics/ series over time, from as little as each needs    calls    who calls whom
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_stream::try_stream;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use xxhash_rust::xxh3::xxh3_128;

use crate::model::{Operation, Search, Span, TraceId};
use crate::store::{SpanStore, SpanStream, StoreError};
use crate::traceql::tree::Pipeline;

mod budget;
mod calls;
mod drive;
mod explain;
mod few;
mod finder;
pub mod metrics;
pub mod names;
mod page;
pub mod size;
mod spans;
mod sweep;
mod token;
mod traces;
mod whole;

use budget::Budget;
pub use explain::{Evaluation, Explained};
pub use finder::{ShownSpan, SpanSet};
pub use metrics::{MetricsAnswer, MetricsRequest};
pub use names::{AttributeKey, KeysRequest, NamesOf, ValuesRequest};
use page::Filling;
pub use page::{Coverage, Page, PageRequest, SearchPage};
use spans::SpanSearch;
use token::{AfterName, AfterOperation};
pub use traces::FoundTrace;
use traces::{Reading, Tools, TraceSearch};

/// How many traces a page has when the request does not say.
pub const PAGE_TRACES_DEFAULT: usize = 20;
/// How many spans a page has when the request does not say.
pub const PAGE_SPANS_DEFAULT: usize = 100;
/// How many spans of a set are shown when the request does not say.
pub const SPANS_PER_SET_DEFAULT: usize = 3;
/// How many traces at the most come together when they are streamed.
const STREAMED_PAGE_TRACES_MAX: usize = 20;
/// How many names a page has when the request does not say.
pub const PAGE_NAMES_DEFAULT: usize = 1_000;

/// The limits of every answer.
#[derive(Debug, Clone, Copy)]
pub struct QuerySettings {
    /// A request for a larger page is read as one for this many items.
    pub page_size_max: usize,
    /// A page ends when its items, as [`size`] estimates them, come to this many bytes; but it has one item at least.
    /// Half of the 4 MiB that a gRPC client takes by default.
    pub page_bytes_max: usize,
    /// An answer that takes longer fails with [`QueryError::TimedOut`].
    pub query_timeout: Duration,
    /// An answer ends with what is certain when it has read so many spans,
    pub work_spans_max: u64,
    /// or taken so long; half of `query_timeout` at the most, so that it ends before that.
    pub work_time_max: Duration,
    /// A trace that has more spans is not queried as a whole.
    pub trace_spans_max: u64,
    /// An answer that is in memory as a whole before it is sent has at most so many bytes, as [`size`] estimates them.
    pub answer_bytes_max: usize,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            page_size_max: 1_000,
            page_bytes_max: 2 << 20,
            query_timeout: Duration::from_secs(30),
            work_spans_max: 2_000_000,
            work_time_max: Duration::from_secs(10),
            trace_spans_max: 250_000,
            answer_bytes_max: 256 << 20,
        }
    }
}

/// Why there is no answer, named by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The request is wrong: change it.
    #[error("{field}: {reason}")]
    BadRequest {
        /// The name of the field, as the query service's requests have it.
        field: &'static str,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// There is no such thing.
    #[error("{what} not found")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// It took longer than [`QuerySettings::query_timeout`]: ask for less.
    #[error("the query took longer than {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The answer can not be had in part, and whole it is more than the limits allow; how much, and what to do.
    #[error("{what}")]
    TooMuch {
        /// Which limit, and what to do.
        what: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Spans on which all of this holds,
    pub search: &'a Search,
    /// and which this finds; it is asked about whole traces, whatever the times of `search`.
    pub query: Option<&'a Pipeline>,
    /// How many spans of each set that the query finds are shown with a trace.
    pub spans_per_set_max: usize,
}

/// A [`Question`] that owns what it asks for.
#[derive(Debug, Clone)]
pub struct OwnedQuestion {
    /// As [`Question::search`].
    pub search: Search,
    /// As [`Question::query`].
    pub query: Option<Pipeline>,
    /// As [`Question::spans_per_set_max`].
    pub spans_per_set_max: usize,
}

impl OwnedQuestion {
    /// The question itself.
    #[must_use]
    pub fn borrowed(&self) -> Question<'_> {
        let Self { search, query, spans_per_set_max } = self;
        Question { search, query: query.as_ref(), spans_per_set_max: *spans_per_set_max }
    }
}

impl<'a> Question<'a> {
    /// Spans on which all conditions hold.
    #[must_use]
    pub fn plain(search: &'a Search) -> Self {
        Self { search, query: None, spans_per_set_max: SPANS_PER_SET_DEFAULT }
    }

    /// 128 bits made from what is searched for; the same as ever without a query.
    fn digest(&self) -> u128 {
        let search = self.search.digest();
        let Some(query) = self.query else { return search };
        xxh3_128(format!("{search:032x} {query}").as_bytes())
    }
}

/// Reads spans, searches for traces and spans, and lists services and operations.
#[derive(Clone)]
pub struct Query {
    store: Arc<dyn SpanStore>,
    settings: QuerySettings,
    reading: Reading,
}

impl Query {
    /// Queries of this store.
    #[must_use]
    pub fn new(store: Arc<dyn SpanStore>, settings: QuerySettings) -> Self {
        Self { store, settings, reading: Reading::default() }
    }

    /// The limits.
    #[must_use]
    pub fn settings(&self) -> &QuerySettings {
        &self.settings
    }

    /// All spans of a trace, by ascending key; [`QueryError::NotFound`] when it has none. The time limit is on the
    /// first span: who takes the others sets the pace, and drops the stream when it takes too long.
    pub async fn trace(&self, trace_id: TraceId) -> Result<SpanStream, QueryError> {
        let mut spans = self.store.trace(trace_id);
        let first = self.in_time(spans.try_next()).await?;
        let first = first.ok_or_else(|| QueryError::NotFound { what: format!("trace {trace_id}") })?;
        Ok(stream::iter([Ok(first)]).chain(spans).boxed())
    }

    /// Traces that have a span that is searched for, newest first by start and id of the whole trace. A page ends early
    /// when the limit on its work is reached.
    pub async fn search_traces(
        &self,
        question: &Question<'_>,
        request: &PageRequest<'_>,
    ) -> Result<SearchPage<FoundTrace>, QueryError> {
        self.search_traces_within(&Budget::new(&self.settings), question, request).await
    }

    async fn search_traces_within(
        &self,
        budget: &Budget,
        question: &Question<'_>,
        request: &PageRequest<'_>,
    ) -> Result<SearchPage<FoundTrace>, QueryError> {
        let filling = self.filling(request, PAGE_TRACES_DEFAULT)?;
        let after = token::open(request.token, question.digest())?;
        self.in_time(TraceSearch::page(self.tools(budget), *question, after, filling)).await
    }

    /// The spans that are searched for, by descending key. A page ends early when the limit on its work is reached.
    pub async fn search_spans(
        &self,
        question: &Question<'_>,
        request: &PageRequest<'_>,
    ) -> Result<SearchPage<Span>, QueryError> {
        let budget = Budget::new(&self.settings);
        let filling = self.filling(request, PAGE_SPANS_DEFAULT)?;
        let after = token::open(request.token, question.digest())?;
        self.in_time(SpanSearch::page(self.tools(&budget), *question, after, filling)).await
    }

    /// Pages of traces, one after the other, each as soon as it is there: to the end of the list, or until they have as
    /// many traces together as one page may have, or until the limit on the work of them all is reached. The last one
    /// says where to go on.
    #[must_use]
    pub fn stream_traces(
        self: Arc<Self>,
        question: OwnedQuestion,
        page_size: i32,
        mut token: String,
    ) -> BoxStream<'static, Result<SearchPage<FoundTrace>, QueryError>> {
        let pages = try_stream! {
            let budget = Budget::new(&self.settings);
            let all = PageRequest { size: Some(page_size), token: "" };
            let mut missing = all.size(PAGE_TRACES_DEFAULT, self.settings.page_size_max)?;
            while missing > 0 {
                let size = i32::try_from(missing.min(STREAMED_PAGE_TRACES_MAX)).ok();
                let request = PageRequest { size, token: &token };
                let page = self.search_traces_within(&budget, &question.borrowed(), &request).await?;
                missing = missing.saturating_sub(page.items.len());
                token.clone_from(&page.next);
                let is_last = page.next.is_empty() || page.coverage.limit_reached;
                yield page;
                if is_last {
                    break;
                }
            }
        };
        pages.boxed()
    }

    fn tools<'a>(&'a self, budget: &'a Budget) -> Tools<'a> {
        let trace_spans_max = self.settings.trace_spans_max;
        Tools { store: self.store.as_ref(), reading: self.reading, trace_spans_max, budget }
    }

    /// Names of all services, in bytewise order.
    pub async fn services(&self, request: &PageRequest<'_>) -> Result<Page<String>, QueryError> {
        let filling = self.filling(request, PAGE_NAMES_DEFAULT)?;
        let after: Option<AfterName> = token::open(request.token, 0)?;
        let after = after.as_ref().map(|after| after.name.as_str());
        let names = self.in_time(self.store.services(after, filling.one_too_many())).await?;
        let seal = |last: &String| token::seal(&AfterName { name: last.clone() }, 0);
        Ok(filling.fill(names, |name| size::text(name), seal))
    }

    /// Operations of a service, by name and kind; none when the service is unknown.
    pub async fn operations(&self, service: &str, request: &PageRequest<'_>) -> Result<Page<Operation>, QueryError> {
        let filling = self.filling(request, PAGE_NAMES_DEFAULT)?;
        let owner = xxh3_128(service.as_bytes());
        let after: Option<AfterOperation> = token::open(request.token, owner)?;
        let after = after.as_ref().map(|after| &after.operation);
        let operations = self.in_time(self.store.operations(service, after, filling.one_too_many())).await?;
        let seal = |last: &Operation| token::seal(&AfterOperation { operation: last.clone() }, owner);
        Ok(filling.fill(operations, |operation| size::text(&operation.name), seal))
    }

    fn filling<T>(&self, request: &PageRequest<'_>, size_default: usize) -> Result<Filling<T>, QueryError> {
        Ok(Filling::new(request.size(size_default, self.settings.page_size_max)?, self.settings.page_bytes_max))
    }

    async fn in_time<T, E: Into<QueryError>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, QueryError> {
        let limit = self.settings.query_timeout;
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done.map_err(Into::into),
            Err(_) => Err(QueryError::TimedOut { limit }),
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
