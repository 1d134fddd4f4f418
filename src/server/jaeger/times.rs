//! Times and durations as Jaeger's clients write them: RFC 3339 with up to nanoseconds, and protobuf's.
//!
//! Pure, from text to nanoseconds. Times in micro- and milliseconds, which the older paths take, are plain numbers and
//! are read where they come.

use prost_types::{Duration, Timestamp};

use crate::model::UnixNanos;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Nanoseconds since 1970 of a time such as `2026-01-02T03:04:05.678+02:00`. A space stands for the `+`, which is what
/// becomes of a `+` that was not encoded in a URL. `None` for what is no such time, or one before 1970 or after 2554.
pub(super) fn rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let end = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, zone) = rest.split_at_checked(end)?;
            (fraction_nanos(digits)?, zone)
        }
    };
    let seconds = days(date)?.checked_mul(86_400)?.checked_add(clock_seconds(clock)?)?;
    let seconds = u64::try_from(seconds.checked_sub(zone_seconds(zone)?)?).ok()?;
    seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(fraction)
}

/// Nanoseconds since 1970 of a time as protobuf has it; `None` for one before 1970 or after 2554.
pub(super) fn timestamp(time: Timestamp) -> Option<u64> {
    total(time.seconds, time.nanos)
}

/// Nanoseconds of a duration as protobuf has it; `None` for one that is less than 0.
pub(super) fn duration(duration: Duration) -> Option<u64> {
    total(duration.seconds, duration.nanos)
}

fn total(seconds: i64, nanos: i32) -> Option<u64> {
    let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < NANOS_PER_SECOND)?;
    u64::try_from(seconds).ok()?.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)
}

/// A time as protobuf has it.
pub(super) fn to_timestamp(time: UnixNanos) -> Timestamp {
    let part = |number: Option<u64>| number.unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(part(time.0.checked_div(NANOS_PER_SECOND))).unwrap_or(i64::MAX),
        nanos: i32::try_from(part(time.0.checked_rem(NANOS_PER_SECOND))).unwrap_or_default(),
    }
}

/// A time as RFC 3339 has it, in whole seconds.
pub(super) fn to_rfc3339(time: UnixNanos) -> String {
    let seconds = to_timestamp(time).seconds;
    let (mut day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut year = 1_970_i64;
    // At most 584 times.
    while day >= year_days(year) {
        day = day.saturating_sub(year_days(year));
        year = year.saturating_add(1);
    }
    let mut month = 1_u8;
    for length in month_days(year) {
        if day < length {
            break;
        }
        day = day.saturating_sub(length);
        month = month.saturating_add(1);
    }
    let part = |unit: i64, of: i64| second.div_euclid(unit).rem_euclid(of);
    let day = day.saturating_add(1);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", part(3_600, 24), part(60, 60), part(1, 60))
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn year_days(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_days(year: i64) -> [i64; 12] {
    [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// Nanoseconds of the digits after a point, of which those after the ninth do not count.
fn fraction_nanos(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let nine: String = text.chars().chain(std::iter::repeat('0')).take(9).collect();
    digits(&nine)
}

/// Digits only: a number's own parser takes a sign, too.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn part(text: &str, at: usize, length: usize) -> Option<i64> {
    let end = at.checked_add(length)?;
    i64::try_from(digits(text.get(at..end)?)?).ok()
}

/// Days from 1970-01-01 to a date.
fn days(date: &str) -> Option<i64> {
    let bytes = date.as_bytes();
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let (year, month, day) = (part(date, 0, 4)?, part(date, 5, 2)?, part(date, 8, 2)?);
    let lengths = month_days(year);
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    if !(1..=*lengths.get(before)?).contains(&day) {
        return None;
    }
    let of_months = lengths.iter().take(before).sum::<i64>();
    let last = year.checked_sub(1)?;
    let leaps = last.checked_div(4)?.checked_sub(last.checked_div(100)?)?.checked_add(last.checked_div(400)?)?;
    // Of the years 1 to 1969, 477 are leap years.
    let of_years = year.checked_sub(1_970)?.checked_mul(365)?.checked_add(leaps.checked_sub(477)?)?;
    of_years.checked_add(of_months)?.checked_add(day)?.checked_sub(1)
}

/// Seconds since midnight of `03:04:05`.
fn clock_seconds(clock: &str) -> Option<i64> {
    let bytes = clock.as_bytes();
    if bytes.get(2) != Some(&b':') || bytes.get(5) != Some(&b':') {
        return None;
    }
    let (hour, minute, second) = (part(clock, 0, 2)?, part(clock, 3, 2)?, part(clock, 6, 2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)
}

/// How far `Z` or `+02:00` is ahead, in seconds.
fn zone_seconds(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    if zone.len() != 6 || zone.as_bytes().get(3) != Some(&b':') {
        return None;
    }
    let (hours, minutes) = (part(zone, 1, 2)?, part(zone, 4, 2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?;
    match zone.as_bytes().first()? {
        b'+' | b' ' => Some(ahead),
        b'-' => ahead.checked_neg(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_zone() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2000-03-01T00:00:00Z", 951_868_800, 0),
            ("2024-02-29T23:59:59.5Z", 1_709_251_199, 500_000_000),
            ("2026-01-02T03:04:05.123456789+02:00", 1_767_315_845, 123_456_789),
            ("2026-01-02T03:04:05 02:00", 1_767_315_845, 0),
            ("2026-01-01T23:04:05-02:00", 1_767_315_845, 0),
            ("1969-12-31T23:00:00-01:00", 0, 0),
            ("2554-07-21T23:34:33.709551615Z", 18_446_744_073, 709_551_615),
        ] {
            assert_eq!(rfc3339(text), Some(seconds * NANOS_PER_SECOND + nanos), "{text}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2100-03-01T12:30:01Z", "2554-07-21T23:34:33Z"] {
            assert_eq!(to_rfc3339(UnixNanos(rfc3339(text).unwrap())), text);
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "1",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-13-02T03:04:05Z",
            "2026-02-29T03:04:05Z",
            "2026-00-01T03:04:05Z",
            "2026-01-00T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "2026-01-02T03:60:05Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05+0200",
            "2026-01-02T03:04:05+24:00",
            "1969-12-31T23:59:59Z",
            "2554-07-21T23:34:33.709551616Z",
            "9999-12-31T23:59:59Z",
            "2026-01-é2T03:04:05Z",
            "+026-01-02T03:04:05Z",
            "2026-01-02T03:04:05Zé",
            "0000-01-01T00:00:00Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }
}
