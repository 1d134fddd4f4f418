//! The attributes of a block's spans as its formats and lines have them, without making the spans: far less is read and
//! decoded, and what many spans share is looked at once.

use std::collections::HashSet;

use super::cut::cut;
use crate::store::text;

/// The formats of a block's shapes.
#[derive(Debug)]
pub(crate) struct Formats(Vec<Vec<Pair>>);

/// A key of a shape, and its value.
#[derive(Debug, PartialEq, Eq)]
struct Pair {
    key: String,
    value: Written,
}

/// Where a value is written.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    /// In the format, for all spans of the shape: its JSON.
    Here(String),
    /// In the line of each span, at this place.
    InLine(usize),
}

impl Formats {
    /// Reads the column `shape_format`; `None` when it is not as it was written.
    pub(crate) fn read(formats: &[String]) -> Option<Self> {
        formats.iter().map(|format| pairs_of(format)).collect::<Option<_>>().map(Self)
    }

    /// Whether values of this key, or of any, stand in the lines.
    pub(crate) fn are_in_lines(&self, key: Option<&str>) -> bool {
        let mut pairs = self.0.iter().flatten();
        pairs.any(|pair| matches!(pair.value, Written::InLine(_)) && key.is_none_or(|key| pair.key == key))
    }

    /// The keys with the JSON of their values, of this key or of any, as far as they stand in the formats.
    pub(crate) fn shared(&self, key: Option<&str>) -> HashSet<(&str, &str)> {
        let pairs = self.0.iter().flatten().filter(|pair| key.is_none_or(|key| pair.key == key));
        let here = |pair| match pair {
            &Pair { ref key, value: Written::Here(ref json) } => Some((key.as_str(), json.as_str())),
            _ => None,
        };
        pairs.filter_map(here).collect()
    }

    /// The same as far as they stand in the lines; `None` when these do not fit.
    pub(crate) fn in_lines<'b>(
        &'b self,
        key: Option<&str>,
        shapes: &[i16],
        lines: &'b str,
    ) -> Option<HashSet<(&'b str, &'b str)>> {
        let mut found = HashSet::new();
        let mut lines = lines.split('\n');
        for shape in shapes {
            let shape = self.0.get(usize::try_from(*shape).ok()?.checked_sub(1)?)?;
            let line = lines.next()?;
            for pair in shape.iter().filter(|pair| key.is_none_or(|key| pair.key == key)) {
                if let Written::InLine(place) = pair.value {
                    found.insert((pair.key.as_str(), line.split('\t').nth(place)?));
                }
            }
        }
        lines.next().is_none().then_some(found)
    }
}

fn pairs_of(format: &str) -> Option<Vec<Pair>> {
    let mut cuts = Vec::new();
    cut(format.as_bytes(), &mut cuts)?;
    let mut in_line = 0_usize;
    let mut pairs = Vec::with_capacity(cuts.len());
    for pair in cuts {
        let key: String = serde_json::from_str(&plain(pair.key)?).ok()?;
        let value = if pair.value == b"%s" {
            let place = in_line;
            in_line = in_line.saturating_add(1);
            Written::InLine(place)
        } else {
            Written::Here(plain(pair.value)?)
        };
        pairs.push(Pair { key: text::original(&key)?.into_owned(), value });
    }
    Some(pairs)
}

/// A piece of a format without `%s` as the text that it gives.
fn plain(piece: &[u8]) -> Option<String> {
    std::str::from_utf8(piece).ok().map(|piece| piece.replace("%%", "%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted<'a>(found: HashSet<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn values_are_found_where_they_stand() {
        let formats = [r#"{"a": 1, "b%%": %s, "c": "%%s, \"", "d": %s}"#, r#"{"a": %s}"#, "{}"].map(str::to_owned);
        let formats = Formats::read(&formats).unwrap();
        assert_eq!(sorted(formats.shared(None)), [("a", "1"), ("c", r#""%s, \"""#)]);
        assert_eq!(sorted(formats.shared(Some("a"))), [("a", "1")]);
        let lines = "null\t[1]\n2\n2\n";
        let found = formats.in_lines(None, &[1, 2, 2, 3], lines).unwrap();
        assert_eq!(sorted(found), [("a", "2"), ("b%", "null"), ("d", "[1]")]);
        assert_eq!(sorted(formats.in_lines(Some("d"), &[1, 2, 2, 3], lines).unwrap()), [("d", "[1]")]);
        assert!(formats.are_in_lines(Some("d")) && !formats.are_in_lines(Some("c")));
    }

    #[test]
    fn what_does_not_fit_is_not_read() {
        let formats = Formats::read(&[r#"{"a": %s, "b": %s}"#.to_owned()]).unwrap();
        for (shapes, lines) in
            [(&[1, 1][..], "1\t2"), (&[1], "1"), (&[1], "1\t2\n1\t2"), (&[2], "1\t2"), (&[0], "1\t2")]
        {
            assert_eq!(formats.in_lines(None, shapes, lines), None, "{lines}");
        }
        assert!(Formats::read(&["{a: 1}".to_owned()]).is_none());
    }
}
