//! What of a Zipkin span has no place in the model, as one attribute of the span: a map, which no tag can be.
//!
//! Before it stand attributes that are derived for those who ask by OpenTelemetry's names, after it the tags as they were
//! sent; without it, all attributes are tags. A tag of the same name as a derived attribute is found instead of it, since
//! the last one of a key counts.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use super::Endpoint;
use crate::model::{Attribute, Attributes, Keyed, Scope, Span, Value};

/// The attribute's key.
pub const KEY: &str = "zipkin";

/// The scope of every span that came by Zipkin.
static SCOPE: LazyLock<Arc<Keyed<Scope>>> = LazyLock::new(|| {
    Arc::new(Keyed::new(Scope { name: "zipkin".to_owned(), version: "2".to_owned(), ..Scope::default() }))
});

/// See the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// As `shared` of Zipkin's span.
    pub shared: bool,
    /// As `debug` of Zipkin's span.
    pub debug: bool,
    /// The span's start is not its timestamp; it has none.
    pub no_timestamp: bool,
    /// Who reports; the service is not here but in the resource.
    pub local: Endpoint,
    /// Who is on the other side.
    pub remote: Endpoint,
}

/// The scope of every span that came by Zipkin.
#[must_use]
pub fn scope() -> Arc<Keyed<Scope>> {
    Arc::clone(&SCOPE)
}

/// Whether a span came by Zipkin.
#[must_use]
pub fn is_zipkins(span: &Span) -> bool {
    span.scope.key() == SCOPE.key() && span.scope == *SCOPE
}

/// The attributes of these marks: those that are derived, and the map; none when there is nothing to mark.
#[must_use]
pub fn attributes(marks: &Marks) -> Vec<Attribute> {
    if *marks == Marks::default() {
        return Vec::new();
    }
    let mut attributes = Vec::new();
    let mut add = |key: &str, value| attributes.push(Attribute { key: key.to_owned(), value });
    let Endpoint { service, ipv4, ipv6, port } = &marks.remote;
    if !service.is_empty() {
        add("peer.service", Value::String(service.clone()));
    }
    if let Some(address) = ipv4.map(IpAddr::V4).or(ipv6.map(IpAddr::V6)) {
        add("network.peer.address", Value::String(address.to_string()));
    }
    if *port > 0 {
        add("network.peer.port", Value::Int((*port).into()));
    }
    add(KEY, Value::Map(map(marks)));
    attributes
}

fn map(marks: &Marks) -> Attributes {
    let flags = [("shared", marks.shared), ("debug", marks.debug), ("no_timestamp", marks.no_timestamp)];
    let flags = flags.into_iter().filter(|(_, flag)| *flag).map(|(key, flag)| (key, Value::Bool(flag)));
    let sides = [("local", &marks.local), ("remote", &marks.remote)];
    let sides = sides.into_iter().filter(|(_, side)| !side.is_empty());
    flags.chain(sides.map(|(key, side)| (key, Value::Map(side_map(side))))).collect()
}

fn side_map(side: &Endpoint) -> Attributes {
    let mut pairs = Vec::new();
    if !side.service.is_empty() {
        pairs.push(("service", Value::String(side.service.clone())));
    }
    if let Some(ipv4) = side.ipv4 {
        pairs.push(("ipv4", Value::String(ipv4.to_string())));
    }
    if let Some(ipv6) = side.ipv6 {
        pairs.push(("ipv6", Value::String(ipv6.to_string())));
    }
    if side.port > 0 {
        pairs.push(("port", Value::Int(side.port.into())));
    }
    pairs.into_iter().collect()
}

/// The marks and the tags of a span that came by Zipkin.
#[must_use]
pub fn read(attributes: &Attributes) -> (Marks, &[Attribute]) {
    let all = attributes.0.as_slice();
    let at = all.iter().position(|attribute| attribute.key == KEY && matches!(attribute.value, Value::Map(_)));
    let split = at.and_then(|at| all.get(at..)).and_then(<[Attribute]>::split_first);
    match split {
        Some((Attribute { value: Value::Map(map), .. }, tags)) => (marks(map), tags),
        _ => (Marks::default(), all),
    }
}

fn marks(map: &Attributes) -> Marks {
    let flag = |key| map.get(key) == Some(&Value::Bool(true));
    let side = |key| match map.get(key) {
        Some(Value::Map(side)) => endpoint(side),
        _ => Endpoint::default(),
    };
    Marks {
        shared: flag("shared"),
        debug: flag("debug"),
        no_timestamp: flag("no_timestamp"),
        local: side("local"),
        remote: side("remote"),
    }
}

fn endpoint(map: &Attributes) -> Endpoint {
    let port = match map.get("port") {
        Some(Value::Int(port)) => u16::try_from(*port).unwrap_or_default(),
        _ => 0,
    };
    Endpoint {
        service: map.get_text("service").unwrap_or_default().to_owned(),
        ipv4: map.get_text("ipv4").and_then(|text| text.parse().ok()),
        ipv6: map.get_text("ipv6").and_then(|text| text.parse().ok()),
        port,
    }
}
