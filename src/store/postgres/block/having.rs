//! What the text of a block says of an attribute, before a span is made of it: the value of each span stands in its line,
//! or, when many have it, in the format of their shape.

use super::cut::cut;
use super::starts::BlockStarts;
use super::stored::{Lines, StoredBlock};
use crate::model::Value;
use crate::store::{json, text};

/// Stands in a format for what varies. jsonb prints it as an escape, if at all.
const VARIES: &str = "\u{1}";

/// Where the spans of a shape have the value under a key.
#[derive(Debug, PartialEq, Eq)]
enum Under<T> {
    /// This is known of all of them: they have the same value, or none has one.
    Same(T),
    /// It can not be read.
    Unreadable,
    /// At this place of each span's line.
    Varies(usize),
}

/// What is made of an attribute of a block's spans; of one that is not there, the default.
pub(crate) struct Having<'b, T, F> {
    shapes: Vec<Under<T>>,
    lines: &'b Lines,
    make: F,
}

impl<'b, T: Clone + Default, F: Fn(&Value) -> T> Having<'b, T, F> {
    fn of<'p>(pieces: impl Iterator<Item = &'p [String]>, lines: &'b Lines, key: &str, make: F) -> Self {
        let key = text::stored(key);
        Self { shapes: pieces.map(|pieces| under(pieces, &key, &make)).collect(), lines, make }
    }

    /// Of the span at a place, which has this shape; `None` when it can not be read.
    pub(crate) fn at(&self, place: usize, shape: usize) -> Option<T> {
        match self.shapes.get(shape)? {
            Under::Same(made) => Some(made.clone()),
            Under::Varies(number) => {
                let value = self.lines.get(place).split('\t').nth(*number)?;
                json::read_value(value.as_bytes()).ok().map(|value| (self.make)(&value))
            }
            Under::Unreadable => None,
        }
    }
}

impl StoredBlock {
    /// Says of each place whether the attribute of the span there is there and is this. What can not be read may be
    /// anything.
    pub(crate) fn having<'b>(&'b self, key: &str, is: impl Fn(&Value) -> bool + 'b) -> impl Fn(usize) -> bool + 'b {
        let pieces = self.shapes.iter().map(|shape| shape.pieces.as_slice());
        let having = Having::of(pieces, &self.values, key, is);
        move |place| self.heads.get(place).and_then(|head| having.at(place, head.shape)).unwrap_or(true)
    }
}

impl BlockStarts {
    /// The same, exactly, and whatever is made of it; `None` when attributes were not asked for.
    pub(crate) fn having<T: Clone + Default, F: Fn(&Value) -> T>(
        &self,
        key: &str,
        make: F,
    ) -> Option<Having<'_, T, F>> {
        let attributes = self.attributes.as_ref()?;
        Some(Having::of(attributes.pieces.iter().map(Vec::as_slice), &attributes.values, key, make))
    }
}

fn under<T: Default>(pieces: &[String], key: &str, make: impl Fn(&Value) -> T) -> Under<T> {
    let (format, mut pairs) = (pieces.join(VARIES), Vec::new());
    if cut(format.as_bytes(), &mut pairs).is_none() {
        return Under::Unreadable;
    }
    let mut varying = 0_usize;
    for pair in pairs {
        let varies = pair.value == VARIES.as_bytes();
        let Ok(here) = serde_json::from_slice::<String>(pair.key) else { return Under::Unreadable };
        if here == key {
            let same = || json::read_value(pair.value).map_or(Under::Unreadable, |value| Under::Same(make(&value)));
            return if varies { Under::Varies(varying) } else { same() };
        }
        varying = varying.saturating_add(usize::from(varies));
    }
    Under::Same(T::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under_key(pieces: &[&str], key: &str, wanted: &Value) -> Under<bool> {
        let pieces: Vec<_> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        under(&pieces, key, |value| value == wanted)
    }

    /// The pieces of `{"a": 1, "b": %s, "c": {"d": 2}, "e": %s}`.
    #[test]
    fn a_key_varies_or_is_the_same_or_is_not_there() {
        let pieces = [r#"{"a": 1, "b": "#, r#", "c": {"d": 2}, "e": "#, "}"];
        assert_eq!(under_key(&pieces, "a", &Value::Int(1)), Under::Same(true));
        assert_eq!(under_key(&pieces, "a", &Value::Int(11)), Under::Same(false));
        assert_eq!(under_key(&pieces, "b", &Value::Int(1)), Under::Varies(0));
        assert_eq!(under_key(&pieces, "e", &Value::Int(1)), Under::Varies(1));
        assert_eq!(under_key(&pieces, "d", &Value::Int(2)), Under::Same(false));
        assert_eq!(under_key(&pieces, "f", &Value::Int(1)), Under::Same(false));
    }

    /// The pieces of `{"a": {"k": 3}, "b\"": "k", "k": %s}`.
    #[test]
    fn a_key_of_an_object_is_not_the_one_of_the_span() {
        let pieces = [r#"{"a": {"k": 3}, "b\"": "k", "k": "#, "}"];
        assert_eq!(under_key(&pieces, "k", &Value::Int(3)), Under::Varies(0));
        assert_eq!(under_key(&pieces, "b\"", &Value::from("k")), Under::Same(true));
    }

    #[test]
    fn values_are_read_as_what_they_were() {
        let pieces = [r#"{"a": 1.0, "b": {"$double": "NaN"}, "c": "\u0001\u0001", "\u0001\u0002": null}"#];
        assert_eq!(under_key(&pieces, "a", &Value::Int(1)), Under::Same(false));
        assert_eq!(under_key(&pieces, "a", &Value::Double(1.0)), Under::Same(true));
        assert_eq!(under_key(&pieces, "b", &Value::Double(f64::NAN)), Under::Same(true));
        assert_eq!(under_key(&pieces, "c", &Value::from("\0")), Under::Same(true));
        assert_eq!(under_key(&pieces, &text::stored("\u{1}"), &Value::Null), Under::Same(true));
    }

    #[test]
    fn what_can_not_be_read_is_not_known() {
        assert_eq!(under_key(&["{"], "a", &Value::Int(1)), Under::Unreadable);
        assert_eq!(under_key(&[r#"{"a": {"$": 1}}"#], "a", &Value::Int(1)), Under::Unreadable);
    }
}
