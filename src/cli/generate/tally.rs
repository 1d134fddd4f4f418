//! What is counted during a run. Memory is bounded, however long it runs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::answer::Refusal;
use super::deliver::Delivery;
use super::request::Request;

/// Everything that is counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Acknowledged, rejected ones not included.
    pub(super) spans: u64,
    pub(super) requests: u64,
    /// Of the acknowledged requests, before and after compression.
    pub(super) message_bytes: u64,
    pub(super) body_bytes: u64,
    /// Of the acknowledged requests, from the begin of the first attempt.
    pub(super) latency: Latency,
    /// Refusals after which the same was sent again, by code.
    pub(super) retries: BTreeMap<String, u64>,
    /// Refusals by which a request was lost, by code.
    pub(super) refusals: BTreeMap<String, u64>,
    pub(super) spans_lost: u64,
    pub(super) requests_lost: u64,
    pub(super) spans_rejected: u64,
    /// The first thing that the endpoint said about a loss or a rejection.
    pub(super) first_complaint: Option<String>,
    /// The traces all of whose requests were acknowledged.
    pub(super) traces: Traces,
    /// How many requests of a lot are acknowledged, while some are not.
    lots: BTreeMap<u64, u64>,
}

impl Tally {
    /// A refusal after which the request is sent again.
    pub(super) fn retried(&mut self, refusal: &Refusal) {
        add_one(&mut self.retries, &refusal.code);
    }

    /// What became of a request.
    pub(super) fn delivered(&mut self, request: &Request, delivery: Delivery) {
        match delivery {
            Delivery::Taken { rejected, message, took } => {
                let rejected = rejected.min(request.spans);
                self.taken(request, took, rejected);
                if rejected > 0 {
                    self.first_complaint.get_or_insert(message);
                }
            }
            Delivery::Lost(refusal) => {
                add_one(&mut self.refusals, &refusal.code);
                self.requests_lost = self.requests_lost.saturating_add(1);
                self.spans_lost = self.spans_lost.saturating_add(request.spans);
                self.first_complaint.get_or_insert(format!("{}: {}", refusal.code, refusal.message));
            }
        }
    }

    fn taken(&mut self, request: &Request, took: Duration, rejected: u64) {
        let body_bytes = u64::try_from(request.body.len()).unwrap_or(u64::MAX);
        self.requests = self.requests.saturating_add(1);
        self.spans = self.spans.saturating_add(request.spans.saturating_sub(rejected));
        self.spans_rejected = self.spans_rejected.saturating_add(rejected);
        self.message_bytes = self.message_bytes.saturating_add(request.message_bytes);
        self.body_bytes = self.body_bytes.saturating_add(body_bytes);
        self.latency.add(took);
        if rejected > 0 {
            return;
        }
        let done = self.lots.entry(request.lot.number).or_default();
        *done = done.saturating_add(1);
        if *done == request.lot_requests {
            self.lots.remove(&request.lot.number);
            self.traces.add(request.lot.traces.clone());
        }
    }
}

fn add_one(counts: &mut BTreeMap<String, u64>, code: &str) {
    let count = counts.entry(code.to_owned()).or_default();
    *count = count.saturating_add(1);
}

/// Numbers of traces, as ranges: neighbours are joined, so a run without losses is one range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traces(BTreeMap<u64, u64>);

impl Traces {
    /// Adds traces that are not in it yet.
    pub(super) fn add(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        if let Some((before, &before_end)) = self.0.range(..start).next_back()
            && before_end == start
        {
            start = *before;
        }
        if let Some(after_end) = self.0.remove(&end) {
            end = after_end;
        }
        self.0.insert(start, end);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, (start, end)| sum.saturating_add(end.saturating_sub(*start)))
    }

    /// At most so many of them, evenly chosen, in their order.
    pub(super) fn sample(&self, traces_max: u64) -> impl Iterator<Item = u64> {
        let count = u128::from(self.count());
        let chosen = count.min(u128::from(traces_max));
        let place = move |index: u64| u128::from(index).saturating_mul(count).checked_div(chosen).unwrap_or(0);
        let chosen = u64::try_from(chosen).unwrap_or(u64::MAX);
        (0..chosen).filter_map(move |index| self.nth(u64::try_from(place(index)).ok()?))
    }

    fn nth(&self, mut place: u64) -> Option<u64> {
        for (start, end) in &self.0 {
            let length = end.saturating_sub(*start);
            if place < length {
                return start.checked_add(place);
            }
            place = place.saturating_sub(length);
        }
        None
    }
}

/// How long things took: counts in buckets that are at most 1.6 % wide, from a microsecond to an hour.
#[derive(Debug, Clone, Default)]
pub(super) struct Latency {
    buckets: BTreeMap<u32, u64>,
    count: u64,
    max: Duration,
}

/// Bits of a number of microseconds that are kept below the highest one.
const PRECISION_BITS: u32 = 6;

impl Latency {
    fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let count = self.buckets.entry(bucket(micros)).or_default();
        *count = count.saturating_add(1);
        self.count = self.count.saturating_add(1);
        self.max = self.max.max(took);
    }

    /// So many in a hundred took no longer, in milliseconds; 0 when nothing was counted.
    pub(super) fn percentile_millis(&self, percent: u64) -> f64 {
        let rank = self.count.saturating_mul(percent).div_ceil(100);
        let mut seen = 0_u64;
        for (bucket, count) in &self.buckets {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return millis(Duration::from_micros(upper_end(*bucket))).min(self.max_millis());
            }
        }
        0.0
    }

    /// The longest, in milliseconds.
    pub(super) fn max_millis(&self) -> f64 {
        millis(self.max)
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The highest bits of a number, and how many follow.
fn bucket(micros: u64) -> u32 {
    let shift = u64::BITS.saturating_sub(micros.leading_zeros()).saturating_sub(PRECISION_BITS.saturating_add(1));
    let high = u32::try_from(micros >> shift).unwrap_or(0);
    shift << (PRECISION_BITS.saturating_add(1)) | high
}

/// The largest number in a bucket.
fn upper_end(bucket: u32) -> u64 {
    let (shift, high) = (bucket >> 7, u64::from(bucket & 0x7f));
    let width = 1_u64.checked_shl(shift).unwrap_or(u64::MAX);
    high.saturating_add(1).checked_mul(width).map_or(u64::MAX, |end| end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::super::answer::Retry;
    use super::super::plan::Lot;
    use super::*;

    fn request(lot: &Arc<Lot>, lot_requests: u64) -> Request {
        let body = Bytes::from_static(&[0; 50]);
        Request { lot: lot.clone(), lot_requests, number: 0, spans: 10, message_bytes: 100, body }
    }

    fn taken(rejected: u64) -> Delivery {
        Delivery::Taken { rejected, message: "bad ids".to_owned(), took: Duration::from_millis(3) }
    }

    fn lost() -> Delivery {
        let (code, message) = ("UNAVAILABLE".to_owned(), "busy".to_owned());
        Delivery::Lost(Refusal { code, message, retry: Retry::Soon })
    }

    #[test]
    fn everything_is_counted_and_only_whole_lots_count_as_sent() {
        let lots = [(0, 0..5), (1, 5..9), (2, 9..20)].map(|(number, traces)| Arc::new(Lot { number, traces }));
        let mut tally = Tally::default();
        for (lot, delivery) in [(2, taken(0)), (0, taken(0)), (1, taken(0)), (2, taken(0)), (1, lost()), (0, taken(4))]
        {
            tally.delivered(&request(&lots[lot], 2), delivery);
        }
        assert_eq!((tally.spans, tally.requests, tally.spans_rejected), (46, 5, 4));
        assert_eq!((tally.spans_lost, tally.requests_lost), (10, 1));
        assert_eq!((tally.message_bytes, tally.body_bytes), (500, 250));
        assert_eq!(tally.refusals, BTreeMap::from([("UNAVAILABLE".to_owned(), 1)]));
        assert_eq!(tally.first_complaint.as_deref(), Some("UNAVAILABLE: busy"));
        assert_eq!(tally.traces.sample(100).collect::<Vec<_>>(), (9..20).collect::<Vec<_>>());
    }

    #[test]
    fn ranges_are_joined_and_sampled_evenly() {
        let mut traces = Traces::default();
        for range in [20..30, 0..10, 40..50, 10..20] {
            traces.add(range);
        }
        assert_eq!(traces, Traces(BTreeMap::from([(0, 30), (40, 50)])));
        assert_eq!(traces.count(), 40);
        assert_eq!(traces.sample(4).collect::<Vec<_>>(), [0, 10, 20, 40]);
        let all: Vec<_> = (0..30).chain(40..50).collect();
        assert_eq!(traces.sample(u64::MAX).collect::<Vec<_>>(), all);
        assert_eq!(Traces::default().sample(5).count(), 0);
    }

    #[test]
    fn percentiles_are_near() {
        let mut latency = Latency::default();
        for micros in 1..=100_000 {
            latency.add(Duration::from_micros(micros));
        }
        for (percent, expected) in [(1, 1.0), (50, 50.0), (95, 95.0), (99, 99.0), (100, 100.0)] {
            let found = latency.percentile_millis(percent);
            assert!((expected..=expected * 1.016).contains(&found), "{percent}: {found}");
        }
        assert!((latency.max_millis() - 100.0).abs() < 1e-9);
        assert_eq!(Latency::default().percentile_millis(99).to_bits(), 0);
        for micros in [0, 1, 127, 128, 129, 1 << 40, u64::MAX] {
            assert!(upper_end(bucket(micros)) >= micros);
        }
    }
}
