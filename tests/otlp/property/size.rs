//! How much there is of decoded spans, in parts and in bytes, so that it can be compared with what they were made from.

use std::collections::HashSet;
use std::sync::Arc;

use tracewell::model::{Attributes, Span, Value};

/// The size of some spans. What they share counts once.
#[derive(Default)]
pub(super) struct Size {
    /// Spans, events, links, entities, attributes and values.
    parts: usize,
    /// All texts and bytes.
    bytes: usize,
    /// The deepest value.
    pub(super) depth: usize,
    /// Whether there is a NaN with bits of its own.
    pub(super) has_other_nan: bool,
}

impl Size {
    pub(super) fn of<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Self {
        let mut size = Self::default();
        let (mut resources, mut scopes) = (HashSet::new(), HashSet::new());
        for span in spans {
            size.add_own(span);
            if resources.insert(Arc::as_ptr(&span.resource)) {
                size.add_resource(span);
            }
            if scopes.insert(Arc::as_ptr(&span.scope)) {
                size.texts([&span.scope.name, &span.scope.version, &span.scope.schema_url]);
                size.attributes(&span.scope.attributes, 1);
            }
        }
        size
    }

    /// No part of a request is smaller than a byte, and a byte that is not UTF-8 becomes three.
    pub(super) fn check(&self, body_bytes: usize) {
        assert!(self.parts <= body_bytes, "{} parts of {body_bytes} bytes", self.parts);
        assert!(self.bytes <= 3 * body_bytes, "{} bytes of {body_bytes}", self.bytes);
    }

    fn add_own(&mut self, span: &Span) {
        self.parts += 1;
        self.texts([&span.name, &span.trace_state, &span.status.message]);
        self.attributes(&span.attributes, 1);
        for event in &span.events {
            self.parts += 1;
            self.texts([&event.name]);
            self.attributes(&event.attributes, 1);
        }
        for link in &span.links {
            self.parts += 1;
            self.texts([&link.trace_state]);
            self.attributes(&link.attributes, 1);
        }
    }

    fn add_resource(&mut self, span: &Span) {
        let resource = &span.resource;
        self.texts([&resource.schema_url]);
        self.attributes(&resource.attributes, 1);
        for entity in &resource.entity_refs {
            self.parts += 1;
            self.texts([&entity.schema_url, &entity.entity_type]);
            self.parts += entity.id_keys.len() + entity.description_keys.len();
            self.texts(entity.id_keys.iter().chain(&entity.description_keys));
        }
    }

    fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a String>) {
        self.bytes += texts.into_iter().map(String::len).sum::<usize>();
    }

    fn attributes(&mut self, attributes: &Attributes, depth: usize) {
        for attribute in attributes {
            self.texts([&attribute.key]);
            self.value(&attribute.value, depth);
        }
    }

    fn value(&mut self, value: &Value, depth: usize) {
        self.parts += 1;
        self.depth = self.depth.max(depth);
        match value {
            Value::Null | Value::Bool(_) | Value::Int(_) => {}
            Value::Double(double) => self.has_other_nan |= double.is_nan() && double.to_bits() != f64::NAN.to_bits(),
            Value::String(text) => self.texts([text]),
            Value::Bytes(bytes) => self.bytes += bytes.len(),
            Value::Array(values) => values.iter().for_each(|value| self.value(value, depth + 1)),
            Value::Map(attributes) => self.attributes(attributes, depth + 1),
        }
    }
}
