//! Numbers and durations, without their sign.

use super::{Lexer, Token};
use crate::traceql::error::{QueryError, shown};

/// The units of durations, in nanoseconds; a day has 24 hours, a year 365 days.
const UNITS: [(&str, u64); 11] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
    ("y", 31_536_000_000_000_000),
];

/// The largest number and duration: one more than can be positive.
const MAGNITUDE_MAX: u64 = i64::MIN.unsigned_abs();

impl Lexer<'_> {
    /// A number or a duration; it begins with a digit, or with a point and a digit.
    pub(super) fn number(&mut self) -> Result<Token, QueryError> {
        let (column, before) = (self.column, self.rest);
        self.skip_while(usize::MAX, is_part);
        let has_exponent = self.since(before).ends_with(['e', 'E']);
        if has_exponent && self.peek().is_some_and(|char| char == '-' || char == '+') {
            self.bump();
            self.skip_while(usize::MAX, is_part);
        }
        let text = self.since(before);
        let token = int(text).or_else(|| float(text)).or_else(|| duration(text).map(Token::Duration));
        token.ok_or_else(|| {
            QueryError::unexpected(column, shown(text), "a number of 64 bits, or a duration such as 1h30m or 100ms")
        })
    }
}

fn is_part(char: char) -> bool {
    char.is_ascii_alphanumeric() || ".µμ".contains(char)
}

fn int(text: &str) -> Option<Token> {
    text.parse().ok().filter(|value| *value <= MAGNITUDE_MAX).map(Token::Int)
}

fn float(text: &str) -> Option<Token> {
    let is_number = text.contains(['.', 'e', 'E']) && !text.contains(|char: char| !"0123456789.eE+-".contains(char));
    let value: f64 = text.parse().ok().filter(|_| is_number)?;
    value.is_finite().then_some(Token::Float(value))
}

/// The sum of parts such as `1h`, `30m` and `1.5s`.
fn duration(text: &str) -> Option<u64> {
    let (mut rest, mut nanos) = (text, 0_u64);
    while !rest.is_empty() {
        let (number, after) = split(rest, |char| char.is_ascii_digit() || char == '.');
        let (unit, after) = split(after, |char| !char.is_ascii_digit() && char != '.');
        nanos = nanos.checked_add(part(number, unit)?)?;
        rest = after;
    }
    Some(nanos).filter(|nanos| *nanos <= MAGNITUDE_MAX)
}

fn split(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|char| !wanted(char)).unwrap_or(text.len()))
}

/// A decimal number of a unit, in whole nanoseconds.
fn part(number: &str, unit: &str) -> Option<u64> {
    let (_, unit_nanos) = UNITS.into_iter().find(|(known, _)| *known == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(unit_nanos)?.checked_add(fraction_nanos(fraction, unit_nanos)?)
}

/// The digits after the point of this unit, in whole nanoseconds; digits that can not matter are not read.
fn fraction_nanos(digits: &str, unit_nanos: u64) -> Option<u64> {
    let mut nanos = 0_u128;
    let mut weight = 1_u128;
    for digit in digits.chars().take(18) {
        weight = weight.checked_mul(10)?;
        nanos = nanos.checked_mul(10)?.checked_add(u128::from(digit.to_digit(10)?))?;
    }
    let nanos = nanos.checked_mul(u128::from(unit_nanos))?.checked_div(weight)?;
    u64::try_from(nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact_to_the_nanosecond() {
        for (text, nanos) in [
            ("1ns", Some(1)),
            ("10us", Some(10_000)),
            ("10µs", Some(10_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5ms", Some(500_000)),
            ("0.0000000019s", Some(1)),
            ("1h30m", Some(5_400_000_000_000)),
            ("2d", Some(172_800_000_000_000)),
            ("1w1y", Some(32_140_800_000_000_000)),
            ("2562047h47m16s854ms775us807ns", Some(i64::MAX.unsigned_abs())),
            ("2562047h47m16s854ms775us809ns", None),
            ("99999999999999999999s", None),
            ("1", None),
            ("1x", None),
            ("1h2", None),
            ("1..5s", None),
            (".s", None),
        ] {
            assert_eq!(duration(text), nanos, "{text}");
        }
    }
}
