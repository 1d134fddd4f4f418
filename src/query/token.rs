//! Page tokens: what a caller brings back to get the next page.
//!
//! A token is base64url of: the format's version, the kind of list, a checksum, and where to go on. The checksum covers
//! all of it and the digest of the search, so a token that was changed, cut, or belongs to another search is refused.
//! It is no secret and no signature: whoever forges one sees another part of the data that he may see anyway. Nothing
//! in a token is trusted: every length is checked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

use super::QueryError;
use crate::model::{Listed, Operation, SpanId, SpanKey, SpanKind, TraceId, UnixNanos};
use crate::store::Watermark;

/// Changes with the form of any token.
const VERSION: u8 = 1;
/// Version, kind and checksum.
const HEAD_BYTES: usize = 10;

/// A token carries at most so many trace ids: 16 KiB, when a search ends by its limit among long traces. Else it has few.
pub(super) const CARRIED_MAX: usize = 1_024;

/// A trace's place in the list of traces, which goes from the greatest to the least.
pub(super) type Place = (UnixNanos, TraceId);

/// Where a list of traces goes on; see [`traces`](super::traces).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AfterTrace {
    /// The moment that all pages show.
    pub(super) as_of: Watermark,
    /// The last trace shown; `None` when none was.
    pub(super) last: Option<Place>,
    /// Spans whose key is less have not been looked at; `None` when all are to be looked at again.
    pub(super) before: Option<SpanKey>,
    /// Traces that were seen as well, were too many, and are to be seen again.
    pub(super) forgotten: Option<Forgotten>,
    /// Traces of which a span at or above `before` was seen, and which are not shown yet.
    pub(super) carried: Vec<TraceId>,
}

/// Traces that were seen, and of which only this is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forgotten {
    /// None of them is above.
    pub(super) horizon: Place,
    /// Each has a span whose key is less; `None` when any may have.
    pub(super) before: Option<SpanKey>,
}

/// Where a list of spans goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AfterSpan {
    /// The moment that all pages show.
    pub(super) as_of: Watermark,
    /// All spans from here on were looked at.
    pub(super) last: SpanKey,
}

/// Where a list of services goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AfterName {
    /// The last name shown.
    pub(super) name: String,
}

/// Where a list of operations goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AfterOperation {
    /// The last operation shown.
    pub(super) operation: Operation,
}

/// Where a list of attribute keys or values goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AfterListed {
    /// Of the lists that are shown one after the other, the one of the last item.
    pub(super) list: u8,
    /// The last item shown.
    pub(super) item: Listed,
}

/// Something that a token can hold.
pub(super) trait Token: Sized {
    /// Tells the lists apart.
    const KIND: u8;
    /// Appends the byte form.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads the byte form, to the end.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// The token as text, for the search with this digest.
pub(super) fn seal<T: Token>(token: &T, search: u128) -> String {
    let mut body = Vec::with_capacity(128);
    token.write(&mut body);
    let mut bytes = vec![VERSION, T::KIND];
    bytes.extend(checksum(T::KIND, &body, search));
    bytes.extend(body);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a text holds, when it is a token of the search with this digest; `None` when it is empty.
pub(super) fn open<T: Token>(text: &str, search: u128) -> Result<Option<T>, QueryError> {
    if text.is_empty() {
        return Ok(None);
    }
    let reason = "is no token of this list: send the request unchanged, with the token of its last page, or with none";
    let refused = || QueryError::BadRequest { field: "page_token", reason: reason.to_owned() };
    read(text, search).map(Some).ok_or_else(refused)
}

fn read<T: Token>(text: &str, search: u128) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (head, body) = bytes.split_at_checked(HEAD_BYTES)?;
    let expected = checksum(T::KIND, body, search);
    if head[..2] != [VERSION, T::KIND] || head[2..] != expected {
        return None;
    }
    let mut reader = Reader(body);
    let token = T::read(&mut reader)?;
    reader.0.is_empty().then_some(token)
}

fn checksum(kind: u8, body: &[u8], search: u128) -> [u8; 8] {
    let mut covered = vec![VERSION, kind];
    covered.extend(search.to_le_bytes());
    covered.extend(body);
    xxh3_64(&covered).to_le_bytes()
}

impl Token for AfterTrace {
    const KIND: u8 = 0;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.as_of.0.to_le_bytes());
        write_place(self.last, out);
        let forgotten_before = self.forgotten.and_then(|forgotten| forgotten.before);
        let flags = [
            (self.before.is_some(), HAS_BEFORE),
            (self.last.is_none(), HAS_NO_LAST),
            (self.forgotten.is_some(), HAS_FORGOTTEN),
            (forgotten_before.is_some(), HAS_FORGOTTEN_BEFORE),
        ];
        out.push(flags.iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag));
        if let Some(before) = &self.before {
            write_key(before, out);
        }
        if let Some(forgotten) = &self.forgotten {
            write_place(Some(forgotten.horizon), out);
        }
        if let Some(before) = &forgotten_before {
            write_key(before, out);
        }
        out.extend(self.carried.iter().flat_map(TraceId::as_bytes));
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let as_of = Watermark(i64::from_le_bytes(reader.array()?));
        let (start, id) = (UnixNanos(u64::from_le_bytes(reader.array()?)), reader.array::<16>()?);
        let [flags] = reader.array()?;
        if flags >= HAS_FORGOTTEN_BEFORE << 1 {
            return None;
        }
        let has = |flag: u8| flags & flag != 0;
        let last = if has(HAS_NO_LAST) { None } else { Some((start, TraceId::from_slice(&id).ok()?)) };
        let before = if has(HAS_BEFORE) { Some(reader.key()?) } else { None };
        let horizon = if has(HAS_FORGOTTEN) { Some(reader.place()?) } else { None };
        let forgotten_before = if has(HAS_FORGOTTEN_BEFORE) { Some(reader.key()?) } else { None };
        let forgotten = horizon.map(|horizon| Forgotten { horizon, before: forgotten_before });
        let mut carried = Vec::new();
        while !reader.0.is_empty() && carried.len() < CARRIED_MAX {
            carried.push(reader.trace_id()?);
        }
        Some(Self { as_of, last, before, forgotten, carried })
    }
}

/// What an [`AfterTrace`] has, beside what it always has. Its first form had the first of these only.
const HAS_BEFORE: u8 = 1;
const HAS_NO_LAST: u8 = 2;
const HAS_FORGOTTEN: u8 = 4;
const HAS_FORGOTTEN_BEFORE: u8 = 8;

fn write_place(place: Option<Place>, out: &mut Vec<u8>) {
    out.extend(place.map_or(0, |(start, _)| start.0).to_le_bytes());
    out.extend(place.as_ref().map_or(&[0; 16], |(_, id)| id.as_bytes()));
}

impl Token for AfterSpan {
    const KIND: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.as_of.0.to_le_bytes());
        write_key(&self.last, out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { as_of: Watermark(i64::from_le_bytes(reader.array()?)), last: reader.key()? })
    }
}

impl Token for AfterName {
    const KIND: u8 = 2;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.name.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { name: reader.text()? })
    }
}

impl Token for AfterOperation {
    const KIND: u8 = 3;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.operation.kind.0.to_le_bytes());
        out.extend(self.operation.name.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let kind = SpanKind(i32::from_le_bytes(reader.array()?));
        Some(Self { operation: Operation { kind, name: reader.text()? } })
    }
}

impl Token for AfterListed {
    const KIND: u8 = 20;

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.list);
        match &self.item {
            Listed::Text(text) => {
                out.push(0);
                out.extend(text.as_bytes());
            }
            Listed::Int(int) => {
                out.push(1);
                out.extend(int.to_le_bytes());
            }
            Listed::Double(double) => {
                out.push(2);
                out.extend(double.to_le_bytes());
            }
            Listed::Bool(bool) => out.extend([3, u8::from(*bool)]),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [list, kind] = reader.array()?;
        let item = match kind {
            0 => Listed::Text(reader.text()?),
            1 => Listed::Int(i64::from_le_bytes(reader.array()?)),
            2 => Listed::Double(f64::from_le_bytes(reader.array()?)),
            3 => Listed::Bool(reader.array()? == [1]),
            _ => return None,
        };
        Some(Self { list, item })
    }
}

fn write_key(key: &SpanKey, out: &mut Vec<u8>) {
    out.extend(key.start.0.to_le_bytes());
    out.extend(key.trace_id.as_bytes());
    out.extend(key.span_id.as_bytes());
    out.extend(key.digest.to_le_bytes());
}

/// The bytes that are still to be read.
pub(super) struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn place(&mut self) -> Option<Place> {
        Some((UnixNanos(u64::from_le_bytes(self.array()?)), self.trace_id()?))
    }

    fn trace_id(&mut self) -> Option<TraceId> {
        TraceId::from_slice(&self.array::<16>()?).ok()
    }

    fn key(&mut self) -> Option<SpanKey> {
        Some(SpanKey {
            start: UnixNanos(u64::from_le_bytes(self.array()?)),
            trace_id: self.trace_id()?,
            span_id: SpanId::from_slice(&self.array::<8>()?).ok()?,
            digest: i64::from_le_bytes(self.array()?),
        })
    }

    /// All that is left, as a text.
    fn text(&mut self) -> Option<String> {
        String::from_utf8(std::mem::take(&mut self.0).to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trace_id(byte: u8) -> TraceId {
        TraceId::from_slice(&[byte; 16]).unwrap()
    }

    fn key(byte: u8) -> SpanKey {
        let span_id = SpanId::from_slice(&[byte; 8]).unwrap();
        SpanKey { start: UnixNanos(u64::MAX), trace_id: trace_id(byte), span_id, digest: -1 }
    }

    fn place(byte: u8) -> Place {
        (UnixNanos(7), trace_id(byte))
    }

    fn after_trace(before: Option<SpanKey>, carried: Vec<TraceId>) -> AfterTrace {
        AfterTrace { as_of: Watermark(i64::MIN), last: Some(place(9)), before, forgotten: None, carried }
    }

    fn forgotten(before: Option<SpanKey>) -> Forgotten {
        Forgotten { horizon: place(8), before }
    }

    /// What is sealed is opened, whatever it holds; and a text is opened as what it was sealed as, or not at all.
    #[test]
    fn every_token_comes_back() {
        for token in [
            after_trace(None, vec![]),
            after_trace(Some(key(1)), vec![]),
            after_trace(None, vec![trace_id(2), trace_id(3)]),
            after_trace(Some(key(1)), vec![trace_id(2)]),
            AfterTrace { last: None, ..after_trace(Some(key(1)), vec![]) },
            AfterTrace { forgotten: Some(forgotten(None)), ..after_trace(Some(key(1)), vec![]) },
            AfterTrace {
                forgotten: Some(forgotten(Some(key(3)))),
                ..after_trace(None, vec![trace_id(2); CARRIED_MAX])
            },
        ] {
            assert_eq!(open(&seal(&token, 5), 5).unwrap(), Some(token));
        }
        let span = AfterSpan { as_of: Watermark(3), last: key(4) };
        assert_eq!(open(&seal(&span, 5), 5).unwrap(), Some(span.clone()));
        let name = AfterName { name: "käse\0".to_owned() };
        assert_eq!(open(&seal(&name, 5), 5).unwrap(), Some(name.clone()));
        let operation = AfterOperation { operation: Operation { name: String::new(), kind: SpanKind(-1) } };
        assert_eq!(open(&seal(&operation, 5), 5).unwrap(), Some(operation.clone()));
        for item in [
            Listed::Text("\0é".to_owned()),
            Listed::Int(-1),
            Listed::Double(f64::NAN),
            Listed::Double(-0.0),
            Listed::Bool(true),
        ] {
            let listed = AfterListed { list: 3, item };
            assert_eq!(open(&seal(&listed, 5), 5).unwrap(), Some(listed.clone()));
        }
        assert!(open::<AfterName>(&seal(&operation, 5), 5).is_err());
        assert!(open::<AfterTrace>(&seal(&span, 5), 5).is_err());
        assert_eq!(open::<AfterName>("", 5).unwrap(), None);
    }

    /// Tokens that were given before there were others are still good: they do not expire.
    #[test]
    fn the_first_form_is_still_read() {
        let text = "AQB_99isJjzd3gAAAAAAAACABwAAAAAAAAAJCQkJCQkJCQkJCQkJCQkJAA";
        assert_eq!(seal(&after_trace(None, vec![]), 5), text);
        assert_eq!(open(text, 5).unwrap(), Some(after_trace(None, vec![])));
    }

    fn is_refused(text: &str, search: u128) -> bool {
        matches!(open::<AfterTrace>(text, search), Err(QueryError::BadRequest { field: "page_token", .. }))
    }

    #[test]
    fn a_token_of_another_search_is_refused() {
        let text = seal(&after_trace(None, vec![]), 5);
        assert!(is_refused(&text, 6));
        assert!(is_refused(&format!("{text}="), 5));
    }

    /// A well-sealed body that is too short or too long is refused as well.
    #[test]
    fn lengths_are_checked_beyond_the_checksum() {
        struct Raw(Vec<u8>);
        impl Token for Raw {
            const KIND: u8 = AfterTrace::KIND;
            fn write(&self, out: &mut Vec<u8>) {
                out.extend(&self.0);
            }
            fn read(_: &mut Reader<'_>) -> Option<Self> {
                None
            }
        }
        let mut whole = Vec::new();
        after_trace(Some(key(1)), vec![]).write(&mut whole);
        assert!(!is_refused(&seal(&Raw(whole.clone()), 5), 5));
        for length in 0..whole.len() {
            assert!(is_refused(&seal(&Raw(whole[..length].to_vec()), 5), 5), "{length}");
        }
        let with_ids = |ids: usize| [whole.clone(), vec![1; 16 * ids]].concat();
        assert!(!is_refused(&seal(&Raw(with_ids(CARRIED_MAX)), 5), 5));
        assert!(is_refused(&seal(&Raw(with_ids(CARRIED_MAX + 1)), 5), 5));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9_=+/-]{0,120}|.*") {
            prop_assert!(text.is_empty() || is_refused(&text, 5));
        }

        #[test]
        fn a_changed_token_is_refused(at: prop::sample::Index, bit in 0_u8..8) {
            let text = seal(&after_trace(Some(key(1)), vec![trace_id(2)]), 5);
            let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(is_refused(&URL_SAFE_NO_PAD.encode(bytes), 5));
        }
    }
}
