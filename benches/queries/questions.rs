//! The questions, by kind, each with what it must find. What is frequent, rare and single among the load generator's
//! values is told in `src/cli/generate/shop/mod.rs`.

use std::fmt;
use std::ops::RangeInclusive;

use futures::TryStreamExt;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost_types::{Duration, Timestamp};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;
use tonic::Status;
use tracewell::server::generated::tracewell_v1::{
    AttributeCondition, GetTraceRequest, ListAttributeKeysRequest, ListAttributeValuesRequest, ListOperationsRequest,
    ListServicesRequest, QueryMetricsRequest, SearchRequest, Span, TraceSummary,
};

#[path = "traceql.rs"]
mod traceql;

use super::Client;

/// So many moments are looked at before anything is measured, at the most.
const MOMENTS_MAX: usize = 300;
const HOUR_SECONDS: u64 = 3_600;
const FREQUENT: (&str, &str) = ("network.transport", "tcp");
const RARE: (&str, i64) = ("http.response.status_code", 404);
/// Its values are each in one trace.
const SESSION: &str = "session.id";
const TRACES: i32 = 20;
const BY_SERVICE: &str = "by service";
const ANY: RangeInclusive<usize> = 0..=usize::MAX;
const SOME: RangeInclusive<usize> = 1..=usize::MAX;

/// Between two moments, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    from: u64,
    until: u64,
}

impl Window {
    /// So many hours before a moment.
    pub(super) fn before(end: u64, hours: u64) -> Self {
        Self { from: end.saturating_sub(hours.saturating_mul(HOUR_SECONDS)), until: end }
    }

    /// Any hour, for its length.
    fn hour() -> Self {
        Self::before(HOUR_SECONDS, 1)
    }

    /// An hour of it with a moment in the middle.
    fn around(self, moment: u64) -> Self {
        let last = self.until.saturating_sub(HOUR_SECONDS).max(self.from);
        let from = moment.saturating_sub(HOUR_SECONDS >> 1).clamp(self.from, last);
        Self { from, until: from.saturating_add(HOUR_SECONDS) }
    }

    fn moment(self, chance: &mut Pcg64Mcg) -> u64 {
        let length = self.until.saturating_sub(self.from).max(1);
        self.from.saturating_add(chance.next_u64().checked_rem(length).unwrap_or(0))
    }

    /// An hour of it in which a moment lies.
    fn hour_of(self, moment: u64, chance: &mut Pcg64Mcg) -> Self {
        let before = chance.next_u64().checked_rem(HOUR_SECONDS).unwrap_or(0);
        let last = self.until.saturating_sub(HOUR_SECONDS).max(self.from);
        let from = moment.saturating_sub(before).clamp(self.from, last);
        Self { from, until: from.saturating_add(HOUR_SECONDS) }
    }
}

/// The length, as the tables call it.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.until.saturating_sub(self.from);
        write!(f, "{} h", seconds.checked_div(HOUR_SECONDS).unwrap_or(0))
    }
}

/// Everything that is asked.
#[derive(Debug)]
pub(super) struct Questions {
    pub(super) kinds: Vec<Kind>,
    /// So many of them, the first ones, are put by many readers at once.
    mixed: usize,
}

/// Questions that are alike.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) window: String,
    pub(super) questions: Vec<Question>,
}

/// A question, and how many traces, spans or names there must be in its answer.
#[derive(Debug)]
pub(super) struct Question {
    request: Request,
    finds: RangeInclusive<usize>,
}

#[derive(Debug)]
enum Request {
    Trace(String),
    Traces(Box<SearchRequest>),
    Services,
    Operations(String),
    Metrics(Box<QueryMetricsRequest>),
    Keys(ListAttributeKeysRequest),
    Values(ListAttributeValuesRequest),
}

impl Question {
    /// Asks, and waits for the whole answer; what is wrong with it is in a few words.
    pub(super) async fn ask(&self, client: &mut Client) -> Result<(), String> {
        let found = match &self.request {
            Request::Trace(trace_id) => spans(client, trace_id).await.map(|spans| spans.len()),
            Request::Traces(search) => traces(client, (**search).clone()).await.map(|traces| traces.len()),
            Request::Services => services(client).await.map(|names| names.len()),
            Request::Operations(service) => operations(client, service).await.map(|names| names.len()),
            Request::Metrics(request) => traceql::series(client, (**request).clone()).await,
            Request::Keys(request) => traceql::keys(client, request.clone()).await,
            Request::Values(request) => traceql::values(client, request.clone()).await,
        };
        let found = found.map_err(|status| format!("{:?}", status.code()))?;
        if self.finds.contains(&found) { Ok(()) } else { Err(format!("finds {found}, not {:?}", self.finds)) }
    }
}

impl Questions {
    /// The traces that are asked for by their ids.
    pub(super) fn traces(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().flat_map(|kind| &kind.questions).filter_map(|question| match &question.request {
            Request::Trace(trace_id) => Some(trace_id.as_str()),
            _ => None,
        })
    }

    /// The searches by service, of each window.
    pub(super) fn searches_by_service(&self) -> impl Iterator<Item = (&str, Vec<&SearchRequest>)> {
        let kinds = self.kinds.iter().filter(|kind| kind.name == BY_SERVICE);
        kinds.map(|kind| {
            let searches = kind.questions.iter().filter_map(|question| match &question.request {
                Request::Traces(search) => Some(&**search),
                _ => None,
            });
            (kind.window.as_str(), searches.collect())
        })
    }

    /// All kinds in turns for ever, each reader from another place on.
    pub(super) fn mixed(&self, reader: usize) -> impl Iterator<Item = &Question> {
        let nth = move |turn: usize| {
            let kind = self.kinds.get(turn.checked_rem(self.mixed)?)?;
            let number = turn.checked_div(self.mixed)?.checked_add(reader.saturating_mul(7))?;
            kind.questions.get(number.checked_rem(kind.questions.len())?)
        };
        (reader..).filter_map(nth)
    }
}

/// What is there to ask for.
#[derive(Debug, Default)]
struct Sample {
    services: Vec<String>,
    /// With their services.
    operations: Vec<(String, String)>,
    moments: Vec<u64>,
    trace_ids: Vec<String>,
    /// The session of a trace of one span, and when it began.
    needles: Vec<(String, u64)>,
}

/// Looks for what can be asked for, and makes so many questions of each kind.
pub(super) async fn look_around(client: &mut Client, window: Window, seed: u64, questions: usize) -> Questions {
    let mut chance = Pcg64Mcg::new(seed.into());
    let sample = sample(client, window, questions.min(MOMENTS_MAX), &mut chance).await.expect("there are traces");
    assert!(!sample.needles.is_empty(), "no trace of a single span was found");
    let mut maker = Maker { sample, window, chance, questions, kinds: Vec::new() };
    maker.names_and_traces();
    maker.searches();
    let mixed = maker.kinds.len();
    maker.traceql();
    Questions { kinds: maker.kinds, mixed }
}

async fn sample(client: &mut Client, window: Window, moments: usize, chance: &mut Pcg64Mcg) -> Result<Sample, Status> {
    let mut sample = Sample { services: services(client).await?, ..Sample::default() };
    for service in &sample.services {
        let names = operations(client, service).await?;
        sample.operations.extend(names.into_iter().map(|name| (service.clone(), name)));
    }
    for _ in 0..moments {
        let moment = window.moment(chance);
        let search = in_window(Window { until: moment.max(window.from.saturating_add(1)), ..window });
        let found = traces(client, search).await?;
        sample.moments.push(moment);
        sample.trace_ids.extend(pick(&found, chance).map(|trace| trace.trace_id.clone()));
        if let Some(alone) = found.iter().find(|trace| trace.span_count == 1)
            && let Some(needle) = needle(client, alone).await?
        {
            sample.needles.push(needle);
        }
    }
    Ok(sample)
}

async fn needle(client: &mut Client, trace: &TraceSummary) -> Result<Option<(String, u64)>, Status> {
    let spans = spans(client, &trace.trace_id).await?;
    let attributes = spans.iter().flat_map(|span| &span.attributes);
    let session = attributes.filter(|attribute| attribute.key == SESSION).find_map(|attribute| {
        match attribute.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text.clone()),
            _ => None,
        }
    });
    let start = trace.start_time.as_ref().map_or(0, |time| u64::try_from(time.seconds).unwrap_or(0));
    Ok(session.map(|session| (session, start)))
}

/// Makes the questions from what was found.
struct Maker {
    sample: Sample,
    window: Window,
    chance: Pcg64Mcg,
    questions: usize,
    kinds: Vec<Kind>,
}

impl Maker {
    fn names_and_traces(&mut self) {
        self.kind("trace by id", "", SOME, |sample, chance| {
            pick(&sample.trace_ids, chance).cloned().map(Request::Trace)
        });
        self.kind("services", "", SOME, |_, _| Some(Request::Services));
        self.kind("operations", "", SOME, |sample, chance| {
            pick(&sample.services, chance).cloned().map(Request::Operations)
        });
    }

    /// Newest 20 traces, in the whole window and in an hour of it.
    fn searches(&mut self) {
        for hour in [false, true] {
            // An hour need not have a span of every operation; the whole window has one of each.
            let finds = if hour { ANY } else { SOME };
            self.search("by time", hour, SOME, |_, _| Some(SearchRequest::default()));
            self.search(BY_SERVICE, hour, finds.clone(), |sample, chance| {
                let service = pick(&sample.services, chance)?.clone();
                Some(SearchRequest { service, ..SearchRequest::default() })
            });
            self.search("by operation", hour, finds.clone(), |sample, chance| {
                let (service, span_name) = pick(&sample.operations, chance)?.clone();
                Some(SearchRequest { service, span_name, ..SearchRequest::default() })
            });
            self.search("by duration", hour, ANY, |_, chance| {
                let seconds = i64::from(*pick(&[1_u8, 2, 5], chance)?);
                Some(SearchRequest { duration_min: Some(Duration { seconds, nanos: 0 }), ..SearchRequest::default() })
            });
            let text = |text: &str| Value::StringValue(text.to_owned());
            self.search("by a value that many have", hour, SOME, |_, _| {
                Some(with_attribute(FREQUENT.0, text(FREQUENT.1)))
            });
            self.search("by a value that few have", hour, ANY, |_, _| {
                Some(with_attribute(RARE.0, Value::IntValue(RARE.1)))
            });
            self.search("by a value that nobody has", hour, 0..=0, |_, chance| {
                Some(with_attribute(SESSION, text(&format!("absent-{:016x}", chance.next_u64()))))
            });
            self.needle(hour);
        }
    }

    fn needle(&mut self, hour: bool) {
        let window = self.window;
        let mut name = String::new();
        let mut questions = Vec::new();
        for _ in 0..self.questions {
            let Some((session, start)) = pick(&self.sample.needles, &mut self.chance) else { return };
            let window = if hour { window.hour_of(*start, &mut self.chance) } else { window };
            name = window.to_string();
            let condition = with_attribute(SESSION, Value::StringValue(session.clone()));
            let search = SearchRequest { attributes: condition.attributes, ..in_window(window) };
            questions.push(Question { request: Request::Traces(Box::new(search)), finds: 1..=1 });
        }
        self.kinds.push(Kind { name: "by a value that one span has", window: name, questions });
    }

    fn search(
        &mut self,
        name: &'static str,
        hour: bool,
        finds: RangeInclusive<usize>,
        make: impl Fn(&Sample, &mut Pcg64Mcg) -> Option<SearchRequest>,
    ) {
        let window = self.window;
        let text = if hour { Window::before(HOUR_SECONDS, 1) } else { window }.to_string();
        self.kind(name, &text, finds, |sample, chance| {
            let moment = *pick(&sample.moments, chance)?;
            let window = if hour { window.hour_of(moment, chance) } else { window };
            let SearchRequest { start_time_min, start_time_max, page_size, .. } = in_window(window);
            let search = make(sample, chance)?;
            Some(Request::Traces(Box::new(SearchRequest { start_time_min, start_time_max, page_size, ..search })))
        });
    }

    fn kind(
        &mut self,
        name: &'static str,
        window: &str,
        finds: RangeInclusive<usize>,
        make: impl Fn(&Sample, &mut Pcg64Mcg) -> Option<Request>,
    ) {
        let requests = (0..self.questions).filter_map(|_| make(&self.sample, &mut self.chance));
        let questions = requests.map(|request| Question { request, finds: finds.clone() }).collect();
        self.kinds.push(Kind { name, window: window.to_owned(), questions });
    }
}

fn pick<'a, T>(items: &'a [T], chance: &mut Pcg64Mcg) -> Option<&'a T> {
    let count = u64::try_from(items.len()).ok()?;
    items.get(usize::try_from(chance.next_u64().checked_rem(count)?).ok()?)
}

fn in_window(window: Window) -> SearchRequest {
    let time = |seconds: u64| Some(Timestamp { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 });
    let (start_time_min, start_time_max) = (time(window.from), time(window.until));
    SearchRequest { start_time_min, start_time_max, page_size: TRACES, ..SearchRequest::default() }
}

fn with_attribute(key: &str, value: Value) -> SearchRequest {
    let value = Some(AnyValue { value: Some(value) });
    let condition = AttributeCondition { key: key.to_owned(), value, ..AttributeCondition::default() };
    SearchRequest { attributes: vec![condition], ..SearchRequest::default() }
}

async fn spans(client: &mut Client, trace_id: &str) -> Result<Vec<Span>, Status> {
    let answer = client.get_trace(GetTraceRequest { trace_id: trace_id.to_owned() }).await?;
    answer.into_inner().map_ok(|message| message.spans).try_concat().await
}

async fn traces(client: &mut Client, search: SearchRequest) -> Result<Vec<TraceSummary>, Status> {
    Ok(client.search_traces(search).await?.into_inner().traces)
}

async fn services(client: &mut Client) -> Result<Vec<String>, Status> {
    Ok(client.list_services(ListServicesRequest::default()).await?.into_inner().services)
}

async fn operations(client: &mut Client, service: &str) -> Result<Vec<String>, Status> {
    let request = ListOperationsRequest { service: service.to_owned(), ..ListOperationsRequest::default() };
    let operations = client.list_operations(request).await?.into_inner().operations;
    Ok(operations.into_iter().map(|operation| operation.name).collect())
}
