//! Who calls whom: Zipkin's linker over all traces of a time. The numbers are of all of them or there are none.

use serde_json::{Value, json};

use super::super::status::Failure;
use super::parameters::{Parameters, bad};
use super::search;
use crate::query::Query;
use crate::zipkin::linker::{self, Links};
use crate::zipkin::{Span, encode};

pub(super) async fn links(query: &Query, parameters: Parameters) -> Result<Value, Failure> {
    let end = parameters.number("endTs")?.ok_or_else(|| bad("endTs", "is required"))?;
    let search = search::in_time(Some(end), parameters.number("lookback")?)?;
    let mut links = Links::new();
    query
        .whole_traces(search, |_, spans| {
            let reports: Vec<Span> = spans.iter().map(encode::span).collect();
            linker::add_trace(reports, &mut links);
        })
        .await?;
    let link = |((parent, child), calls): (&(String, String), &linker::Calls)| {
        let mut link = json!({ "parent": parent, "child": child, "callCount": calls.count });
        if calls.errors > 0 {
            link["errorCount"] = json!(calls.errors);
        }
        link
    };
    Ok(links.iter().map(link).collect())
}
