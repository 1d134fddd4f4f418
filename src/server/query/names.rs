//! Requests for lists of keys and values as what can be asked, and their answers as messages.

use super::super::generated::tracewell_v1 as proto;
use super::request::{bad, moment};
use super::response::coverage;
use crate::model::{Listed, Value, Within};
use crate::otlp::encode;
use crate::query::{AttributeKey, KeysRequest, NamesOf, QueryError, SearchPage, ValuesRequest};

/// Each place of attributes, as requests and answers call it.
const SCOPES: [(proto::KeyScope, Within); 6] = [
    (proto::KeyScope::Unspecified, Within::Anywhere),
    (proto::KeyScope::Span, Within::Span),
    (proto::KeyScope::Resource, Within::Resource),
    (proto::KeyScope::Event, Within::Event),
    (proto::KeyScope::Link, Within::Link),
    (proto::KeyScope::Instrumentation, Within::Scope),
];

/// The request, the size of the page and its token.
pub(super) fn keys_request(request: proto::ListAttributeKeysRequest) -> Result<(KeysRequest, i32, String), QueryError> {
    let sent = proto::KeyScope::try_from(request.scope).ok();
    let known = SCOPES.into_iter().find(|(scope, _)| Some(*scope) == sent);
    let (_, within) = known.ok_or_else(|| bad("scope", "is no known scope"))?;
    let of = names_of(request.prefix, request.start_time_min, request.start_time_max, &request.query)?;
    Ok((KeysRequest::new(of, within), request.page_size, request.page_token))
}

/// The request, the size of the page and its token.
pub(super) fn values_request(
    request: proto::ListAttributeValuesRequest,
) -> Result<(ValuesRequest, i32, String), QueryError> {
    let of = names_of(request.prefix, request.start_time_min, request.start_time_max, &request.query)?;
    if request.name.is_empty() {
        return Err(bad("name", "must not be empty"));
    }
    Ok((ValuesRequest::new(of, &request.name)?, request.page_size, request.page_token))
}

fn names_of(
    prefix: String,
    start_min: Option<prost_types::Timestamp>,
    start_max: Option<prost_types::Timestamp>,
    query: &str,
) -> Result<NamesOf, QueryError> {
    let start_min = start_min.map(|time| moment("start_time_min", time)).transpose()?;
    let start_max = start_max.map(|time| moment("start_time_max", time)).transpose()?;
    NamesOf::new(prefix, start_min, start_max, query)
}

pub(super) fn keys(page: SearchPage<AttributeKey>) -> proto::ListAttributeKeysResponse {
    let scope = |within| SCOPES.into_iter().find(|(_, known)| *known == within).map(|(scope, _)| scope.into());
    let key = |AttributeKey { within, key }| proto::AttributeKey { scope: scope(within).unwrap_or_default(), key };
    proto::ListAttributeKeysResponse {
        keys: page.items.into_iter().map(key).collect(),
        next_page_token: page.next,
        coverage: Some(coverage(&page.coverage)),
    }
}

pub(super) fn values(page: SearchPage<Listed>) -> proto::ListAttributeValuesResponse {
    let value = |item| {
        encode::any_value(&match item {
            Listed::Text(text) => Value::String(text),
            Listed::Int(int) => Value::Int(int),
            Listed::Double(double) => Value::Double(double),
            Listed::Bool(bool) => Value::Bool(bool),
        })
    };
    proto::ListAttributeValuesResponse {
        values: page.items.into_iter().map(value).collect(),
        next_page_token: page.next,
        coverage: Some(coverage(&page.coverage)),
    }
}
