//! A page of the spans that a query over whole traces finds, when few traces can match.
//!
//! The spans of a list go by their own times, and a span that a trace must have can lie anywhere beside them. So a scan of
//! such spans says nothing of the list before it has come to its end; but then, when it has met few traces, they are all
//! there is, and reading these takes less than looking at every span that may be found.

use std::collections::{BTreeMap, BTreeSet};

use super::drive::Drive;
use super::finder::{Finder, each_trace};
use super::page::Filling;
use super::size;
use super::sweep::{Chunks, Sweep};
use super::traces::{TOO_LARGE_NAMED_MAX, Tools};
use crate::model::{Search, Span, SpanKey, TraceId};
use crate::store::{StoreError, Watermark};

/// So many traces are few,
const TRACES_MAX: usize = 256;
/// when they have so many spans together.
const SPANS_MAX: u64 = 100_000;
/// How much of the budget may go into finding that out, in thousandths.
const SEARCH_THOUSANDTHS_MAX: u64 = 250;
/// How many spans are asked for at a time.
const CHUNKS: Chunks = Chunks { next: 256, max: 4_096 };

/// All traces in which a query may find something.
pub(super) struct Few {
    ids: Vec<TraceId>,
    /// Those that are left out because they are too large.
    pub(super) too_large: Vec<TraceId>,
}

impl Few {
    /// The traces, when they can be told and are few.
    pub(super) async fn of(
        tools: Tools<'_>,
        finder: &Finder<'_>,
        search: &Search,
        as_of: Watermark,
    ) -> Result<Option<Self>, StoreError> {
        let Some(drive) = Drive::by_needed(search, &finder.plan) else { return Ok(None) };
        let mut sweep = Sweep::new(tools.store, drive, as_of, CHUNKS);
        let mut ids = BTreeSet::new();
        while !sweep.is_done() {
            if tools.budget.used_thousandths() >= SEARCH_THOUSANDTHS_MAX {
                return Ok(None);
            }
            sweep.read(tools.budget, true).await?;
            while let Some((met, _)) = sweep.take() {
                ids.insert(met.key.trace_id);
            }
            if ids.len() > TRACES_MAX {
                return Ok(None);
            }
        }
        let ids: Vec<_> = ids.into_iter().collect();
        let summaries = tools.store.summaries(&ids, Some(as_of)).await?;
        let wanted = summaries.iter().filter(|summary| finder.plan.may_match(summary));
        let (large, wanted): (Vec<_>, Vec<_>) = wanted.partition(|one| one.span_count > tools.trace_spans_max);
        let spans = wanted.iter().fold(0_u64, |spans, summary| spans.saturating_add(summary.span_count));
        let ids = wanted.iter().map(|summary| summary.trace_id).collect();
        let too_large = large.iter().map(|summary| summary.trace_id).take(TOO_LARGE_NAMED_MAX).collect();
        Ok((spans <= SPANS_MAX).then_some(Self { ids, too_large }))
    }

    /// Fills the page with the newest of their spans that are found, before a key; says of the last one when there are
    /// more.
    pub(super) async fn fill(
        &self,
        tools: Tools<'_>,
        finder: &Finder<'_>,
        (as_of, before): (Watermark, Option<SpanKey>),
        page: &mut Filling<Span>,
    ) -> Result<Option<SpanKey>, StoreError> {
        let mut newest = BTreeMap::new();
        let wanted = page.one_too_many();
        let spans = tools.store.traces(self.ids.clone(), Some(as_of), tools.budget.work().clone());
        each_trace(spans, |_, spans| {
            let found = finder.keys(spans);
            for span in spans {
                let key = span.key();
                if found.contains(&key) && before.is_none_or(|before| key < before) {
                    newest.insert(key, span.clone());
                }
                if newest.len() > wanted {
                    newest.pop_first();
                }
            }
        })
        .await?;
        let mut last = None;
        for (key, span) in newest.into_iter().rev() {
            if !page.take(span, size::span) {
                return Ok(last);
            }
            last = Some(key);
        }
        Ok(None)
    }
}
