//! A filter on the spans of a block of which no more was read than their starts and what it needs. Here it is told exactly,
//! or not at all: [`Needs`] says which filters can be.

use std::collections::{BTreeSet, HashMap};

use crate::model::{AttributeIs, Attributes, Condition, Filter, Resource, Within};
use crate::store::postgres::block::{BlockStarts, SpanStart, StartColumns, StartShape};
use crate::store::postgres::row::Dictionary;

/// What has to be read for a filter.
#[derive(Debug, Default)]
pub(super) struct Needs<'f> {
    pub(super) columns: StartColumns,
    /// The keys of the spans' own attributes.
    pub(super) keys: BTreeSet<&'f String>,
    /// The keys that are looked for anywhere.
    pub(super) elsewhere: BTreeSet<&'f String>,
    /// Whether it asks for what is not read here: events and links.
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
        let columns = &mut self.columns;
        match condition {
            Condition::Name(_) | Condition::Kind(_) | Condition::Status(_) => columns.shapes = true,
            Condition::Duration { .. } => columns.durations = true,
            Condition::SpanId(_) => columns.ids = true,
            Condition::ParentSpanId(_) => (columns.ids, columns.parents) = (true, true),
            Condition::Root => columns.parents = true,
            Condition::TraceId(_) => {}
            Condition::Service(_) => columns.resources = true,
            Condition::Attribute { within, key, .. } => self.add_attribute(*within, key),
        }
    }

    fn add_attribute(&mut self, within: Within, key: &'f String) {
        match within {
            Within::Span => {
                self.keys.insert(key);
            }
            Within::Resource => self.columns.resources = true,
            Within::Scope => self.columns.scopes = true,
            Within::Anywhere => {
                (self.columns.resources, self.columns.scopes) = (true, true);
                self.keys.insert(key);
                self.elsewhere.insert(key);
            }
            Within::Event | Within::Link => self.is_more = true,
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
            Filter::All(filters) => {
                let parts: Vec<_> = filters.iter().map(|filter| self.holds(filter)).collect();
                let not = |holds: bool| !holds;
                Box::new(move |place, start| one_of(parts.iter().map(|part| part(place, start).map(not))).map(not))
            }
            Filter::OneOf(filters) => {
                let parts: Vec<_> = filters.iter().map(|filter| self.holds(filter)).collect();
                Box::new(move |place, start| one_of(parts.iter().map(|part| part(place, start))))
            }
            Filter::Is(condition) => self.condition(condition),
        }
    }

    fn condition(self, condition: &'b Condition) -> Holds<'b> {
        match condition {
            Condition::Service(is) => self.by_resource(|resource| is.matches(resource.service())),
            Condition::Name(is) => self.by_shape(|(name, _, _)| is.matches(name)),
            Condition::Kind(wanted) => self.by_shape(|(_, kind, _)| kind == wanted),
            Condition::Status(wanted) => self.by_shape(|(_, _, status)| status == wanted),
            Condition::Duration { min_nanos, max_nanos } => {
                Box::new(|_, start| Some((*min_nanos..=*max_nanos).contains(&start.duration_nanos)))
            }
            Condition::TraceId(id) => Box::new(|_, start| Some(start.trace_id == *id)),
            Condition::SpanId(id) => Box::new(move |place, _| self.block.ids.get(place).map(|own| own == id)),
            Condition::ParentSpanId(id) => {
                Box::new(move |place, _| self.block.parents.get(place).map(|parent| *parent == Some(*id)))
            }
            Condition::Root => Box::new(|_, start| Some(start.is_root)),
            Condition::Attribute { within, key, is } => self.attribute(*within, key, is),
        }
    }

    fn attribute(self, within: Within, key: &'b String, is: &'b AttributeIs) -> Holds<'b> {
        let is_in = |attributes: &Attributes| attributes.get(key).is_some_and(|value| is.matches(value));
        match within {
            Within::Span => match self.block.having(key, |value| is.matches(value)) {
                Some(having) => Box::new(move |place, start| having.at(place, start.shape)),
                None => Box::new(|_, _| None),
            },
            Within::Resource => self.by_resource(|resource| is_in(&resource.attributes)),
            Within::Scope => {
                let holds = |id: &i64| self.dictionary.scope(*id).ok().map(|scope| is_in(&scope.attributes));
                let scopes: Vec<_> = self.block.scope_ids.iter().map(holds).collect();
                Box::new(move |_, start| scopes.get(start.shape).copied().flatten())
            }
            // Whoever asks knows that it is in no event and in no link.
            Within::Anywhere => {
                let places = [Within::Span, Within::Resource, Within::Scope];
                let parts = places.map(|within| self.attribute(within, key, is));
                Box::new(move |place, start| one_of(parts.iter().map(|part| part(place, start))))
            }
            Within::Event | Within::Link => Box::new(|_, _| None),
        }
    }

    /// What is the same for all spans of a shape.
    fn by_shape(self, holds: impl Fn(&StartShape) -> bool) -> Holds<'b> {
        let shapes: Vec<_> = self.block.shapes.iter().map(holds).collect();
        Box::new(move |_, start| shapes.get(start.shape).copied())
    }

    /// What is the same for all spans of a resource.
    fn by_resource(self, holds: impl Fn(&Resource) -> bool) -> Holds<'b> {
        let of = |id: &i64| (*id, self.dictionary.resource(*id).ok().map(|resource| holds(&resource)));
        let resources: HashMap<_, _> = self.block.resource_ids.iter().map(of).collect();
        Box::new(move |_, start| resources.get(&start.resource_id).copied().flatten())
    }
}

/// Whether one of these holds; when none does, one that can not be read may.
fn one_of(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut one_of = Some(false);
    for holds in all {
        match holds {
            Some(true) => return Some(true),
            Some(false) => {}
            None => one_of = None,
        }
    }
    one_of
}
