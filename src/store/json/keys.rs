//! The keys in the attributes of events and links, without reading what stands under them: a stack trace is long. Lists are
//! gone through as jsonb prints them; one that looks different is read as any JSON.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::store::{StoreError, text};

/// What was found in some lists of events or links.
#[derive(Debug, Default)]
pub(crate) struct KeysOfLists<'t> {
    /// The keys, but for those under which nothing stands.
    pub(crate) keys: HashSet<Cow<'t, str>>,
    /// Those that were seen, as they are written.
    seen: Vec<&'t str>,
}

/// More than these are not remembered: to look for one among so many takes as long as to read it.
const SEEN_MAX: usize = 64;

impl<'t> KeysOfLists<'t> {
    /// Adds those of what [`events`](super::events) or [`links`](super::links) wrote.
    pub(crate) fn add(&mut self, list: &'t str) -> Result<(), StoreError> {
        if self.add_printed(list).is_some() {
            return Ok(());
        }
        let objects: Vec<Keys<'t>> = serde_json::from_str(list).map_err(|error| StoreError::Corrupt {
            what: format!("a list of events or links can not be read: {error}"),
        })?;
        self.keys.extend(objects.into_iter().flat_map(|Keys(keys)| keys));
        Ok(())
    }

    /// The same of a list as jsonb prints it; `None` when it is none.
    fn add_printed(&mut self, list: &'t str) -> Option<()> {
        let mut rest = list.strip_prefix('[')?;
        if rest == "]" {
            return Some(());
        }
        loop {
            rest = each_pair(rest, |name, value| match name {
                r#""attributes""# => each_pair(value, |key, value| {
                    // Nothing else begins like a null.
                    if !value.starts_with('n') {
                        self.see(key)?;
                    }
                    behind_value(value)
                }),
                _ => behind_value(value),
            })?;
            match rest.strip_prefix(", ") {
                Some(next) => rest = next,
                None => return (rest == "]").then_some(()),
            }
        }
    }

    fn see(&mut self, written: &'t str) -> Option<()> {
        if self.seen.contains(&written) {
            return Some(());
        }
        let Key(key) = serde_json::from_str(written).ok()?;
        self.keys.insert(key);
        if self.seen.len() < SEEN_MAX {
            self.seen.push(written);
        }
        Some(())
    }
}

/// Gives the keys of an object, as they are written, and the text from the value on, for what is behind that; gives what is
/// behind the object.
fn each_pair<'t>(text: &'t str, mut each: impl FnMut(&'t str, &'t str) -> Option<&'t str>) -> Option<&'t str> {
    let mut rest = text.strip_prefix('{')?;
    if let Some(behind) = rest.strip_prefix('}') {
        return Some(behind);
    }
    loop {
        let (key, behind) = rest.split_at_checked(string_bytes(rest.as_bytes())?)?;
        let behind = each(key, behind.strip_prefix(": ")?)?;
        match behind.strip_prefix(", ") {
            Some(next) => rest = next,
            None => return behind.strip_prefix('}'),
        }
    }
}

/// What is behind the value with which a text begins: a comma, or the end of what it is in.
fn behind_value(text: &str) -> Option<&str> {
    let (bytes, mut end, mut depth) = (text.as_bytes(), 0_usize, 0_usize);
    loop {
        match bytes.get(end)? {
            b',' | b'}' | b']' if depth == 0 => return text.get(end..).filter(|_| end > 0),
            b'"' => end = end.checked_add(string_bytes(bytes.get(end..)?)?)?,
            b'{' | b'[' => (end, depth) = (end.checked_add(1)?, depth.checked_add(1)?),
            b'}' | b']' => (end, depth) = (end.checked_add(1)?, depth.checked_sub(1)?),
            _ => end = end.checked_add(1)?,
        }
    }
}

/// How long the string is with which a text begins, with its quotes.
fn string_bytes(text: &[u8]) -> Option<usize> {
    let mut end = text.strip_prefix(b"\"").map(|_| 1_usize)?;
    loop {
        let next = text.get(end..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        end = end.checked_add(next)?;
        match text.get(end)? {
            b'"' => return end.checked_add(1),
            // What is escaped is no end.
            _ => end = end.checked_add(2)?,
        }
    }
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
        // As jsonb prints it, and as it was written, which it need not be.
        let printed = text.replace("\":", "\": ").replace(",\"", ", \"").replace("},{", "}, {");
        for text in [text, printed] {
            let mut found = KeysOfLists::default();
            found.add(&text).unwrap();
            let mut keys: Vec<_> = found.keys.into_iter().collect();
            keys.sort();
            assert_eq!(keys, ["\u{1}\0\"\\", "b", "name", "twice"], "{text}");
        }
        assert!(KeysOfLists::default().add("[{\"attributes\": 1}]").is_err());
    }

    /// Scenario: lists as jsonb prints them. Guarantee: they are gone through as such, and nothing is found that is not a key.
    #[test]
    fn what_jsonb_prints_is_not_read_as_any_json() {
        let mut found = KeysOfLists::default();
        for list in [
            "[]",
            "[{}]",
            r#"[{"name": "a", "attributes": {}}, {"attributes": {"a": [1, {"x": 2}], "b": "}]\\", "c\"": null}}]"#,
            r#"[{"attributes": {"d": {"y": "\""}, "e": false, "f\t": -1.5}, "time_unix_nano": 1}]"#,
        ] {
            assert!(found.add_printed(list).is_some(), "{list}");
        }
        let mut keys: Vec<_> = found.keys.into_iter().collect();
        keys.sort();
        assert_eq!(keys, ["a", "b", "d", "e", "f\t"]);
    }

    /// Scenario: texts that jsonb does not print. Guarantee: they are no list.
    #[test]
    fn what_jsonb_does_not_print_is_no_list() {
        for list in [
            "",
            "[",
            "{}",
            "[{]",
            "[{}",
            "[{}, ]",
            "[1]",
            r#"[{"attributes": 1}]"#,
            r#"[{"attributes": {"a": }}]"#,
            r#"[{"attributes": {"a": 1}]"#,
            r#"[{"attributes":{"a": 1}}]"#,
            r#"[{"a": "b\"}]"#,
            r#"[{"a": [1}]"#,
        ] {
            assert!(KeysOfLists::default().add_printed(list).is_none(), "{list}");
        }
    }
}
