//! What an answer may cost before it ends with what is certain so far.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::QuerySettings;
use crate::store::{Counted, Work};

/// How often it is looked at what a question to the store has cost so far.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// A part of a budget is never less than this: a question that is cut off too early was asked in vain.
const PART_SPANS_MIN: u64 = 1_000;
/// The same for its time.
const PART_TIME_MIN: Duration = Duration::from_millis(100);

/// The limit on the work of one answer, and what of it is used up. A clone is the same budget.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    work: Work,
    began: Instant,
    spans_max: u64,
    time_max: Duration,
}

/// How far one question may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// Until the answer has read so many spans.
    spans: u64,
    until: Instant,
}

impl Budget {
    /// A budget of which nothing is used up. Its time ends before the caller's does.
    pub(super) fn new(settings: &QuerySettings) -> Self {
        let time_max = settings.work_time_max.min(half(settings.query_timeout));
        Self { work: Work::default(), began: Instant::now(), spans_max: settings.work_spans_max, time_max }
    }

    /// Counts what is used up.
    pub(super) fn work(&self) -> &Work {
        &self.work
    }

    /// Whether nothing is left.
    pub(super) fn is_spent(&self) -> bool {
        self.spans_read() >= self.spans_max || self.began.elapsed() >= self.time_max
    }

    /// How much was used up, in thousandths of the whole.
    pub(super) fn used_thousandths(&self) -> u64 {
        let spans = self.spans_read().saturating_mul(1_000).checked_div(self.spans_max);
        let time = self.began.elapsed().as_micros().saturating_mul(1_000).checked_div(self.time_max.as_micros());
        let time = time.and_then(|time| u64::try_from(time).ok());
        spans.unwrap_or(1_000).max(time.unwrap_or(1_000))
    }

    /// All that is left.
    pub(super) fn rest(&self) -> Allowance {
        let until = self.began.checked_add(self.time_max).unwrap_or(self.began);
        Allowance { spans: self.spans_max, until }
    }

    /// A quarter of the whole, whatever is left.
    pub(super) fn quarter(&self) -> Allowance {
        let now = Instant::now();
        let spans = (self.spans_max / 4).max(PART_SPANS_MIN);
        let until = now.checked_add(half(half(self.time_max)).max(PART_TIME_MIN)).unwrap_or(now);
        Allowance { spans: self.spans_read().saturating_add(spans), until }
    }

    /// The answer to a question; `None` when it goes too far, and then it is dropped.
    pub(super) async fn within<T>(&self, allowance: Allowance, question: impl Future<Output = T>) -> Option<T> {
        let mut question = pin!(question);
        loop {
            tokio::select! {
                biased;
                answer = &mut question => return Some(answer),
                () = sleep(CHECK_EVERY) => {
                    if self.spans_read() >= allowance.spans || Instant::now() >= allowance.until {
                        return None;
                    }
                }
            }
        }
    }

    fn spans_read(&self) -> u64 {
        self.work.of(Counted::SpansRead)
    }
}

fn half(time: Duration) -> Duration {
    time.checked_div(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn budget(work_spans_max: u64, work_time_max: Duration, query_timeout: Duration) -> Budget {
        Budget::new(&QuerySettings { query_timeout, work_spans_max, work_time_max, ..QuerySettings::default() })
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// Scenario: work may take longer than its caller waits. Guarantee: it ends when half of that has passed, so that there
    /// is an answer that says how far it came.
    #[tokio::test(start_paused = true)]
    async fn work_ends_before_the_caller_goes() {
        let budget = budget(u64::MAX, 60 * SECOND, 10 * SECOND);
        let began = Instant::now();
        assert_eq!(budget.within(budget.rest(), pending::<()>()).await, None);
        assert!((5 * SECOND..6 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert!(budget.is_spent() && budget.used_thousandths() >= 1_000);
    }

    /// Scenario: questions that read and read, one after the other. Guarantee: each may read a quarter of the whole, whatever
    /// was read before, and of a small whole at least so much that something comes of it.
    #[tokio::test(start_paused = true)]
    async fn a_part_is_beside_what_was_read_before() {
        for (spans_max, part) in [(40_000, 10_000), (8, PART_SPANS_MIN)] {
            let budget = budget(spans_max, 60 * SECOND, 600 * SECOND);
            for number in 1..=3 {
                let read = async {
                    loop {
                        budget.work().add(Counted::SpansRead, 1);
                        sleep(CHECK_EVERY / 10).await;
                        if budget.spans_read() > number * part + 100 {
                            return;
                        }
                    }
                };
                assert_eq!(
                    budget.within(Allowance { until: Instant::now() + 600 * SECOND, ..budget.quarter() }, read).await,
                    None
                );
                assert!((number * part..number * part + 20).contains(&budget.spans_read()), "{}", budget.spans_read());
            }
        }
    }
}
