//! Counting: calls of parents before and after a change, and the numbers by the minute. Pure.

use std::collections::BTreeMap;

use super::super::day::Day;
use super::super::rollup::MINUTE;
use super::{CallSpan, Caller, Uncounted};
use crate::model::{TraceId, UnixNanos};
use crate::store::calls::CallerId;
use crate::store::postgres::time::Micros;

/// The minute that a moment lies in.
pub(super) fn minute(start: UnixNanos) -> Micros {
    MINUTE.begin(Micros(start.to_micros_and_nanos().0))
}

/// How many calls more, or less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::store::postgres) struct Tally {
    pub(in crate::store::postgres) calls: i64,
    /// Those whose called span has the status error.
    pub(in crate::store::postgres) errors: i64,
}

impl Tally {
    pub(in crate::store::postgres) fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.errors = self.errors.saturating_add(other.errors);
    }

    pub(super) fn times(self, sign: i64) -> Self {
        Self { calls: self.calls.saturating_mul(sign), errors: self.errors.saturating_mul(sign) }
    }
}

/// A row of `call_minute_row`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store::postgres) struct MinuteKey {
    pub(in crate::store::postgres) minute: Micros,
    pub(in crate::store::postgres) caller_id: i64,
    pub(in crate::store::postgres) called_id: i64,
}

/// What changes, by the minute.
#[derive(Debug, Default)]
pub(in crate::store::postgres) struct Minutes(BTreeMap<MinuteKey, Tally>);

impl Minutes {
    /// Calls by somebody; by nobody they do not count.
    pub(super) fn add_call(&mut self, minute: Micros, caller: Option<Caller>, called_id: i64, tally: Tally) {
        if let Some(caller) = caller {
            self.add(MinuteKey { minute, caller_id: caller.service_id, called_id }, tally);
        }
    }

    fn add(&mut self, key: MinuteKey, tally: Tally) {
        self.0.entry(key).or_default().add(tally);
    }

    /// Those in which something changes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (MinuteKey, Tally)> {
        self.0.iter().map(|(key, tally)| (*key, *tally)).filter(|(_, tally)| *tally != Tally::default())
    }

    pub(super) fn leave_out(&mut self, day: Day) {
        self.0.retain(|key, _| Day::at(key.minute) != day);
    }
}

/// Spans by trace, id and rank.
pub(super) struct Callers<'s>(&'s [CallSpan]);

impl<'s> Callers<'s> {
    /// They must be in this order.
    pub(super) fn of(spans: &'s [CallSpan]) -> Self {
        Self(spans)
    }

    pub(super) fn trace_ids(&self) -> impl Iterator<Item = TraceId> {
        self.0.chunk_by(|one, other| one.trace_id == other.trace_id).filter_map(|spans| Some(spans.first()?.trace_id))
    }

    fn traces(&self) -> impl Iterator<Item = Callers<'s>> {
        self.0.chunk_by(|one, other| one.trace_id == other.trace_id).map(Callers)
    }

    /// Those that share an id, the least rank first.
    fn sharing(&self, id: CallerId) -> &'s [CallSpan] {
        let begin = self.0.partition_point(|span| (span.trace_id, span.span_id) < id);
        let rest = self.0.get(begin..).unwrap_or_default();
        let length = rest.partition_point(|span| (span.trace_id, span.span_id) == id);
        rest.get(..length).unwrap_or_default()
    }

    /// Whether there is a span of this trace.
    pub(super) fn has_trace(&self, trace_id: TraceId) -> bool {
        let begin = self.0.partition_point(|span| span.trace_id < trace_id);
        self.0.get(begin).is_some_and(|span| span.trace_id == trace_id)
    }

    /// Who calls under this id before the change, if anybody.
    fn before(&self, id: CallerId) -> Option<Caller> {
        self.sharing(id).iter().find(|span| span.stay.is_before()).map(CallSpan::caller)
    }

    /// The same after the change.
    pub(super) fn after(&self, id: CallerId) -> Option<Caller> {
        self.sharing(id).iter().find(|span| span.stay.is_after()).map(CallSpan::caller)
    }
}

/// The calls by parents after the change, less those before.
pub(super) fn parents(callers: &Callers<'_>, uncounted: &Uncounted, minutes: &mut Minutes) {
    for trace in callers.traces() {
        for called in trace.0.iter().filter(|called| !uncounted.has(called.start)) {
            let Some(parent) = called.parent.map(|parent| (called.trace_id, parent)) else { continue };
            let minute = minute(called.start);
            if called.stay.is_counted_before() {
                minutes.add_call(minute, trace.before(parent), called.service_id, called.tally().times(-1));
            }
            if called.stay.is_after() {
                minutes.add_call(minute, trace.after(parent), called.service_id, called.tally());
            }
        }
    }
}
