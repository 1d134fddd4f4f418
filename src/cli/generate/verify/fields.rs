//! A span as a list of named fields, so that the first difference between two of them has a name.

use std::fmt::Debug;

use crate::model::{Attributes, Event, Link, Resource, Scope, Span};

/// At most so many characters of a value are shown.
const SHOWN_CHARS_MAX: usize = 120;

/// A span as it came back, with what the query service derives from it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) span: Span,
    pub(super) service: String,
    pub(super) node: String,
    pub(super) duration_nanos: u64,
}

impl Seen {
    /// How a span should come back.
    fn of(span: &Span) -> Self {
        Self {
            span: span.clone(),
            service: span.resource.service().to_owned(),
            node: span.resource.node().unwrap_or_default().to_owned(),
            duration_nanos: span.duration_nanos(),
        }
    }

    fn is(&self, span: &Span) -> bool {
        self.span == *span
            && self.service == span.resource.service()
            && self.node == span.resource.node().unwrap_or_default()
            && self.duration_nanos == span.duration_nanos()
    }
}

/// The first field that is not as it was sent, with both values.
pub(super) fn difference(sent: &Span, seen: &Seen) -> Option<String> {
    if seen.is(sent) {
        return None;
    }
    let (sent, seen) = (fields(&Seen::of(sent)), fields(seen));
    let place = sent.iter().zip(&seen).position(|(sent, seen)| sent != seen).unwrap_or(sent.len().min(seen.len()));
    let name = |field: Option<&(String, String)>| field.map_or("nothing more", |(name, _)| name.as_str()).to_owned();
    let (expected, found) = (sent.get(place), seen.get(place));
    if expected.map(|(name, _)| name) != found.map(|(name, _)| name) {
        return Some(format!("has {} where {} was sent", name(found), name(expected)));
    }
    let value = |field: Option<&(String, String)>| field.map(|(_, value)| shorten(value)).unwrap_or_default();
    Some(format!("has {} {}, sent was {}", name(found), value(found), value(expected)))
}

fn shorten(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// The fields' names and values.
struct Fields(Vec<(String, String)>);

fn fields(seen: &Seen) -> Vec<(String, String)> {
    let Seen { span, service, node, duration_nanos } = seen;
    let mut fields = Fields(Vec::new());
    fields.add("trace_id", span.trace_id);
    fields.add("span_id", span.span_id);
    fields.add("parent_span_id", span.parent_span_id);
    fields.add("service", service);
    fields.add("node", node);
    fields.add("name", &span.name);
    fields.add("kind", span.kind);
    fields.add("start_time", span.start.0);
    fields.add("end_time", span.end.0);
    fields.add("duration", duration_nanos);
    fields.add("status", &span.status);
    fields.add("trace_state", &span.trace_state);
    fields.add("flags", span.flags);
    fields.attributes("", &span.attributes, span.dropped_attributes_count);
    span.events.iter().enumerate().for_each(|(place, event)| fields.event(place, event));
    fields.add("dropped_events_count", span.dropped_events_count);
    span.links.iter().enumerate().for_each(|(place, link)| fields.link(place, link));
    fields.add("dropped_links_count", span.dropped_links_count);
    fields.resource(&span.resource);
    fields.scope(&span.scope);
    fields.0
}

impl Fields {
    fn add(&mut self, name: impl Into<String>, value: impl Debug) {
        self.0.push((name.into(), format!("{value:?}")));
    }

    fn attributes(&mut self, of: &str, attributes: &Attributes, dropped: u32) {
        for attribute in attributes {
            self.add(format!("{of}attributes[{:?}]", attribute.key), &attribute.value);
        }
        self.add(format!("{of}dropped_attributes_count"), dropped);
    }

    fn event(&mut self, place: usize, event: &Event) {
        let of = format!("events[{place}].");
        self.add(format!("{of}time"), event.time.0);
        self.add(format!("{of}name"), &event.name);
        self.attributes(&of, &event.attributes, event.dropped_attributes_count);
    }

    fn link(&mut self, place: usize, link: &Link) {
        let of = format!("links[{place}].");
        self.add(format!("{of}trace_id"), link.trace_id);
        self.add(format!("{of}span_id"), link.span_id);
        self.add(format!("{of}trace_state"), &link.trace_state);
        self.add(format!("{of}flags"), link.flags);
        self.attributes(&of, &link.attributes, link.dropped_attributes_count);
    }

    fn resource(&mut self, resource: &Resource) {
        self.attributes("resource.", &resource.attributes, resource.dropped_attributes_count);
        self.add("resource.entity_refs", &resource.entity_refs);
        self.add("resource.schema_url", &resource.schema_url);
    }

    fn scope(&mut self, scope: &Scope) {
        self.add("scope.name", &scope.name);
        self.add("scope.version", &scope.version);
        self.attributes("scope.", &scope.attributes, scope.dropped_attributes_count);
        self.add("scope.schema_url", &scope.schema_url);
    }
}
