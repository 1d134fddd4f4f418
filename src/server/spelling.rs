//! How values are spelled after the question mark of a path, whichever door it is of: percent-encoded, and durations as Go
//! writes them. Which parameter is of which type, and what is said of one that is not, is the door's.

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// So many of [`UNITS`] are Go's own.
const GO_UNITS: usize = 8;
/// More digits than this after the point of a number are less than a nanosecond of any unit.
const FRACTION_DIGITS_MAX: usize = 27;

/// Go's units of time in nanoseconds, and after them Prometheus' longer ones.
pub(super) const UNITS: [(&str, u64); 11] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("d", 86_400 * NANOS_PER_SECOND),
    ("w", 7 * 86_400 * NANOS_PER_SECOND),
    ("y", 365 * 86_400 * NANOS_PER_SECOND),
];

/// The text that was percent-encoded, a plus for a blank; `None` when it was not.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                // Would take a sign.
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                u8::from_str_radix(digits, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(plain).ok()
}

/// A decimal number of a unit, in nanoseconds: `1.5` of a second.
pub(super) fn decimal(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..FRACTION_DIGITS_MAX.min(fraction.len()))?;
    let mut part = u128::from(unit);
    let mut nanos_of_fraction = 0_u128;
    for digit in fraction.bytes() {
        // Every digit is of a tenth of the unit before; what is below a nanosecond is left out.
        let value = part.checked_mul(u128::from(digit.checked_sub(b'0')?))?.checked_div(10)?;
        nanos_of_fraction = nanos_of_fraction.checked_add(value)?;
        part = part.checked_div(10)?;
    }
    whole.checked_mul(unit)?.checked_add(u64::try_from(nanos_of_fraction).ok()?)
}

/// Numbers, each with one of these units, in nanoseconds: `1h30m`.
pub(super) fn duration(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut nanos = 0_u64;
    while !rest.is_empty() {
        let number = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, unit_and_rest) = rest.split_at_checked(number)?;
        let unit = unit_and_rest.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(unit_and_rest.len());
        let (unit, after) = unit_and_rest.split_at_checked(unit)?;
        let (_, unit_nanos) = units.iter().find(|(known, _)| *known == unit)?;
        nanos = nanos.checked_add(decimal(number, *unit_nanos)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(nanos)
}

/// A duration as Go itself reads it, in nanoseconds; `None` for what is none, is less than 0, or is longer than 292 years.
pub(super) fn go_duration(text: &str) -> Option<u64> {
    let nanos = duration(text.strip_prefix('+').unwrap_or(text), UNITS.get(..GO_UNITS)?)?;
    i64::try_from(nanos).is_ok().then_some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, nanos) in [
            ("0", Some(0)),
            ("100ms", Some(100_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5us", Some(500)),
            ("2µs", Some(2_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1w", Some(604_800_000_000_000)),
            ("1.9ns", Some(1)),
            ("1000000y", None),
            ("1", None),
            ("-1s", None),
            ("s", None),
            (".s", None),
            ("1s2", None),
            ("1 s", None),
            ("1.2.3s", None),
        ] {
            assert_eq!(duration(text, &UNITS), nanos, "{text}");
        }
    }

    #[test]
    fn texts_are_decoded_or_refused() {
        assert_eq!(decoded("a%20b+c%C3%A9").as_deref(), Some("a b cé"));
        for wrong in ["%", "%2", "%zz", "%+1", "%ff"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("1ns", 1),
            ("1us", 1_000),
            ("1µs", 1_000),
            ("1ms", 1_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1h2m3s", 3_723_000_000_000),
            ("+1m", 60_000_000_000),
        ] {
            assert_eq!(go_duration(text), Some(nanos), "{text}");
        }
        for text in
            ["", "1", "s", "1x", "-1s", "1s1", "1..5s", ".s", "1 s", "292y", "3000000h", "1é", "99999999999999999999s"]
        {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
