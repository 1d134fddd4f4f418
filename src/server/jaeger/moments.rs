//! Times and durations of messages, refused by the name of their field.

use prost_types::{Duration, Timestamp};

use super::super::status::Failure;
use super::parameters::bad;
use super::times;
use crate::model::UnixNanos;

pub(super) fn moment(field: &'static str, time: Option<Timestamp>) -> Result<Option<UnixNanos>, Failure> {
    let wrong = || bad(field, "must be in the years 1970 to 2554, its nanos from 0 to 999999999");
    time.map(|time| times::timestamp(time).map(UnixNanos).ok_or_else(wrong)).transpose()
}

pub(super) fn required(field: &'static str, time: Option<Timestamp>) -> Result<UnixNanos, Failure> {
    moment(field, time)?.ok_or_else(|| bad(field, "is required"))
}

pub(super) fn nanos(field: &'static str, duration: Option<Duration>) -> Result<Option<u64>, Failure> {
    let wrong = || bad(field, "must be from 0 to 584 years, its nanos from 0 to 999999999");
    duration.map(|duration| times::duration(duration).ok_or_else(wrong)).transpose()
}
