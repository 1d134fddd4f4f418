//! How a text of the model stands in a database: the one rule for every text column, every string inside JSON and
//! every key, on both databases.
//!
//! PostgreSQL holds no U+0000, neither in `text` nor in `jsonb`. So U+0000 is stored as U+0001 U+0001, and U+0001, to
//! keep the two apart, as U+0001 U+0002. Every other text is stored as it is. No two texts are stored alike, and the
//! bytewise order of stored texts is that of the texts themselves, so both can be compared and sorted by the database.

use std::borrow::Cow;

/// Stands before what takes the place of U+0000 and U+0001.
const ESCAPE: char = '\u{1}';

/// The text as it is stored.
pub(crate) fn stored(text: &str) -> Cow<'_, str> {
    if is_stored_as_is(text) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(stored_length(text));
    for char in text.chars() {
        match char {
            '\0' => stored.extend([ESCAPE, '\u{1}']),
            ESCAPE => stored.extend([ESCAPE, '\u{2}']),
            other => stored.push(other),
        }
    }
    Cow::Owned(stored)
}

/// The text that [`stored`] made this from; `None` when it never makes such a text.
pub(crate) fn original(stored: &str) -> Option<Cow<'_, str>> {
    if !stored.contains(ESCAPE) {
        return Some(Cow::Borrowed(stored));
    }
    let mut text = String::with_capacity(stored.len());
    let mut chars = stored.chars();
    while let Some(char) = chars.next() {
        text.push(match (char, if char == ESCAPE { chars.next() } else { None }) {
            ('\0', _) | (ESCAPE, None) => return None,
            (ESCAPE, Some('\u{1}')) => '\0',
            (ESCAPE, Some('\u{2}')) => ESCAPE,
            (ESCAPE, Some(_)) => return None,
            (other, _) => other,
        });
    }
    Some(Cow::Owned(text))
}

/// How many bytes the stored text has.
pub(crate) fn stored_length(text: &str) -> usize {
    text.len().saturating_add(text.bytes().filter(|byte| *byte <= 1).count())
}

/// Whether the text is stored unchanged, as nearly every text is.
pub(crate) fn is_stored_as_is(text: &str) -> bool {
    text.bytes().all(|byte| byte > 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nul_is_kept_apart_from_its_stand_in() {
        assert_eq!(stored("plain"), "plain");
        assert_eq!(stored("a\0b"), "a\u{1}\u{1}b");
        assert_eq!(stored("a\u{1}b"), "a\u{1}\u{2}b");
        for never_made in ["\u{1}", "\u{1}a", "a\u{1}\u{3}", "\u{1}\u{1}\u{1}", "\u{1}\u{2}\0"] {
            assert_eq!(original(never_made), None, "{never_made:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_keeps_its_place(a in "[\0\u{1}\u{2}a-cé😀]{0,6}", b in "[\0\u{1}\u{2}a-cé😀]{0,6}") {
            for text in [&a, &b] {
                let stored = stored(text);
                prop_assert!(!stored.contains('\0'));
                prop_assert_eq!(stored.len(), stored_length(text));
                let original = original(&stored);
                prop_assert_eq!(original.as_deref(), Some(text.as_str()));
            }
            prop_assert_eq!(stored(&a).as_bytes().cmp(stored(&b).as_bytes()), a.as_bytes().cmp(b.as_bytes()));
        }
    }
}
