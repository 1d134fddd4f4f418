//! What the door says of the server: how it is, which version, and what Zipkin's page wants to know before it begins.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::status::Failure;
use super::search::{LIMIT_DEFAULT, LOOKBACK_MILLIS_DEFAULT};
use crate::query::QueryError;
use crate::store::SpanStore;

/// A database that takes longer is not well.
const PING_MAX: Duration = Duration::from_secs(2);

pub(super) async fn health(store: &dyn SpanStore) -> Result<Value, Failure> {
    match tokio::time::timeout(PING_MAX, store.ping()).await {
        Ok(ping) => ping?,
        Err(_) => return Err(QueryError::TimedOut { limit: PING_MAX }.into()),
    }
    Ok(json!({ "status": "UP", "zipkin": { "status": "UP" } }))
}

pub(super) fn info() -> Value {
    json!({ "zipkin": { "version": concat!("tracewell ", env!("CARGO_PKG_VERSION")) } })
}

pub(super) fn config() -> Value {
    json!({
        "environment": "",
        "queryLimit": LIMIT_DEFAULT,
        "defaultLookback": LOOKBACK_MILLIS_DEFAULT,
        "searchEnabled": true,
        "suggestLang": false,
        "dependency": { "enabled": true, "lowErrorRate": 0.5, "highErrorRate": 0.75 },
        "basePath": "/zipkin",
    })
}
