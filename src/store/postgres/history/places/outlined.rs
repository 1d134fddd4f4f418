//! The newest spans of the history in outline. Their contents are not read, so that copies can not be told from spans that
//! share their ids: where two have the same, whoever asks has to read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgConnection;

use super::asked::{Asked, Finding, unreadable};
use super::{READ_BLOCKS_MAX, Walk};
use crate::model::{Attribute, Attributes, Keyed, Parts, Scope, Span, SpanKey, Status, UnixNanos, Value};
use crate::store::postgres::block::{BlockStarts, Having, SpanStart};
use crate::store::postgres::history::{Blocks, Wanted};
use crate::store::postgres::row::Dictionary;
use crate::store::postgres::time::Micros;
use crate::store::{Counted, StoreError, TracePlace};

/// More than are wanted are given when the blocks that were read have more: up to so many,
const OUTLINES_MAX: usize = 1_024;
/// and up to so many bytes of text.
const OUTLINES_BYTES_MAX: usize = 16 << 20;

/// The newest spans, by their ids, and from where on they are all.
#[derive(Debug, Default)]
pub(in crate::store::postgres) struct Outlined {
    /// Under their keys, with the least digest that there can be.
    pub(in crate::store::postgres) spans: BTreeMap<SpanKey, Span>,
    /// Two spans that have the same ids and start, of those the greatest key; one of them is left out.
    pub(in crate::store::postgres) twice: Option<SpanKey>,
    /// Nothing is missing that begins after this microsecond.
    pub(in crate::store::postgres) horizon: Option<Micros>,
    /// Whether some were found that are less than all of these and are left out.
    pub(in crate::store::postgres) is_cut: bool,
}

impl Outlined {
    /// Adds a span.
    pub(in crate::store::postgres) fn add(&mut self, key: SpanKey, span: Span) {
        let key = SpanKey { digest: i64::MIN, ..key };
        if self.spans.insert(key, span).is_some() {
            self.twice = self.twice.max(Some(key));
        }
    }
}

/// The newest spans that are looked for, at least so many as are wanted if there are so many; `None` when events or links of
/// theirs have to be looked at. [`is_of_starts`](super::is_of_starts) says yes to the scan.
pub(in crate::store::postgres) async fn newest_outlines(
    wanted: Wanted<'_>,
    parts: &Parts,
    blocks: &mut Blocks,
    connection: &mut PgConnection,
) -> Result<Option<Outlined>, StoreError> {
    let asked = Asked::of(wanted.scan, wanted.between, Some(parts));
    let mut found = Newest::new(wanted.limit, wanted.between.before);
    let mut walk = Walk::new(READ_BLOCKS_MAX);
    loop {
        let mut horizon = None;
        let is_enough = |next: Micros| {
            horizon = Some(next);
            found.is_complete(next)
        };
        let candidates = walk.next(wanted, is_enough, connection).await?;
        if candidates.is_empty() {
            return Ok(Some(Outlined { horizon, ..found.outlined }));
        }
        for block in blocks.starts(&candidates, &asked, connection).await? {
            wanted.scan.work.add(Counted::SpansRead, block.looked_at);
            if block.is_elsewhere {
                return Ok(None);
            }
            let mut found = InBlock::of(&block, parts, &blocks.dictionary, &mut found);
            if let Some(what) = asked.find(&block, &blocks.dictionary, &mut found) {
                blocks.damage.leave_out(block.block_id, &what, connection).await?;
            }
        }
    }
}

/// What was found so far.
struct Newest {
    outlined: Outlined,
    before: Option<SpanKey>,
    scope: Arc<Keyed<Scope>>,
    bytes: BTreeMap<SpanKey, usize>,
    bytes_sum: usize,
    limit: usize,
}

impl Newest {
    fn new(limit: usize, before: Option<SpanKey>) -> Self {
        let scope = Arc::new(Keyed::new(Scope::default()));
        Self { outlined: Outlined::default(), before, scope, bytes: BTreeMap::new(), bytes_sum: 0, limit }
    }

    /// Whether as many are found as are wanted, and none of the next blocks, whose spans begin no later, holds a newer one.
    fn is_complete(&self, next: Micros) -> bool {
        let spans = &self.outlined.spans;
        let is_newer = |key: &SpanKey| next.0 < key.start.to_micros_and_nanos().0;
        let is_full = self.outlined.is_cut && spans.keys().next().is_some_and(is_newer);
        // No more are thrown away than are given: they would be read again.
        let Some(last) = self.limit.max(spans.len().div_ceil(2)).checked_sub(1) else { return true };
        is_full || spans.keys().nth_back(last).is_some_and(is_newer)
    }

    fn add(&mut self, key: SpanKey, span: Span, bytes: usize) {
        if self.outlined.is_cut && self.outlined.spans.keys().next().is_some_and(|least| key < *least) {
            return;
        }
        self.outlined.add(key, span);
        self.bytes_sum = self.bytes_sum.saturating_add(bytes);
        if let Some(before) = self.bytes.insert(key, bytes) {
            self.bytes_sum = self.bytes_sum.saturating_sub(before);
        }
        let spans = &mut self.outlined.spans;
        while spans.len() > OUTLINES_MAX.max(self.limit) || self.bytes_sum > OUTLINES_BYTES_MAX && spans.len() > 1 {
            spans.pop_first();
            self.bytes_sum = self.bytes_sum.saturating_sub(self.bytes.pop_first().map_or(0, |(_, bytes)| bytes));
            self.outlined.is_cut = true;
        }
    }
}

/// Takes what is found in one block.
struct InBlock<'b> {
    block: &'b BlockStarts,
    parts: &'b Parts,
    dictionary: &'b Dictionary,
    values: Vec<(&'b String, Option<ValueOf<'b>>)>,
    found: &'b mut Newest,
}

type ValueOf<'b> = Having<'b, Option<Value>, fn(&Value) -> Option<Value>>;

impl<'b> InBlock<'b> {
    fn of(block: &'b BlockStarts, parts: &'b Parts, dictionary: &'b Dictionary, found: &'b mut Newest) -> Self {
        let value: fn(&Value) -> Option<Value> = |value| Some(value.clone());
        let values = parts.keys.iter().map(|key| (key, block.having(key, value))).collect();
        Self { block, parts, dictionary, values, found }
    }

    fn outline(&self, index: usize, start: &SpanStart) -> Option<Span> {
        let (name, kind, code) = self.block.shapes.get(start.shape)?;
        let span_id = *self.block.ids.get(index)?;
        let parent_span_id = if self.parts.parent { *self.block.parents.get(index)? } else { None };
        let scope = match self.block.scope_ids.get(start.shape) {
            Some(id) => self.dictionary.scope(*id).ok()?,
            None => Arc::clone(&self.found.scope),
        };
        let value = |(key, value): &(&String, Option<ValueOf<'_>>)| {
            let value = value.as_ref()?.at(index, start.shape)?;
            Some(value.map(|value| Attribute { key: (*key).clone(), value }))
        };
        let attributes: Option<Vec<_>> = self.values.iter().map(value).collect();
        Some(Span {
            trace_id: start.trace_id,
            span_id,
            parent_span_id,
            trace_state: String::new(),
            flags: 0,
            name: name.clone(),
            kind: *kind,
            start: start.start,
            end: UnixNanos(start.start.0.saturating_add(start.duration_nanos)),
            attributes: Attributes(attributes?.into_iter().flatten().collect()),
            dropped_attributes_count: 0,
            events: Vec::new(),
            dropped_events_count: 0,
            links: Vec::new(),
            dropped_links_count: 0,
            status: Status { code: *code, message: String::new() },
            resource: self.dictionary.resource(start.resource_id).ok()?,
            scope,
        })
    }
}

impl Finding for InBlock<'_> {
    fn is_late(&self, place: TracePlace) -> bool {
        let least = self.found.outlined.spans.keys().next().filter(|_| self.found.outlined.is_cut);
        least.is_some_and(|least| place < (least.start, least.trace_id))
    }

    fn take(&mut self, index: usize, start: &SpanStart) -> Result<(), String> {
        let span = self.outline(index, start).ok_or_else(|| unreadable(index))?;
        let key = SpanKey { start: start.start, trace_id: start.trace_id, span_id: span.span_id, digest: i64::MIN };
        match self.found.before {
            Some(before) if SpanKey { digest: i64::MIN, ..before } == key => {
                // Which of the spans with these ids come before is not known, unless all do.
                if before.digest > i64::MIN {
                    self.found.outlined.twice = self.found.outlined.twice.max(Some(key));
                }
            }
            Some(before) if key > before => {}
            _ => {
                let bytes = self.block.text_bytes(index, start);
                self.found.add(key, span, bytes);
            }
        }
        Ok(())
    }
}
