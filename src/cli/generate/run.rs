//! A run from its begin to its end: threads that make requests ahead, tasks that send them, and who tells them to stop.
//!
//! Requests wait in one bounded channel, so memory does not grow when the endpoint is slow; each sender has one request
//! in flight at a time and keeps it until it is taken or lost.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::GenerateError;
use super::client::{Client, Target};
use super::deliver::RetryPolicy;
use super::plan::{Plan, Window, traces_with};
use super::report::Report;
use super::request::{Encoder, Request};
use super::settings::{GenerateArgs, VerifyTraces, window_nanos};
use super::shop::Shop;
use super::tally::Tally;
use super::verify::Verifier;
use crate::model::UnixNanos;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Requests that are made ahead, at the most.
const PREPARED_REQUESTS_MAX: usize = 64;
/// Threads that make requests, at the most.
const ENCODERS_MAX: usize = 4;
/// A sender that lags behind `--rate` makes up for so much.
const LAG_MAX: Duration = Duration::from_secs(1);

/// Sends and verifies, as told. What went wrong with single requests is in the report.
pub async fn run(args: &GenerateArgs, now: UnixNanos) -> Result<Report, GenerateError> {
    let (uri, verify_at) = (args.target()?, args.verify_at()?);
    let seed = args.seed.unwrap_or(now.0);
    let shop = Arc::new(Shop::new(seed));
    let traces = args.traces(|spans| traces_with(&shop, spans));
    let nanos = window_nanos(args.span_hours);
    let start = args.start.unwrap_or(now.0.saturating_sub(nanos).div_euclid(NANOS_PER_SECOND));
    let from = UnixNanos(start.saturating_mul(NANOS_PER_SECOND));
    let window = Window { start: from, nanos, traces: GenerateArgs::window_traces(traces) };
    let (mut tally, mut took) = (Tally::default(), Duration::ZERO);
    if args.verify_only {
        tally.traces.add(0..traces.unwrap_or(0));
    } else {
        let (protocol, compression) = (args.protocol, args.compression);
        let target = Target { uri, protocol, compression, attempt_max: args.attempt_max() };
        let request_spans = args.request_spans;
        let encoder = Encoder { shop: shop.clone(), seed, window, request_spans, protocol, compression };
        (tally, took) = send(args, encoder, Plan::new(traces, request_spans), target).await?;
    }
    let verified = match verify_at {
        Some(at) => {
            let verifier = Verifier { at, shop, window };
            let traces_max = match args.verify_traces {
                VerifyTraces::All => u64::MAX,
                VerifyTraces::AtMost(traces) => traces,
            };
            Some(verifier.verify(tally.traces.sample(traces_max)).await)
        }
        None => None,
    };
    Ok(Report { seed, start, took, tally, verified })
}

/// What the tasks of a run share.
struct Shared {
    encoder: Encoder,
    plan: Mutex<Plan>,
    tally: Mutex<Tally>,
    pace: Pace,
    retry: RetryPolicy,
    stop: CancellationToken,
}

type Prepared = tokio::sync::Mutex<mpsc::Receiver<Request>>;

/// Sends the plan, and says what came of it and how long it took.
async fn send(
    args: &GenerateArgs,
    encoder: Encoder,
    plan: Plan,
    target: Target,
) -> Result<(Tally, Duration), GenerateError> {
    let shared = Arc::new(Shared {
        retry: RetryPolicy { seed: encoder.seed, retry_max: args.retry_max() },
        encoder,
        plan: Mutex::new(plan),
        tally: Mutex::default(),
        pace: Pace::new(args.rate),
        stop: CancellationToken::new(),
    });
    let (sender, receiver) = mpsc::channel(prepared_max(args));
    let encoders: Vec<_> = (0..available_parallelism().map_or(1, usize::from).min(ENCODERS_MAX))
        .map(|_| (shared.clone(), sender.clone()))
        .map(|(shared, sender)| spawn_blocking(move || prepare(&shared, &sender)))
        .collect();
    drop(sender);
    let encoders = if args.prepare { all_prepared(encoders).await.map(|()| Vec::new())? } else { encoders };
    let prepared = Arc::new(Prepared::new(receiver));
    let mut senders = JoinSet::new();
    let began = Instant::now();
    for client in (0..args.connections).map(|_| Client::new(target.clone())) {
        for _ in 0..args.in_flight {
            senders.spawn(send_all(shared.clone(), client.clone(), prepared.clone()));
        }
    }
    // Whoever waits to prepare more is told by the channel that nobody reads any more.
    drop(prepared);
    let mut others = JoinSet::new();
    others.spawn(stop_in_time(args.seconds, shared.stop.clone()));
    if args.progress {
        others.spawn(show_progress(shared.clone(), began));
    }
    let stopped = shared.stop.clone();
    tokio::select! {
        ended = all_of(&mut senders) => ended?,
        () = second_signal(stopped) => return Err(GenerateError::Interrupted),
    }
    let took = began.elapsed();
    others.shutdown().await;
    all_prepared(encoders).await?;
    let tally = std::mem::take(&mut *lock(&shared.tally));
    Ok((tally, took))
}

/// As many as are in flight, so that the next ones are ready when those are answered; or all there are.
fn prepared_max(args: &GenerateArgs) -> usize {
    if args.prepare {
        return Semaphore::MAX_PERMITS;
    }
    let in_flight = usize::try_from(args.connections.saturating_mul(args.in_flight)).unwrap_or(usize::MAX);
    in_flight.clamp(1, PREPARED_REQUESTS_MAX)
}

/// Makes requests, lot by lot, until the plan ends or nobody takes them.
fn prepare(shared: &Shared, sender: &mpsc::Sender<Request>) -> io::Result<()> {
    while !shared.stop.is_cancelled() {
        let lot = lock(&shared.plan).next(&shared.encoder.shop);
        let Some(lot) = lot else { break };
        for request in shared.encoder.requests(lot)? {
            if sender.blocking_send(request).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Waits until there is nothing left to prepare.
async fn all_prepared(encoders: Vec<JoinHandle<io::Result<()>>>) -> io::Result<()> {
    for encoder in encoders {
        encoder.await.map_err(io::Error::other)??;
    }
    Ok(())
}

/// Sends one request after the other, until there are no more or it is time to stop.
async fn send_all(shared: Arc<Shared>, client: Client, prepared: Arc<Prepared>) {
    while let Some(request) = shared.stop.run_until_cancelled(next(&shared, &prepared)).await.flatten() {
        let attempt = || client.attempt(&request.body);
        let retried = |refusal: &_| lock(&shared.tally).retried(refusal);
        let delivery = shared.retry.deliver(request.number, attempt, retried).await;
        lock(&shared.tally).delivered(&request, delivery);
    }
}

/// The next request, when it is its turn.
async fn next(shared: &Shared, prepared: &Prepared) -> Option<Request> {
    let request = prepared.lock().await.recv().await?;
    shared.pace.turn(request.spans).await;
    Some(request)
}

/// Tells all to stop after so many seconds, or when somebody asks to from the terminal.
async fn stop_in_time(seconds: Option<u64>, stop: CancellationToken) {
    let in_time = async {
        match seconds {
            Some(seconds) => sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = in_time => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    stop.cancel();
}

/// Waits for every task; a panic in one ends the run.
async fn all_of(tasks: &mut JoinSet<()>) -> io::Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(io::Error::other)?;
    }
    Ok(())
}

/// Somebody who asks again, after all were told to stop, does not want to wait for what is in flight.
async fn second_signal(stopped: CancellationToken) {
    stopped.cancelled().await;
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn show_progress(shared: Arc<Shared>, began: Instant) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    seconds.tick().await;
    let mut before = 0;
    loop {
        seconds.tick().await;
        let (spans, retries, lost) = {
            let tally = lock(&shared.tally);
            (tally.spans, tally.retries.values().sum::<u64>(), tally.spans_lost)
        };
        let elapsed = began.elapsed().as_secs();
        let news = spans.saturating_sub(before);
        eprintln!("{elapsed} s: {spans} spans, {news} in the last second, {retries} retries, {lost} spans lost");
        before = spans;
    }
}

/// When to send, so that there are so many spans a second.
struct Pace {
    /// `None`: at once.
    rate: Option<u64>,
    /// `None` before the first one.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    fn new(rate: Option<u64>) -> Self {
        Self { rate, next: Mutex::default() }
    }

    /// Waits until so many spans may be sent.
    async fn turn(&self, spans: u64) {
        let Some(rate) = self.rate else { return };
        let nanos = spans.saturating_mul(NANOS_PER_SECOND).checked_div(rate).unwrap_or(0);
        let turn = {
            let mut next = lock(&self.next);
            let now = Instant::now();
            let planned = next.unwrap_or(now);
            let turn = now.checked_sub(LAG_MAX).map_or(planned, |earliest| earliest.max(planned));
            *next = Some(turn.checked_add(Duration::from_nanos(nanos)).unwrap_or(turn));
            turn
        };
        sleep_until(turn).await;
    }
}

/// A lock whose holder panicked is as good as any: counts are whole after every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_kept_and_a_lag_is_made_up_for() {
        let pace = Pace::new(Some(1_000));
        sleep(Duration::from_secs(10)).await;
        let began = Instant::now();
        for _ in 0..11 {
            pace.turn(500).await;
        }
        assert_eq!(began.elapsed().as_millis(), 5_000);
        // Ten seconds late: a second's worth goes at once, then the pace is kept again.
        sleep(Duration::from_secs(10)).await;
        let late = Instant::now();
        for _ in 0..3 {
            pace.turn(500).await;
        }
        assert_eq!(late.elapsed().as_millis(), 0);
        pace.turn(500).await;
        assert_eq!(late.elapsed().as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_ends_in_time() {
        let (began, stop) = (Instant::now(), CancellationToken::new());
        stop_in_time(Some(7), stop.clone()).await;
        assert!(stop.is_cancelled());
        assert_eq!(began.elapsed().as_secs(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nobody_waits() {
        let began = Instant::now();
        Pace::new(None).turn(u64::MAX).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
