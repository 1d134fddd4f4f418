//! Who calls whom: what a call is, for every store, and how many there are of some spans.
//!
//! A span whose parent is there is a call from the parent's service to its own, also when both are one. Who takes a
//! message is mostly in a trace of its own and points to the sender by a link: that is a call, too, unless the sender is
//! its parent. Where spans share an id, [`CallerRank`] says which of them is meant; no order of arrival does. A call is
//! counted in the minute in which the span that is called begins.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use xxhash_rust::xxh3::xxh3_64;

use super::{MINUTE_NANOS, Work};
use crate::model::{Attributes, Link, Span, SpanId, SpanKind, TraceId, UnixNanos};

/// What a messaging library says of a span that takes messages, if its kind does not.
const TAKES: [&str; 2] = ["receive", "process"];

/// The attribute in which it says so.
pub(super) const OPERATION_TYPE: &str = "messaging.operation.type";

/// Which calls to count: those of whole minutes.
#[derive(Debug, Clone)]
pub struct CallRequest {
    /// The span that is called begins in this minute or later. The minute begins then, or is the first of all.
    pub start: UnixNanos,
    /// It begins before this minute; the end of all time is after all of them.
    pub end: UnixNanos,
    /// Counts what it takes.
    pub work: Work,
}

impl CallRequest {
    /// All minutes that have a part of this time; without an end, all since then.
    #[must_use]
    pub fn around(start: UnixNanos, end: Option<UnixNanos>, work: Work) -> Self {
        let before = |time: u64| time.checked_rem(MINUTE_NANOS).unwrap_or_default();
        let first = start.0.saturating_sub(before(start.0));
        let end = end.map_or(u64::MAX, |end| match before(end.0) {
            0 => end.0,
            over => end.0.saturating_sub(over).saturating_add(MINUTE_NANOS),
        });
        Self { start: UnixNanos(first), end: UnixNanos(end), work }
    }

    /// Whether a span that begins then is called in this time.
    #[must_use]
    pub fn has(&self, start: UnixNanos) -> bool {
        start >= self.start && (start < self.end || self.end.0 == u64::MAX)
    }
}

/// How many calls there are from one service to another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// All of them.
    pub calls: u64,
    /// Those whose called span has the status `error`.
    pub errors: u64,
}

impl CallCounts {
    /// Of one span that is called.
    #[must_use]
    pub fn of(called: &Span) -> Self {
        Self { calls: 1, errors: u64::from(called.is_error()) }
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.errors = self.errors.saturating_add(other.errors);
    }
}

/// The calls from the one service to the other.
pub type Calls = BTreeMap<(String, String), CallCounts>;

/// Counts calls from one service to another.
pub fn add_calls(calls: &mut Calls, from: &str, to: &str, counts: CallCounts) {
    calls.entry((from.to_owned(), to.to_owned())).or_default().add(counts);
}

/// Where a caller is.
pub type CallerId = (TraceId, SpanId);

/// Of spans that share an id the least one calls: the server's, whose work it is that goes on, rather than the client's;
/// then the one that begins first; then an order of services that is always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallerRank {
    is_other_than_server: bool,
    start: UnixNanos,
    service_key: i64,
}

impl CallerRank {
    /// Of a span.
    #[must_use]
    pub fn of(span: &Span) -> Self {
        Self::from_parts(span.kind == SpanKind::SERVER, span.start, service_key(span.resource.service()))
    }

    pub(super) fn from_parts(is_server: bool, start: UnixNanos, service_key: i64) -> Self {
        Self { is_other_than_server: !is_server, start, service_key }
    }
}

/// A number that stands for the name of a service.
pub(super) fn service_key(name: &str) -> i64 {
    xxh3_64(name.as_bytes()).cast_signed()
}

/// Of spans that share an id, the one that calls.
#[must_use]
pub fn callers<'s>(spans: impl IntoIterator<Item = &'s Span>) -> HashMap<CallerId, &'s Span> {
    let mut callers = HashMap::<CallerId, &Span>::new();
    for span in spans {
        let caller = callers.entry((span.trace_id, span.span_id)).or_insert(span);
        if CallerRank::of(span) < CallerRank::of(caller) {
            *caller = span;
        }
    }
    callers
}

/// Who calls a span by being its parent.
#[must_use]
pub fn parent(span: &Span) -> Option<CallerId> {
    span.parent_span_id.map(|parent| (span.trace_id, parent))
}

/// Whose messages a span takes, each once, but for its parent's.
#[must_use]
pub fn senders(span: &Span) -> BTreeSet<CallerId> {
    if !takes_messages(span.kind, &span.attributes) {
        return BTreeSet::new();
    }
    senders_of_links((span.trace_id, span.span_id), span.parent_span_id, &span.links)
}

pub(super) fn takes_messages(kind: SpanKind, attributes: &Attributes) -> bool {
    kind == SpanKind::CONSUMER || attributes.get_text(OPERATION_TYPE).is_some_and(|says| TAKES.contains(&says))
}

/// The same of the links of a span that takes messages.
pub(super) fn senders_of_links(own: CallerId, parent: Option<SpanId>, links: &[Link]) -> BTreeSet<CallerId> {
    let of_link = |link: &Link| Some((link.trace_id?, link.span_id?));
    let is_other = |sender: &CallerId| *sender != own && parent.map(|parent| (own.0, parent)) != Some(*sender);
    links.iter().filter_map(of_link).filter(is_other).collect()
}

/// The calls of this time among these spans, of which none is there twice.
pub(super) fn calls_among(spans: &[Span], request: &CallRequest) -> Calls {
    let (mut calls, callers) = (Calls::new(), callers(spans));
    for called in spans.iter().filter(|span| request.has(span.start)) {
        let by = parent(called).into_iter().chain(senders(called));
        for caller in by.filter_map(|id| callers.get(&id)) {
            add_calls(&mut calls, caller.resource.service(), called.resource.service(), CallCounts::of(called));
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_widened_to_whole_minutes() {
        let around = |start: u64, end: Option<u64>| {
            let request = CallRequest::around(UnixNanos(start), end.map(UnixNanos), Work::default());
            (request.start.0, request.end.0)
        };
        let minute = MINUTE_NANOS;
        assert_eq!(around(minute, Some(2 * minute)), (minute, 2 * minute));
        assert_eq!(around(minute - 1, Some(2 * minute + 1)), (0, 3 * minute));
        assert_eq!(around(minute + 1, Some(minute + 2)), (minute, 2 * minute));
        assert_eq!(around(u64::MAX, Some(u64::MAX)), (u64::MAX - u64::MAX % minute, u64::MAX));
        assert_eq!(around(5, None), (0, u64::MAX));
        let request = CallRequest::around(UnixNanos(minute), Some(UnixNanos(2 * minute)), Work::default());
        let has = [minute - 1, minute, 2 * minute - 1, 2 * minute].map(|start| request.has(UnixNanos(start)));
        assert_eq!(has, [false, true, true, false]);
        assert!(CallRequest::around(UnixNanos(0), None, Work::default()).has(UnixNanos(u64::MAX)));
    }
}
