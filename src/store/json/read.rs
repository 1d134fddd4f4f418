//! JSON text to values, straight from the parser's events, with no tree in between. Fields that are not known are
//! passed over: a newer version may have written them.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{SHAPE_LIST, SHAPE_ORDER, key_order_of};
use crate::model::{Attribute, Attributes, EntityRef, Event, Link, SpanId, TraceId, UnixNanos, Value};
use crate::store::{StoreError, text};

/// Reads what [`attributes`](super::attributes) wrote.
pub(crate) fn read_attributes(object: &[u8], shape: Option<&[u8]>) -> Result<Attributes, StoreError> {
    let Pairs(pairs) = parse("attributes", object)?;
    restore(pairs, shape).map_err(|wrong| StoreError::Corrupt { what: wrong.to_owned() })
}

/// Reads what [`events`](super::events) wrote.
pub(crate) fn read_events(text: &[u8]) -> Result<Vec<Event>, StoreError> {
    parse::<Vec<Object<EventFields>>>("events", text).map(wholes)
}

/// Reads what [`links`](super::links) wrote.
pub(crate) fn read_links(text: &[u8]) -> Result<Vec<Link>, StoreError> {
    parse::<Vec<Object<LinkFields>>>("links", text).map(wholes)
}

/// Reads what [`entity_refs`](super::entity_refs) wrote.
pub(crate) fn read_entity_refs(text: &[u8]) -> Result<Vec<EntityRef>, StoreError> {
    parse::<Vec<Object<EntityRefFields>>>("entity_refs", text).map(wholes)
}

/// Reads what [`value`](super::value) wrote.
pub(crate) fn read_value(text: &[u8]) -> Result<Value, StoreError> {
    parse("value", text).map(|AnyValue(value)| value)
}

/// The parser's own words are not passed on: they quote the data.
fn parse<'de, T: Deserialize<'de>>(column: &str, text: &'de [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(text).map_err(|error| StoreError::Corrupt {
        what: format!("{column} are not as they were written, at byte {}", error.column()),
    })
}

/// Puts an object's pairs back into the list that the shape tells of.
fn restore(pairs: Vec<Attribute>, shape: Option<&[u8]>) -> Result<Attributes, &'static str> {
    match shape.map(<[u8]>::split_first) {
        None => Ok(Attributes(sorted(pairs))),
        Some(Some((&SHAPE_ORDER, order))) => {
            reorder(sorted(pairs), order).map(Attributes).ok_or("the attributes' order is not one of theirs")
        }
        Some(Some((&SHAPE_LIST, text))) => {
            let list: Vec<Pair> = serde_json::from_slice(text).map_err(|_| "the attributes' shape is no list")?;
            Ok(Attributes(list.into_iter().map(|Pair(attribute)| attribute).collect()))
        }
        Some(_) => Err("the attributes' shape is of an unknown kind"),
    }
}

/// In jsonb's order, whoever wrote the text.
fn sorted(mut pairs: Vec<Attribute>) -> Vec<Attribute> {
    let order = key_order_of(&pairs);
    pairs.sort_by(order);
    pairs
}

fn reorder(sorted: Vec<Attribute>, order: &[u8]) -> Option<Vec<Attribute>> {
    let width = if sorted.len() <= 256 { 1 } else { 2 };
    if order.len() != sorted.len().checked_mul(width)? {
        return None;
    }
    let mut places: Vec<Option<Attribute>> = Vec::new();
    places.resize_with(sorted.len(), || None);
    for (attribute, index) in sorted.into_iter().zip(order.chunks_exact(width)) {
        let index = index.iter().rev().fold(0, |index, byte| index << 8 | usize::from(*byte));
        if places.get_mut(index)?.replace(attribute).is_some() {
            return None;
        }
    }
    places.into_iter().collect()
}

/// What a JSON object's fields are gathered in.
trait Fields: Default {
    /// What they make.
    type Whole;

    /// Takes the value of one field.
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;

    /// All fields are there.
    fn finish(self) -> Result<Self::Whole, &'static str>;
}

/// A JSON object that is read field by field.
struct Object<F: Fields>(F::Whole);

fn wholes<F: Fields>(objects: Vec<Object<F>>) -> Vec<F::Whole> {
    objects.into_iter().map(|Object(whole)| whole).collect()
}

impl<'de, F: Fields> Deserialize<'de> for Object<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<F>(PhantomData<F>);

impl<'de, F: Fields> Visitor<'de> for ObjectVisitor<F> {
    type Value = Object<F>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = F::default();
        while let Some(Text(name)) = map.next_key()? {
            fields.take(&name, &mut map)?;
        }
        fields.finish().map(Object).map_err(A::Error::custom)
    }
}

#[derive(Default)]
struct EventFields {
    event: Event,
    attributes: Described,
}

impl Fields for EventFields {
    type Whole = Event;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "time_unix_nano" => self.event.time = UnixNanos(map.next_value()?),
            "name" => self.event.name = map.next_value::<Text>()?.0,
            "dropped_attributes_count" => self.event.dropped_attributes_count = map.next_value()?,
            other => self.attributes.take(other, map)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Event, &'static str> {
        Ok(Event { attributes: self.attributes.finish()?, ..self.event })
    }
}

#[derive(Default)]
struct LinkFields {
    link: Link,
    attributes: Described,
}

impl Fields for LinkFields {
    type Whole = Link;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "trace_id" => {
                let Text(hex) = map.next_value()?;
                self.link.trace_id = Some(TraceId::parse_hex(&hex).map_err(A::Error::custom)?);
            }
            "span_id" => {
                let Text(hex) = map.next_value()?;
                self.link.span_id = Some(SpanId::parse_hex(&hex).map_err(A::Error::custom)?);
            }
            "trace_state" => self.link.trace_state = map.next_value::<Text>()?.0,
            "flags" => self.link.flags = map.next_value()?,
            "dropped_attributes_count" => self.link.dropped_attributes_count = map.next_value()?,
            other => self.attributes.take(other, map)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Link, &'static str> {
        Ok(Link { attributes: self.attributes.finish()?, ..self.link })
    }
}

/// The attributes of an event or link, and their shape.
#[derive(Default)]
struct Described {
    pairs: Vec<Attribute>,
    shape: Option<Vec<u8>>,
}

impl Described {
    /// Takes one of its own fields, and passes over one that nobody knows.
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "attributes" => self.pairs = map.next_value::<Pairs>()?.0,
            "shape" => self.shape = Some(bytes(&map.next_value::<Text>()?.0)?),
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Attributes, &'static str> {
        restore(self.pairs, self.shape.as_deref())
    }
}

#[derive(Default)]
struct EntityRefFields(EntityRef);

impl Fields for EntityRefFields {
    type Whole = EntityRef;

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let texts = |texts: Vec<Text>| texts.into_iter().map(|Text(text)| text).collect();
        match name {
            "schema_url" => self.0.schema_url = map.next_value::<Text>()?.0,
            "type" => self.0.entity_type = map.next_value::<Text>()?.0,
            "id_keys" => self.0.id_keys = texts(map.next_value()?),
            "description_keys" => self.0.description_keys = texts(map.next_value()?),
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<EntityRef, &'static str> {
        Ok(self.0)
    }
}

/// A string by the rule of `text.rs`.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, stored: &str) -> Result<Text, E> {
        original(stored).map(Text)
    }
}

fn original<E: Error>(stored: &str) -> Result<String, E> {
    text::original(stored).map(std::borrow::Cow::into_owned).ok_or_else(|| E::custom("a broken U+0001"))
}

/// The pairs of an object, none of them a tag.
struct Pairs(Vec<Attribute>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            pairs.push(Attribute { key, value: map.next_value::<AnyValue>()?.0 });
        }
        Ok(Pairs(pairs))
    }
}

/// `["key",value]`
struct Pair(Attribute);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (Text(key), AnyValue(value)) = Deserialize::deserialize(deserializer)?;
        Ok(Self(Attribute { key, value }))
    }
}

/// Any value, tagged forms undone.
struct AnyValue(Value);

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor).map(Self)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(Value::Bool(bool))
    }

    fn visit_i64<E>(self, int: i64) -> Result<Value, E> {
        Ok(Value::Int(int))
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Value, E> {
        i64::try_from(int).map(Value::Int).map_err(E::custom)
    }

    fn visit_f64<E>(self, double: f64) -> Result<Value, E> {
        Ok(Value::Double(double))
    }

    fn visit_str<E: Error>(self, stored: &str) -> Result<Value, E> {
        original(stored).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(AnyValue(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            if key.starts_with('$') {
                let value = tagged(&key, &mut map)?;
                let alone = pairs.is_empty() && map.next_key::<IgnoredAny>()?.is_none();
                return if alone { Ok(value) } else { Err(A::Error::custom("a tag beside other keys")) };
            }
            pairs.push(Attribute { key, value: map.next_value::<AnyValue>()?.0 });
        }
        Ok(Value::Map(Attributes(pairs)))
    }
}

/// The value behind a tag.
fn tagged<'de, A: MapAccess<'de>>(tag: &str, map: &mut A) -> Result<Value, A::Error> {
    match tag {
        "$bytes" => bytes(&map.next_value::<Text>()?.0).map(Value::Bytes),
        "$double" => {
            let Text(text) = map.next_value()?;
            double(&text).map(Value::Double).ok_or_else(|| A::Error::custom("no double"))
        }
        "$map" => {
            let pairs: Vec<Pair> = map.next_value()?;
            Ok(Value::Map(Attributes(pairs.into_iter().map(|Pair(attribute)| attribute).collect())))
        }
        _ => Err(A::Error::custom("an unknown tag")),
    }
}

fn bytes<E: Error>(base64: &str) -> Result<Vec<u8>, E> {
    STANDARD.decode(base64).map_err(|_| E::custom("no base64"))
}

fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        "-0.0" => Some(-0.0),
        other => {
            let bits = u64::from_str_radix(other.strip_prefix("NaN:")?, 16).ok()?;
            Some(f64::from_bits(bits)).filter(|double| double.is_nan())
        }
    }
}
