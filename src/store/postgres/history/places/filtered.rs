//! A filter on the spans of a block of which no more was read than their starts and what it needs. Here it is told exactly,
//! or not at all: [`Needs`] says which filters can be.

use std::collections::{BTreeSet, HashMap};

use crate::model::{Condition, Filter, Resource, Within};
use crate::store::postgres::block::{BlockStarts, SpanStart, StartColumns, StartShape};
use crate::store::postgres::row::Dictionary;

/// What has to be read for a filter.
#[derive(Debug, Default)]
pub(super) struct Needs<'f> {
    pub(super) columns: StartColumns,
    /// The keys of the spans' own attributes.
    pub(super) keys: BTreeSet<&'f String>,
    /// Whether it asks for what is not read here: events, links and scopes.
    pub(super) is_more: bool,
}

impl<'f> Needs<'f> {
    pub(super) fn of(filter: &'f Filter) -> Self {
        let mut needs = Self::default();
        needs.add(filter);
        needs
    }

    fn add(&mut self, filter: &'f Filter) {
        match filter {
            Filter::Everything => {}
            Filter::All(filters) | Filter::OneOf(filters) => filters.iter().for_each(|filter| self.add(filter)),
            Filter::Is(condition) => self.add_condition(condition),
        }
    }

    fn add_condition(&mut self, condition: &'f Condition) {
        match condition {
            Condition::Name(_) | Condition::Kind(_) | Condition::Status(_) => self.columns.shapes = true,
            Condition::Duration { .. } => self.columns.durations = true,
            Condition::SpanId(_) | Condition::ParentSpanId(_) => self.columns.ids = true,
            Condition::Root => self.columns.parents = true,
            Condition::TraceId(_) => {}
            Condition::Service(_) | Condition::Attribute { within: Within::Resource, .. } => {
                self.columns.resources = true;
            }
            Condition::Attribute { within: Within::Span, key, .. } => {
                self.columns.attributes = true;
                self.keys.insert(key);
            }
            Condition::Attribute {
                within: Within::Anywhere | Within::Event | Within::Link | Within::Scope, ..
            } => {
                self.is_more = true;
            }
        }
    }
}

/// Whether something holds of the span at a place; `None` when that can not be read.
type Holds<'b> = Box<dyn Fn(usize, &SpanStart) -> Option<bool> + 'b>;

/// A block, and what its spans refer to.
#[derive(Clone, Copy)]
pub(super) struct Filtered<'b> {
    pub(super) block: &'b BlockStarts,
    pub(super) dictionary: &'b Dictionary,
}

impl<'b> Filtered<'b> {
    /// What a filter says of the spans.
    pub(super) fn holds(self, filter: &'b Filter) -> Holds<'b> {
        match filter {
            Filter::Everything => Box::new(|_, _| Some(true)),
            Filter::All(filters) => self.joined(filters, false),
            Filter::OneOf(filters) => self.joined(filters, true),
            Filter::Is(condition) => self.condition(condition),
        }
    }

    /// What is so of one decides; when none is, what can not be read may be.
    fn joined(self, filters: &'b [Filter], decides: bool) -> Holds<'b> {
        let parts: Vec<_> = filters.iter().map(|filter| self.holds(filter)).collect();
        Box::new(move |place, start| {
            let mut joined = Some(!decides);
            for part in &parts {
                match part(place, start) {
                    Some(holds) if holds == decides => return Some(decides),
                    Some(_) => {}
                    None => joined = None,
                }
            }
            joined
        })
    }

    fn condition(self, condition: &'b Condition) -> Holds<'b> {
        let of_ids = move |place: usize| self.block.ids.get(place).copied();
        match condition {
            Condition::Service(is) => self.by_resource(|resource| is.matches(resource.service())),
            Condition::Name(is) => self.by_shape(|(name, _, _)| is.matches(name)),
            Condition::Kind(wanted) => self.by_shape(|(_, kind, _)| kind == wanted),
            Condition::Status(wanted) => self.by_shape(|(_, _, status)| status == wanted),
            Condition::Duration { min_nanos, max_nanos } => {
                Box::new(|_, start| Some((*min_nanos..=*max_nanos).contains(&start.duration_nanos)))
            }
            Condition::TraceId(id) => Box::new(|_, start| Some(start.trace_id == *id)),
            Condition::SpanId(id) => Box::new(move |place, _| of_ids(place).map(|(own, _)| own == *id)),
            Condition::ParentSpanId(id) => {
                Box::new(move |place, _| of_ids(place).map(|(_, parent)| parent == Some(*id)))
            }
            Condition::Root => Box::new(|_, start| Some(start.is_root)),
            Condition::Attribute { within: Within::Span, key, is } => {
                match self.block.having(key, |value| is.matches(value)) {
                    Some(having) => Box::new(move |place, start| having.at(place, start.shape)),
                    None => Box::new(|_, _| None),
                }
            }
            Condition::Attribute { within: Within::Resource, key, is } => {
                self.by_resource(|resource| resource.attributes.get(key).is_some_and(|value| is.matches(value)))
            }
            Condition::Attribute { .. } => Box::new(|_, _| None),
        }
    }

    fn by_shape(self, holds: impl Fn(&StartShape) -> bool) -> Holds<'b> {
        let shapes: Vec<_> = self.block.shapes.iter().map(holds).collect();
        Box::new(move |_, start| shapes.get(start.shape).copied())
    }

    fn by_resource(self, holds: impl Fn(&Resource) -> bool) -> Holds<'b> {
        let mut resources = HashMap::new();
        for start in &self.block.spans {
            let of = |id: i64| self.dictionary.resource(id).ok().map(|resource| holds(&resource));
            resources.entry(start.resource_id).or_insert_with(|| of(start.resource_id));
        }
        Box::new(move |_, start| resources.get(&start.resource_id).copied().flatten())
    }
}
