//! How JSON objects and lists are read into values, without a tree in between: an [`Object`] is told its members one
//! by one, and asks each [`Member`] for what it expects there. `null` is an object without members, and an empty list.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::memory::Full;
use super::super::{DecodeError, Memory, RejectReason};
use super::VALUE_DEPTH_JSON_MAX;
use super::scalar::{Base64, Bool, Double, Enumeration, Integer, Text, WholeNumber, span_id, trace_id};
use crate::model::{IdError, SpanId, TraceId};

/// What is noticed while reading and belongs to no one field.
pub(crate) struct Notes<'a> {
    pub(crate) memory: &'a Memory<'a>,
    fault: Cell<Option<RejectReason>>,
    repaired: Cell<u64>,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(memory: &'a Memory<'a>) -> Self {
        Self { memory, fault: Cell::default(), repaired: Cell::default() }
    }

    /// Takes memory. An error ends the reading of the request.
    pub(crate) fn take<E: Error>(&self, bytes: usize) -> Result<(), E> {
        self.memory.take(bytes).map_err(no_room)
    }

    /// Appends to a list, likewise.
    pub(crate) fn push<T, E: Error>(&self, items: &mut Vec<T>, item: T) -> Result<(), E> {
        self.memory.push(items, item).map_err(no_room)
    }

    /// Remembers a reason to reject what is being read; the first one counts.
    pub(crate) fn note_fault(&self, reason: RejectReason) {
        self.fault.set(self.fault.get().or(Some(reason)));
    }

    /// Hands over what was noted since the last time.
    pub(crate) fn take_fault(&self) -> Option<RejectReason> {
        self.fault.take()
    }

    pub(crate) fn note_repair(&self) {
        self.repaired.set(self.repaired.get().saturating_add(1));
    }

    pub(crate) fn repaired(&self) -> u64 {
        self.repaired.get()
    }
}

/// Never shown, as with protobuf.
fn no_room<E: Error>(_: Full) -> E {
    E::custom("no room")
}

/// What a JSON object is read into.
pub(crate) trait Object {
    /// Reads the member of this name. `value` must be used up, by [`Member::skip`] if need be.
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, value: Member<'_, A>) -> Result<(), A::Error>;

    /// In how many values it lies, when it is one. Those over [`VALUE_DEPTH_JSON_MAX`] are skipped, and noted.
    fn depth(&self) -> usize {
        0
    }
}

/// Reads a text that holds one JSON object and nothing else.
pub(crate) fn read(body: &[u8], target: &mut impl Object, notes: &Notes<'_>) -> Result<(), DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Members { target, notes }.deserialize(&mut deserializer)?;
    Ok(deserializer.end()?)
}

/// Reads a text that holds one JSON list of objects and nothing else: each into a `new` one, which `keep` gets.
pub(crate) fn read_list<T: Object>(
    body: &[u8],
    new: impl Fn() -> T,
    keep: impl FnMut(T) -> Result<(), Full>,
    notes: &Notes<'_>,
) -> Result<(), DecodeError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    Items { new, keep, notes }.deserialize(&mut deserializer)?;
    Ok(deserializer.end()?)
}

/// The value of an object's member, not yet read.
pub(crate) struct Member<'a, A> {
    map: &'a mut A,
    pub(crate) notes: &'a Notes<'a>,
}

impl<'de, A: MapAccess<'de>> Member<'_, A> {
    /// Skips it, whatever it is and however deep (without recursion).
    pub(crate) fn skip(self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(drop)
    }

    /// Reads an object; says whether there was one, not `null`.
    pub(crate) fn object(self, target: &mut impl Object) -> Result<bool, A::Error> {
        self.map.next_value_seed(Members { target, notes: self.notes })
    }

    /// Reads a list of objects: each into a `new` one, which `keep` gets.
    pub(crate) fn each<T: Object>(
        self,
        new: impl Fn() -> T,
        keep: impl FnMut(T) -> Result<(), Full>,
    ) -> Result<(), A::Error> {
        self.map.next_value_seed(Items { new, keep, notes: self.notes })
    }

    /// Reads a list of objects, after those that are there.
    pub(crate) fn list<T: Object + Default>(self, items: &mut Vec<T>) -> Result<(), A::Error> {
        let memory = self.notes.memory;
        self.each(T::default, |item| memory.push(items, item))
    }

    /// Reads a list of texts, after those that are there.
    pub(crate) fn texts(self, texts: &mut Vec<String>) -> Result<(), A::Error> {
        self.map.next_value_seed(Texts { texts, notes: self.notes })
    }

    pub(crate) fn text(self) -> Result<String, A::Error> {
        Ok(self.optional_text()?.unwrap_or_default())
    }

    pub(crate) fn optional_text(self) -> Result<Option<String>, A::Error> {
        let text = self.map.next_value_seed(Text(self.notes))?;
        self.notes.take(text.as_deref().map_or(0, str::len))?;
        Ok(text.map(Into::into))
    }

    pub(crate) fn optional_bool(self) -> Result<Option<bool>, A::Error> {
        self.map.next_value_seed(Bool)
    }

    pub(crate) fn integer<T: WholeNumber>(self) -> Result<T, A::Error> {
        Ok(self.optional_integer()?.unwrap_or_default())
    }

    pub(crate) fn optional_integer<T: WholeNumber>(self) -> Result<Option<T>, A::Error> {
        self.map.next_value_seed(Integer::new(self.notes))
    }

    /// Reads an enum: its number, also one that `number` does not know, or one of its names.
    pub(crate) fn enumeration<E: Into<i32>>(self, named: fn(&str) -> Option<E>) -> Result<i32, A::Error> {
        Ok(self.map.next_value_seed(Enumeration(named, self.notes))?.unwrap_or_default())
    }

    pub(crate) fn optional_double(self) -> Result<Option<f64>, A::Error> {
        self.map.next_value_seed(Double(self.notes))
    }

    pub(crate) fn optional_bytes(self) -> Result<Option<Vec<u8>>, A::Error> {
        let bytes = self.map.next_value_seed(Base64(self.notes))?;
        self.notes.take(bytes.as_deref().map_or(0, <[u8]>::len))?;
        Ok(bytes)
    }

    /// Reads an id, which may turn out to be none: that is for the span to deal with, not for the request.
    pub(crate) fn trace_id(self) -> Result<Result<TraceId, IdError>, A::Error> {
        let text = self.map.next_value_seed(Text(self.notes))?;
        Ok(trace_id(&text.unwrap_or_default()))
    }

    /// As [`Self::trace_id`].
    pub(crate) fn span_id(self) -> Result<Result<SpanId, IdError>, A::Error> {
        let text = self.map.next_value_seed(Text(self.notes))?;
        Ok(span_id(&text.unwrap_or_default()))
    }
}

/// Reads an object into `target`; gives whether there was one, not `null`.
struct Members<'a, T> {
    target: &'a mut T,
    notes: &'a Notes<'a>,
}

impl<'de, T: Object> DeserializeSeed<'de> for Members<'_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        if self.target.depth() > VALUE_DEPTH_JSON_MAX {
            self.notes.note_fault(RejectReason::Depth { depth_max: VALUE_DEPTH_JSON_MAX, of: "values" });
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| false);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Object> Visitor<'de> for Members<'_, T> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(name) = map.next_key_seed(Text(self.notes))? {
            let value = Member { map: &mut map, notes: self.notes };
            self.target.member(&name.unwrap_or_default(), value)?;
        }
        Ok(true)
    }
}

/// Reads a list of objects.
struct Items<'a, N, K> {
    new: N,
    keep: K,
    notes: &'a Notes<'a>,
}

impl<'de, T: Object, N: Fn() -> T, K: FnMut(T) -> Result<(), Full>> DeserializeSeed<'de> for Items<'_, N, K> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Object, N: Fn() -> T, K: FnMut(T) -> Result<(), Full>> Visitor<'de> for Items<'_, N, K> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        loop {
            let mut item = (self.new)();
            let members = Members { target: &mut item, notes: self.notes };
            if items.next_element_seed(members)?.is_none() {
                return Ok(());
            }
            (self.keep)(item).map_err(no_room)?;
        }
    }
}

/// Reads a list of texts.
struct Texts<'a> {
    texts: &'a mut Vec<String>,
    notes: &'a Notes<'a>,
}

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of texts")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(text) = items.next_element_seed(Text(self.notes))? {
            let text = text.unwrap_or_default().into_owned();
            self.notes.take(text.len())?;
            self.notes.memory.push(self.texts, text).map_err(no_room)?;
        }
        Ok(())
    }
}
