//! What stands after the question mark of a path, as values of the types that Tempo's parameters have: whole numbers,
//! Go's durations, times in their four spellings. Anything else is refused with the name of the parameter.

use http::Uri;

use super::super::spelling::{UNITS, decimal, decoded, duration};
use super::bad;
use crate::model::UnixNanos;
use crate::query::QueryError;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// A whole number of more digits is in nanoseconds, not in seconds.
const SECONDS_DIGITS_MAX: usize = 10;
/// The parameters of a request; each stands there once.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a path. A plus stands for a blank.
    pub(super) fn of(uri: &Uri) -> Result<Self, QueryError> {
        let mut all: Vec<(String, String)> = Vec::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text| decoded(text).ok_or_else(|| bad("parameters", format!("can not be decoded: {pair}")));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if all.iter().any(|(known, _)| *known == name) {
                return Err(bad("parameters", format!("{name} is given more than once")));
            }
            all.push((name, value));
        }
        Ok(Self(all))
    }

    /// A text; one that is empty is not there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A whole number of 32 bits.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<u32>, QueryError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_plain);
        number.map(Some).ok_or_else(|| bad(name, format!("must be a whole number from 0 to {}", u32::MAX)))
    }

    /// The whole seconds since 1970 from which and before which spans start; 0 is not there.
    pub(super) fn range(&self) -> Result<Range, QueryError> {
        Range::of(self.number("start")?.unwrap_or(0), self.number("end")?.unwrap_or(0))
    }

    /// A duration in nanoseconds.
    pub(super) fn duration(&self, name: &'static str) -> Result<Option<u64>, QueryError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        duration(text, &UNITS).map(Some).ok_or_else(|| bad(name, "must be a duration such as 100ms, 1.5s or 1h30m"))
    }

    /// The same, which may also be a number of seconds.
    pub(super) fn duration_or_seconds(&self, name: &'static str) -> Result<Option<u64>, QueryError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let nanos = decimal(text, NANOS_PER_SECOND).or_else(|| duration(text, &UNITS));
        nanos.map(Some).ok_or_else(|| bad(name, "must be a duration such as 15s, or a number of seconds"))
    }

    /// A time: seconds, nanoseconds, seconds with a fraction, or RFC 3339.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<UnixNanos>, QueryError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let refused =
            || bad(name, "must be in the years 1970 to 2554: seconds, nanoseconds, or as 2026-01-31T12:00:00Z");
        time(text).map(|nanos| Some(UnixNanos(nanos))).ok_or_else(refused)
    }

    /// Refuses a parameter that asks for what tracewell has not.
    pub(super) fn without(&self, name: &'static str, instead: &str) -> Result<(), QueryError> {
        match self.text(name) {
            Some(_) => Err(bad(name, format!("is not supported: {instead}"))),
            None => Ok(()),
        }
    }
}

/// From when and before when spans start; `None` where that does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: Option<UnixNanos>,
    pub(super) end: Option<UnixNanos>,
}

impl Range {
    /// From seconds since 1970, of which 0 is none.
    pub(super) fn of(start: u32, end: u32) -> Result<Self, QueryError> {
        if start > 0 && end > 0 && end <= start {
            return Err(bad("end", format!("must be later than start, which is {start}; it is {end}")));
        }
        let nanos = |seconds: u32| UnixNanos(u64::from(seconds).saturating_mul(NANOS_PER_SECOND));
        let some = |seconds| (seconds > 0).then(|| nanos(seconds));
        Ok(Self { start: some(start), end: some(end) })
    }
}

fn time(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() > SECONDS_DIGITS_MAX {
        return text.parse().ok();
    }
    decimal(text, NANOS_PER_SECOND).or_else(|| {
        let time: prost_types::Timestamp = text.parse().ok()?;
        let nanos = u64::try_from(time.nanos).ok()?;
        u64::try_from(time.seconds).ok()?.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_four_spellings() {
        for (text, nanos) in [
            ("1700000000", Some(1_700_000_000_000_000_000)),
            ("1700000000000000001", Some(1_700_000_000_000_000_001)),
            ("1700000000.25", Some(1_700_000_000_250_000_000)),
            ("2023-11-14T22:13:20.5Z", Some(1_700_000_000_500_000_000)),
            ("0.0000000019", Some(1)),
            ("99999999999999999999", None),
            ("1960-01-01T00:00:00Z", None),
            ("-5", None),
            ("now", None),
        ] {
            assert_eq!(time(text), nanos, "{text}");
        }
    }
}
