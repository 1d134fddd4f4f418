//! The attributes of a block's spans as its formats and lines have them, without making the spans: far less is read and
//! decoded, and what many spans share is looked at once.

use std::collections::HashSet;

use super::cut::cut;
use crate::store::text;

/// The formats of a block's shapes; `None` is one that was known before.
#[derive(Debug)]
pub(crate) struct Formats(Vec<Option<Vec<Pair>>>);

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
    /// Reads the column `shape_format` but for what is known; `None` when it is not as it was written.
    pub(crate) fn read(formats: &[String], is_known: impl Fn(&str) -> bool) -> Option<Self> {
        let read = |format: &String| if is_known(format) { Some(None) } else { pairs_of(format).map(Some) };
        formats.iter().map(read).collect::<Option<_>>().map(Self)
    }

    /// How many of them were read.
    pub(crate) fn new_ones(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Those of the formats that were read, and are these, by which no value of this key, or of any, stands in a line: they
    /// say the same in every block.
    pub(crate) fn without_lines<'f>(
        &self,
        formats: &'f [String],
        key: Option<&str>,
    ) -> impl Iterator<Item = &'f String> {
        let read = self.0.iter().zip(formats).filter_map(|(pairs, format)| Some((pairs.as_ref()?, format)));
        read.filter(move |(pairs, _)| !pairs.iter().any(|pair| pair.is_in_line(key))).map(|(_, format)| format)
    }

    /// Whether values of this key, or of any, stand in the lines.
    pub(crate) fn are_in_lines(&self, key: Option<&str>) -> bool {
        self.0.iter().flatten().flatten().any(|pair| pair.is_in_line(key))
    }

    /// The keys with the JSON of their values, of this key or of any, as far as they stand in the formats.
    pub(crate) fn shared(&self, key: Option<&str>) -> HashSet<(&str, &str)> {
        let pairs = self.0.iter().flatten().flatten().filter(|pair| pair.is_of(key));
        let here = |pair| match pair {
            &Pair { ref key, value: Written::Here(ref json) } => Some((key.as_str(), json.as_str())),
            _ => None,
        };
        pairs.filter_map(here).collect()
    }

    /// The same as far as they stand in the lines, and how many lines have any; `None` when these do not fit.
    pub(crate) fn in_lines<'b>(
        &'b self,
        key: Option<&str>,
        shapes: &[i16],
        lines: &'b str,
    ) -> Option<(HashSet<(&'b str, &'b str)>, usize)> {
        let (mut found, mut read) = (HashSet::new(), 0_usize);
        let mut lines = lines.split('\n');
        for shape in shapes {
            let shape = self.0.get(usize::try_from(*shape).ok()?.checked_sub(1)?)?;
            let line = lines.next()?;
            let Some(shape) = shape.as_ref().filter(|shape| shape.iter().any(|pair| pair.is_in_line(key))) else {
                continue;
            };
            read = read.saturating_add(1);
            for pair in shape.iter().filter(|pair| pair.is_of(key)) {
                if let Written::InLine(place) = pair.value {
                    found.insert((pair.key.as_str(), line.split('\t').nth(place)?));
                }
            }
        }
        lines.next().is_none().then_some((found, read))
    }
}

impl Pair {
    /// Whether it is of this key, or of any.
    fn is_of(&self, key: Option<&str>) -> bool {
        key.is_none_or(|key| self.key == key)
    }

    fn is_in_line(&self, key: Option<&str>) -> bool {
        matches!(self.value, Written::InLine(_)) && self.is_of(key)
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
        let formats = Formats::read(&formats, |_| false).unwrap();
        assert_eq!(sorted(formats.shared(None)), [("a", "1"), ("c", r#""%s, \"""#)]);
        assert_eq!(sorted(formats.shared(Some("a"))), [("a", "1")]);
        let lines = "null\t[1]\n2\n2\n";
        let (found, read) = formats.in_lines(None, &[1, 2, 2, 3], lines).unwrap();
        assert_eq!((sorted(found), read), (vec![("a", "2"), ("b%", "null"), ("d", "[1]")], 3));
        let (found, read) = formats.in_lines(Some("d"), &[1, 2, 2, 3], lines).unwrap();
        assert_eq!((sorted(found), read), (vec![("d", "[1]")], 1));
        assert!(formats.are_in_lines(Some("d")) && !formats.are_in_lines(Some("c")));
    }

    /// Scenario: a format that was read with an earlier block. Guarantee: it is passed over, the lines of others are not; and
    /// only one that says all of a key by itself is to be known.
    #[test]
    fn what_is_known_is_passed_over() {
        let all = [r#"{"a": 1, "b": %s}"#, r#"{"a": %s}"#, r#"{"a": 2}"#].map(str::to_owned);
        let formats = Formats::read(&all, |_| false).unwrap();
        assert_eq!(formats.without_lines(&all, Some("a")).collect::<Vec<_>>(), [&all[0], &all[2]]);
        assert_eq!(formats.without_lines(&all, None).collect::<Vec<_>>(), [&all[2]]);
        let formats = Formats::read(&all, |format| format != all[1]).unwrap();
        assert_eq!((formats.new_ones(), sorted(formats.shared(Some("a")))), (1, vec![]));
        let (found, read) = formats.in_lines(Some("a"), &[1, 2, 3, 2], "x\n7\n\n8").unwrap();
        assert_eq!((sorted(found), read), (vec![("a", "7"), ("a", "8")], 2));
    }

    #[test]
    fn what_does_not_fit_is_not_read() {
        let formats = Formats::read(&[r#"{"a": %s, "b": %s}"#.to_owned()], |_| false).unwrap();
        for (shapes, lines) in
            [(&[1, 1][..], "1\t2"), (&[1], "1"), (&[1], "1\t2\n1\t2"), (&[2], "1\t2"), (&[0], "1\t2")]
        {
            assert_eq!(formats.in_lines(None, shapes, lines), None, "{lines}");
        }
        assert!(Formats::read(&["{a: 1}".to_owned()], |_| false).is_none());
    }
}
