//! The keys in the attributes of events and links, without reading what stands under them: a stack trace is long.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::store::{StoreError, text};

/// Adds the keys of what [`events`](super::events) or [`links`](super::links) wrote, but for those under which nothing stands.
pub(crate) fn add_keys_of_list<'t>(list: &'t str, keys: &mut HashSet<Cow<'t, str>>) -> Result<(), StoreError> {
    let objects: Vec<Keys<'t>> = serde_json::from_str(list)
        .map_err(|error| StoreError::Corrupt { what: format!("a list of events or links can not be read: {error}") })?;
    keys.extend(objects.into_iter().flat_map(|Keys(keys)| keys));
    Ok(())
}

/// Those of one event or link.
struct Keys<'t>(Vec<Cow<'t, str>>);

impl<'t> Deserialize<'t> for Keys<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'t> Visitor<'t> for FieldsVisitor {
    type Value = Keys<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Keys<'t>, A::Error> {
        let mut keys = Vec::new();
        while let Some(Key(name)) = map.next_key()? {
            if name == "attributes" {
                let Pairs(found) = map.next_value()?;
                keys = found;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Keys(keys))
    }
}

/// The keys of an object.
struct Pairs<'t>(Vec<Cow<'t, str>>);

impl<'t> Deserialize<'t> for Pairs<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'t> Visitor<'t> for PairsVisitor {
    type Value = Pairs<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Pairs<'t>, A::Error> {
        let mut keys = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                keys.push(key);
            }
        }
        Ok(Pairs(keys))
    }
}

/// A string by the rule of `text.rs`, where it stands if it can.
struct Key<'t>(Cow<'t, str>);

impl<'t> Deserialize<'t> for Key<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'t> Visitor<'t> for KeyVisitor {
    type Value = Key<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, stored: &'t str) -> Result<Key<'t>, E> {
        text::original(stored).map(Key).ok_or_else(|| E::custom("a broken U+0001"))
    }

    fn visit_str<E: Error>(self, stored: &str) -> Result<Key<'t>, E> {
        let original = text::original(stored).ok_or_else(|| E::custom("a broken U+0001"))?;
        Ok(Key(Cow::Owned(original.into_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attribute, Attributes, Event, Value};
    use crate::store::json;

    /// Scenario: keys beside nested ones, one twice, one with nothing under it, and one that JSON has to escape. Guarantee: as
    /// those that are found in the events themselves.
    #[test]
    fn keys_are_those_of_the_events() {
        let attribute = |key: &str, value: Value| Attribute { key: key.to_owned(), value };
        let inner = Value::Map(Attributes(vec![attribute("inner", Value::Int(1))]));
        let attributes = vec![
            attribute("b", inner),
            attribute("name", Value::from("\": ")),
            attribute("nothing", Value::Null),
            attribute("twice", Value::Null),
            attribute("twice", Value::Int(2)),
            attribute("\u{1}\0\"\\", Value::from("x")),
        ];
        let events = [Event { attributes: Attributes(attributes), ..Event::default() }, Event::default()];
        let mut text = Vec::new();
        json::events(&events, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let mut keys = HashSet::new();
        add_keys_of_list(&text, &mut keys).unwrap();
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort();
        assert_eq!(keys, ["\u{1}\0\"\\", "b", "name", "twice"]);
        assert!(add_keys_of_list("[{\"attributes\": 1}]", &mut HashSet::new()).is_err());
    }
}
