//! The places of a scan from its keys, for a store that has no shorter way.

use std::future::Future;

use super::{Scan, StoreError, TracePlace};
use crate::model::SpanKey;

/// The places of a scan, as [`SpanStore::scan_places`](super::SpanStore::scan_places) has them.
pub(super) async fn of_keys<F>(scan: &Scan, scan_keys: impl Fn(Scan) -> F) -> Result<Vec<TracePlace>, StoreError>
where
    F: Future<Output = Result<Vec<SpanKey>, StoreError>>,
{
    let mut places = Vec::<TracePlace>::new();
    let mut before = scan.before.map(|before| SpanKey::least(before.start, before.trace_id));
    while places.len() < scan.limit {
        let limit = scan.limit.saturating_sub(places.len());
        let keys = scan_keys(Scan { before, limit, ..scan.clone() }).await?;
        before = keys.last().copied();
        for key in &keys {
            let place = (key.start, key.trace_id);
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
        if keys.len() < limit {
            break;
        }
    }
    Ok(places)
}
