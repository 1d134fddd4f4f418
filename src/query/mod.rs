//! Floor 3: what can be asked of the store, with a limit on every answer: pages, sizes, time.
//!
//! [`Query`] knows paging ([`token`], [`traces`]) and sizes ([`size`]); it knows no protocol (that is `server/query`)
//! and no database (that is `store/`). Every list is steady: the first page names a moment, and all pages show the
//! data of that moment, so what arrives between two pages neither shifts nor repeats anything.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use xxhash_rust::xxh3::xxh3_128;

use crate::model::{Operation, Search, Span, TraceId, TraceSummary};
use crate::store::{Scan, SpanStore, SpanStream, StoreError};

mod page;
pub mod size;
mod token;
mod traces;

use page::Filling;
pub use page::{Page, PageRequest};
use token::{AfterName, AfterOperation, AfterSpan};
use traces::{Reading, TraceSearch};

/// How many traces a page has when the request does not say.
pub const PAGE_TRACES_DEFAULT: usize = 20;
/// How many spans a page has when the request does not say.
pub const PAGE_SPANS_DEFAULT: usize = 100;
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
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self { page_size_max: 1_000, page_bytes_max: 2 << 20, query_timeout: Duration::from_secs(30) }
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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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

    /// Traces that have a span on which all conditions hold, newest first by start and id of the whole trace.
    pub async fn search_traces(
        &self,
        search: &Search,
        request: &PageRequest<'_>,
    ) -> Result<Page<TraceSummary>, QueryError> {
        let filling = self.filling(request, PAGE_TRACES_DEFAULT)?;
        let after = token::open(request.token, search.digest())?;
        let search = TraceSearch::new(self.store.as_ref(), search, self.reading, filling);
        self.in_time(search.page(after)).await
    }

    /// Spans on which all conditions hold, by descending key.
    pub async fn search_spans(&self, search: &Search, request: &PageRequest<'_>) -> Result<Page<Span>, QueryError> {
        let filling = self.filling(request, PAGE_SPANS_DEFAULT)?;
        let after = token::open(request.token, search.digest())?;
        self.in_time(self.page_of_spans(search, after, filling)).await
    }

    async fn page_of_spans(
        &self,
        search: &Search,
        after: Option<AfterSpan>,
        mut filling: Filling<Span>,
    ) -> Result<Page<Span>, StoreError> {
        let as_of = match &after {
            Some(after) => after.as_of,
            None => self.store.watermark().await?,
        };
        let before = after.map(|after| after.last);
        let scan = Scan { search: search.clone(), as_of: Some(as_of), before, limit: filling.one_too_many() };
        let mut spans = self.store.scan_spans(scan);
        while let Some(span) = spans.try_next().await? {
            if !filling.take(span, size::span) {
                let after = |last: &Span| token::seal(&AfterSpan { as_of, last: last.key() }, search.digest());
                return Ok(filling.with_more(after));
            }
        }
        Ok(filling.the_last())
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

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, QueryError> {
        let limit = self.settings.query_timeout;
        match tokio::time::timeout(limit, work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(QueryError::TimedOut { limit }),
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
