//! Zipkin's JSON of a span: what is not known is left out.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Annotation, Endpoint, Span};

/// So many digits of a trace id are left out when they are zeros: it was a 64-bit one.
const UPPER_DIGITS: usize = 16;

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("traceId", &trace_id(self))?;
        if let Some(parent_id) = self.parent_id {
            map.serialize_entry("parentId", &parent_id.to_string())?;
        }
        map.serialize_entry("id", &self.id.to_string())?;
        if let Some(kind) = self.kind {
            map.serialize_entry("kind", kind.name())?;
        }
        if !self.name.is_empty() {
            map.serialize_entry("name", &self.name)?;
        }
        for (name, micros) in [("timestamp", self.timestamp), ("duration", self.duration)] {
            if micros > 0 {
                map.serialize_entry(name, &micros)?;
            }
        }
        for (name, endpoint) in [("localEndpoint", &self.local), ("remoteEndpoint", &self.remote)] {
            if !endpoint.is_empty() {
                map.serialize_entry(name, endpoint)?;
            }
        }
        if !self.annotations.is_empty() {
            map.serialize_entry("annotations", &self.annotations)?;
        }
        if !self.tags.is_empty() {
            map.serialize_entry("tags", &self.tags)?;
        }
        for (name, flag) in [("debug", self.debug), ("shared", self.shared)] {
            if flag {
                map.serialize_entry(name, &true)?;
            }
        }
        map.end()
    }
}

fn trace_id(span: &Span) -> String {
    let whole = span.trace_id.to_string();
    match whole.split_at_checked(UPPER_DIGITS) {
        Some((upper, lower)) if upper.bytes().all(|digit| digit == b'0') => lower.to_owned(),
        _ => whole,
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.service.is_empty() {
            map.serialize_entry("serviceName", &self.service)?;
        }
        if let Some(ipv4) = self.ipv4 {
            map.serialize_entry("ipv4", &ipv4.to_string())?;
        }
        if let Some(ipv6) = self.ipv6 {
            map.serialize_entry("ipv6", &ipv6.to_string())?;
        }
        if self.port > 0 {
            map.serialize_entry("port", &self.port)?;
        }
        map.end()
    }
}

impl Serialize for Annotation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        map.serialize_entry("value", &self.value)?;
        map.end()
    }
}
