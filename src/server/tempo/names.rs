//! Names of attributes ("tags") and the values under a name, of both versions.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::super::generated::tempopb::{
    SearchTagValuesRequest, SearchTagValuesResponse, SearchTagValuesV2Response, SearchTagsRequest, SearchTagsResponse,
    SearchTagsV2Response, SearchTagsV2Scope, TagValue,
};
use super::parameters::{Parameters, Range};
use super::{Answer, Door, bad, lenient, metadata_metrics, missing, tags, with_page};
use crate::model::{Listed, Within};
use crate::query::{Coverage, KeysRequest, NamesOf, PageRequest, QueryError, SearchPage, ValuesRequest, size};
use crate::traceql;
use crate::traceql::tree::{Intrinsic, Reference};

/// The most names or values of one answer,
const NAMES_MAX: usize = 10_000;
/// and how many bytes they may come to, as [`size`] estimates them: a gRPC client takes 4 MiB by default.
const NAMES_BYTES_MAX: usize = 3 << 20;
/// The scope of what every span has.
const INTRINSIC: &str = "intrinsic";

/// Each scope of attributes, as Tempo calls it.
const SCOPES: [(&str, Within); 5] = [
    ("resource", Within::Resource),
    ("span", Within::Span),
    ("event", Within::Event),
    ("link", Within::Link),
    ("instrumentation", Within::Scope),
];

/// Names in v1, where there are no scopes, that are not attributes.
const V1_NAMES: [(&str, &str); 4] =
    [("name", "name"), ("status.code", "status"), ("root.name", "rootName"), ("root.service.name", "rootServiceName")];

/// Which tags.
pub(super) struct TagsAsked {
    /// `None` when only the intrinsic ones.
    keys: Option<KeysRequest>,
    with_intrinsic: bool,
    per_scope_max: usize,
}

impl TagsAsked {
    pub(super) fn of_parameters(parameters: &Parameters) -> Result<Self, QueryError> {
        parameters.number("maxStaleValues")?;
        let limit = parameters.number("limit")?.unwrap_or(0);
        let text = |name| parameters.text(name).unwrap_or_default();
        Self::of(text("scope"), text("q"), parameters.range()?, limit)
    }

    pub(super) fn of_message(message: &SearchTagsRequest) -> Result<Self, QueryError> {
        let range = Range::of(message.start, message.end)?;
        Self::of(&message.scope, &message.query, range, message.max_tags_per_scope)
    }

    fn of(scope: &str, query: &str, range: Range, limit: u32) -> Result<Self, QueryError> {
        let per_scope_max = names_max(limit);
        let of = names_of(query, range)?;
        let (within, with_intrinsic) = match scope {
            "" | "none" => (Some(Within::Anywhere), true),
            INTRINSIC => (None, true),
            other => {
                let known = SCOPES.iter().find(|(name, _)| *name == other).map(|(_, within)| *within);
                let names: Vec<_> = SCOPES.iter().map(|(name, _)| *name).collect();
                let refused = || bad("scope", format!("must be one of {}, {INTRINSIC}, none", names.join(", ")));
                (Some(known.ok_or_else(refused)?), false)
            }
        };
        Ok(Self { keys: within.map(|within| KeysRequest::new(of, within)), with_intrinsic, per_scope_max })
    }
}

/// Which values.
pub(super) struct ValuesAsked {
    /// `None` for what has so many that none are listed.
    request: Option<ValuesRequest>,
    max: usize,
    is_word: bool,
}

impl ValuesAsked {
    /// Of a name as the language has it.
    pub(super) fn of_parameters(name: &str, parameters: &Parameters) -> Result<Self, QueryError> {
        parameters.number("maxStaleValues")?;
        let query = parameters.text("q").unwrap_or_default();
        Self::of(name, query, parameters.range()?, parameters.number("limit")?.unwrap_or(0))
    }

    /// Of a name as the first version has it.
    pub(super) fn of_v1_parameters(name: &str, parameters: &Parameters) -> Result<Self, QueryError> {
        Self::of_parameters(&v1_name(name), parameters)
    }

    pub(super) fn of_message(message: &SearchTagValuesRequest) -> Result<Self, QueryError> {
        let range = Range::of(message.start, message.end)?;
        Self::of(&message.tag_name, &message.query, range, message.max_tag_values)
    }

    pub(super) fn of_v1_message(message: &SearchTagValuesRequest) -> Result<Self, QueryError> {
        Self::of_message(&SearchTagValuesRequest { tag_name: v1_name(&message.tag_name), ..message.clone() })
    }

    fn of(name: &str, query: &str, range: Range, limit: u32) -> Result<Self, QueryError> {
        let of = names_of(query, range)?;
        let reference = traceql::parse_reference(name).map_err(|error| bad("tag", error.to_string()))?;
        let request = match ValuesRequest::new(of, name) {
            Ok(request) => Some(request),
            // Grafana asks for the values of whatever is typed, and shows an error as one.
            Err(_) if matches!(reference, Reference::Intrinsic(_)) => None,
            Err(error) => return Err(error),
        };
        let is_word = matches!(reference, Reference::Intrinsic(Intrinsic::Kind | Intrinsic::Status));
        Ok(Self { request, max: names_max(limit), is_word })
    }
}

/// A name of the first version, as the language has it: with a scope as it stands, else an attribute's.
fn v1_name(name: &str) -> String {
    if let Some((_, known)) = V1_NAMES.iter().find(|(v1, _)| *v1 == name) {
        return (*known).to_owned();
    }
    match traceql::parse_reference(name) {
        Ok(Reference::Attribute { .. } | Reference::Intrinsic(_)) => name.to_owned(),
        Err(_) => tags::attribute(name),
    }
}

fn names_of(query: &str, range: Range) -> Result<NamesOf, QueryError> {
    NamesOf::new(String::new(), range.start, range.end, &lenient::usable(query))
}

fn names_max(limit: u32) -> usize {
    usize::try_from(limit).ok().filter(|limit| (1..=NAMES_MAX).contains(limit)).unwrap_or(NAMES_MAX)
}

/// What can be listed.
#[derive(Clone, Copy)]
enum List<'a> {
    Keys(&'a KeysRequest),
    Values(&'a ValuesRequest),
}

/// What a list has.
#[derive(Default)]
struct Found {
    items: Vec<(Within, Listed)>,
    missing: Option<String>,
    covered: Coverage,
}

impl Door {
    /// `/api/v2/search/tags`
    pub(super) async fn tags(&self, asked: &TagsAsked) -> Result<Answer<SearchTagsV2Response>, QueryError> {
        let found = match &asked.keys {
            Some(keys) => self.list(List::Keys(keys), NAMES_MAX).await?,
            None => Found::default(),
        };
        let mut scopes = Vec::new();
        for (name, within) in SCOPES {
            let of_scope = found.items.iter().filter(|(place, _)| *place == within);
            let tags: Vec<_> = of_scope.take(asked.per_scope_max).map(|(_, key)| text(key)).collect();
            if !tags.is_empty() {
                scopes.push(SearchTagsV2Scope { name: name.to_owned(), tags });
            }
        }
        if asked.with_intrinsic {
            let names = Intrinsic::SPELLINGS.iter().flat_map(|(_, spellings)| *spellings);
            let tags = names.take(asked.per_scope_max).map(|name| (*name).to_owned()).collect();
            scopes.push(SearchTagsV2Scope { name: INTRINSIC.to_owned(), tags });
        }
        let metrics = Some(metadata_metrics(&found.covered, found.missing.is_none()));
        Ok(Answer { message: SearchTagsV2Response { scopes, metrics }, missing: found.missing })
    }

    /// `/api/search/tags`: the names of all scopes together; intrinsic ones only when they are asked for.
    pub(super) async fn tags_v1(&self, asked: &TagsAsked) -> Result<Answer<SearchTagsResponse>, QueryError> {
        let Answer { message, missing } = self.tags(asked).await?;
        let scopes = message.scopes.into_iter().filter(|scope| scope.name != INTRINSIC || asked.keys.is_none());
        let names: BTreeSet<_> = scopes.flat_map(|scope| scope.tags).collect();
        let message = SearchTagsResponse { tag_names: names.into_iter().collect(), metrics: message.metrics };
        Ok(Answer { message, missing })
    }

    /// `/api/v2/search/tag/{tag}/values`
    pub(super) async fn values(&self, asked: &ValuesAsked) -> Result<Answer<SearchTagValuesV2Response>, QueryError> {
        let found = match &asked.request {
            Some(request) => self.list(List::Values(request), asked.max).await?,
            None => Found::default(),
        };
        let metrics = Some(metadata_metrics(&found.covered, found.missing.is_none()));
        let value = |(_, item): (Within, Listed)| {
            let kind = match item {
                Listed::Text(_) if asked.is_word => "keyword",
                Listed::Text(_) => "string",
                Listed::Int(_) => "int",
                Listed::Double(_) => "float",
                Listed::Bool(_) => "bool",
            };
            TagValue { r#type: kind.to_owned(), value: text(&item) }
        };
        let tag_values = found.items.into_iter().map(value).collect();
        Ok(Answer { message: SearchTagValuesV2Response { tag_values, metrics }, missing: found.missing })
    }

    /// `/api/search/tag/{tag}/values`
    pub(super) async fn values_v1(&self, asked: &ValuesAsked) -> Result<Answer<SearchTagValuesResponse>, QueryError> {
        let Answer { message, missing } = self.values(asked).await?;
        let tag_values = message.tag_values.into_iter().map(|value| value.value).collect();
        Ok(Answer { message: SearchTagValuesResponse { tag_values, metrics: message.metrics }, missing })
    }

    /// Pages of a list, until it has so many items, or enough bytes, or the limit on work is reached.
    async fn list(&self, list: List<'_>, max: usize) -> Result<Found, QueryError> {
        let (began, mut found, mut token, mut bytes) = (Instant::now(), Found::default(), String::new(), 0_usize);
        loop {
            let free = max.saturating_sub(found.items.len());
            let page = self.page(list, free, &token).await?;
            let limit_reached = page.coverage.limit_reached;
            found.covered = with_page(std::mem::take(&mut found.covered), page.coverage);
            for item in page.items {
                bytes = bytes.saturating_add(size::text(&text(&item.1)));
                if bytes > NAMES_BYTES_MAX {
                    found.missing = Some(format!("these are the first {} MiB of a longer list", NAMES_BYTES_MAX >> 20));
                    return Ok(found);
                }
                found.items.push(item);
            }
            found.missing = missing(&found.covered);
            if page.next.is_empty() || limit_reached {
                return Ok(found);
            }
            if found.items.len() >= max {
                // Who asks for so many knows that there may be more.
                let is_ours = max == NAMES_MAX;
                if is_ours {
                    found.missing = Some(format!("these are the first {NAMES_MAX} of a longer list"));
                }
                return Ok(found);
            }
            if began.elapsed() >= self.query.settings().work_time_max {
                found.missing = Some("the limit on work was reached: the list goes on".to_owned());
                return Ok(found);
            }
            token = page.next;
        }
    }

    async fn page(&self, list: List<'_>, size: usize, token: &str) -> Result<SearchPage<(Within, Listed)>, QueryError> {
        let request = PageRequest { size: Some(i32::try_from(size).unwrap_or(i32::MAX)), token };
        match list {
            List::Keys(keys) => {
                let SearchPage { items, next, coverage } = self.query.attribute_keys(keys, &request).await?;
                let items = items.into_iter().map(|key| (key.within, Listed::Text(key.key))).collect();
                Ok(SearchPage { items, next, coverage })
            }
            List::Values(values) => {
                let SearchPage { items, next, coverage } = self.query.attribute_values(values, &request).await?;
                let items = items.into_iter().map(|item| (Within::Anywhere, item)).collect();
                Ok(SearchPage { items, next, coverage })
            }
        }
    }
}

fn text(item: &Listed) -> String {
    match item {
        Listed::Text(text) => text.clone(),
        Listed::Int(int) => int.to_string(),
        Listed::Double(double) => double.to_string(),
        Listed::Bool(bool) => bool.to_string(),
    }
}
