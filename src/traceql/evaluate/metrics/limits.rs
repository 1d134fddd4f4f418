//! How much a metrics query may make of spans, whatever it groups by and however long it looks back.

/// What a metrics query may hold and give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasurementLimits {
    /// The most groups, and the most series.
    pub series_max: usize,
    /// The most values of all series together, those that are not there included.
    pub values_max: usize,
    /// What is counted may take so many bytes, roughly.
    pub held_bytes_max: usize,
    /// So many different values of an attribute are told apart by `compare()`, or as many as it is to show; of an
    /// attribute that has more only the total is shown, with the sign of too many values.
    pub compared_values_max: usize,
}

impl Default for MeasurementLimits {
    fn default() -> Self {
        Self { series_max: 10_000, values_max: 2_000_000, held_bytes_max: 64 << 20, compared_values_max: 1_000 }
    }
}

/// Which limit a metrics query exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// [`MeasurementLimits::series_max`].
    #[error("it has more than {max} series: group by less")]
    Series {
        /// The limit.
        max: usize,
    },
    /// [`MeasurementLimits::values_max`].
    #[error("its series have more than {max} values: group by less, or take a longer step or a shorter time")]
    Values {
        /// The limit.
        max: usize,
    },
    /// [`MeasurementLimits::held_bytes_max`].
    #[error(
        "what it counts takes more than {} MiB: ask for fewer spans or a shorter time, group by less, or take a longer step",
        max >> 20
    )]
    Held {
        /// The limit, in bytes.
        max: usize,
    },
}

/// What a group, a value of an attribute or a bucket takes beside its text, roughly.
const ENTRY_BYTES: usize = 96;

/// What a measurement holds of what it may.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) limits: MeasurementLimits,
    groups: usize,
    bytes: usize,
}

impl Held {
    pub(super) fn within(limits: MeasurementLimits) -> Self {
        Self { limits, groups: 0, bytes: 0 }
    }

    /// One more group, of which so many series come.
    pub(super) fn take_group(&mut self, series: usize) -> Result<(), TooMuch> {
        let max = self.limits.series_max;
        self.groups = self.groups.saturating_add(series);
        if self.groups > max { Err(TooMuch::Series { max }) } else { Ok(()) }
    }

    /// One more of what takes memory, with texts of so many bytes.
    pub(super) fn take_entry(&mut self, text_bytes: usize) -> Result<(), TooMuch> {
        let max = self.limits.held_bytes_max;
        self.bytes = self.bytes.saturating_add(ENTRY_BYTES).saturating_add(text_bytes);
        if self.bytes > max { Err(TooMuch::Held { max }) } else { Ok(()) }
    }

    /// Whether so many series of so many values may be made.
    pub(super) fn check_series(&self, series: usize, intervals: usize) -> Result<(), TooMuch> {
        let (series_max, values_max) = (self.limits.series_max, self.limits.values_max);
        if series > series_max {
            return Err(TooMuch::Series { max: series_max });
        }
        if series.saturating_mul(intervals) > values_max { Err(TooMuch::Values { max: values_max }) } else { Ok(()) }
    }
}
