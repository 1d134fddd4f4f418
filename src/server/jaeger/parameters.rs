//! The parameters of a request, each known; values are checked by who asks for them. Some may be given several times.

use http::Uri;
use serde_json::Value;

use super::super::spelling::{decoded, go_duration};
use super::super::status::Failure;
use super::times;
use crate::model::{SearchError, UnixNanos};

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(&'static str, String)>);

/// How the names of parameters may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `minDuration`, as it is known.
    Exact,
    /// `query.searchDepth`, and as older clients have it, `query.search_depth`.
    SnakeToo,
}

impl Parameters {
    /// Of a request that may have these.
    pub(super) fn of(request: &Uri, spelling: Spelling, known: &[&'static str]) -> Result<Self, Failure> {
        let mut read = Self::default();
        let text = request.query().unwrap_or_default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wrong = || bad("parameters", "there is a % without two hex digits, or what they encode is not UTF-8");
            let decoded = |text| decoded(text).ok_or_else(wrong);
            read.add(spelling, known, &decoded(name)?, decoded(value)?)?;
        }
        Ok(read)
    }

    /// Of a body in JSON whose member `query` has what follows `query.` in the names of parameters.
    pub(super) fn of_json(body: &[u8], known: &[&'static str]) -> Result<Self, Failure> {
        let wrong = |what: &str| Failure::Undecodable(format!("the body must be {what}"));
        let body: Value = serde_json::from_slice(body).map_err(|error| wrong(&format!("JSON: {error}")))?;
        let body = body.as_object().ok_or_else(|| wrong("an object"))?;
        if let Some(other) = body.keys().find(|name| *name != "query") {
            return Err(bad("parameters", format!("{other:?} is not known here: query")));
        }
        let query = body.get("query").and_then(Value::as_object).ok_or_else(|| bad("query", "is required"))?;
        let mut read = Self::default();
        for (name, value) in query.iter().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            read.add(Spelling::SnakeToo, known, &format!("query.{name}"), value)?;
        }
        Ok(read)
    }

    fn add(&mut self, spelling: Spelling, known: &[&'static str], name: &str, value: String) -> Result<(), Failure> {
        let is_it = |known: &str| known == name || (spelling == Spelling::SnakeToo && snake(known) == name);
        let Some(known) = known.iter().find(|known| is_it(known)) else {
            let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
            return Err(bad("parameters", format!("{name:?} is not known here: {known}")));
        };
        if !value.is_empty() {
            self.0.push((known, value));
        }
        Ok(())
    }

    /// All values; those that are empty are none.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A value that may be there once.
    pub(super) fn one(&self, name: &'static str) -> Result<Option<&str>, Failure> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(bad(name, "is there more than once")),
        }
    }

    pub(super) fn text(&self, name: &'static str) -> Result<String, Failure> {
        Ok(self.one(name)?.unwrap_or_default().to_owned())
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, Failure> {
        self.one(name)?.ok_or_else(|| bad(name, "is required"))
    }

    /// What a value is read as; `what` says what it must be.
    fn read<T>(&self, name: &'static str, what: &str, read: fn(&str) -> Option<T>) -> Result<Option<T>, Failure> {
        let wrong = || bad(name, format!("must be {what}"));
        self.one(name)?.map(|text| read(text).ok_or_else(wrong)).transpose()
    }

    /// True or false, as Go reads it; false when nothing is said.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Failure> {
        let flag = |text: &str| match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        };
        Ok(self.read(name, "true or false", flag)?.unwrap_or_default())
    }

    /// A whole number, of whatever sign.
    pub(super) fn int(&self, name: &'static str) -> Result<Option<i32>, Failure> {
        self.read(name, "a whole number", |text| text.parse().ok())
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, name: &'static str) -> Result<Option<u64>, Failure> {
        self.read(name, "a whole number, not less than 0", |text| text.parse().ok())
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self, name: &'static str) -> Result<Option<f64>, Failure> {
        let share = |text: &str| text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        self.read(name, "a number from 0 to 1", share)
    }

    /// A time such as `2026-01-02T03:04:05Z`.
    pub(super) fn rfc3339(&self, name: &'static str) -> Result<Option<UnixNanos>, Failure> {
        let what = "a time such as 2026-01-02T03:04:05.678Z, from 1970 to 2554";
        self.read(name, what, |text| times::rfc3339(text).map(UnixNanos))
    }

    /// Nanoseconds of a duration such as `1.5s`.
    pub(super) fn duration(&self, name: &'static str) -> Result<Option<u64>, Failure> {
        self.read(name, "a duration such as 1.5s or 20ms, not less than 0", go_duration)
    }
}

pub(super) fn bad(field: &'static str, reason: impl Into<String>) -> Failure {
    Failure::Search(SearchError { field, reason: reason.into() })
}

/// `searchDepth` as `search_depth`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len().saturating_add(4));
    for char in name.chars() {
        if char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, spelling: Spelling) -> Result<Parameters, Failure> {
        let request = format!("/?{query}").parse().unwrap();
        Parameters::of(&request, spelling, &["query.aB", "c"])
    }

    #[test]
    fn names_are_known_in_the_spellings_that_they_may_have() {
        let both = read("query.aB=1&query.a_b=2&c=", Spelling::SnakeToo).unwrap();
        assert_eq!(both.all("query.aB").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(both.one("c").unwrap(), None);
        assert!(both.one("query.aB").is_err());
        let refused = read("query.a_b=2", Spelling::Exact).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("\"query.a_b\" is not known here: query.aB, c"), "{refused}");
    }

    #[test]
    fn a_body_has_the_same() {
        let known = ["query.attributes", "query.searchDepth"];
        let body = br#"{"query":{"attributes":{"a":"b"},"search_depth":5}}"#;
        let read = Parameters::of_json(body, &known).unwrap();
        assert_eq!(read.one("query.attributes").unwrap(), Some(r#"{"a":"b"}"#));
        assert_eq!(read.int("query.searchDepth").unwrap(), Some(5));
        for body in ["", "[]", "{}", r#"{"query":1}"#, r#"{"query":{},"other":1}"#, r#"{"query":{"other":1}}"#] {
            assert!(Parameters::of_json(body.as_bytes(), &known).is_err(), "{body}");
        }
    }

    #[test]
    fn values_are_what_they_must_be() {
        assert!(read("c=T", Spelling::Exact).unwrap().flag("c").unwrap());
        assert!(read("c=yes", Spelling::Exact).unwrap().flag("c").is_err());
        assert_eq!(read("c=-1", Spelling::Exact).unwrap().int("c").unwrap(), Some(-1));
        assert!(read("c=2147483648", Spelling::Exact).unwrap().int("c").is_err());
        assert_eq!(read("c=1.5s", Spelling::Exact).unwrap().duration("c").unwrap(), Some(1_500_000_000));
        // A plus that was not encoded arrives as a space.
        let time = read("c=1970-01-01T02:00:01+02:00", Spelling::Exact).unwrap().rfc3339("c").unwrap();
        assert_eq!(time, Some(UnixNanos(1_000_000_000)));
    }
}
