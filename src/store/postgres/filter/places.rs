//! A filter and a search on the places of a block that was opened: which spans are worth making. All but what can not be
//! read is told exactly, so that hardly a span is made in vain.

use std::collections::HashMap;

use super::{Attribute, Test, Told};
use crate::model::{AttributeCondition, AttributeScope, Attributes, Event, Link, Search};
use crate::store::postgres::block::{Head, Shape, StoredBlock};
use crate::store::postgres::row::Dictionary;
use crate::store::{StoreError, Watermark, json};

/// Whether something may hold of the span at a place.
type MayHold<'b> = Box<dyn Fn(usize) -> bool + 'b>;

/// A block, and what its spans refer to.
#[derive(Clone, Copy)]
pub(in crate::store::postgres) struct Places<'b> {
    pub(in crate::store::postgres) block: &'b StoredBlock,
    pub(in crate::store::postgres) dictionary: &'b Dictionary,
}

impl<'b> Places<'b> {
    /// Where the spans are that had arrived by then, that may match, and on which the filter may hold.
    pub(in crate::store::postgres) fn of(
        self,
        search: &'b Search,
        told: &'b Told,
        as_of: Option<Watermark>,
    ) -> Vec<usize> {
        let shapes = self.by_shape(|shape| shape_may_match(shape, search));
        let conditions: Vec<_> = search.attributes.iter().map(|condition| self.condition(condition)).collect();
        let filter = self.told(told);
        let may_match = |place: &usize, head: &Head| {
            as_of.is_none_or(|as_of| head.received_micros <= as_of.0)
                && head_may_match(head, search)
                && shapes(*place)
                && conditions.iter().all(|may_hold| may_hold(*place))
                && filter(*place)
        };
        let heads = self.block.heads().iter().enumerate();
        heads.filter(|(place, head)| may_match(place, head)).map(|(place, _)| place).collect()
    }

    fn told(self, told: &'b Told) -> MayHold<'b> {
        match told {
            Told::Is(test) => self.test(test),
            Told::All(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.told(part)).collect();
                Box::new(move |place| parts.iter().all(|may_hold| may_hold(place)))
            }
            Told::OneOf(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.told(part)).collect();
                Box::new(move |place| parts.iter().any(|may_hold| may_hold(place)))
            }
        }
    }

    fn test(self, test: &'b Test) -> MayHold<'b> {
        match test {
            Test::Service { ids, .. } => {
                let is_one = ids.as_ref().is_none_or(|ids| ids.contains(&self.block.service_id));
                Box::new(move |_| is_one)
            }
            Test::Name { is, .. } => self.by_shape(|shape| is.matches(&shape.name)),
            Test::Kind(kind) => self.by_shape(|shape| shape.kind == *kind),
            Test::Status(code) => self.by_shape(|shape| shape.status == *code),
            Test::Duration { min_nanos, max_nanos } => {
                self.by_head(|head| (*min_nanos..=*max_nanos).contains(&head.duration_nanos))
            }
            Test::TraceId(id) => self.by_head(|head| head.trace_id == *id),
            Test::SpanId(id) => self.by_head(|head| head.span_id == *id),
            Test::ParentSpanId(id) => Box::new(move |place| self.block.parent(place) == Some(*id)),
            Test::Root => Box::new(move |place| self.block.parent(place).is_none()),
            Test::OfSpan(attribute) => Box::new(self.block.having(&attribute.key, |value| attribute.is.matches(value))),
            Test::OfEvent(attribute) => self.in_list(attribute, StoredBlock::events, |text| {
                json::read_events(text).map(|events| attribute.is_in_one_of(&events, |event: &Event| &event.attributes))
            }),
            Test::OfLink(attribute) => self.in_list(attribute, StoredBlock::links, |text| {
                json::read_links(text).map(|links| attribute.is_in_one_of(&links, |link: &Link| &link.attributes))
            }),
            Test::OfResource { attribute, .. } => self.by_resource(|attributes| attribute.is_of(attributes)),
            Test::OfScope { attribute, .. } => self.by_shape(|shape| {
                self.dictionary.scope(shape.scope_id).map_or(true, |scope| attribute.is_of(&scope.attributes))
            }),
            Test::More => Box::new(|_| true),
        }
    }

    fn condition(self, condition: &'b AttributeCondition) -> MayHold<'b> {
        let in_span = move || self.block.having(&condition.key, |value| *value == condition.value);
        let in_resource =
            move || self.by_resource(|attributes| attributes.get(&condition.key) == Some(&condition.value));
        match condition.scope {
            AttributeScope::Span => Box::new(in_span()),
            AttributeScope::Resource => in_resource(),
            AttributeScope::Any => {
                let (in_span, in_resource) = (in_span(), in_resource());
                Box::new(move |place| in_resource(place) || in_span(place))
            }
        }
    }

    /// What is the same for all spans of a shape.
    fn by_shape(self, holds: impl Fn(&Shape) -> bool) -> MayHold<'b> {
        let shapes: Vec<_> = self.block.shapes().iter().map(holds).collect();
        self.by_head(move |head| shapes.get(head.shape).copied().unwrap_or(true))
    }

    /// What is the same for all spans of a resource. One that is not there is told of when a span is made of it.
    fn by_resource(self, holds: impl Fn(&Attributes) -> bool) -> MayHold<'b> {
        let of_resource = |id: &i64| {
            let holds = self.dictionary.resource(*id).map_or(true, |resource| holds(&resource.attributes));
            (*id, holds)
        };
        let resources: HashMap<_, _> = self.block.resource_ids().iter().map(of_resource).collect();
        self.by_head(move |head| resources.get(&head.resource_id).copied().unwrap_or(true))
    }

    fn by_head(self, holds: impl Fn(&Head) -> bool + 'b) -> MayHold<'b> {
        Box::new(move |place| self.block.heads().get(place).is_none_or(&holds))
    }

    /// What is in the text of events or links, which is read when the key stands in it.
    fn in_list(
        self,
        attribute: &'b Attribute,
        text_of: fn(&StoredBlock, usize) -> &str,
        has: impl Fn(&[u8]) -> Result<bool, StoreError> + 'b,
    ) -> MayHold<'b> {
        // A key that may be printed in another way than it came is always looked for.
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
        let key = if attribute.key.bytes().all(is_plain) { format!("\"{}\": ", attribute.key) } else { String::new() };
        Box::new(move |place| {
            let text = text_of(self.block, place);
            !text.is_empty() && text.contains(&key) && has(text.as_bytes()).unwrap_or(true)
        })
    }
}

impl Attribute {
    fn is_of(&self, attributes: &Attributes) -> bool {
        attributes.get(&self.key).is_some_and(|value| self.is.matches(value))
    }

    fn is_in_one_of<T>(&self, items: &[T], attributes: impl Fn(&T) -> &Attributes) -> bool {
        items.iter().any(|item| self.is_of(attributes(item)))
    }
}

fn shape_may_match(shape: &Shape, search: &Search) -> bool {
    search.span_name.as_ref().is_none_or(|name| *name == shape.name)
        && search.kind.is_none_or(|kind| kind == shape.kind)
        && search.status.is_none_or(|status| status == shape.status)
}

fn head_may_match(head: &Head, search: &Search) -> bool {
    search.start_min.is_none_or(|min| head.start >= min)
        && search.start_max.is_none_or(|max| head.start < max)
        && search.duration_min_nanos.is_none_or(|min| head.duration_nanos >= min)
        && search.duration_max_nanos.is_none_or(|max| head.duration_nanos <= max)
}
