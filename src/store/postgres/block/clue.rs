//! What the text of a block says of an attribute, before a span is made of it: most spans that do not have what is
//! searched for are left out at the price of a comparison. It may be wrong in one direction only.

use super::stored::StoredBlock;
use crate::model::Value;

/// An attribute as jsonb prints it.
#[derive(Debug)]
pub(crate) struct Clue {
    /// The key and what stands behind it.
    key: String,
    value: String,
}

/// Where the spans of a shape may have the value under the key. A key may stand in more than one place: a value can be an
/// object that has it too.
#[derive(Debug, PartialEq, Eq)]
struct Under {
    /// In what all of them share.
    is_shared: bool,
    /// At these places of each span's line.
    of_line: Vec<usize>,
}

impl Clue {
    /// `None` for what jsonb may print in another way than it came.
    pub(crate) fn of(key: &str, value: &Value) -> Option<Self> {
        let value = match value {
            Value::String(text) => quoted(text)?,
            Value::Int(int) => int.to_string(),
            Value::Bool(bool) => bool.to_string(),
            _ => return None,
        };
        Some(Self { key: format!("{}: ", quoted(key)?), value })
    }

    fn under(&self, pieces: &[String]) -> Under {
        let before_values = pieces.len().saturating_sub(1);
        let places = pieces.iter().take(before_values).enumerate();
        let of_line = places.filter(|(_, piece)| piece.ends_with(&self.key)).map(|(place, _)| place).collect();
        let constant = format!("{}{}", self.key, self.value);
        let ends = |after: Option<&str>| after.is_some_and(|after| after.starts_with([',', '}']));
        let has = |piece: &String| {
            piece
                .match_indices(&constant)
                .any(|(at, found)| ends(at.checked_add(found.len()).and_then(|end| piece.get(end..))))
        };
        Under { is_shared: pieces.iter().any(has), of_line }
    }
}

/// A text in quotes, when it is one that nobody escapes.
fn quoted(text: &str) -> Option<String> {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    text.bytes().all(is_plain).then(|| format!("\"{text}\""))
}

impl StoredBlock {
    /// Says of each place whether the span there may have the attribute.
    pub(crate) fn may_have(&self, clue: &Clue) -> impl Fn(usize) -> bool + use<'_> {
        let shapes: Vec<Under> = self.shapes.iter().map(|shape| clue.under(&shape.pieces)).collect();
        let value = clue.value.clone();
        move |place| {
            let shape = self.heads.get(place).map_or(0, |head| head.shape);
            shapes.get(shape).is_none_or(|under| {
                let line = |number: &usize| self.values.get(place).split('\t').nth(*number) == Some(&value);
                under.is_shared || under.of_line.iter().any(line)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(pieces: &[&str], key: &str, value: &Value) -> (bool, Vec<usize>) {
        let pieces: Vec<_> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        let Under { is_shared, of_line } = Clue::of(key, value).unwrap().under(&pieces);
        (is_shared, of_line)
    }

    /// The pieces of `{"a": 1, "b": %s, "c": {"d": 2}, "e": %s}`.
    #[test]
    fn a_key_varies_or_is_the_same_or_is_not_there() {
        let pieces = [r#"{"a": 1, "b": "#, r#", "c": {"d": 2}, "e": "#, "}"];
        assert_eq!(under(&pieces, "a", &Value::Int(1)), (true, vec![]));
        assert_eq!(under(&pieces, "a", &Value::Int(11)), (false, vec![]));
        assert_eq!(under(&pieces, "b", &Value::Int(1)), (false, vec![0]));
        assert_eq!(under(&pieces, "e", &Value::Int(1)), (false, vec![1]));
        assert_eq!(under(&pieces, "f", &Value::Int(1)), (false, vec![]));
    }

    /// The pieces of `{"a": {"k": %s}, "b": {"k": 3}, "k": %s}`: which of them is the span's own is not known.
    #[test]
    fn a_key_of_an_object_does_not_hide_the_one_of_the_span() {
        let pieces = [r#"{"a": {"k": "#, r#"}, "b": {"k": 3}, "k": "#, "}"];
        assert_eq!(under(&pieces, "k", &Value::Int(1)), (false, vec![0, 1]));
        assert_eq!(under(&pieces, "k", &Value::Int(3)), (true, vec![0, 1]));
    }

    /// A value that goes on is another one.
    #[test]
    fn the_whole_value_counts() {
        let pieces = [r#"{"a": 12, "b": "x", "c": "xy"}"#];
        assert_eq!(under(&pieces, "a", &Value::Int(1)), (false, vec![]));
        assert_eq!(under(&pieces, "a", &Value::Int(12)), (true, vec![]));
        assert_eq!(under(&pieces, "b", &Value::from("x")), (true, vec![]));
        assert_eq!(under(&pieces, "c", &Value::from("x")), (false, vec![]));
        assert_eq!(under(&pieces, "c", &Value::from("xy")), (true, vec![]));
    }

    #[test]
    fn what_may_be_printed_otherwise_is_no_clue() {
        for value in
            [Value::from("a\"b"), Value::from("a\\b"), Value::from("a\tb"), Value::from("é"), Value::Double(1.0)]
        {
            assert!(Clue::of("key", &value).is_none(), "{value:?}");
        }
        assert!(Clue::of("k\u{1}", &Value::Int(1)).is_none());
        assert!(Clue::of("key", &Value::Bool(true)).is_some());
    }
}
