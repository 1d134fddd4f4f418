//! Retention as its callers see it: which spans go, and what went.

/// Which spans are removed. Days are of UTC, and today is what the database's clock says.
///
/// A span goes by the day on which it began. One that began longer ago than spans are kept when it arrived (an import, a
/// clock that was never set), or days in the future, would go at once, or never: it goes by the day of its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Spans go that began before today by more than so many days; `None`: none goes for its age.
    pub age_days_max: Option<u32>,
    /// Those that go by their arrival go when that is more than so many days ago; `None`: however early that is.
    pub arrival_age_days_max: Option<u32>,
    /// The oldest spans go, but none that began today, while all that is stored takes more bytes on disk.
    pub bytes_max: Option<u64>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retained {
    /// Another process was at it, and nothing was done.
    pub is_elsewhere: bool,
    /// Something else uses the tables all the time, and not everything could be removed that is to go.
    pub is_held_up: bool,
    /// So many spans went for their age,
    pub spans_by_age: u64,
    /// so many because of the size of all,
    pub spans_by_size: u64,
    /// and with them so many resources, scopes, services and operations that no span has any more.
    pub unused: u64,
    /// How large all that is stored is now, on disk.
    pub bytes: u64,
    /// That is too large, and what is left may not go.
    pub is_too_large: bool,
}

/// Why spans go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Age,
    Size,
}

/// Spans may lie so many days in the future before their clock is wrong for sure.
pub(super) const DAYS_AHEAD_MAX: i32 = 2;

/// What was removed is told of for so long.
pub(super) const LOG_DAYS_MAX: i32 = 365;

impl Reason {
    /// As the log and the metrics have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
        }
    }
}

impl Retained {
    /// Whether anything was removed.
    #[must_use]
    pub fn is_something(&self) -> bool {
        self.spans_by_age > 0 || self.spans_by_size > 0
    }

    /// So many more spans went.
    pub(super) fn add(&mut self, reason: Reason, spans: u64) {
        let total = match reason {
            Reason::Age => &mut self.spans_by_age,
            Reason::Size => &mut self.spans_by_size,
        };
        *total = total.saturating_add(spans);
    }
}

/// So many days before this one; the result is a day since 1970, however many they are.
pub(super) fn days_before(today: i32, days: u32) -> i32 {
    today.saturating_sub(i32::try_from(days).unwrap_or(i32::MAX)).max(0)
}
