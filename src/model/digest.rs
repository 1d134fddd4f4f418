//! Content digests: XXH3 of a canonical byte form, in which every length is written down.
//!
//! The form is part of what is stored (resource and scope keys, span digests), so it never changes: a new field of
//! OTLP may only be appended, and only when it is not at its default.

use xxhash_rust::xxh3::xxh3_128;

use super::search::{AttributeCondition, AttributeScope, Search, SearchFields};
use super::{Attributes, EntityRef, Event, Link, Resource, Scope, Span, Value};

/// Something whose whole content has a canonical byte form.
pub trait Content {
    /// Appends the canonical form.
    fn feed(&self, out: &mut Vec<u8>);
}

/// The digest of the whole content.
pub(super) fn of(content: &impl Content) -> u128 {
    let mut form = Vec::with_capacity(1_024);
    content.feed(&mut form);
    xxh3_128(&form)
}

/// The lower 64 bits, as a database's signed integer.
pub(super) fn low_half(digest: u128) -> i64 {
    let bytes = digest.to_le_bytes();
    i64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

impl Content for Span {
    fn feed(&self, out: &mut Vec<u8>) {
        out.extend(self.trace_id.as_bytes());
        out.extend(self.span_id.as_bytes());
        out.extend(self.parent_span_id.as_ref().map_or(&[0; 8], |id| id.as_bytes()));
        text(&self.trace_state, out);
        out.extend(self.flags.to_le_bytes());
        text(&self.name, out);
        out.extend(self.kind.0.to_le_bytes());
        out.extend(self.start.0.to_le_bytes());
        out.extend(self.end.0.to_le_bytes());
        self.attributes.feed(out);
        out.extend(self.dropped_attributes_count.to_le_bytes());
        list(&self.events, out);
        out.extend(self.dropped_events_count.to_le_bytes());
        list(&self.links, out);
        out.extend(self.dropped_links_count.to_le_bytes());
        out.extend(self.status.code.0.to_le_bytes());
        text(&self.status.message, out);
        out.extend(self.resource.key().to_le_bytes());
        out.extend(self.scope.key().to_le_bytes());
    }
}

impl Content for Event {
    fn feed(&self, out: &mut Vec<u8>) {
        out.extend(self.time.0.to_le_bytes());
        text(&self.name, out);
        self.attributes.feed(out);
        out.extend(self.dropped_attributes_count.to_le_bytes());
    }
}

impl Content for Link {
    fn feed(&self, out: &mut Vec<u8>) {
        out.extend(self.trace_id.as_ref().map_or(&[0; 16], |id| id.as_bytes()));
        out.extend(self.span_id.as_ref().map_or(&[0; 8], |id| id.as_bytes()));
        text(&self.trace_state, out);
        self.attributes.feed(out);
        out.extend(self.dropped_attributes_count.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
    }
}

impl Content for Resource {
    fn feed(&self, out: &mut Vec<u8>) {
        out.push(b'R');
        self.attributes.feed(out);
        out.extend(self.dropped_attributes_count.to_le_bytes());
        list(&self.entity_refs, out);
        text(&self.schema_url, out);
    }
}

impl Content for EntityRef {
    fn feed(&self, out: &mut Vec<u8>) {
        text(&self.schema_url, out);
        text(&self.entity_type, out);
        for keys in [&self.id_keys, &self.description_keys] {
            length(keys.len(), out);
            for key in keys {
                text(key, out);
            }
        }
    }
}

impl Content for Scope {
    fn feed(&self, out: &mut Vec<u8>) {
        out.push(b'S');
        text(&self.name, out);
        text(&self.version, out);
        self.attributes.feed(out);
        out.extend(self.dropped_attributes_count.to_le_bytes());
        text(&self.schema_url, out);
    }
}

impl Content for Attributes {
    fn feed(&self, out: &mut Vec<u8>) {
        length(self.0.len(), out);
        for attribute in self {
            text(&attribute.key, out);
            attribute.value.feed(out);
        }
    }
}

impl Content for Value {
    fn feed(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::String(string) => {
                out.push(1);
                text(string, out);
            }
            Self::Bool(bool) => out.extend([2, u8::from(*bool)]),
            Self::Int(int) => {
                out.push(3);
                out.extend(int.to_le_bytes());
            }
            Self::Double(double) => {
                out.push(4);
                out.extend(double.to_bits().to_le_bytes());
            }
            Self::Bytes(bytes) => {
                out.push(5);
                length(bytes.len(), out);
                out.extend(bytes);
            }
            Self::Array(values) => {
                out.push(6);
                list(values, out);
            }
            Self::Map(attributes) => {
                out.push(7);
                attributes.feed(out);
            }
        }
    }
}

impl Content for Search {
    fn feed(&self, out: &mut Vec<u8>) {
        let SearchFields {
            start_min,
            start_max,
            service,
            node,
            span_name,
            kind,
            status,
            duration_min_nanos,
            duration_max_nanos,
            attributes,
        } = &**self;
        for nanos in [start_min.map(|time| time.0), start_max.map(|time| time.0)] {
            option(nanos.map(u64::to_le_bytes), out);
        }
        for exact in [service, node, span_name] {
            option(exact.is_some().then_some([]), out);
            text(exact.as_deref().unwrap_or_default(), out);
        }
        for number in [kind.map(|kind| kind.0), status.map(|status| status.0)] {
            option(number.map(i32::to_le_bytes), out);
        }
        for nanos in [duration_min_nanos, duration_max_nanos] {
            option(nanos.map(u64::to_le_bytes), out);
        }
        list(attributes, out);
    }
}

impl Content for AttributeCondition {
    fn feed(&self, out: &mut Vec<u8>) {
        out.push(match self.scope {
            AttributeScope::Any => 0,
            AttributeScope::Span => 1,
            AttributeScope::Resource => 2,
        });
        text(&self.key, out);
        self.value.feed(out);
    }
}

fn option<const N: usize>(bytes: Option<[u8; N]>, out: &mut Vec<u8>) {
    out.push(u8::from(bytes.is_some()));
    out.extend(bytes.into_iter().flatten());
}

fn list(items: &[impl Content], out: &mut Vec<u8>) {
    length(items.len(), out);
    for item in items {
        item.feed(out);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    length(text.len(), out);
    out.extend(text.as_bytes());
}

fn length(length: usize, out: &mut Vec<u8>) {
    out.extend(u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{
        Attributes, EntityRef, Event, Keyed, Link, Resource, Scope, Span, SpanKind, Status, StatusCode,
    };
    use super::super::{SpanId, TraceId, UnixNanos, Value};

    fn span() -> Span {
        let attributes: Attributes = [("k", Value::Array(vec![Value::Int(1), Value::Null]))].into_iter().collect();
        let entity_refs = vec![EntityRef { entity_type: "host".to_owned(), ..EntityRef::default() }];
        Span {
            trace_id: TraceId::from_slice(&[1; 16]).unwrap(),
            span_id: SpanId::from_slice(&[2; 8]).unwrap(),
            parent_span_id: None,
            trace_state: "a=b".to_owned(),
            flags: 1,
            name: "n".to_owned(),
            kind: SpanKind::SERVER,
            start: UnixNanos(3),
            end: UnixNanos(4),
            attributes: attributes.clone(),
            dropped_attributes_count: 0,
            events: vec![Event { name: "e".to_owned(), ..Event::default() }],
            dropped_events_count: 0,
            links: vec![Link { flags: 1, ..Link::default() }],
            dropped_links_count: 0,
            status: Status { code: StatusCode::OK, message: String::new() },
            resource: Arc::new(Keyed::new(Resource { attributes, entity_refs, ..Resource::default() })),
            scope: Arc::new(Keyed::new(Scope { name: "s".to_owned(), ..Scope::default() })),
        }
    }

    /// Stored digests must mean the same for ever: a change of these numbers is a change of the stored format.
    #[test]
    fn the_form_does_not_change() {
        let span = span();
        assert_eq!(span.digest(), 286_861_075_372_521_187_022_127_776_506_948_765_792);
        assert_eq!(span.resource.key(), 5_215_980_534_602_563_672);
        assert_eq!(span.scope.key(), -6_383_545_220_009_947_771);
    }

    /// One change to each field, and to nothing else, gives another digest.
    #[test]
    fn every_field_counts() {
        let changes: [fn(&mut Span); 22] = [
            |span| span.trace_id = TraceId::from_slice(&[9; 16]).unwrap(),
            |span| span.span_id = SpanId::from_slice(&[9; 8]).unwrap(),
            |span| span.parent_span_id = Some(SpanId::from_slice(&[9; 8]).unwrap()),
            |span| span.trace_state.push('x'),
            |span| span.flags = 2,
            |span| span.name.push('x'),
            |span| span.kind = SpanKind(77),
            |span| span.start = UnixNanos(9),
            |span| span.end = UnixNanos(9),
            |span| span.attributes.0[0].value = Value::Array(vec![Value::Double(1.0), Value::Null]),
            |span| span.dropped_attributes_count = 9,
            |span| span.events[0].time = UnixNanos(9),
            |span| span.events[0].name.push('x'),
            |span| span.events[0].dropped_attributes_count = 9,
            |span| span.dropped_events_count = 9,
            |span| span.links[0].trace_state.push('x'),
            |span| span.links[0].flags = 9,
            |span| span.dropped_links_count = 9,
            |span| span.status.code = StatusCode(9),
            |span| span.status.message.push('x'),
            |span| span.resource = Arc::new(Keyed::new(Resource::default())),
            |span| span.scope = Arc::new(Keyed::new(Scope::default())),
        ];
        let mut digests = std::collections::HashSet::from([span().digest()]);
        for (index, change) in changes.iter().enumerate() {
            let mut other = span();
            change(&mut other);
            assert!(digests.insert(other.digest()), "change {index} made no difference");
        }
    }

    #[test]
    fn lengths_are_part_of_the_form() {
        let key = |a: &str, b: &str| Keyed::new(Scope { name: a.into(), version: b.into(), ..Scope::default() }).key();
        assert_ne!(key("ab", "c"), key("a", "bc"));
    }
}
