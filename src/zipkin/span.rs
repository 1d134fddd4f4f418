//! A span as Zipkin's v2 API has it: what is shown, merged and linked. Times are microseconds; 0 is none, as with Zipkin.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::{SpanId, TraceId};

/// One report about an operation; others may say more of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace it belongs to. With an upper half of zeros it is shown in 16 digits, as Zipkin does.
    pub trace_id: TraceId,
    /// The span that caused it; `None` for a root.
    pub parent_id: Option<SpanId>,
    /// Its own id; both sides of a call may have the same one.
    pub id: SpanId,
    /// Its role in a call; `None` when it is local.
    pub kind: Option<Kind>,
    /// What the operation is called; may be empty.
    pub name: String,
    /// When it began, or 0.
    pub timestamp: u64,
    /// How long it took, or 0.
    pub duration: u64,
    /// Who reports.
    pub local: Endpoint,
    /// Who is on the other side.
    pub remote: Endpoint,
    /// What happened when, by time.
    pub annotations: Vec<Annotation>,
    /// What is known of it.
    pub tags: BTreeMap<String, String>,
    /// Whether it was to be stored whatever the sampling says.
    pub debug: bool,
    /// Whether its id is that of the other side's span.
    pub shared: bool,
}

/// A role in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Makes it.
    Client,
    /// Answers it.
    Server,
    /// Hands a message to a broker.
    Producer,
    /// Takes one from it.
    Consumer,
}

impl Kind {
    /// Every kind by its name.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("CLIENT", Self::Client),
        ("SERVER", Self::Server),
        ("PRODUCER", Self::Producer),
        ("CONSUMER", Self::Consumer),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map(|(name, _)| *name).unwrap_or_default()
    }
}

/// A side of a call, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Endpoint {
    /// Its service; empty when nobody knows.
    pub service: String,
    /// Its address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its address.
    pub ipv6: Option<Ipv6Addr>,
    /// Its port, or 0.
    pub port: u16,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Annotation {
    /// When.
    pub timestamp: u64,
    /// What.
    pub value: String,
}

impl Endpoint {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Span {
    /// Whether the operation failed: Zipkin goes by the tag alone.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.tags.contains_key("error")
    }
}

/// What tests start from.
#[cfg(test)]
impl Span {
    /// A span with this id and nothing that may be left out.
    pub(super) fn example(id: u8) -> Self {
        Self {
            trace_id: TraceId::from_slice(&[1; 16]).unwrap(),
            parent_id: None,
            id: SpanId::from_slice(&[id; 8]).unwrap(),
            kind: None,
            name: String::new(),
            timestamp: 0,
            duration: 0,
            local: Endpoint::default(),
            remote: Endpoint::default(),
            annotations: Vec::new(),
            tags: BTreeMap::new(),
            debug: false,
            shared: false,
        }
    }
}
