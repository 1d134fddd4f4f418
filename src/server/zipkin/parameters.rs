//! The parameters of a request, each once and each known; values are checked by who asks for them.

use http::Request;

use super::super::spelling::decoded;
use super::super::status::Failure;
use crate::model::SearchError;

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Of a request that may have these.
    pub(super) fn of<B>(request: &Request<B>, known: &[&str]) -> Result<Self, Failure> {
        Self::read(request.uri().query().unwrap_or_default(), known)
    }

    fn read(text: &str, known: &[&str]) -> Result<Self, Failure> {
        let mut read = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (plain(name)?, plain(value)?);
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
                return Err(bad("parameters", format!("{name} is not known here: {known}")));
            }
            if read.0.iter().any(|(before, _)| *before == name) {
                return Err(bad("parameters", format!("{name} is there more than once")));
            }
            read.0.push((name, value));
        }
        Ok(read)
    }

    /// A value; one that is empty is none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, Failure> {
        self.text(name).ok_or_else(|| bad(name, "is required"))
    }

    /// A whole number from 1.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<u64>, Failure> {
        let number = |text: &str| text.parse().ok().filter(|number: &u64| *number > 0);
        let wrong = || bad(name, "must be a whole number from 1");
        self.text(name).map(|text| number(text).ok_or_else(wrong)).transpose()
    }
}

pub(super) fn bad(field: &'static str, reason: impl Into<String>) -> Failure {
    Failure::Search(SearchError { field, reason: reason.into() })
}

/// A text of a query string: `+` is a space, `%2B` a plus.
fn plain(text: &str) -> Result<String, Failure> {
    let wrong = || bad("parameters", "there is a % without two hex digits, or what they encode is not UTF-8");
    decoded(text).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_empty_ones_are_none() {
        let read = Parameters::read("a=x+%2B%C3%A9&b=&c", &["a", "b", "c"]).unwrap();
        assert_eq!((read.text("a"), read.text("b"), read.text("c"), read.text("d")), (Some("x +é"), None, None, None));
        assert!(read.required("b").is_err());
    }

    #[test]
    fn what_is_wrong_is_refused_by_name() {
        for (text, says) in [
            ("z=1", "z is not known here: a, b"),
            ("a=1&a=2", "a is there more than once"),
            ("a=%", "two hex digits"),
            ("a=%+1", "two hex digits"),
            ("a=%ff", "not UTF-8"),
            ("a=%é", "two hex digits"),
        ] {
            let failure = Parameters::read(text, &["a", "b"]).map(|_| ()).unwrap_err().to_string();
            assert!(failure.contains(says), "{text}: {failure}");
        }
    }

    #[test]
    fn a_number_is_whole_and_positive() {
        for text in ["0", "-1", "1.5", "x", "18446744073709551616"] {
            assert!(Parameters::read(&format!("a={text}"), &["a"]).unwrap().number("a").is_err(), "{text}");
        }
        assert_eq!(Parameters::read("a=7", &["a"]).unwrap().number("a").unwrap(), Some(7));
    }
}
