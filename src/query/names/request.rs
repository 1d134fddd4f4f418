//! What can be listed, and of which spans. A request that is made can be answered.

use xxhash_rust::xxh3::Xxh3;

use super::source::Source;
use crate::model::{Listing, UnixNanos, Within};
use crate::query::QueryError;
use crate::traceql::tree::{Body, Intrinsic, Pipeline, Reference, Scope};
use crate::traceql::{self, Query};

/// Of what a list is.
#[derive(Debug, Clone, Default)]
pub struct NamesOf {
    pub(super) prefix: String,
    pub(super) start_min: Option<UnixNanos>,
    pub(super) start_max: Option<UnixNanos>,
    pub(super) query: Option<Pipeline>,
}

impl NamesOf {
    /// Items that begin with a prefix, of spans that start in these times and that a query finds.
    ///
    /// # Errors
    /// Times that exclude everything, and a query that finds no spans.
    pub fn new(
        prefix: String,
        start_min: Option<UnixNanos>,
        start_max: Option<UnixNanos>,
        query: &str,
    ) -> Result<Self, QueryError> {
        if matches!((start_min, start_max), (Some(min), Some(max)) if min >= max) {
            return Err(bad("start_time_max", "must be later than the lower bound"));
        }
        let query = if query.is_empty() { None } else { Some(pipeline(query)?) };
        Ok(Self { prefix, start_min, start_max, query })
    }

    /// 128 bits made from all of it and from what is listed.
    fn digest(&self, what: &str) -> u128 {
        let mut hash = Xxh3::new();
        let query = self.query.as_ref().map(ToString::to_string).unwrap_or_default();
        for text in [what, &self.prefix, &query] {
            hash.update(&text.len().to_le_bytes());
            hash.update(text.as_bytes());
        }
        for time in [self.start_min, self.start_max] {
            hash.update(&[u8::from(time.is_some())]);
            hash.update(&time.unwrap_or_default().0.to_le_bytes());
        }
        hash.digest128()
    }
}

fn pipeline(text: &str) -> Result<Pipeline, QueryError> {
    match traceql::parse(text) {
        Ok(Query { body: Body::Traces(pipeline), .. }) => Ok(pipeline),
        Ok(Query { body: Body::Metrics(_), .. }) => {
            Err(bad("query", "must find spans; it ends in a metrics function, which gives numbers"))
        }
        Err(error) => Err(bad("query", error.to_string())),
    }
}

/// Keys of attributes.
#[derive(Debug, Clone)]
pub struct KeysRequest {
    pub(super) of: NamesOf,
    within: Within,
}

impl KeysRequest {
    /// The keys in some place, or in all of them.
    #[must_use]
    pub fn new(of: NamesOf, within: Within) -> Self {
        Self { of, within }
    }

    pub(super) fn digest(&self) -> u128 {
        self.of.digest(&format!("{:?}", self.within))
    }

    /// A list for each place; of found spans, all lists at once.
    pub(super) fn sources(&self) -> Vec<Source> {
        let places = (0..).zip(Within::PLACES);
        let lists = places.filter(|(_, place)| self.within == Within::Anywhere || self.within == *place);
        let lists = lists.map(|(list, place)| (list, Listing::Keys(place)));
        if self.of.query.is_some() {
            return vec![Source::Found(lists.map(|(list, listing)| (list, listing.into())).collect())];
        }
        lists.map(|(list, listing)| Source::Store(list, listing)).collect()
    }
}

/// The values under a name.
#[derive(Debug, Clone)]
pub struct ValuesRequest {
    pub(super) of: NamesOf,
    name: Reference,
}

impl ValuesRequest {
    /// The values under a name of the language.
    ///
    /// # Errors
    /// What is no name, and a name of which a list makes no sense.
    pub fn new(of: NamesOf, name: &str) -> Result<Self, QueryError> {
        let name = traceql::parse_reference(name).map_err(|error| bad("name", error.to_string()))?;
        let request = Self { of, name };
        request.sources().map(|_| request)
    }

    pub(super) fn digest(&self) -> u128 {
        self.of.digest(&format!("values of {}", self.name))
    }

    pub(super) fn sources(&self) -> Result<Vec<Source>, QueryError> {
        let Some(listed) = Valued::of(&self.name) else {
            let reason = format!("the values of {} can not be listed: nearly every one is another", self.name);
            return Err(bad("name", reason));
        };
        if self.of.query.is_some() {
            return Ok(vec![Source::Found(vec![(0, listed)])]);
        }
        Ok(vec![match listed {
            Valued::OfSpan(listing) => Source::Store(0, listing),
            Valued::RootName | Valued::RootService => Source::Roots(listed),
        }])
    }
}

/// Whose values can be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Valued {
    OfSpan(Listing),
    RootName,
    RootService,
}

impl From<Listing> for Valued {
    fn from(listing: Listing) -> Self {
        Self::OfSpan(listing)
    }
}

impl Valued {
    /// `None` for what nearly every span, or trace, has another of.
    fn of(name: &Reference) -> Option<Self> {
        let listing = match name {
            Reference::Attribute { scope, name } => Listing::Values { within: within(*scope), key: name.clone() },
            Reference::Intrinsic(intrinsic) => match intrinsic {
                Intrinsic::Name => Listing::Name,
                Intrinsic::Status => Listing::Status,
                Intrinsic::StatusMessage => Listing::StatusMessage,
                Intrinsic::Kind => Listing::Kind,
                Intrinsic::EventName => Listing::EventName,
                Intrinsic::InstrumentationName => Listing::ScopeName,
                Intrinsic::InstrumentationVersion => Listing::ScopeVersion,
                Intrinsic::RootName => return Some(Self::RootName),
                Intrinsic::RootService => return Some(Self::RootService),
                Intrinsic::Duration
                | Intrinsic::SpanId
                | Intrinsic::ParentId
                | Intrinsic::ChildCount
                | Intrinsic::NestedSetLeft
                | Intrinsic::NestedSetRight
                | Intrinsic::NestedSetParent
                | Intrinsic::TraceDuration
                | Intrinsic::TraceId
                | Intrinsic::EventTimeSinceStart
                | Intrinsic::LinkTraceId
                | Intrinsic::LinkSpanId => return None,
            },
        };
        Some(Self::OfSpan(listing))
    }
}

fn within(scope: Scope) -> Within {
    match scope {
        Scope::Any => Within::Anywhere,
        Scope::Span => Within::Span,
        Scope::Resource => Within::Resource,
        Scope::Event => Within::Event,
        Scope::Link => Within::Link,
        Scope::Instrumentation => Within::Scope,
    }
}

fn bad(field: &'static str, reason: impl Into<String>) -> QueryError {
    QueryError::BadRequest { field, reason: reason.into() }
}
