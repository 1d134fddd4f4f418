//! Times and durations as Jaeger's clients write them: RFC 3339 with up to nanoseconds, and protobuf's.
//!
//! Pure, from text to nanoseconds. Times in micro- and milliseconds, which the older paths take, are plain numbers and
//! are read where they come.

use prost_types::{Duration, Timestamp};

use crate::model::UnixNanos;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Where a date ends and the letter is before the time of day.
const DATE_BYTES: usize = 10;
/// A zone such as `+02:00`.
const ZONE_BYTES: usize = 6;

/// Nanoseconds since 1970 of a time such as `2026-01-02T03:04:05.678+02:00`. A space stands for the `+`, which is what
/// becomes of a `+` that was not encoded in a URL. `None` for what is no such time, or one before 1970 or after 2554.
pub(super) fn rfc3339(text: &str) -> Option<u64> {
    // Protobuf's own reader takes a date alone, and a time of no zone, for a time as well.
    let zone_bytes = if text.ends_with(['Z', 'z']) { 1 } else { ZONE_BYTES };
    let (time, zone) = text.split_at_checked(text.len().checked_sub(zone_bytes)?)?;
    let is_time = time.get(DATE_BYTES..)?.starts_with(['T', 't']) && time.ends_with(|last: char| last.is_ascii_digit());
    let is_zone = zone_bytes == 1 || (zone.starts_with(['+', '-', ' ']) && zone.as_bytes().get(3) == Some(&b':'));
    if !is_time || !is_zone {
        return None;
    }
    timestamp(format!("{time}{}", zone.replacen(' ', "+", 1)).parse().ok()?)
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
    Timestamp { nanos: 0, ..to_timestamp(time) }.to_string()
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
            // What is less than a nanosecond does not count, and a leap second is the one before it.
            ("1970-01-01T00:00:01.0000000019z", 1, 1),
            ("2016-12-31T23:59:60Z", 1_483_228_799, 0),
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
    fn a_moment_is_seconds_and_nanoseconds() {
        for (nanos, seconds, rest) in
            [(0, 0, 0), (1_999_999_999, 1, 999_999_999), (u64::MAX, 18_446_744_073, 709_551_615)]
        {
            let time = Timestamp { seconds, nanos: rest };
            assert_eq!(to_timestamp(UnixNanos(nanos)), time);
            assert_eq!(timestamp(time), Some(nanos));
            assert_eq!(duration(Duration { seconds, nanos: rest }), Some(nanos));
        }
        assert_eq!(to_rfc3339(UnixNanos(1_999_999_999)), "1970-01-01T00:00:01Z");
        for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (18_446_744_073, 709_551_616), (i64::MAX, 0)] {
            assert_eq!(timestamp(Timestamp { seconds, nanos }), None);
            assert_eq!(duration(Duration { seconds, nanos }), None);
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
            "2026-01-02T03:04:05 Z",
            "2026-01-02 03:04:05Z",
            "2026-01-02T03:04:05+02",
            "+2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05+02:60",
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
