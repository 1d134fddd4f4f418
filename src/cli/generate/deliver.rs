//! One request until it is taken or lost: attempts, and the waits between them.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::answer::{Answer, Refusal, Retry};
use super::shop::chance::{Chance, Subject};

/// The wait before the second attempt; it doubles from attempt to attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// A wait of nothing, when that is asked for, is this long.
const ASKED_MIN: Duration = Duration::from_millis(10);
/// The longest wait that nobody asked for.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// When to send again, and when to give up.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryPolicy {
    pub(super) seed: u64,
    /// No attempt begins later after the first one.
    pub(super) retry_max: Duration,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Taken, so long after its first attempt began.
    Taken { rejected: u64, message: String, took: Duration },
    /// Lost, because of this last refusal.
    Lost(Refusal),
}

impl RetryPolicy {
    /// Sends until the request is taken, must not be sent again, or has been tried for too long. `retried` hears of
    /// every refusal after which the same is sent again.
    pub(super) async fn deliver<A: Future<Output = Answer>>(
        &self,
        number: u64,
        attempt: impl Fn() -> A,
        retried: impl Fn(&Refusal),
    ) -> Delivery {
        let first = Instant::now();
        let mut chance = Chance::new(self.seed, Subject::Backoff, number);
        let mut attempts = 0_u32;
        loop {
            let refusal = match attempt().await {
                Answer::Taken { rejected, message } => {
                    return Delivery::Taken { rejected, message, took: first.elapsed() };
                }
                Answer::Refused(refusal) => refusal,
            };
            let Some(wait) = wait(refusal.retry, attempts, &mut chance) else { return Delivery::Lost(refusal) };
            if first.elapsed().saturating_add(wait) > self.retry_max {
                return Delivery::Lost(refusal);
            }
            retried(&refusal);
            attempts = attempts.saturating_add(1);
            sleep(wait).await;
        }
    }
}

/// How long to wait; `None` when the request must not be sent again. What was asked for is waited for, and up to a
/// quarter longer, so that those who were refused together do not come back together.
fn wait(retry: Retry, attempts: u32, chance: &mut Chance) -> Option<Duration> {
    match retry {
        Retry::Never => None,
        Retry::Soon => {
            let doubled = BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(attempts));
            Some(doubled.min(BACKOFF_MAX).mul_f64(0.5 + chance.unit()))
        }
        Retry::After(delay) => Some(delay.max(ASKED_MIN).mul_f64(1.0 + chance.unit() / 4.0)),
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { seed: 1, retry_max: Duration::from_mins(1) };

    fn refusal(retry: Retry) -> Refusal {
        Refusal { code: "CODE".to_owned(), message: "why".to_owned(), retry }
    }

    fn taken() -> Answer {
        Answer::Taken { rejected: 0, message: String::new() }
    }

    /// What becomes of a request that hears these refusals and is then taken, and when each attempt began.
    async fn deliver(policy: RetryPolicy, refusals: &[Retry]) -> (Delivery, Vec<Duration>, usize) {
        let begin = Instant::now();
        let script: RefCell<VecDeque<_>> = RefCell::new(refusals.iter().copied().collect());
        let (attempts, retried) = (RefCell::new(Vec::new()), RefCell::new(0));
        let attempt = || {
            attempts.borrow_mut().push(begin.elapsed());
            let retry = script.borrow_mut().pop_front();
            std::future::ready(retry.map_or_else(taken, |retry| Answer::Refused(refusal(retry))))
        };
        let delivery = policy.deliver(7, attempt, |_| *retried.borrow_mut() += 1).await;
        (delivery, attempts.into_inner(), retried.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_and_have_an_end() {
        let (delivery, attempts, retried) = deliver(POLICY, &[Retry::Soon; 12]).await;
        let took = *attempts.last().unwrap();
        assert_eq!(delivery, Delivery::Taken { rejected: 0, message: String::new(), took });
        assert_eq!((attempts.len(), retried), (13, 12));
        for (index, pair) in attempts.windows(2).enumerate() {
            let base = (100 << index).min(5_000);
            let waited = pair[1].saturating_sub(pair[0]).as_millis();
            // Tokio's timer has a step of a millisecond.
            assert!((base / 2..=base * 3 / 2 + 1).contains(&waited), "{waited} ms after attempt {index}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_is_waited_for() {
        let (_, attempts, _) = deliver(POLICY, &[Retry::After(Duration::from_secs(8)); 2]).await;
        for pair in attempts.windows(2) {
            let waited = pair[1].saturating_sub(pair[0]).as_millis();
            assert!((8_000..=10_001).contains(&waited), "{waited} ms");
        }
        let (_, attempts, _) = deliver(POLICY, &[Retry::After(Duration::ZERO)]).await;
        assert!(attempts[1] >= Duration::from_millis(10), "a wait of nothing is a little one");
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_not_be_sent_again_is_lost_at_once() {
        let (delivery, attempts, retried) = deliver(POLICY, &[Retry::Soon, Retry::Never, Retry::Soon]).await;
        assert_eq!(delivery, Delivery::Lost(refusal(Retry::Never)));
        assert_eq!((attempts.len(), retried), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_in_time() {
        let (delivery, attempts, _) = deliver(POLICY, &[Retry::Soon; 1_000]).await;
        assert_eq!(delivery, Delivery::Lost(refusal(Retry::Soon)));
        let last = *attempts.last().unwrap();
        assert!((Duration::from_secs(50)..=POLICY.retry_max).contains(&last), "{last:?}");
        // A wait that would end too late is not begun.
        let (_, attempts, _) = deliver(POLICY, &[Retry::After(Duration::from_secs(61))]).await;
        assert_eq!(attempts, [Duration::ZERO]);
        let never = RetryPolicy { retry_max: Duration::ZERO, ..POLICY };
        assert_eq!(deliver(never, &[Retry::Soon]).await.1.len(), 1);
    }
}
