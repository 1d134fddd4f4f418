//! What a scan asks of a span that is not made: of its start, and of what can be read with it. What its filter asks is in
//! `filtered.rs`.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::filtered::{Filtered, Needs};
use crate::model::{
    AttributeCondition, AttributeScope, Condition, Filter, Parts, Resource, Search, SpanKey, SpanKind, StatusCode,
    Value,
};
use crate::store::postgres::block::{BlockStarts, Having, SpanStart, StartColumns};
use crate::store::postgres::history::Between;
use crate::store::postgres::row::Dictionary;
use crate::store::postgres::time::Micros;
use crate::store::{Scan, StoreError, TracePlace, text};

/// What is asked.
pub(super) struct Asked<'s> {
    search: &'s Search,
    filter: &'s Filter,
    /// What has to be read for it.
    pub(super) columns: StartColumns,
    pub(super) as_of: Option<Micros>,
    /// The keys of the spans' own attributes that are asked for, as they are stored.
    pub(super) span_keys: Vec<String>,
    /// Those that are looked for in events and links, too.
    pub(super) elsewhere: Vec<String>,
    /// Whether spans are wanted in outline.
    is_outlined: bool,
    before: Option<TracePlace>,
    floor: Option<TracePlace>,
}

/// Takes what is found in a block.
pub(super) trait Finding {
    /// Whether nothing more is wanted of this place.
    fn is_late(&self, place: TracePlace) -> bool;
    /// Takes the span at this place among those of the block; says what can not be read of it, when it is left out because
    /// of that.
    fn take(&mut self, index: usize, start: &SpanStart) -> Result<(), String>;
}

impl<'s> Asked<'s> {
    /// What a scan asks; with `parts`, of the spans in outline, with these.
    pub(super) fn of(scan: &'s Scan, between: Between, parts: Option<&Parts>) -> Self {
        let search = &scan.search;
        let is_of =
            |scope| search.attributes.iter().any(|condition| [AttributeScope::Any, scope].contains(&condition.scope));
        let (is_outlined, parts) = (parts.is_some(), parts.cloned().unwrap_or_default());
        let needs = Needs::of(&scan.filter);
        let of_search = search.attributes.iter().filter(|condition| condition.scope != AttributeScope::Resource);
        let of_search = of_search.map(|condition| &condition.key);
        let keys: BTreeSet<_> = of_search.chain(&parts.keys).chain(needs.keys).collect();
        let stored = |keys: BTreeSet<&String>| keys.into_iter().map(|key| text::stored(key).into_owned()).collect();
        let elsewhere: BTreeSet<_> = parts.elsewhere.iter().chain(needs.elsewhere).collect();
        let (span_keys, elsewhere): (Vec<_>, Vec<_>) = (stored(keys), stored(elsewhere));
        let has_durations = search.duration_min_nanos.is_some() || search.duration_max_nanos.is_some();
        let has_shapes = search.span_name.is_some() || search.kind.is_some() || search.status.is_some();
        let columns = StartColumns {
            durations: has_durations || needs.columns.durations || is_outlined,
            resources: search.node.is_some()
                || is_of(AttributeScope::Resource)
                || needs.columns.resources
                || is_outlined,
            shapes: has_shapes || needs.columns.shapes || is_outlined,
            attributes: !span_keys.is_empty(),
            ids: needs.columns.ids || is_outlined,
            parents: needs.columns.parents || parts.parent,
            scopes: needs.columns.scopes || parts.scope,
            elsewhere: !elsewhere.is_empty(),
        };
        let place = |key: SpanKey| (key.start, key.trace_id);
        let as_of = scan.as_of.map(|as_of| Micros(as_of.0));
        let (before, floor) = (between.before.map(place), between.floor.map(place));
        let filter = &scan.filter;
        Self { search, filter, columns, as_of, span_keys, elsewhere, is_outlined, before, floor }
    }

    /// The least and the greatest duration in units of 2^24 nanoseconds, when blocks are cut by them.
    pub(super) fn durations_hi(&self) -> Option<(i64, i64)> {
        let hi = |nanos: Option<u64>, all| nanos.map_or(all, |nanos| (nanos >> 24).cast_signed());
        let (min, max) = (self.search.duration_min_nanos, self.search.duration_max_nanos);
        let (filter_min, filter_max) = durations(self.filter);
        let max = max.into_iter().chain(filter_max).min();
        self.columns.is_cut().then(|| (hi(min.max(filter_min), 0), hi(max, i64::MAX)))
    }

    /// Gives what is wanted of a block, the newest first, since attributes cost more to look at than all else. Says what could
    /// not be read, of a span that was left out because of that.
    pub(super) fn find(
        &self,
        block: &BlockStarts,
        dictionary: &Dictionary,
        found: &mut impl Finding,
    ) -> Option<String> {
        let shapes: Vec<bool> = block.shapes.iter().map(|shape| self.has_shape(shape)).collect();
        let referred = Referred::of(self, block, dictionary);
        let filtered = Filtered { block, dictionary }.holds(self.filter);
        let may_be = |start: &SpanStart| {
            let place = (start.start, start.trace_id);
            !found.is_late(place)
                && self.is_between(place)
                && self.has(start)
                && shapes.get(start.shape) != Some(&false)
        };
        let mut newest: Vec<_> = block.spans.iter().enumerate().filter(|(_, start)| may_be(start)).collect();
        newest.sort_unstable_by_key(|(_, start)| Reverse((start.start, start.trace_id)));
        let mut wrong = None;
        for (index, start) in newest {
            if found.is_late((start.start, start.trace_id)) {
                break;
            }
            let holds = match referred.hold(index, start) {
                Ok(true) => filtered(index, start).ok_or_else(|| unreadable(index)),
                other => other,
            };
            match holds.and_then(|holds| if holds { found.take(index, start) } else { Ok(()) }) {
                Ok(()) => {}
                Err(what) => wrong = wrong.or(Some(what)),
            }
        }
        wrong
    }

    /// Of the spans at the place of the one that all come before, ids decide, when there are ids.
    fn is_between(&self, place: TracePlace) -> bool {
        self.before.is_none_or(|before| place < before || self.is_outlined && place == before)
            && self.floor.is_none_or(|floor| place >= floor)
    }

    fn has(&self, start: &SpanStart) -> bool {
        let search = self.search;
        search.start_min.is_none_or(|min| start.start >= min)
            && search.start_max.is_none_or(|max| start.start < max)
            && search.duration_min_nanos.is_none_or(|min| start.duration_nanos >= min)
            && search.duration_max_nanos.is_none_or(|max| start.duration_nanos <= max)
            && self.as_of.is_none_or(|as_of| start.received_micros <= as_of.0)
    }

    fn has_shape(&self, (name, kind, status): &(String, SpanKind, StatusCode)) -> bool {
        let search = self.search;
        search.span_name.as_ref().is_none_or(|wanted| wanted == name)
            && search.kind.is_none_or(|wanted| wanted == *kind)
            && search.status.is_none_or(|wanted| wanted == *status)
    }
}

/// The shortest and the longest duration that the spans can have on which a filter holds, as far as it says so of all.
fn durations(filter: &Filter) -> (Option<u64>, Option<u64>) {
    match filter {
        Filter::Is(Condition::Duration { min_nanos, max_nanos }) => (Some(*min_nanos), Some(*max_nanos)),
        Filter::All(filters) => {
            filters.iter().map(durations).fold((None, None), |(min, max), (other_min, other_max)| {
                (min.max(other_min), max.into_iter().chain(other_max).min())
            })
        }
        Filter::Everything | Filter::OneOf(_) | Filter::Is(_) => (None, None),
    }
}

/// What is asked of attributes, of a block: what the search says of the resource alone, and of each attribute.
struct Referred<'b> {
    /// Whether the node is the one that is searched for, by resource; the resource that can not be read, with what is said of
    /// it.
    resources: HashMap<i64, Result<OfResource, String>>,
    conditions: Vec<InSpan<'b>>,
}

/// What a resource has.
struct OfResource {
    is_of_node: bool,
    /// Of each condition, whether it holds on the resource; not asked of one that is of spans alone.
    has: Vec<bool>,
}

/// Whether the span's own attribute is the one that is searched for; `None` when only the resource's is looked at.
type InSpan<'b> = Option<Having<'b, bool, Box<dyn Fn(&Value) -> bool + 'b>>>;

impl<'b> Referred<'b> {
    fn of(asked: &Asked<'b>, block: &'b BlockStarts, dictionary: &Dictionary) -> Self {
        let search = asked.search;
        let of_resource = |id: &i64| {
            let resource = dictionary.resource(*id).map_err(|error| what(&error));
            (*id, resource.map(|resource| OfResource::of(&resource, search)))
        };
        let resources = block.resource_ids.iter().map(of_resource).collect();
        let in_span = |condition: &'b AttributeCondition| match condition.scope {
            AttributeScope::Resource => None,
            AttributeScope::Span | AttributeScope::Any => {
                let is: Box<dyn Fn(&Value) -> bool> = Box::new(|value| *value == condition.value);
                block.having(&condition.key, is)
            }
        };
        Self { resources, conditions: search.attributes.iter().map(in_span).collect() }
    }

    /// Whether all of it holds on the span at a place.
    fn hold(&self, place: usize, start: &SpanStart) -> Result<bool, String> {
        let resource = match self.resources.get(&start.resource_id) {
            Some(resource) => Some(resource.as_ref().map_err(Clone::clone)?),
            None => None,
        };
        if resource.is_some_and(|resource| !resource.is_of_node) {
            return Ok(false);
        }
        for (index, in_span) in self.conditions.iter().enumerate() {
            if resource.and_then(|resource| resource.has.get(index)) == Some(&true) {
                continue;
            }
            let Some(in_span) = in_span else { return Ok(false) };
            match in_span.at(place, start.shape) {
                Some(true) => {}
                Some(false) => return Ok(false),
                None => return Err(unreadable(place)),
            }
        }
        Ok(true)
    }
}

impl OfResource {
    fn of(resource: &Resource, search: &Search) -> Self {
        let has = |condition: &AttributeCondition| {
            condition.scope != AttributeScope::Span && resource.attributes.get(&condition.key) == Some(&condition.value)
        };
        Self {
            is_of_node: search.node.as_deref().is_none_or(|node| resource.node() == Some(node)),
            has: search.attributes.iter().map(has).collect(),
        }
    }
}

/// Of the span at a place in the block.
pub(super) fn unreadable(place: usize) -> String {
    format!("span {}: its attributes can not be read", place.saturating_add(1))
}

fn what(error: &StoreError) -> String {
    match error {
        StoreError::Corrupt { what } => what.clone(),
        error => error.to_string(),
    }
}
