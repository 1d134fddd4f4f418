//! The same questions through every door: a trace by its id, and the newest 20 traces of a service. `ask.rs` says them in each
//! door's words.
//!
//! A door that reads whole traces is beside as much by `tracewell.v1`: a search, then each trace that it found; one that is
//! asked in TraceQL is beside the same query. Each
//! question goes to all doors, one after the other, and the next one begins with another door, so that no door always
//! finds in memory what another one has had read. A gRPC answer has arrived when it is decoded; an answer by HTTP when its
//! last byte is there. That it has as much in it as `tracewell.v1` found is looked at later.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use prost_types::Timestamp;
use serde_json::json;
use tracewell::server::generated::tracewell_v1::SearchRequest;

use super::questions::Questions;
use super::{Args, Tally};

#[path = "ask.rs"]
mod ask;

use ask::{Clients, Got};

/// A large trace is asked for so often.
const LARGE_REPETITIONS: usize = 3;

/// A door, and the way through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Own,
    OwnTraceql,
    /// A search whose traces are all read.
    OwnWhole,
    Tempo,
    TempoJson,
    TempoOlder,
    TempoStream,
    V3,
    V3Summaries,
    V3Path,
    Older,
    Storage,
    StorageIds,
    Zipkin,
}

/// The first one is what the others are compared with.
const OF_A_TRACE: [Door; 9] = [
    Door::Own,
    Door::Tempo,
    Door::TempoJson,
    Door::TempoOlder,
    Door::V3,
    Door::V3Path,
    Door::Older,
    Door::Storage,
    Door::Zipkin,
];
const OF_IDS: [Door; 2] = [Door::Own, Door::StorageIds];
/// What Grafana asks is TraceQL, and so is what it is beside.
const BY_TRACEQL: [Door; 3] = [Door::OwnTraceql, Door::Tempo, Door::TempoStream];
/// Jaeger's summaries say how many spans have no parent, for which all of them are read.
const OF_WHOLE_TRACES: [Door; 7] =
    [Door::OwnWhole, Door::V3, Door::V3Summaries, Door::V3Path, Door::Older, Door::Storage, Door::Zipkin];

impl Door {
    fn name_of_trace(self) -> &'static str {
        match self {
            Self::Own | Self::OwnTraceql | Self::OwnWhole => "tracewell.v1 GetTrace",
            Self::Tempo | Self::TempoStream => "Tempo /api/v2/traces/{id}, protobuf",
            Self::TempoJson => "Tempo /api/v2/traces/{id}, JSON",
            Self::TempoOlder => "Tempo /api/traces/{id}, protobuf",
            Self::V3 | Self::V3Summaries => "Jaeger api_v3 GetTrace",
            Self::V3Path => "Jaeger /api/v3/traces/{id}",
            Self::Older => "Jaeger /api/traces/{id}",
            Self::Storage | Self::StorageIds => "Jaeger storage.v2 GetTraces",
            Self::Zipkin => "Zipkin /api/v2/trace/{id}",
        }
    }

    fn name_of_search(self) -> &'static str {
        match self {
            Self::Own => "tracewell.v1 SearchTraces",
            Self::OwnTraceql => "tracewell.v1 SearchTraces, TraceQL",
            Self::OwnWhole => "tracewell.v1 SearchTraces, then GetTrace of each",
            Self::Tempo | Self::TempoJson | Self::TempoOlder => "Tempo /api/search",
            Self::TempoStream => "Tempo StreamingQuerier Search",
            Self::V3 => "Jaeger api_v3 FindTraces",
            Self::V3Summaries => "Jaeger api_v3 FindTraceSummaries",
            Self::V3Path => "Jaeger /api/v3/traces",
            Self::Older => "Jaeger /api/traces",
            Self::Storage => "Jaeger storage.v2 FindTraces",
            Self::StorageIds => "Jaeger storage.v2 FindTraceIDs",
            Self::Zipkin => "Zipkin /api/v2/traces",
        }
    }
}

/// What a search asks for: the newest traces with a span of a service that begins between two seconds.
struct Search {
    request: SearchRequest,
    start: u64,
    end: u64,
    traces_max: u32,
}

impl Search {
    fn of(request: &SearchRequest) -> Self {
        let seconds = |time: &Option<Timestamp>| time.as_ref().map_or(0, |time| time.seconds.unsigned_abs());
        Self {
            start: seconds(&request.start_time_min),
            end: seconds(&request.start_time_max),
            traces_max: request.page_size.unsigned_abs(),
            request: request.clone(),
        }
    }
}

/// Asks what `questions` have through every door, and prints a line for each of a kind.
pub(super) async fn measure(args: &Args, questions: &Questions, is_test: bool) {
    let clients = Clients::connect(args).await;
    let traces: Vec<&str> = questions.traces().collect();
    let rounds = Rounds { kind: "trace by id", window: "", args, is_test };
    rounds.run(&traces, &OF_A_TRACE, Door::name_of_trace, async |door, id| clients.trace(door, id).await).await;
    for (window, requests) in questions.searches_by_service() {
        let searches: Vec<Search> = requests.iter().map(|request| Search::of(request)).collect();
        let searches: Vec<&Search> = searches.iter().collect();
        for (kind, doors) in [
            ("newest 20", OF_IDS.as_slice()),
            ("newest 20, TraceQL", BY_TRACEQL.as_slice()),
            ("newest 20, whole", OF_WHOLE_TRACES.as_slice()),
        ] {
            let rounds = Rounds { kind, window, args, is_test };
            let ask = async |door, search| clients.search(door, search).await;
            rounds.run(&searches, doors, Door::name_of_search, ask).await;
        }
    }
}

/// Questions of a kind, each to all doors.
struct Rounds<'a> {
    kind: &'a str,
    window: &'a str,
    args: &'a Args,
    is_test: bool,
}

impl Rounds<'_> {
    async fn run<Q: Copy>(
        &self,
        questions: &[Q],
        doors: &[Door],
        name: fn(Door) -> &'static str,
        ask: impl AsyncFn(Door, Q) -> Result<(Duration, Got), String>,
    ) {
        let mut tallies: Vec<Tally> = doors.iter().map(|_| Tally::default()).collect();
        let (began, long) = (Instant::now(), Duration::from_secs(self.args.kind_seconds_max));
        for (turn, question) in questions.iter().cycle().take(self.args.repetitions).enumerate() {
            let mut counts = vec![None; doors.len()];
            for place in 0..doors.len() {
                let place = place.saturating_add(turn).checked_rem(doors.len()).unwrap_or(0);
                let (Some(door), Some(tally)) = (doors.get(place), tallies.get_mut(place)) else { continue };
                match ask(*door, *question).await {
                    Ok((took, got)) => {
                        tally.took.push(took);
                        counts.get_mut(place).into_iter().for_each(|count| *count = Some(got.count()));
                    }
                    Err(failure) => tally.fail(failure, 1),
                }
            }
            for (tally, count) in tallies.iter_mut().zip(&counts) {
                if let (Some(count), Some(Some(expected))) = (count, counts.first())
                    && count != expected
                {
                    tally.fail(format!("has {count}, not {expected}"), 1);
                }
            }
            if began.elapsed() > long {
                break;
            }
        }
        for (door, tally) in doors.iter().zip(tallies) {
            assert!(!self.is_test || tally.failures.is_empty(), "{}: {:?}", name(*door), tally.failures);
            let beside = doors.first().map(|door| name(*door));
            tally.print(&json!({ "kind": self.kind, "window": self.window, "door": name(*door), "beside": beside }));
        }
    }
}

/// Asks for one trace through one of the doors, and says how long the first answer took and the median of all.
pub(super) async fn measure_large(args: &Args, trace_id: &str, door: &str) {
    let named = OF_A_TRACE.into_iter().find(|known| known.name_of_trace() == door);
    let (clients, door) = (Clients::connect(args).await, named.expect("a door of a trace"));
    let (mut tally, mut spans) = (Tally::default(), 0);
    for _ in 0..LARGE_REPETITIONS {
        match clients.trace(door, trace_id).await {
            Ok((took, got)) => {
                tally.took.push(took);
                spans = got.count();
            }
            Err(failure) => tally.fail(failure, 1),
        }
    }
    let first = tally.took.first().map_or(0.0, |took| took.as_secs_f64() * 1_000.0);
    let kind = "large trace";
    let door = door.name_of_trace();
    tally.print(&json!({ "kind": kind, "door": door, "first_millis": first, "spans": spans }));
}

/// Names the doors of a trace, a line each.
pub(super) fn list() {
    for door in OF_A_TRACE {
        writeln!(io::stdout(), "{}", door.name_of_trace()).expect("somebody reads");
    }
}
