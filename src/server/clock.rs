//! What time it is, for doors whose protocols mean "now" when they say nothing, and for spans that do not say when they
//! began. Inside, times are arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::UnixNanos;

/// Now; the end of time when the clock is beyond it.
#[expect(clippy::disallowed_methods, reason = "the one clock of the doors")]
pub(super) fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
