//! Regular expressions as TraceQL has them: Go's syntax, anchored at both ends, a dot matches a line break too.
//!
//! They run on the `regex` crate, which has the same roots and takes time linear in the text. Differences that
//! would show are undone here: Go's `\d`, `\w`, `\s` and `\b` know ASCII only.

use regex::RegexBuilder;

use super::REGEX_PROGRAM_BYTES_MAX;

/// What is put around an expression, so that it matches all of a text.
const BEFORE: &str = r"\A(?s:";
const AFTER: &str = r")\z";

/// A regular expression that has been compiled. Two are equal when their texts are.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: regex::Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Compiles a regular expression; the error is one line that says what is wrong with it.
    ///
    /// # Errors
    /// When it is none, or compiles to more than [`REGEX_PROGRAM_BYTES_MAX`].
    pub fn new(text: &str) -> Result<Self, String> {
        let ascii = ascii_classes(text);
        // Alone first: `a)|(b` must not become right by what is put around it.
        compile(&ascii)?;
        let regex = compile(&format!("{BEFORE}{ascii}{AFTER}"))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it was compiled to: finds something only in a text that is matched as a whole.
    #[must_use]
    pub fn regex(&self) -> &regex::Regex {
        &self.regex
    }

    /// The pattern that was compiled to this; `None` when none was.
    pub(super) fn of_regex(regex: &regex::Regex) -> Option<Self> {
        let text = regex.as_str().strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
        Some(Self { text: text.to_owned(), regex: regex.clone() })
    }

    /// Whether it matches all of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

fn compile(text: &str) -> Result<regex::Regex, String> {
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(REGEX_PROGRAM_BYTES_MAX).dfa_size_limit(REGEX_PROGRAM_BYTES_MAX);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("it compiles to more than {limit} bytes"),
        other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}

/// The same expression with the classes of Perl in ASCII, inside of brackets and outside.
fn ascii_classes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, char == '\\') {
            (_, true) => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str(r"[\t\n\f\r ]"),
                Some('S') => out.push_str(r"[^\t\n\f\r ]"),
                Some('b') => out.push_str(r"(?-u:\b)"),
                other => out.extend(['\\'].into_iter().chain(other)),
            },
            (other, false) => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go_and_all_of_the_text() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ba", false),
            ("a", "ab", false),
            ("a|b", "b", true),
            ("a|bc", "abc", false),
            ("a.b", "a\nb", true),
            (r"\d+", "12", true),
            (r"\d+", "٣", false),
            (r"[\w-]+", "a-b_9", true),
            (r"\w", "é", false),
            (r".*\bé.*", "é", false),
            (r"\\d", r"\d", true),
            ("é.", "éé", true),
            ("(?i)É", "é", true),
            ("", "", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why_on_one_line() {
        for (pattern, reason) in [
            ("(", "unclosed group"),
            ("a)|(b", "unopened group"),
            ("a\\", "incomplete escape sequence, reached end of pattern prematurely"),
            ("(?=a)", "look-around, including look-ahead and look-behind, is not supported"),
            ("(a{1000}){1000}", "it compiles to more than 262144 bytes"),
        ] {
            assert_eq!(Pattern::new(pattern), Err(reason.to_owned()), "{pattern}");
        }
    }
}
