//! Which traces are sent, and when each of them starts: pure, so that a run can be checked afterwards.
//!
//! Traces are numbered from 0. They are made by the lot: as many consecutive traces as fill a few requests, whose spans
//! are then mixed among these requests, since a gateway hears the services of one trace at different moments.

use std::ops::Range;

use super::shop::Shop;
use crate::model::UnixNanos;

/// How many requests a lot fills.
const LOT_REQUESTS: u64 = 4;

/// When the traces start: evenly from `start` on, for `nanos`. After `traces` of them the next one is at `start` again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: UnixNanos,
    pub(super) nanos: u64,
    pub(super) traces: u64,
}

impl Window {
    /// When a trace starts.
    pub(super) fn start_of(&self, number: u64) -> UnixNanos {
        let place = u128::from(number.checked_rem(self.traces).unwrap_or(0));
        let after = place.saturating_mul(u128::from(self.nanos)).checked_div(u128::from(self.traces)).unwrap_or(0);
        UnixNanos(self.start.0.saturating_add(u64::try_from(after).unwrap_or(u64::MAX)))
    }
}

/// Consecutive traces that are sent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lot {
    /// Counted from 0.
    pub(super) number: u64,
    pub(super) traces: Range<u64>,
}

/// The lots, one after the other.
#[derive(Debug)]
pub(super) struct Plan {
    lot: u64,
    trace: u64,
    /// Where to stop; `None` for never.
    traces: Option<u64>,
    lot_spans: u64,
}

impl Plan {
    /// Lots of a few requests of so many spans each.
    pub(super) fn new(traces: Option<u64>, request_spans: u32) -> Self {
        Self { lot: 0, trace: 0, traces, lot_spans: u64::from(request_spans).saturating_mul(LOT_REQUESTS) }
    }

    /// The next lot; `None` when all traces are planned.
    pub(super) fn next(&mut self, shop: &Shop) -> Option<Lot> {
        let first = self.trace;
        let mut spans = 0_u64;
        while spans < self.lot_spans && self.traces.is_none_or(|traces| self.trace < traces) {
            spans = spans.saturating_add(u64::from(shop.trace_spans(self.trace)));
            self.trace = self.trace.saturating_add(1);
        }
        let number = self.lot;
        self.lot = self.lot.saturating_add(1);
        (self.trace > first).then_some(Lot { number, traces: first..self.trace })
    }
}

/// The fewest traces that have so many spans.
pub(super) fn traces_with(shop: &Shop, spans: u64) -> u64 {
    let mut left = spans;
    let mut number = 0_u64;
    while left > 0 {
        left = left.saturating_sub(u64::from(shop.trace_spans(number)));
        number = number.saturating_add(1);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_spread_evenly_and_begin_again() {
        let window = Window { start: UnixNanos(1_000), nanos: 600, traces: 3 };
        let starts: Vec<_> = (0..5).map(|number| window.start_of(number).0).collect();
        assert_eq!(starts, [1_000, 1_200, 1_400, 1_000, 1_200]);
        let day = Window { start: UnixNanos(u64::MAX - 5), nanos: u64::MAX, traces: u64::MAX };
        assert_eq!(day.start_of(u64::MAX - 1), UnixNanos(u64::MAX));
        assert_eq!(Window { traces: 0, ..window }.start_of(7), UnixNanos(1_000));
    }

    #[test]
    fn lots_hold_every_trace_once_and_fill_their_requests() {
        let shop = Shop::new(5);
        let traces = traces_with(&shop, 50_000);
        let spans = |range: Range<u64>| range.map(|number| u64::from(shop.trace_spans(number))).sum::<u64>();
        assert!(spans(0..traces) >= 50_000 && spans(0..traces - 1) < 50_000);
        let mut plan = Plan::new(Some(traces), 100);
        let lots: Vec<_> = std::iter::from_fn(|| plan.next(&shop)).collect();
        assert_eq!(lots[0].traces.start, 0);
        assert_eq!(lots.last().unwrap().traces.end, traces);
        assert!(lots.windows(2).all(|pair| pair[0].traces.end == pair[1].traces.start));
        assert!(lots.iter().rev().skip(1).all(|lot| spans(lot.traces.clone()) >= 400));
        assert!(lots.iter().zip(0..).all(|(lot, number)| lot.number == number));
    }

    #[test]
    fn without_an_end_there_is_always_a_next_lot() {
        let shop = Shop::new(5);
        let mut plan = Plan::new(None, 1);
        assert!((0..1_000).all(|_| plan.next(&shop).is_some()));
    }
}
