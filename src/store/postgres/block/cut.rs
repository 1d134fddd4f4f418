//! The text of a jsonb object, taken apart at its top level. jsonb prints in one way only: `{"key": value, "key": value}`,
//! a space behind each comma and colon and none elsewhere, line breaks and tabs in strings as escapes.

/// A key with its quotes, and its value, as they stand in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair<'t> {
    pub(super) key: &'t [u8],
    pub(super) value: &'t [u8],
}

/// Appends the pairs of an object; `None` when the text is none that jsonb prints.
pub(super) fn cut<'t>(object: &'t [u8], pairs: &mut Vec<Pair<'t>>) -> Option<()> {
    let mut rest = object.strip_prefix(b"{")?.strip_suffix(b"}")?;
    while !rest.is_empty() {
        let (key, after) = rest.split_at_checked(string_length(rest)?)?;
        let after = after.strip_prefix(b": ")?;
        let (value, after) = after.split_at_checked(value_length(after)?)?;
        pairs.push(Pair { key, value });
        rest = match after.strip_prefix(b", ") {
            Some(next) if !next.is_empty() => next,
            None if after.is_empty() => after,
            _ => return None,
        };
    }
    Some(())
}

/// How long the string is that the text begins with, quotes included.
fn string_length(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1_usize;
    loop {
        let found = text.get(at..)?.iter().position(|byte| *byte == b'"' || *byte == b'\\')?;
        at = at.saturating_add(found);
        if text.get(at) == Some(&b'"') {
            return Some(at.saturating_add(1));
        }
        at = at.saturating_add(2);
    }
}

/// How long the value is that the text begins with: up to a comma outside of brackets, or to the end.
fn value_length(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'"') {
        return string_length(text);
    }
    let (mut at, mut depth) = (0_usize, 0_usize);
    loop {
        match text.get(at) {
            None | Some(b',') if depth == 0 => return (at > 0).then_some(at),
            None => return None,
            Some(b'"') => {
                at = at.saturating_add(string_length(text.get(at..)?)?);
                continue;
            }
            Some(b'{' | b'[') => depth = depth.saturating_add(1),
            Some(b'}' | b']') => depth = depth.checked_sub(1)?,
            Some(_) => {}
        }
        at = at.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(object: &str) -> Option<Vec<(&str, &str)>> {
        let mut pairs = Vec::new();
        cut(object.as_bytes(), &mut pairs)?;
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        Some(pairs.iter().map(|pair| (text(pair.key), text(pair.value))).collect())
    }

    #[test]
    fn objects_are_cut_at_their_top_level() {
        assert_eq!(pairs("{}"), Some(vec![]));
        assert_eq!(pairs(r#"{"": 1}"#), Some(vec![(r#""""#, "1")]));
        assert_eq!(
            pairs(r#"{"a\"": "}, \\", "b": [1, {"c": ",]"}], "d": -1.0, "e": {}}"#),
            Some(vec![
                (r#""a\"""#, r#""}, \\""#),
                (r#""b""#, r#"[1, {"c": ",]"}]"#),
                (r#""d""#, "-1.0"),
                (r#""e""#, "{}"),
            ])
        );
    }

    #[test]
    fn what_jsonb_does_not_print_is_refused() {
        let texts = [
            "",
            "{",
            "}",
            "[]",
            r#"{"a"}"#,
            r#"{"a":1}"#,
            r#"{"a": }"#,
            r#"{"a": 1, }"#,
            r#"{"a": 1,"b": 2}"#,
            r#"{"a": [1}"#,
            r#"{"a": 1]}"#,
            r#"{"a": "b}"#,
            r#"{"a": "b\"}"#,
            r#"{"a": "b"c}"#,
            r#"{"a\": 1}"#,
            "{a: 1}",
        ];
        for text in texts {
            assert_eq!(pairs(text), None, "{text}");
        }
    }
}
