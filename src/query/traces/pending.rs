//! Traces that were seen and are not shown yet.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::super::finder::{Gathered, ShownSpan, SpanSet};
use super::super::sweep::ScanFrom;
use super::super::token::{Forgotten, Place};
use crate::model::{SpanKey, TraceId, TraceSummary};

/// What is known of a query's answer about a trace.
#[derive(Debug)]
pub(super) enum Answer {
    /// This is what was found, all of it.
    Known(Vec<SpanSet>),
    /// What was found is being gathered, and all of it will be before the trace is certain.
    Gathering(Gathered),
    /// Its spans have to be read.
    Unknown,
}

/// A trace that was seen.
#[derive(Debug)]
pub(super) struct Seen {
    /// A scan from here finds the trace again.
    pub(super) from: ScanFrom,
    pub(super) answer: Answer,
}

/// A trace that was seen and looked up.
#[derive(Debug)]
pub(super) struct PendingTrace {
    pub(super) seen: Seen,
    pub(super) summary: TraceSummary,
}

/// These traces, by their places.
#[derive(Debug, Default)]
pub(super) struct Pending {
    traces: BTreeMap<Place, PendingTrace>,
    places: HashMap<TraceId, Place>,
    /// Those that were too many to keep.
    pub(super) forgotten: Option<Forgotten>,
}

impl Pending {
    pub(super) fn insert(&mut self, seen: Seen, summary: TraceSummary) {
        let place = (summary.start, summary.trace_id);
        self.places.insert(summary.trace_id, place);
        self.traces.insert(place, PendingTrace { seen, summary });
    }

    pub(super) fn get_mut(&mut self, id: TraceId) -> Option<&mut PendingTrace> {
        self.traces.get_mut(self.places.get(&id)?)
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<PendingTrace> {
        self.places.remove(&place.1);
        self.traces.remove(&place)
    }

    /// Whether there is nothing, not even something forgotten.
    pub(super) fn is_empty(&self) -> bool {
        self.traces.is_empty() && self.forgotten.is_none()
    }

    /// The highest place at which a trace is, or may be.
    pub(super) fn highest(&self) -> Option<Place> {
        let kept = self.traces.last_key_value().map(|(place, _)| *place);
        kept.max(self.forgotten.map(|forgotten| forgotten.horizon))
    }

    /// Those of the kept above what was forgotten and from `floor` on, the highest first.
    pub(super) fn from(&self, floor: Option<Place>) -> impl Iterator<Item = (Place, &PendingTrace)> {
        let horizon = self.forgotten.map(|forgotten| forgotten.horizon);
        let traces = self.traces.iter().rev().map(|(place, trace)| (*place, trace));
        traces.take_while(move |(place, _)| {
            floor.is_none_or(|floor| *place >= floor) && horizon.is_none_or(|horizon| *place > horizon)
        })
    }

    /// Keeps at most so many. The least ones go.
    pub(super) fn keep(&mut self, traces_max: usize) {
        while self.traces.len() > traces_max
            && let Some((place, trace)) = self.traces.pop_first()
        {
            self.places.remove(&place.1);
            let from = self.forgotten.map_or(trace.seen.from, |forgotten| trace.seen.from.max(from_of(&forgotten)));
            let horizon = self.forgotten.map_or(place, |forgotten| place.max(forgotten.horizon));
            self.forgotten = Some(Forgotten { horizon, before: from.before() });
        }
    }

    /// What was forgotten is to be seen again, from here. What was gathered may come twice then, and may not be all: of a
    /// trace that was forgotten and seen once more below.
    pub(super) fn recall(&mut self) -> Option<(Place, ScanFrom)> {
        let forgotten = self.forgotten.take()?;
        for trace in self.traces.values_mut() {
            if matches!(trace.seen.answer, Answer::Gathering(_)) {
                trace.seen = Seen { from: ScanFrom::Top, answer: Answer::Unknown };
            }
        }
        Some((forgotten.horizon, from_of(&forgotten)))
    }

    /// The ids of at most so many that were seen on this page, those that were seen first, and of all that were carried to
    /// it; and from where the others are seen again.
    pub(super) fn carry(&self, new_max: usize, carried_max: usize) -> (Vec<TraceId>, Option<ScanFrom>) {
        let mut all: Vec<_> = self.traces.iter().map(|((_, id), trace)| (trace.seen.from, *id)).collect();
        all.sort_unstable_by_key(|pending| Reverse(*pending));
        let carried_before = all.iter().take_while(|(from, _)| *from == ScanFrom::Top).count();
        let kept = all.len().min(carried_before.saturating_add(new_max)).min(carried_max);
        let (carried, again) = all.split_at(kept);
        let from = again.iter().map(|(from, _)| *from).max();
        (carried.iter().map(|(_, id)| *id).collect(), from)
    }

    /// The ids of all.
    pub(super) fn ids(&self) -> Vec<TraceId> {
        self.traces.keys().map(|(_, id)| *id).collect()
    }
}

fn from_of(forgotten: &Forgotten) -> ScanFrom {
    forgotten.before.map_or(ScanFrom::Top, ScanFrom::Below)
}

impl Seen {
    /// Adds a span that was found, where they are gathered.
    pub(super) fn gather(&mut self, key: SpanKey, shown: Option<ShownSpan>) {
        if let (Answer::Gathering(gathered), Some(shown)) = (&mut self.answer, shown) {
            gathered.add(key, shown);
        }
    }
}
