//! Whose messages a row's span takes, from the row's texts: most spans have no links, and of the others few are read.

use std::collections::BTreeSet;

use crate::model::{SpanId, SpanKind};
use crate::store::calls::{CallerId, OPERATION_TYPE, senders_of_links, takes_messages};
use crate::store::postgres::block::HotRow;
use crate::store::{StoreError, json};

/// Those of a row that becomes history.
pub(in crate::store::postgres) fn senders_of_row(row: &HotRow) -> Result<BTreeSet<CallerId>, StoreError> {
    let shape = Some(row.attributes_shape()).filter(|shape| !shape.is_empty());
    let own = (row.key.trace_id, row.key.span_id);
    senders_of_texts(own, row.parent_span_id, SpanKind(row.kind), (row.attributes(), shape), row.links())
}

/// What `calls::senders` says of the span: its kind, its attributes as JSON and their shape, its links as JSON.
pub(in crate::store::postgres) fn senders_of_texts(
    own: CallerId,
    parent: Option<SpanId>,
    kind: SpanKind,
    (attributes, shape): (&[u8], Option<&[u8]>),
    links: &[u8],
) -> Result<BTreeSet<CallerId>, StoreError> {
    if links.is_empty() || !takes(kind, attributes, shape)? {
        return Ok(BTreeSet::new());
    }
    Ok(senders_of_links(own, parent, &json::read_links(links)?))
}

fn takes(kind: SpanKind, attributes: &[u8], shape: Option<&[u8]>) -> Result<bool, StoreError> {
    if kind == SpanKind::CONSUMER {
        return Ok(true);
    }
    let is_said = attributes.windows(OPERATION_TYPE.len()).any(|part| part == OPERATION_TYPE.as_bytes());
    Ok(is_said && takes_messages(kind, &json::read_attributes(attributes, shape)?))
}
