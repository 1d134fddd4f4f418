//! What a query may name of a span: attributes by scope and name, and intrinsics by either of their spellings.

/// Something that a span has, or has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// An attribute with this name.
    Attribute {
        /// Where it is looked for.
        scope: Scope,
        /// Its key.
        name: String,
    },
    /// What every span has, or its trace.
    Intrinsic(Intrinsic),
}

/// Where an attribute is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `.name`: the span, its resource, its events, its links, its instrumentation; the first that has it.
    Any,
    /// `span.name`
    Span,
    /// `resource.name`
    Resource,
    /// `event.name`: one value for each event that has it.
    Event,
    /// `link.name`: one value for each link that has it.
    Link,
    /// `instrumentation.name`
    Instrumentation,
}

impl Scope {
    /// Every scope that has a word.
    pub const NAMED: [Self; 5] = [Self::Span, Self::Resource, Self::Event, Self::Link, Self::Instrumentation];

    /// The word before the dot; empty for [`Scope::Any`].
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Span => "span",
            Self::Resource => "resource",
            Self::Event => "event",
            Self::Link => "link",
            Self::Instrumentation => "instrumentation",
        }
    }
}

/// What is known of every span without attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intrinsic {
    /// The span's duration.
    Duration,
    /// Its name.
    Name,
    /// Its status code.
    Status,
    /// The text that came with its status.
    StatusMessage,
    /// Its kind.
    Kind,
    /// Its id, in hex.
    SpanId,
    /// Its parent's id, in hex; missing for a root.
    ParentId,
    /// How many spans name it as their parent.
    ChildCount,
    /// Its number on the way down a walk over the trace.
    NestedSetLeft,
    /// Its number on the way up.
    NestedSetRight,
    /// Its parent's number on the way down; -1 for a root.
    NestedSetParent,
    /// From the trace's first start to its last end.
    TraceDuration,
    /// The name of the trace's root.
    RootName,
    /// The service of the trace's root.
    RootService,
    /// The trace's id, in hex.
    TraceId,
    /// The names of its events.
    EventName,
    /// How long after its start its events happened.
    EventTimeSinceStart,
    /// The traces of its links, in hex.
    LinkTraceId,
    /// The spans of its links, in hex.
    LinkSpanId,
    /// The name of its instrumentation.
    InstrumentationName,
    /// The version of its instrumentation.
    InstrumentationVersion,
}

impl Intrinsic {
    /// Every intrinsic with its spellings; the first one is printed.
    pub const SPELLINGS: [(Self, &'static [&'static str]); 21] = [
        (Self::Duration, &["duration", "span:duration"]),
        (Self::Name, &["name", "span:name"]),
        (Self::Status, &["status", "span:status"]),
        (Self::StatusMessage, &["statusMessage", "span:statusMessage"]),
        (Self::Kind, &["kind", "span:kind"]),
        (Self::SpanId, &["span:id"]),
        (Self::ParentId, &["span:parentID"]),
        (Self::ChildCount, &["span:childCount", "childCount"]),
        (Self::NestedSetLeft, &["nestedSetLeft"]),
        (Self::NestedSetRight, &["nestedSetRight"]),
        (Self::NestedSetParent, &["nestedSetParent"]),
        (Self::TraceDuration, &["traceDuration", "trace:duration"]),
        (Self::RootName, &["rootName", "trace:rootName"]),
        (Self::RootService, &["rootServiceName", "trace:rootService"]),
        (Self::TraceId, &["trace:id"]),
        (Self::EventName, &["event:name"]),
        (Self::EventTimeSinceStart, &["event:timeSinceStart"]),
        (Self::LinkTraceId, &["link:traceID"]),
        (Self::LinkSpanId, &["link:spanID"]),
        (Self::InstrumentationName, &["instrumentation:name"]),
        (Self::InstrumentationVersion, &["instrumentation:version"]),
    ];

    /// The intrinsic that is spelled so.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let mut all = Self::SPELLINGS.iter();
        all.find(|(_, spellings)| spellings.contains(&word)).map(|(intrinsic, _)| *intrinsic)
    }

    /// The spelling that is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::SPELLINGS.iter().find(|(intrinsic, _)| *intrinsic == self);
        found.and_then(|(_, spellings)| spellings.first()).copied().unwrap_or_default()
    }
}
