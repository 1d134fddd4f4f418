//! Services and operations: whole lists, since Jaeger knows no pages of them.

use super::super::status::Failure;
use super::parameters::bad;
use crate::model::{Operation, SpanKind};
use crate::query::{PageRequest, Query};

/// A longer list is an error: a client of gRPC takes 4 MiB, and a part of a list would be taken for the whole.
const NAMES_BYTES_MAX: usize = 3 << 20;
/// What an entry takes beside its name.
const NAME_BYTES: usize = 16;
/// So many names are asked for at once.
const PAGE_NAMES: i32 = 1_000;

/// Kinds by their names in Jaeger; the one that is not said has none.
pub(super) const KINDS: [(&str, SpanKind); 5] = [
    ("internal", SpanKind::INTERNAL),
    ("server", SpanKind::SERVER),
    ("client", SpanKind::CLIENT),
    ("producer", SpanKind::PRODUCER),
    ("consumer", SpanKind::CONSUMER),
];

/// A kind's name; empty for one that has none.
pub(super) fn kind_name(kind: SpanKind) -> &'static str {
    KINDS.iter().find(|(_, known)| *known == kind).map(|(name, _)| *name).unwrap_or_default()
}

/// The kind of this name; `None` for an empty one.
pub(super) fn kind(field: &'static str, name: &str) -> Result<Option<SpanKind>, Failure> {
    let known = KINDS.into_iter().chain([("unspecified", SpanKind::UNSPECIFIED)]);
    match known.into_iter().find(|(known, _)| *known == name) {
        Some((_, kind)) => Ok(Some(kind)),
        None if name.is_empty() => Ok(None),
        None => Err(bad(field, "must be unspecified, internal, server, client, producer or consumer")),
    }
}

/// Adds names until there are too many.
struct List<T> {
    items: Vec<T>,
    bytes: usize,
}

impl<T> List<T> {
    fn add(&mut self, items: Vec<T>, name: impl Fn(&T) -> &str) -> Result<(), Failure> {
        for item in &items {
            self.bytes = self.bytes.saturating_add(name(item).len()).saturating_add(NAME_BYTES);
        }
        self.items.extend(items);
        if self.bytes > NAMES_BYTES_MAX {
            return Err(Failure::TooMuch(format!("the list of names has more than {NAMES_BYTES_MAX} bytes")));
        }
        Ok(())
    }
}

pub(super) async fn services(query: &Query) -> Result<Vec<String>, Failure> {
    let (mut list, mut token) = (List { items: Vec::new(), bytes: 0 }, String::new());
    loop {
        let page = query.services(&PageRequest { size: Some(PAGE_NAMES), token: &token }).await?;
        list.add(page.items, |name| name)?;
        if page.next.is_empty() {
            return Ok(list.items);
        }
        token = page.next;
    }
}

/// Those of a kind, or of any.
pub(super) async fn operations(
    query: &Query,
    service: &str,
    kind: Option<SpanKind>,
) -> Result<Vec<Operation>, Failure> {
    let (mut list, mut token) = (List { items: Vec::new(), bytes: 0 }, String::new());
    loop {
        let page = query.operations(service, &PageRequest { size: Some(PAGE_NAMES), token: &token }).await?;
        let is_wanted = |operation: &Operation| kind.is_none_or(|kind| operation.kind == kind);
        list.add(page.items.into_iter().filter(is_wanted).collect(), |operation: &Operation| &operation.name)?;
        if page.next.is_empty() {
            return Ok(list.items);
        }
        token = page.next;
    }
}
